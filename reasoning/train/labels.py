"""Labels of steps: which pieces of sampled traces stand well, exactly or by rollouts.

Exact labels come from the task's own solver (`Task.value`). Monte-Carlo labels are the share of the
policy's continuations from a step that end in a right answer (Wang et al. 2024, "Math-Shepherd",
section 3.2, the soft estimation).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import Completion, LanguageModel, Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.prompts import PromptStyle, build


@dataclass(frozen=True)
class Labelled:
    """One text in pieces, and for each piece the probability that it stands well (None: unknown).

    The first piece of a trace is the question, which has no label; `right` says whether the whole
    trace ended by itself with a right answer (None: not told).
    """

    task: str
    problem: str
    pieces: tuple[str, ...]
    labels: tuple[float | None, ...]
    right: bool | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True)
class Draws:
    """How traces are sampled for labelling: `samples` a problem at `temperature`."""

    samples: int = 4
    temperature: float = 1.0
    max_tokens: int | None = None


def cut(text: str, boundary: str) -> list[str]:
    """A trace's text in steps, each with the boundary that ends it."""
    *ended, rest = text.split(boundary)
    return [*(piece + boundary for piece in ended), *([rest] if rest else [])]


async def sample(
    task: Task, model: LanguageModel, draws: Draws, ledger: Ledger, seed: int = 0
) -> list[list[Completion]]:
    """`draws.samples` chains of every problem of the task, all asked at once."""
    length = draws.max_tokens or task.max_tokens("chain", model.dialect)
    sampling = Sampling(length, draws.temperature, n=draws.samples)
    calls = [
        model.generate(_prompt(task, p, model), sampling, ledger, SeedPath(seed, ("label", p.id)))
        for p in task.problems
    ]
    return list(await asyncio.gather(*calls))


def exact(task: Task, problem: Problem, completion: Completion, question: str) -> Labelled:
    """A trace with the exact value of every step.

    Raises BadInput for a task that cannot tell the value of any step.
    """
    steps = cut(completion.text, task.boundary)
    values = [task.value(problem, steps[: at + 1]) for at in range(len(steps))]
    if steps and all(value is None for value in values) and _blind(task):
        raise BadInput(
            f"task {task.name!r} cannot tell the exact value of a step; label by rollouts"
            " (--labels rollouts), which needs its verifier only"
        )
    return Labelled(
        task.name,
        problem.id,
        (question, *steps),
        (None, *values),
        _right(task, problem, completion),
    )


async def rollouts(
    task: Task, model: LanguageModel, problem: Problem, completion: Completion, question: str,
    *, k: int, ledger: Ledger, seed: SeedPath, temperature: float = 1.0,
) -> Labelled:  # fmt: skip
    """A trace with the share of `k` continuations from each step that end right. The last piece of
    a finished trace is labelled by the verifier."""
    steps = cut(completion.text, task.boundary)
    length = task.max_tokens("chain", model.dialect)
    open_steps = steps[:-1] if completion.finish == "eos" else steps
    calls = []
    for at in range(len(open_steps)):
        prefix = "".join(steps[: at + 1])
        prompt = _prompt(task, problem, model)
        sampling = Sampling(length, temperature, n=k)
        calls.append(
            model.generate(
                Prompt(prompt.messages, prompt.prefix + prefix), sampling, ledger, seed.child(at)
            )
        )
    answers = await asyncio.gather(*calls)
    labels: list[float | None] = [None]
    for at, drawn in enumerate(answers):
        prefix = "".join(steps[: at + 1])
        hits = [_right(task, problem, replace(c, text=prefix + c.text)) for c in drawn]
        labels.append(sum(hits) / len(hits) if hits else None)
    right = _right(task, problem, completion)
    if len(open_steps) < len(steps):
        labels.append(float(right))
    return Labelled(task.name, problem.id, (question, *steps), tuple(labels), right)


async def label(
    task: Task, model: LanguageModel, draws: Draws, *, rollouts_each: int = 0, seed: int = 0,
    ledger: Ledger | None = None,
) -> list[Labelled]:  # fmt: skip
    """Sampled and labelled traces of every problem, equal ones once: exact labels, or with
    `rollouts_each` the share of so many continuations."""
    book = Ledger() if ledger is None else ledger
    drawn = await sample(task, model, draws, book, seed)
    found: list[Labelled] = []
    waiting = []
    for problem, completions in zip(task.problems, drawn, strict=True):
        question = task.render(problem, "chain", model.dialect)
        fresh = {(c.text, c.finish): c for c in completions if c.text}
        for at, completion in enumerate(fresh.values()):
            if not rollouts_each:
                found.append(exact(task, problem, completion, question))
                continue
            path = SeedPath(seed, ("rollout", problem.id, at))
            waiting.append(
                rollouts(task, model, problem, completion, question,
                         k=rollouts_each, ledger=book, seed=path)
            )  # fmt: skip
    return found + list(await asyncio.gather(*waiting))


def states(rows: Iterable[Labelled], task: Task) -> list[Labelled]:
    """Each labelled step as the task's canonical text of its state (`Task.state_text`), equal ones
    of a problem once; steps without such a text are left out."""
    problems = {problem.id: problem for problem in task.problems}
    found: dict[tuple[str, str], Labelled] = {}
    for row in rows:
        for at in range(1, len(row.pieces)):
            text = task.state_text(problems[row.problem], row.pieces[1 : at + 1])
            if text is not None and row.labels[at] is not None:
                one = Labelled(row.task, row.problem, (text,), (row.labels[at],))
                found.setdefault((row.problem, text), one)
    return list(found.values())


def save(rows: Sequence[Labelled], path: Path) -> None:
    """One row a line; the file is there when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with draft.open("w", encoding="utf-8", errors="surrogatepass") as file:
        file.writelines(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    os.replace(draft, path)


def read(path: Path) -> list[Labelled]:
    """What `save` wrote. Raises BadInput for a file that holds something else."""
    try:
        text = path.read_text("utf-8", "surrogatepass")
        lines = [json.loads(line) for line in text.split("\n") if line]
        return [
            Labelled(**{**r, "pieces": tuple(r["pieces"]), "labels": tuple(r["labels"])})
            for r in lines
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{path} holds no labelled traces: {error}") from error


def fingerprint(rows: Iterable[Labelled]) -> str:
    """A hash of the rows in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        digest.update(json.dumps([row.pieces, row.labels], ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def _prompt(task: Task, problem: Problem, model: LanguageModel) -> Prompt:
    return build(task, problem, PromptStyle(), model.dialect)


def _right(task: Task, problem: Problem, completion: Completion) -> bool:
    ended = completion.finish == "eos"
    return ended and bool(task.verifier.check(problem, completion.text).passed)


def _blind(task: Task) -> bool:
    return type(task).value is Task.value
