"""Browse collected traces: choose a verdict and a problem, every trace with its steps judged."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import ipywidgets as ipw

from evaluators.errors import BadInput
from evaluators.tasks.base import Task
from evaluators.verdict import Verdict
from labs.traces import as_html, visible
from reasoning.core import Solution, Step, Trace
from reasoning.data.rows import TraceRow
from reasoning.data.select import question_of, solve_rates
from reasoning.data.sound import flaw, task_of

SHOWN = ("all", "right", "right, a step rejected", "wrong", "cut", "not judged")
"""What can be chosen: verdicts, and right answers that a rejected step led to."""


def trace_of(row: TraceRow) -> Trace:
    """A row as the trace it was: its pieces as steps, its verdict."""
    *early, last = row.pieces or (None,)
    steps = [Step(p.text, 0, "boundary", source=p.source) for p in early if p is not None]
    if last is not None:
        steps.append(Step(last.text, row.n_tokens, row.finish, row.logprob, last.source))
    known = row.verdict
    verdict = None
    if known is not None:
        verdict = Verdict(float(known.get("score", 0.0)), known.get("passed"), row.answer,
                          str(known.get("reason", "")))  # fmt: skip
    return Trace(tuple(steps), row.finish, row.answer, verdict, row.score)


class RowBrowser:
    """Two choices and the traces that they leave. `widget` is what a cell displays.

    `rows` may be of several tasks; those whose name is no task here are shown as plain text. `task`
    is used for the rows of its name.
    """

    def __init__(self, rows: Sequence[TraceRow], task: Task | None = None) -> None:
        if not rows:
            raise BadInput("there are no traces to browse")
        self._tasks = {name: task_of(name) for name in {row.task for row in rows}}
        if task is not None:
            self._tasks[task.name] = task
        self._kinds = {row.id: self.kind(row) for row in rows}
        self._groups: dict[str, list[TraceRow]] = {}
        for row in rows:
            self._groups.setdefault(question_of(row), []).append(row)
        self._rates = solve_rates(rows)
        wide = ipw.Layout(width="460px")
        self.verdict = ipw.Dropdown(options=self._verdicts(), description="verdict")
        self.problem = ipw.Dropdown(options=[], description="problem", layout=wide)
        self.view = ipw.HTML()
        self.verdict.observe(self._narrow, names="value")
        self.problem.observe(self._show, names="value")
        self.widget = ipw.VBox([ipw.HBox([self.verdict, self.problem]), self.view])
        self._narrow()

    def kind(self, row: TraceRow) -> str:
        """Which of SHOWN a row is."""
        if row.verdict is None:
            return "not judged"
        if row.finish != "eos":
            return "cut"
        if not row.correct:
            return "wrong"
        task = self._tasks[row.task]
        judged = task is not None and task.step_verifier is not None
        return "right, a step rejected" if judged and flaw(row, task) else "right"

    def chosen(self) -> list[TraceRow]:
        """The rows that are shown."""
        rows = self._groups.get(self.problem.value or "", [])
        return [row for row in rows if self.verdict.value in ("all", self._kinds[row.id])]

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, str] | None:
        return self.widget._repr_mimebundle_(**kwargs)

    def _verdicts(self) -> list[tuple[str, str]]:
        counts = {kind: list(self._kinds.values()).count(kind) for kind in SHOWN[1:]}
        there = [(f"{kind} ({n})", kind) for kind, n in counts.items() if n]
        return [(f"all ({len(self._kinds)})", "all"), *there]

    def _narrow(self, change: object = None) -> None:
        """Another verdict: only problems with such traces."""
        wanted, before = self.verdict.value, self.problem.value
        found = [
            (self._label(key, rows), key)
            for key, rows in self._groups.items()
            if wanted == "all" or any(self._kinds[row.id] == wanted for row in rows)
        ]
        self.problem.options = found
        keys = [key for _, key in found]
        self.problem.value = before if before in keys else keys[0]
        self._show()

    def _label(self, key: str, rows: Sequence[TraceRow]) -> str:
        asked = visible(rows[0].messages[-1].content) if rows[0].messages else ""
        short = asked if len(asked) <= 40 else asked[:39] + "…"
        rate = self._rates[key]
        return f"{rows[0].problem['id']}: {short} ({rate.passed} of {rate.judged} right)"

    def _show(self, change: object = None) -> None:
        rows = self.chosen()
        task = self._tasks[rows[0].task] if rows else None
        if task is None:
            self.view.value = "".join(_plain(row) for row in rows) or "no trace to show"
            return
        solution = Solution(None, tuple(trace_of(row) for row in rows), None)
        self.view.value = as_html(task, rows[0].asked(), solution)


def _plain(row: TraceRow) -> str:
    return (
        '<pre style="white-space: pre-wrap; border-left: 4px solid var(--jp-border-color1, #999);'
        f' padding: 1px 8px">{escape(row.prefix + row.text)}</pre>'
    )
