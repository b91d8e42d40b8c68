"""Rows out of what a strategy returned: each trace with the prompt that it answers and a verdict.

`Heard` is the model as a strategy sees it during collection; it remembers what was asked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, LabError
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Verdict, Verifier
from reasoning.core import Completion, Prompt, Sampling, SeedPath, Solution, Trace
from reasoning.data.branches import save as save_trees
from reasoning.data.rows import Piece, TraceRow, digest, instance_of, save
from reasoning.ledger import Ledger, Row
from reasoning.logged import LoggedModel
from reasoning.verify import judge_all

FILE = "traces.jsonl"
"""The rows of a folder's last collection that came to its end; TREES are its search trees."""
TREES = "trees.jsonl"


class Traces(list[TraceRow]):
    """Collected rows in the order of their problems, and what became of the rest.

    `errors` tells the reason by problem id where a call or the verifier failed; `unpaid` counts
    problems that the budget of the whole run left undone. The same call with the same folder asks
    for both again. `spent` is the sum of the ledger, earlier sessions of the folder included;
    `trees` are the search trees by problem id, where they were asked for; `dropped` tells by row id
    why a trace was left out (rationalisation).
    """

    def __init__(
        self, rows: Sequence[TraceRow] = (), *, errors: Mapping[str, str] | None = None,
        unpaid: int = 0, spent: Row | None = None, trees: Mapping[str, Any] | None = None,
        dropped: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(rows)
        self.errors, self.unpaid = dict(errors or {}), unpaid
        self.spent = spent or Row("total", "", "", calls=0)
        self.trees, self.dropped = dict(trees or {}), dict(dropped or {})

    def __repr__(self) -> str:
        right = sum(row.correct for row in self)
        share = f" ({right / len(self):.0%} correct)" if self else ""
        problems = len({(row.task, row.problem.get("id")) for row in self})
        text = f"{len(self):,} traces{share} of {problems:,} problems"
        text += f", {len(self.errors)} errors" if self.errors else ""
        text += f", {len(self.dropped)} dropped" if self.dropped else ""
        return f"<{text}{f', {self.unpaid} unpaid' if self.unpaid else ''}>"


def write(rows: Traces, path: Path) -> None:
    """Save rows, and their search trees beside them. Raises LabError when that cannot be done."""
    try:
        save(rows, path)
        if rows.trees:
            save_trees(list(rows.trees.values()), path.with_name(TREES))
    except OSError as error:
        raise LabError(
            f"{path} cannot be written: {error}. The log beside it is whole: make room, then make"
            " the same call again"
        ) from error


@dataclass(frozen=True)
class Asked:
    """One call that a strategy made: what was asked, and what was answered."""

    prompt: Prompt
    sampling: Sampling
    text: str


class Heard(LoggedModel):
    """A logged model that remembers, for each seed path, what was asked with it."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.calls: dict[str, Asked] = {}

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        made = await super().generate(prompt, sampling, ledger, seed)
        for at, completion in enumerate(made):
            path = seed.child(at) if sampling.n > 1 else seed
            self.calls[path.text] = Asked(prompt, sampling, completion.text)
        return made


@dataclass(frozen=True)
class Origin:
    """What all rows of one collection share: the task, its run seed, the teacher's description
    (`model`, `fingerprint`, `strategy`, …) and the version of the judge."""

    task: Task
    seed: int
    teacher: Mapping[str, Any]
    version: str


async def rows_of(
    solution: Solution, problem: Problem, question: Mapping[str, Any], heard: Heard, origin: Origin
) -> list[TraceRow]:
    """The solution's traces as rows, those without text left out. Raises JudgeFailed where the
    verifier breaks down, BadInput where nobody can tell what a trace answers."""
    made = [trace for trace in solution.traces if trace.steps]
    chosen = None if solution.chosen is None else solution.traces[solution.chosen]
    asked = [_asked(trace, heard, problem) for trace in made]
    texts = [before + trace.text for trace, (_, before) in zip(made, asked, strict=True)]
    verdicts = await _verdicts(origin, problem, made, texts)
    task, created, seen = origin.task, stamp(), set[str]()
    instance, split = instance_of(task.name, problem), str(problem.meta.get("split", ""))
    about = digest([task.name, question, origin.teacher["fingerprint"]])
    rows: list[TraceRow] = []
    for trace, (call, before), text, verdict in zip(made, asked, texts, verdicts, strict=True):
        place = digest([about, trace.seed, trace.text])
        while place in seen:  # the same words twice, from one call or from calls without a seed
            place = digest([place])
        seen.add(place)
        sampling = {k: v for k, v in vars(call.sampling).items() if v != _PLAIN[k]}
        rows.append(
            TraceRow(
                id=place, task=task.name, split=split, seed=origin.seed, problem=question,
                instance=instance, messages=call.prompt.messages, pieces=_pieces(trace),
                finish="eos" if _ended(trace) else trace.finish, answer=trace.answer,
                gold=problem.answer, prefix=before, dialect=heard.dialect,
                teacher={**origin.teacher, "sampling": sampling, "seed": trace.seed,
                         "chosen": trace is chosen},
                n_tokens=trace.tokens, logprob=trace.logprob, verdict=verdict, score=trace.score,
                dedup_key=says(instance, text), created=created,
            )
        )  # fmt: skip
    return rows


async def _verdicts(
    origin: Origin, problem: Problem, traces: Sequence[Trace], texts: Sequence[str]
) -> list[dict[str, Any]]:
    """The verdicts as the JSON values of rows, equal texts judged once; a trace that was cut has
    failed unread."""
    verifier = origin.task.verifier
    whole = list(dict.fromkeys(x for x, t in zip(texts, traces, strict=True) if _ended(t)))
    judged = dict(zip(whole, await judge_all(verifier, problem, whole), strict=True))
    cut = [Verdict(0.0, False, None, f"cut by {trace.finish}") for trace in traces]
    found = [
        judged[text] if _ended(trace) else unread
        for text, trace, unread in zip(texts, traces, cut, strict=True)
    ]
    return [told(verifier, verdict, origin.version) for verdict in found]


def _ended(trace: Trace) -> bool:
    """Whether it came to its end. One with an answer has, whatever its last call said."""
    return trace.finish == "eos" or trace.answer is not None


_PLAIN = {**vars(Sampling()), "max_tokens": None, "temperature": None}


def told(verifier: Verifier, verdict: Verdict, version: str) -> dict[str, Any]:
    """A verdict as the JSON values of a row; `version` is that of the verifier's code."""
    return {
        "checker": type(verifier).__name__, "version": version, "knows": verifier.knows,
        "score": verdict.score, "passed": verdict.passed, "answer": verdict.answer,
        "reason": verdict.reason,
    }  # fmt: skip


def stamp() -> str:
    """Now, for a row's `created`: to the second, UTC."""
    return datetime.fromtimestamp(int(time.time()), UTC).isoformat()


def says(instance: str, text: str) -> str:
    """What rows share that answer the same question in the same words, spaces aside."""
    return digest([instance, " ".join(text.split())])


def _pieces(trace: Trace) -> tuple[Piece, ...]:
    """The steps, neighbours of one source as one piece."""
    found: list[Piece] = []
    for step in trace.steps:
        if found and found[-1].source == step.source:
            found[-1] = Piece(found[-1].text + step.text, step.source)
        elif step.text:
            found.append(Piece(step.text, step.source))
    return tuple(found)


def _asked(trace: Trace, heard: Heard, problem: Problem) -> tuple[Asked, str]:
    """The call that the trace comes from, and what stood in the assistant's turn before the trace.

    The last call's prompt and answer end with the trace's text, unless a tool or a forced text
    came last; then the trace begins with what that call was given.
    """
    call = heard.calls.get(trace.seed)
    if call is None:
        questions = {asked.prompt.messages for asked in heard.calls.values()}
        if len(questions) != 1:
            raise BadInput(
                f"a trace of problem {problem.id!r} does not tell what it answers: let the"
                " strategy set Trace.seed to the seed path of its call"
            )
        call = min(heard.calls.values(), key=lambda asked: len(asked.prompt.prefix))
    whole, text = call.prompt.prefix + call.text, trace.text
    if whole.endswith(text):
        return call, whole[: len(whole) - len(text)]
    if text.startswith(call.prompt.prefix):
        return call, ""
    first = min((a.prompt.prefix for a in heard.calls.values()), key=len, default="")
    return call, first
