"""The chart of a comparison: accuracy against generated tokens a problem, on a log axis.

Arms chosen by an oracle (a judge that read or could compute the answer) are dashed, with open
markers, and say so in the legend.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from search.report import Report, Row

_MARKERS = "osD^vP*Xh<>"


class Chart(Figure):
    """A figure that shows itself in a notebook without pyplot and its global state."""

    def _repr_png_(self) -> bytes:
        raw = io.BytesIO()
        self.savefig(raw, format="png", dpi=110)
        return raw.getvalue()


def draw(report: Report) -> Chart:
    """One line an arm, at the mean tokens it spent, with 95 % intervals as bars."""
    figure = Chart(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    rows = report.rows()
    for number, arm in enumerate(report.arms):
        _line(axes, [row for row in rows if row.arm == arm], _MARKERS[number % len(_MARKERS)])
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("tokens a problem: generated, and read by scorers (mean)")
    axes.set_ylabel("accuracy, 95 % interval")
    axes.set_title(report.caption(), fontsize="medium")
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
    return figure


def _line(axes: Axes, rows: list[Row], marker: str) -> None:
    measured = sorted(
        ((max(row.tokens, 1.0), row.accuracy) for row in rows if row.accuracy is not None),
        key=lambda pair: pair[0],
    )
    if not measured:
        return
    oracle = rows[0].oracle
    values = [accuracy.value for _, accuracy in measured]
    below = [max(0.0, accuracy.value - accuracy.low) for _, accuracy in measured]
    above = [max(0.0, accuracy.high - accuracy.value) for _, accuracy in measured]
    axes.errorbar(
        [tokens for tokens, _ in measured], values, yerr=[below, above], marker=marker,
        markersize=5, capsize=3, linewidth=1.4, linestyle="--" if oracle else "-",
        markerfacecolor="none" if oracle else None,
        label=f"{rows[0].arm} — oracle: knows the {rows[0].knows}" if oracle else rows[0].arm,
    )  # fmt: skip
