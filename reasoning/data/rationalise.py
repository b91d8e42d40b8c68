"""Rationalisation: traces for problems that a model cannot solve, written with a hint that is then
stripped (Zelikman et al. 2022, "STaR", section 3.3).

What is kept looks as if the model had not been told: the prompt is the plain question, and a trace
in which the hint shows is dropped, with the reason. A right answer is no proof here, since it was
told: where the task can judge steps, a trace with a wrong one is dropped too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from evaluators.errors import UnknownName
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.tasks.writers import kinds
from reasoning.core import Context, LanguageModel, Prompt, SeedPath, Solution, Step, Trace
from reasoning.data.collection import Collection
from reasoning.data.hints import HINTS, Hint, HintKind, hint_for, hinted, surviving, unsolved
from reasoning.data.progress import Watcher
from reasoning.data.rows import TraceRow
from reasoning.data.samples import Samples
from reasoning.data.traces import Traces, write
from reasoning.ledger import Budget
from reasoning.loop import run
from reasoning.prompts import build
from reasoning.train.labels import cut
from reasoning.verify import verdict_of

FILE = "rationalised.jsonl"
"""The rows in the folder of a rationalisation."""


@dataclass(frozen=True)
class Hinted(Samples):
    """Samples whose prompt holds a hint; of the kind `step`, with `steps` forced lines."""

    k: int = 4
    hint: HintKind = "answer"
    steps: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hint not in HINTS:
            raise UnknownName("hint", self.hint, HINTS)

    def needs(self, task: Task) -> frozenset[str]:
        """What the model must be able to do."""
        return frozenset({"continue"} if self.hint == "step" else ())

    def told(self, problem: Problem, ctx: Context) -> Hint:
        """The hint of a problem."""
        seed = SeedPath(ctx.seed.seed, ("hint", problem.id))
        return hint_for(ctx.task, problem, self.hint, ctx.model.dialect, seed, self.steps)

    def prompt(self, problem: Problem, ctx: Context) -> Prompt:
        return hinted(super().prompt(problem, ctx), self.told(problem, ctx), ctx.model.dialect)

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The samples, each with the forced lines before it."""
        solution, hint = await super().solve(problem, ctx), self.told(problem, ctx)
        if not hint.forced:
            return solution
        head = Step(hint.forced, 0, "boundary", source="forced")
        traces = tuple(_after(head, trace, ctx) for trace in solution.traces)
        return replace(solution, traces=traces)


def rationalise(
    task: Task, model: LanguageModel, rows: Sequence[TraceRow] = (), *,
    hint: HintKind | None = None, k: int = 4, check_steps: bool = True,
    out: str | Path | None = None, seed: int = 0, budget: int | Budget | None = None,
    concurrency: int = 64, progress: bool | Watcher | None = None, **sampling: Any,
) -> Traces:  # fmt: skip
    """`k` hinted traces of every problem that no row of `rows` solves, with the hint stripped.

    `hint` None tells the answer in the plain dialect; in the compact one, which the embedded models
    read and where none was trained to use an answer that is told, it forces the first step, if the
    task has a solver. Wrong answers are rows too; `dropped` has the traces that show the hint and,
    with `check_steps`, those of a right answer with a step that the task's step verifier rejects.
    A row's `hint_used` is true, `parent_id` the first of `rows` that failed at its problem.
    `sampling` are settings of `Hinted` (temperature, `steps`, …). `out` is a folder as in
    `collect_traces`, and may be that of a collection of the same task. Raises LabError as
    `collect_traces` does.
    """
    known = [field.name for field in fields(Hinted)]
    for name in sampling:
        if name not in known:
            raise UnknownName("setting of rationalise", name, known)
    left = unsolved(task, rows)
    if not left.problems:
        return Traces()
    if hint is None:
        forced = model.dialect == "compact" and "shortest" in kinds(task)
        hint = "step" if forced and "continue" in model.can else "answer"
    how = Hinted(k, hint=hint, **sampling)
    collection = Collection(
        left, model, how, out=out, seed=seed, budget=budget, concurrency=concurrency,
        progress=progress, file=None,
    )  # fmt: skip
    drawn = run(collection.run())
    failed = {r.problem["id"]: r.id for r in reversed(rows) if r.task == task.name}
    kept: list[TraceRow] = []
    dropped: dict[str, str] = {}
    for row in drawn:
        bare, why = stripped(row, task, how, check_steps=check_steps)
        if why is None:
            kept.append(replace(bare, parent_id=failed.get(row.problem["id"])))
        else:
            dropped[row.id] = why
    made = Traces(
        kept, errors=drawn.errors, unpaid=drawn.unpaid, spent=drawn.spent, dropped=dropped
    )
    if out is not None:
        write(made, Path(out) / FILE)
    return made


def stripped(
    row: TraceRow, task: Task, how: Hinted, *, check_steps: bool = True
) -> tuple[TraceRow, str | None]:
    """A hinted row as if it had not been hinted, and why it cannot be used (None: it can)."""
    problem = row.asked()
    prompt = build(task, problem, how.style, row.dialect)
    seed = SeedPath(row.seed, ("hint", problem.id))
    hint = hint_for(task, problem, how.hint, row.dialect, seed, how.steps)
    bare = replace(row, messages=prompt.messages, prefix=prompt.prefix, hint_used=True)
    question = "\n".join(message.content for message in prompt.messages)
    left = surviving(bare, hint, question)
    if left is not None:
        return bare, f"the hint shows: {left!r}"
    if check_steps and row.correct and task.step_verifier is not None:
        steps = cut(bare.text, task.boundary)
        for at in range(len(steps)):
            verdict = verdict_of(task.step_verifier, problem, steps[: at + 1])
            if verdict.passed is False:
                return bare, f"step {at + 1} does not hold: {verdict.reason}"
    return bare, None


def _after(head: Step, trace: Trace, ctx: Context) -> Trace:
    """The trace with the forced step before it, and the answer of both."""
    text = head.text + trace.text
    answer = ctx.task.extract(text) if trace.finish == "eos" else None
    return replace(trace, steps=(head, *trace.steps), answer=answer or None)
