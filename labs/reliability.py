"""Reliability diagrams: what scorers say against how often it is right."""

from __future__ import annotations

from collections.abc import Mapping

from evaluators.calibration import Calibration
from evaluators.errors import BadInput
from labs.figures import COLOURS, MARKERS
from search.plot import Chart


def reliability_chart(found: Mapping[str, Calibration], title: str = "") -> Chart:
    """One line a scorer, by name: the share that is right in each bin with its 95 % interval, at
    the mean of what was said there; the area of a mark grows with the bin's items. On the diagonal
    a score is the probability that it claims to be.

    Take them from `Report.scorer_quality(arm)`: `finished` or `steps`. Raises BadInput for scores
    that are no probabilities.
    """
    for name, one in found.items():
        if not one.bins:
            raise BadInput(f"{name} gives no probabilities: a reliability diagram needs 0..1")
    chart = Chart(figsize=(5.2, 5.0), layout="constrained")
    axes = chart.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", linestyle=":", linewidth=1)
    for number, (name, one) in enumerate(found.items()):
        filled = [b for b in one.bins if b.right is not None]
        said = [b.said for b in filled]
        right = [b.right.value for b in filled if b.right is not None]
        spread = [
            [b.right.value - b.right.low for b in filled if b.right is not None],
            [b.right.high - b.right.value for b in filled if b.right is not None],
        ]
        colour = COLOURS[number % len(COLOURS)]
        area = "" if one.auc is None else f"AUC {one.auc.value:.2f}, "
        axes.errorbar(said, right, yerr=spread, color=colour, linewidth=1.2, capsize=2)
        axes.scatter(
            said, right, s=[12 + 160 * b.n / one.n for b in filled], color=colour,
            marker=MARKERS[number % len(MARKERS)], zorder=3,
            label=f"{name}: {area}calibration error {one.ece:.2f}, {one.n} items",
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("score, as a probability")
    axes.set_ylabel("share that is right, 95 % interval")
    axes.set_title(title, fontsize="medium")
    axes.grid(alpha=0.3)
    if found:
        axes.legend(fontsize="small", loc="upper left")
    return chart
