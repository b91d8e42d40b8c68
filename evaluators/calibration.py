"""How good scores are: do they order right before wrong (AUC), do they mean what they say
(calibration: reliability diagram, expected calibration error, Brier score).

`scores` and `right` list the same items. Items of one cluster (the traces of one problem) are not
independent; intervals take that into account where `clusters` names each item's cluster.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from evaluators.errors import BadInput
from evaluators.intervals import Interval, wilson_interval

Floats = NDArray[np.float64]

BINS = 10


@dataclass(frozen=True)
class Bin:
    """The items whose probability lies in `low`..`high` (its upper end included): how many, their
    mean probability, and the share that is right, with its interval (`None` without items)."""

    low: float
    high: float
    n: int
    said: float
    right: Interval | None


@dataclass(frozen=True)
class Calibration:
    """Scores of `n` items against the truth, of which the share `base` is right.

    `auc` is `None` where all items are right or all are wrong. `brier`, `ece` and `bins` are for
    probabilities and `nan`, `nan`, () for scores on another scale.
    """

    n: int
    base: float
    auc: Interval | None
    brier: float = nan
    ece: float = nan
    bins: tuple[Bin, ...] = ()


def auc(scores: Sequence[float], right: Sequence[bool]) -> float:
    """The chance that a right item scores above a wrong one, ties at half: the area under the ROC
    curve (Mann-Whitney; Fawcett 2006, section 7). Infinite scores are fine.

    Raises BadInput for NaN and unless both kinds are there.
    """
    good, bad = _parts(scores, right)
    return float(_placements(good, bad).mean())


def auc_interval(
    scores: Sequence[float],
    right: Sequence[bool],
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> Interval:
    """The AUC with its interval: DeLong et al. 1988 for independent items; for clusters its
    extension by Obuchowski 1997 (Biometrics 53, section 2), which is the same with one item each.

    A perfect separation, whose variance is estimated as 0, takes Wilson's bound for as many hits as
    there are clusters of the rarer kind.
    """
    good, bad = _parts(scores, right)
    hits, falls = _placements(good, bad), 1 - _placements(bad, good)
    area = float(hits.mean())
    names = list(range(len(scores))) if clusters is None else list(clusters)
    if len(names) != len(scores):
        raise BadInput("clusters name the cluster of each item: give one of them for each score")
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(name, len(numbers)) for name in names])
    truth = np.asarray(right, dtype=bool)
    count = len(numbers)
    over = np.bincount(index[truth], weights=hits - area, minlength=count)
    under = np.bincount(index[~truth], weights=falls - area, minlength=count)
    with_good = len(np.unique(index[truth]))
    with_bad = len(np.unique(index[~truth]))
    variance = (
        _widened(with_good) * float(over @ over) / len(good) ** 2
        + _widened(with_bad) * float(under @ under) / len(bad) ** 2
        + 2 * _widened(count) * float(over @ under) / (len(good) * len(bad))
    )
    if area in (0.0, 1.0):
        few = min(with_good, with_bad)
        return wilson_interval(round(area * few), few, level)
    if min(with_good, with_bad) < 2:  # one cluster says nothing of the spread between them
        return Interval(area, 0.0, 1.0, level)
    half = NormalDist().inv_cdf(0.5 + level / 2) * sqrt(max(0.0, variance))
    return Interval(area, max(0.0, area - half), min(1.0, area + half), level)


def within(
    scores: Sequence[float], right: Sequence[bool], clusters: Sequence[Hashable]
) -> dict[Hashable, float]:
    """The AUC inside each cluster that has both kinds: what choosing within one problem sees, where
    `auc` over all also rewards telling easy problems from hard ones."""
    rows: dict[Hashable, list[tuple[float, bool]]] = {}
    for score, good, name in zip(scores, right, clusters, strict=True):
        rows.setdefault(name, []).append((score, bool(good)))
    both = {name: row for name, row in rows.items() if len({good for _, good in row}) == 2}
    return {name: auc(*zip(*row, strict=True)) for name, row in both.items()}


def brier(probabilities: Sequence[float], right: Sequence[bool]) -> float:
    """The mean squared difference between probability and outcome (Brier 1950, for one event):
    0 is perfect, 0.25 is what saying 0.5 always gets."""
    said, truth = _probabilities(probabilities, right)
    return float(np.mean((said - truth) ** 2))


def reliability(
    probabilities: Sequence[float], right: Sequence[bool], bins: int = BINS
) -> tuple[Bin, ...]:
    """The reliability diagram in `bins` bins of equal width; a probability on an edge belongs to
    the bin below it (Guo et al. 2017, section 2), 0 to the first."""
    said, truth = _probabilities(probabilities, right)
    if bins < 1:
        raise BadInput(f"a reliability diagram needs bins, at least one, not {bins}")
    edges = [i / bins for i in range(bins + 1)]
    place = np.clip(np.searchsorted(edges, said, side="left") - 1, 0, bins - 1)
    found = []
    for at in range(bins):
        here = place == at
        n = int(here.sum())
        share = wilson_interval(int(truth[here].sum()), n) if n else None
        found.append(
            Bin(edges[at], edges[at + 1], n, float(said[here].mean()) if n else nan, share)
        )
    return tuple(found)


def ece(bins: Sequence[Bin]) -> float:
    """The expected calibration error: the mean gap between what was said and what was right, each
    bin by its items (Guo et al. 2017, equation 3)."""
    filled = [(one.n, one.said, one.right.value) for one in bins if one.right is not None]
    return sum(n * abs(said - right) for n, said, right in filled) / sum(n for n, _, _ in filled)


def calibration(
    scores: Sequence[float],
    right: Sequence[bool],
    clusters: Sequence[Hashable] | None = None,
    *,
    probabilities: bool = True,
    bins: int = BINS,
) -> Calibration:
    """All of it. Raises BadInput for no items, NaN, and probabilities outside 0..1."""
    truth = [bool(good) for good in right]
    if not truth:
        raise BadInput("calibration needs at least one scored item")
    both = len(set(truth)) == 2
    area = auc_interval(scores, truth, clusters) if both else None
    base = sum(truth) / len(truth)
    if not probabilities:
        return Calibration(len(truth), base, area)
    diagram = reliability(scores, truth, bins)
    return Calibration(len(truth), base, area, brier(scores, truth), ece(diagram), diagram)


def _parts(scores: Sequence[float], right: Sequence[bool]) -> tuple[Floats, Floats]:
    values, truth = _checked(scores, right)
    if truth.all() or not truth.any():
        raise BadInput("an AUC needs right and wrong items, at least one of each")
    return values[truth], values[~truth]


def _placements(these: Floats, others: Floats) -> Floats:
    """For each of `these` the share of `others` below it, ties at half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, these, side="left")
    upto = np.searchsorted(ordered, these, side="right")
    return (below + upto) / (2 * len(others))


def _widened(n: int) -> float:
    """The factor that makes a sum of squares over n clusters unbiased."""
    return n / max(1, n - 1)


def _checked(scores: Sequence[float], right: Sequence[bool]) -> tuple[Floats, NDArray[np.bool_]]:
    values, truth = np.asarray(scores, dtype=float), np.asarray(right, dtype=bool)
    if values.shape != truth.shape or values.ndim != 1:
        raise BadInput(f"{len(values)} scores for {len(truth)} items: give one score an item")
    if np.isnan(values).any():
        raise BadInput("scores contain NaN: leave out what was not scored")
    return values, truth


def _probabilities(said: Sequence[float], right: Sequence[bool]) -> tuple[Floats, Floats]:
    values, truth = _checked(said, right)
    if len(values) == 0 or values.min() < 0 or values.max() > 1:
        raise BadInput("calibration is for probabilities, at least one, all in 0..1")
    return values, truth.astype(float)
