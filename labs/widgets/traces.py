"""Drill-down: choose an arm and a problem, see its traces with every step's verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import ipywidgets as ipw

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from labs.traces import as_html
from reasoning.core import Solution

if TYPE_CHECKING:
    from search.report import Report


def browse(report: Report) -> TraceBrowser:
    """The drill-down into a report that knows its task: every arm at every budget and seed."""
    if report.task is None:
        raise BadInput("the report does not hold its task: Report.load(path, task=…)")
    found: dict[str, dict[str, Solution]] = {}
    for cell in report.cells:
        seed = f", seed {cell.seed}" if len(report.settings["seeds"]) > 1 else ""
        arm = f"{cell.arm} at {cell.budget} tokens{seed}"
        solution = Solution(cell.answer, cell.traces, cell.chosen, None, cell.stopped_by)
        found.setdefault(arm, {})[cell.problem] = solution
    return TraceBrowser(report.task, list(found), lambda arm, problem: found[arm].get(problem))


class TraceBrowser:
    """Two choices and the traces they name. `widget` is what a cell displays.

    `find(arm label, problem id)` returns the solution, or `None` where there is none (yet).
    """

    def __init__(
        self,
        task: Task,
        arms: Sequence[str],
        find: Callable[[str, str], Solution | None],
        problems: Sequence[Problem] | None = None,
    ) -> None:
        self.task, self._find = task, find
        self._problems: Mapping[str, Problem] = {p.id: p for p in problems or task.problems}
        labels = [(self._label(p), p.id) for p in self._problems.values()]
        wide = ipw.Layout(width="420px")
        self.arm = ipw.Dropdown(options=list(arms), description="strategy", layout=wide)
        self.problem = ipw.Dropdown(options=labels, description="problem", layout=wide)
        self.view = ipw.HTML()
        self.arm.observe(self._show, names="value")
        self.problem.observe(self._show, names="value")
        self.widget = ipw.VBox([ipw.HBox([self.arm, self.problem]), self.view])
        self._show()

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, str] | None:
        return self.widget._repr_mimebundle_(**kwargs)

    def _label(self, problem: Problem) -> str:
        question = self.task.render(problem, "direct", "compact").strip().rstrip("=:")
        short = question if len(question) <= 40 else question[:39] + "…"
        return f"{problem.id}: {short}"

    def _show(self, change: object = None) -> None:
        arm, problem = self.arm.value, self._problems.get(self.problem.value or "")
        if arm is None or problem is None:
            self.view.value = "nothing to show"
            return
        solution = self._find(arm, problem.id)
        if solution is None:
            self.view.value = f"{escape(arm)} has not answered {escape(problem.id)}"
        else:
            self.view.value = as_html(self.task, problem, solution)
