"""ProblemView: one problem under every arm, down to the steps of each trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Verdict
from reasoning.core import Trace
from search.cell import Cell
from search.sampler import pieces

_MARK = {True: "✓", False: "✗", None: "?"}
SHOWN = 20
"""Traces of one cell that are printed."""


@dataclass(frozen=True)
class ProblemView:
    """The cells of one problem. With the task, each step carries the step verifier's verdict."""

    id: str
    cells: tuple[Cell, ...]
    task: Task | None = field(default=None, repr=False)

    @property
    def problem(self) -> Problem | None:
        """The problem itself, where the task is at hand."""
        listed = self.task.problems if self.task is not None else ()
        return next((p for p in listed if p.id == self.id), None)

    def steps(self, trace: Trace) -> list[tuple[str, Verdict | None]]:
        """The texts of a trace's steps, with verdicts where a judge is at hand. A trace that was
        sampled whole is cut at the task's step boundary."""
        if len(trace.steps) > 1 or any(step.verdict for step in trace.steps):
            return [(step.text, step.verdict) for step in trace.steps]
        texts = pieces(trace.text, self.task.boundary if self.task else "\n")
        problem, judge = self.problem, self.task.step_verifier if self.task else None
        if problem is None or judge is None:
            return [(text, None) for text in texts]
        return [(t, judge.check(problem, texts[: i + 1])) for i, t in enumerate(texts)]

    def __str__(self) -> str:
        lines = [f"{self.id}: {dict(self.problem.fields)}" if self.problem else self.id]
        for cell in self.cells:
            lines += ["", _headline(cell)]
            for index, trace in enumerate(cell.traces[:SHOWN]):
                lines.append(_traceline(cell, index, trace))
                steps = self.steps(trace)
                whole = len(steps) != len(trace.steps)
                by = ["model"] * len(steps) if whole else [step.source for step in trace.steps]
                lines += [f"      {_stepline(*s, w)}" for s, w in zip(steps, by, strict=True)]
            if len(cell.traces) > SHOWN:
                lines.append(f"    … {len(cell.traces) - SHOWN} more traces")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *blocks = str(self).split("\n\n")
        folded = []
        for block in blocks:
            title, _, rest = block.partition("\n")
            folded.append(
                f"<details><summary>{escape(title)}</summary><pre>{escape(rest)}</pre></details>"
            )
        return f"<p><b>{escape(head)}</b></p>{''.join(folded)}"


def _headline(cell: Cell) -> str:
    where = f"{cell.arm}, budget {cell.budget}, seed {cell.seed}"
    if cell.state == "error":
        return f"{where}: error: {cell.reason}"
    mark = _MARK[cell.correct]
    return (
        f"{where}: {mark} {cell.answer if cell.answer is not None else 'no answer'}"
        f" ({cell.reason}), {cell.tokens} tokens, {cell.calls} calls, {cell.stopped_by}"
    )


def _traceline(cell: Cell, index: int, trace: Trace) -> str:
    chosen = " (chosen)" if index == cell.chosen else ""
    score = "" if trace.score is None else f", score {trace.score:.3g}"
    answer = "no answer" if trace.answer is None else trace.answer
    return f"    trace {index}{chosen}: {answer}, {trace.tokens} tokens, {trace.finish}{score}"


def _stepline(text: str, verdict: Verdict | None, source: str) -> str:
    shown = text.rstrip("\n").replace("\n", "⏎")
    if source != "model":
        shown += f"   [{source}]"
    if verdict is None:
        return shown
    reason = f"   [{verdict.reason}]" if verdict.passed is not True and verdict.reason else ""
    return f"{_MARK[verdict.passed]} {shown}{reason}"
