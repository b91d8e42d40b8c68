"""Hints: what a model is told of the answer to a problem, and the check that none of it is left.

`answer`: the answer stands in the prompt (Zelikman et al. 2022, "STaR", section 3.3). `step`: the
first lines of a correct way are forced upon the turn; they stay in the trace, and are never
learned.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Dialect, Task
from evaluators.tasks.writers import ANSWER, kinds, write
from reasoning.core import Message, Prompt, SeedPath
from reasoning.data.rows import TraceRow
from reasoning.train.labels import cut

HintKind = Literal["answer", "step"]
HINTS: tuple[HintKind, ...] = ("answer", "step")

TELLS = (
    "hint", "as told", "was told", "were told", "been told", "given answer", "answer given",
    "provided answer", "answer provided", "known answer", "answer is known", "answer is given",
    "answer was given", "correct answer is stated",
)  # fmt: skip
"""Words by which a trace shows that its writer knew the answer."""

_SENTENCE = re.compile(r"\.(?:\s|$)")


@dataclass(frozen=True)
class Hint:
    """What was added to a prompt: `told` in the last message, `forced` in the assistant's turn."""

    told: str = ""
    forced: str = ""


def hint_for(
    task: Task, problem: Problem, kind: HintKind, dialect: Dialect, seed: SeedPath, steps: int = 1
) -> Hint:
    """The hint of one problem; `steps` lines are forced, but never the last one. Raises BadInput
    where the task has no answer or no solver to take it from."""
    rng = np.random.Generator(np.random.Philox(key=np.array(seed.key, np.uint64)))
    known = kinds(task)
    if kind == "step":
        if "shortest" not in known:
            raise BadInput(
                f"nothing writes the steps of task {task.name!r}: use hint='answer', or give its"
                " module a write_trace"
            )
        lines = cut(write(task, problem, "shortest", dialect, rng).text, task.boundary)
        return Hint(forced="".join(lines[: max(0, min(steps, len(lines) - 1))]))
    if ANSWER not in known and problem.answer is None:
        raise BadInput(f"problem {problem.id!r} has no answer to tell: it cannot be rationalised")
    if ANSWER in known:
        answer = write(task, problem, ANSWER, "compact", rng).text
    else:
        answer = problem.answer or ""
    if dialect == "compact":
        return Hint(told=f"{task.render(problem, 'direct', 'compact')}{answer}\n\n")
    return Hint(told=f"\nHint: the answer is {answer}. Write the reasoning that leads to it.")


def hinted(prompt: Prompt, hint: Hint, dialect: Dialect) -> Prompt:
    """The prompt with the hint: told before the question in the compact dialect, where it reads
    like a worked example, after it in the plain one."""
    if not hint.told:
        return Prompt(prompt.messages, prompt.prefix + hint.forced)
    last = prompt.messages[-1]
    text = hint.told + last.content if dialect == "compact" else last.content + hint.told
    return Prompt((*prompt.messages[:-1], Message(last.role, text)), prompt.prefix + hint.forced)


def surviving(row: TraceRow, hint: Hint, question: str) -> str | None:
    """What is left of the hint in the row's prompt or in the text that is learned from it; None
    where nothing is. What the question itself says is no hint."""
    shown = [m.content for m in row.messages] + [row.prefix]
    learned = [piece.text for piece in row.pieces if piece.source == "model"]
    said = _plain(question)
    phrases = [_plain(line) for line in hint.told.splitlines()] if hint.told else []
    if row.dialect == "plain":
        phrases += [_plain(sentence) for sentence in _SENTENCE.split(hint.told)]
    tells = TELLS if hint.told else ()
    for where in (*shown, *learned):
        text = _plain(where)
        for phrase in (*phrases, *tells):
            if phrase and phrase in text and phrase not in said:
                return phrase
    forced = {_plain(line) for line in hint.forced.splitlines()}
    lines = (_plain(line) for where in (*shown, *learned) for line in where.splitlines())
    return next((line for line in lines if line and line in forced), None)


def unsolved(task: Task, rows: Sequence[TraceRow]) -> Task:
    """The task with those of its problems that no row solves."""
    solved = {row.problem["id"] for row in rows if row.correct and row.task == task.name}
    return replace(task, problems=tuple(p for p in task.problems if p.id not in solved))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
