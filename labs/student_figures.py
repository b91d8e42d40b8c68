"""Charts of students: accuracy against total compute, and each student's samples and searches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evaluators.errors import UnknownName
from labs.figures import COLOURS, MARKERS
from search.plot import Chart
from search.student_report import SAMPLE, Point, StudentReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def compute_chart(
    report: StudentReport, task: str, *, questions: Sequence[float | None] = (None, 1e4),
    pretraining: bool = False, students: Sequence[str] | None = None,
) -> Chart:  # fmt: skip
    """Accuracy against the FLOPs of one answer on a log axis, one line a student and strategy.

    One panel for each of `questions`: None counts the answer alone, a number adds the cost of
    making the student, shared by so many answers (with what pretraining cost, where asked). A star
    is one sample; the searches of oracles are dashed with open marks. Raises UnknownName.
    """
    if task not in report.tasks:
        raise UnknownName("task", task, report.tasks)
    wanted = report.students if students is None else tuple(students)
    for name in wanted:
        if name not in report.students:
            raise UnknownName("student", name, report.students)
    points = [p for p in report.points() if p.task == task and p.student in wanted]
    chart = Chart(figsize=(1.4 + 5.0 * len(questions), 5.4), layout="constrained")
    panels = chart.subplots(1, len(questions), sharex=True, sharey=True, squeeze=False)[0]
    handles: dict[str, Any] = {}
    for axes, shared in zip(panels, questions, strict=True):
        for number, name in enumerate(wanted):
            added = _making(report, name, pretraining) / shared if shared else 0.0
            mine = [point for point in points if point.student == name]
            handles |= _lines(axes, mine, COLOURS[number % len(COLOURS)], added)
        axes.set_xscale("log")
        axes.set_ylim(-0.02, 1.02)
        what = "of answering" if shared is None else "of answering, and a share of the making"
        axes.set_xlabel(f"FLOPs a question: {what}")
        title = "training not counted" if shared is None else f"shared by {shared:,.0f} questions"
        axes.set_title(title, fontsize="medium")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"accuracy on {task}, 95 % interval")
    chart.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=2,
        fontsize="small",
    )  # fmt: skip
    return chart


def break_even(report: StudentReport, task: str, cheap: Point, dear: Point) -> float | None:
    """After how many questions making the student of `cheap` has paid for itself against answering
    by `dear`, both counted without pretraining; None where an answer of `cheap` costs more. Raises
    UnknownName."""
    if task not in report.tasks:
        raise UnknownName("task", task, report.tasks)
    saved = dear.flops - cheap.flops
    if saved <= 0:
        return None
    made = _making(report, cheap.student, False) - _making(report, dear.student, False)
    return max(0.0, made) / saved


def _making(report: StudentReport, student: str, pretraining: bool) -> float:
    cost = report.costs[student]
    return cost.total if pretraining else cost.training + cost.teacher


def _lines(
    axes: Axes, points: Sequence[Point], colour: str, added: float
) -> dict[str, Any]:  # fmt: skip
    """The lines of one student; their handles by label."""
    found: dict[str, Any] = {}
    arms = list(dict.fromkeys(point.arm for point in points))
    for number, arm in enumerate(arms):
        line = sorted((p for p in points if p.arm == arm), key=lambda p: p.flops)
        oracle = line[0].oracle
        values = [p.accuracy.value for p in line]
        below = [max(0.0, p.accuracy.value - p.accuracy.low) for p in line]
        above = [max(0.0, p.accuracy.high - p.accuracy.value) for p in line]
        star = arm == SAMPLE
        note = f" (oracle: knows the {line[0].knows})" if oracle else ""
        found[f"{line[0].student}, {arm}{note}"] = axes.errorbar(
            [max(p.flops, 1.0) + added for p in line], values, yerr=[below, above], color=colour,
            marker="*" if star else MARKERS[(number - 1) % len(MARKERS)],
            markersize=13 if star else 6, capsize=3, linewidth=1.3,
            linestyle="--" if oracle else "-", markerfacecolor="none" if oracle else None,
        )  # fmt: skip
    return found
