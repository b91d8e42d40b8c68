"""How much a search gains over sampling, against how good its scorer is.

Both arms of a pair use the same scorer under the same cap, so that what differs is only where the
tokens go: into whole traces that are scored once, or into steps that are scored one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluators.intervals import Interval

if TYPE_CHECKING:
    from search.plot import Chart
    from search.report import Report

GRADES = (0.5, 0.7, 0.85, 0.95, 1.0)
"""Qualities of a graded scorer: its area under the ROC curve, from chance to exact."""


@dataclass(frozen=True)
class Gain:
    """One scorer: accuracy of the search and of sampling with it, and their paired difference."""

    scorer: str
    search: Interval
    sampling: Interval
    gain: Interval


def graded(grades: Sequence[float] = GRADES) -> dict[str, str]:
    """Scorers by label, as strategies write them: one for every quality."""
    return {f"AUC {auc:g}": f"graded(auc={auc:g})" for auc in grades}


def pairs(
    scorers: Mapping[str, str], search: str = "best-first", sampling: str = "best-of-n"
) -> dict[str, str]:
    """The arms of a comparison: the search and the sampling with each scorer, by name."""
    return {
        f"{name}, {label}": f"{name}(scorer={scorer})"
        for label, scorer in scorers.items()
        for name in (search, sampling)
    }


def gains(
    report: Report, scorers: Mapping[str, str], search: str = "best-first",
    sampling: str = "best-of-n",
) -> list[Gain]:  # fmt: skip
    """The gain with each scorer at the report's last budget; scorers without settled problems are
    left out."""
    found, budget = [], report.budgets[-1]
    for label in scorers:
        ours, theirs = f"{search}, {label}", f"{sampling}, {label}"
        apart = [d for d in report.differences(theirs) if (d.arm, d.budget) == (ours, budget)]
        a, b = report.row(ours, budget).accuracy, report.row(theirs, budget).accuracy
        if apart and a is not None and b is not None:
            found.append(Gain(label, a, b, apart[0].difference))
    return found


def places(
    report: Report, scorers: Mapping[str, str], search: str = "best-first"
) -> dict[str, float]:
    """The quality of each scorer by label: of a graded one what it was made for, of another what
    was measured on the steps of the search's trees. One whose trees hold no two states to compare
    is left out."""
    found = {}
    for label, scorer in scorers.items():
        if scorer.startswith("graded("):
            found[label] = float(label.removeprefix("AUC "))
            continue
        steps = report.scorer_quality(f"{search}, {label}").steps
        if steps is not None and steps.auc is not None:
            found[label] = steps.auc.value
    return found


def draw_gains(
    found: Sequence[Gain], at: Mapping[str, float], search: str = "best-first",
    sampling: str = "best-of-n", caption: str = "",
) -> Chart:  # fmt: skip
    """Accuracy of both above, the gain below, with 95 % intervals, at each scorer's quality (`at`,
    by label: see `places`). A scorer that is not graded is named in the figure."""
    from search.plot import Chart

    figure = Chart(figsize=(7.2, 5.2), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=[3, 2])
    found = [g for g in found if g.scorer in at]
    line = [g for g in sorted(found, key=lambda g: at[g.scorer]) if g.scorer.startswith("AUC")]
    own = [g for g in found if not g.scorer.startswith("AUC")]
    for name, colour, take in (
        (search, "#0072b2", lambda g: g.search),
        (sampling, "#d55e00", lambda g: g.sampling),
    ):
        for some, style, label in ((line, "o-", name), (own, "*", None)):
            _bars(
                above, [at[g.scorer] for g in some], [take(g) for g in some], style, colour, label
            )
    for some, style in ((line, "o-"), (own, "*")):
        _bars(below, [at[g.scorer] for g in some], [g.gain for g in some], style, "0.2", None)
    for g in own:
        below.annotate(g.scorer, (at[g.scorer], g.gain.value), xytext=(6, 6),
                       textcoords="offset points", fontsize="small")  # fmt: skip
    below.axhline(0, color="0.5", linewidth=1)
    below.set_ylabel(f"{search} minus {sampling}", fontsize="small")
    below.set_xlabel("quality of the scorer: AUC of its scores against the exact value")
    above.set_ylabel("accuracy, 95 % interval")
    above.set_title(caption, fontsize="small")
    above.legend(fontsize="small")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    return figure


def _bars(axes, x, found, style, colour, label) -> None:
    if not x:
        return
    values = [i.value for i in found]
    low = [max(0.0, i.value - i.low) for i in found]
    high = [max(0.0, i.high - i.value) for i in found]
    axes.errorbar(x, values, yerr=[low, high], fmt=style, color=colour, label=label, capsize=3,
                  markersize=12 if style == "*" else 5)  # fmt: skip
