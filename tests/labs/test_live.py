"""The live view of a comparison, and the drill-down into its report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.errors import BadInput
from evaluators.tasks import load_task
from labs.widgets.live import so_far
from labs.widgets.traces import browse
from reasoning.core import Step, Trace
from search.cell import Cell
from search.progress import ArmProgress, Snapshot
from search.report import Report


def test_arms_that_have_not_started_are_left_out() -> None:
    arms = (ArmProgress("direct", "32", 4, 1, 0, 8), ArmProgress("late", "32"))
    shown = so_far(Snapshot(4, 8, 0, 8, 1.0, arms))
    assert "late" not in shown
    assert "0.25" in shown
    assert "4/8 problems" in shown
    assert so_far(Snapshot(0, 8, 0, 0, 0.0, arms[1:])) == "starting"


def report() -> Report:
    task = load_task("expressions", n=2)
    settings = {"strategies": {"direct": {}}, "budgets": {"32": {}}, "seeds": [0]}
    trace = Trace((Step("9", 2, "eos"),), "eos", "9")
    cells = tuple(
        Cell("direct", "32", 0, p.id, answer="9", chosen=0, traces=(trace,)) for p in task.problems
    )
    return Report(settings, cells, 2, task)


def test_the_drill_down_names_arm_and_budget_and_shows_the_trace() -> None:
    browser = browse(report())
    assert browser.arm.value == "direct at 32 tokens"
    assert "answer 9" in browser.view.value
    assert "text/plain" in str(browser._repr_mimebundle_())


def test_a_report_without_its_task_says_how_to_load_it() -> None:
    with pytest.raises(BadInput, match=r"Report\.load"):
        browse(replace(report(), task=None))
