"""Charts of several comparisons side by side. One comparison alone: `Report.plot`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from search.report import Report, Row

MARKERS = "osD^vP*Xh<>"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
"""Okabe and Ito's palette: told apart with the common colour-vision deficiencies too."""


def side_by_side(reports: Sequence[Report]) -> Figure:
    """Accuracy against mean tokens a problem (log axis), one panel a report, one legend.

    An arm has the same colour in every panel. Oracles (judges that read or could compute the
    answer) are dashed with open markers, and the legend says so.
    """
    arms = list(dict.fromkeys(arm for report in reports for arm in report.arms))
    figure = Figure(figsize=(1.2 + 5.2 * len(reports), 5.2), layout="constrained")
    panels = figure.subplots(1, len(reports), sharey=True, squeeze=False)[0]
    handles = {}
    for axes, report in zip(panels, reports, strict=True):
        for arm in report.arms:
            rows = [row for row in report.rows() if row.arm == arm and row.accuracy is not None]
            if rows:
                line = _line(axes, rows, arms.index(arm))
                handles.setdefault(arm, line)
        _dress(axes, report)
    panels[0].set_ylabel("accuracy, 95 % interval")
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3, fontsize="small")
    return figure


def _dress(axes: Axes, report: Report) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("tokens a problem: generated, and read by scorers (mean)")
    known = {row.knows for row in report.rows() if row.oracle}
    note = f"; dashed: the judge knows the {' or the '.join(sorted(known))}" if known else ""
    axes.set_title(report.caption() + note, fontsize="small")
    axes.grid(alpha=0.3)


def _line(axes: Axes, rows: Sequence[Row], number: int) -> object:
    measured = sorted(rows, key=lambda row: row.tokens)
    values = [row.accuracy.value for row in measured if row.accuracy]
    below = [max(0.0, r.accuracy.value - r.accuracy.low) for r in measured if r.accuracy]
    above = [max(0.0, r.accuracy.high - r.accuracy.value) for r in measured if r.accuracy]
    oracle = rows[0].oracle
    colour = COLOURS[number % len(COLOURS)]
    return axes.errorbar(
        [max(row.tokens, 1.0) for row in measured], values, yerr=[below, above],
        marker=MARKERS[number % len(MARKERS)], markersize=6, capsize=3, linewidth=1.5,
        color=colour, linestyle="--" if oracle else "-", markerfacecolor="none" if oracle else None,
    )  # fmt: skip
