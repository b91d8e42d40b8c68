"""Charts of the lab on chains of thought. A comparison's own chart: `Report.plot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from labs.figures import COLOURS, MARKERS
from search.plot import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from evaluators.intervals import Interval
    from labs.groups import Group
    from labs.lengths import Bucket
    from search.report import Report


def groups_chart(groups: Sequence[Group], xlabel: str) -> Chart:
    """Accuracy by group, one line an arm (and budget where there are several)."""
    figure = Chart(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    names = list(dict.fromkeys(group.name for group in groups))
    several = len({group.budget for group in groups}) > 1
    lines: dict[str, list[Group]] = {}
    for group in groups:
        label = f"{group.arm} at {group.budget}" if several else group.arm
        lines.setdefault(label, []).append(group)
    for number, (label, held) in enumerate(lines.items()):
        shift = 0.06 * (number - (len(lines) - 1) / 2)  # so that equal points stay visible
        _bars(
            axes, [names.index(g.name) + shift for g in held], [g.accuracy for g in held],
            number, label, line=True,
        )  # fmt: skip
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel(xlabel)
    _dress(axes, "accuracy, 95 % interval")
    if len(lines) > 1:
        axes.legend(fontsize="small")
    return figure


def buckets_chart(buckets: Sequence[Bucket], xlabel: str) -> Chart:
    """Accuracy by bucket, each with the problems behind it."""
    figure = Chart(figsize=(6.4, 3.6), layout="constrained")
    _pooled(figure.subplots(), buckets, xlabel, "problems")
    return figure


def lengths_chart(pooled: Sequence[Bucket], within: Sequence[Bucket]) -> Chart:
    """Left: accuracy by length over all chains. Right: the difference to the chains of usual length
    of the same problem."""
    figure = Chart(figsize=(9.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _pooled(left, pooled, "tokens of a chain", "chains")
    left.set_title("all chains together: length mixed with difficulty", fontsize="small")
    known = [bucket for bucket in within if bucket.value is not None]
    places = range(len(known))
    _bars(right, list(places), [b.value for b in known if b.value], 1, None, line=False)
    right.set_xticks(list(places), [_counted(b, "problems") for b in known])
    right.set_xlim(-0.6, max(1, len(known)) - 0.4)
    right.axhline(0, color="#888888", linewidth=1)
    right.set_ylabel("accuracy minus that of usual ones")
    right.set_title("inside each problem: equally hard", fontsize="small")
    right.grid(alpha=0.3)
    return figure


def families_chart(report: Report, families: Mapping[str, Sequence[str]]) -> Chart:
    """Accuracy against the mean tokens that were spent, one line through the arms of each family;
    an arm that did not run is left out. For reports of one budget."""
    figure = Chart(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    rows = {row.arm: row for row in report.rows() if row.accuracy is not None}
    for number, (label, arms) in enumerate(families.items()):
        held = [rows[arm] for arm in arms if arm in rows]
        values = [row.accuracy for row in held if row.accuracy is not None]
        if values:
            _bars(axes, [row.tokens for row in held], values, number, label, line=len(held) > 1)
    axes.set_xlabel("generated tokens a problem (mean)")
    axes.set_title(report.caption(), fontsize="medium")
    _dress(axes, "accuracy, 95 % interval")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
    return figure


def _pooled(axes: Axes, buckets: Sequence[Bucket], xlabel: str, unit: str) -> None:
    known = [bucket for bucket in buckets if bucket.value is not None]
    places = range(len(known))
    _bars(axes, list(places), [b.value for b in known if b.value], 0, None, line=True)
    axes.set_xticks(list(places), [_counted(b, unit) for b in known])
    axes.set_xlabel(xlabel)
    _dress(axes, "accuracy, 95 % interval")


def _counted(bucket: Bucket, unit: str) -> str:
    return f"{bucket.label}\n({getattr(bucket, unit)} {unit})"


def _dress(axes: Axes, ylabel: str) -> None:
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel(ylabel)
    axes.grid(alpha=0.3)


def _bars(
    axes: Axes, x: Sequence[float], values: Sequence[Interval], number: int, label: str | None,
    line: bool,
) -> None:  # fmt: skip
    below = [max(0.0, v.value - v.low) for v in values]
    above = [max(0.0, v.high - v.value) for v in values]
    axes.errorbar(
        x, [v.value for v in values], yerr=[below, above], capsize=3, markersize=6, linewidth=1.5,
        marker=MARKERS[number % len(MARKERS)], color=COLOURS[number % len(COLOURS)],
        linestyle="-" if line else "none", label=label,
    )  # fmt: skip
