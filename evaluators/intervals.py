"""Confidence intervals: percentile bootstrap over problems, paired bootstrap, Wilson.

Problems are the unit of resampling; the seeds of one problem stay together. Randomness arrives as a
`numpy.random.Generator`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluators.errors import BadInput

Floats = NDArray[np.float64]

_CELLS = 1 << 21  # numbers held at once while resampling: 16 MB


@dataclass(frozen=True)
class Interval:
    """A value between its lower and upper confidence bounds at `level` (0.95 = 95 %)."""

    value: float
    low: float
    high: float
    level: float = 0.95

    def excludes(self, x: float) -> bool:
        """Whether `x` lies outside the bounds."""
        return not self.low <= x <= self.high


def bootstrap_interval(
    values: ArrayLike,
    rng: np.random.Generator,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
) -> Interval:
    """The mean of `values` and its percentile bootstrap interval over problems.

    `values` is (problems,) or (problems, seeds): whole rows are resampled, because the seeds of one
    problem are not independent. For ragged data give one value a run and its problem in `clusters`.
    Raises BadInput for empty input or NaN (drop problems in error first; they are not zeros).
    (Efron and Tibshirani 1993, chapter 13.)
    """
    sums, counts = _cluster_sums(_finite(values), clusters)
    return _percentile(sums, counts, rng, level, resamples)


def paired_bootstrap(
    a: ArrayLike,
    b: ArrayLike,
    rng: np.random.Generator,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
) -> Interval:
    """The mean of a - b over the same problems, with its percentile bootstrap interval.

    `a[i]` and `b[i]` are the two arms' values on problem i; shapes (problems,) or (problems,
    seeds), or one value a run with `clusters`, as in `bootstrap_interval`. Resampling keeps pairs
    together, so the difficulty of the problems cancels.
    """
    first, second = _finite(a), _finite(b)
    if first.shape != second.shape:
        raise BadInput(
            f"paired arms need the same problems in the same order, not shapes {first.shape} and "
            f"{second.shape}: keep the problems that both arms finished"
        )
    sums, counts = _cluster_sums(first - second, clusters)
    return _percentile(sums, counts, rng, level, resamples)


def wilson_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """A proportion and its score interval (Wilson 1927), good for small n and near 0 or 1."""
    if not 0 <= successes <= n or n == 0:
        raise BadInput(f"a proportion needs 0 <= successes <= n and n >= 1, not {successes}/{n}")
    z = NormalDist().inv_cdf(0.5 + _checked_level(level) / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(p, low, high, level)


def accuracy_interval(
    hits: Sequence[bool] | Sequence[float],
    rng: np.random.Generator,
    clusters: Sequence[Hashable],
    level: float = 0.95,
) -> Interval:
    """The share of hits (0 or 1 each, its problem in `clusters`) with an interval over problems.

    The bootstrap's; where all agree it would have no width, and Wilson's over the problems stands
    in its place. Raises BadInput like both.
    """
    if len(set(hits)) != 1:
        return bootstrap_interval(np.asarray(hits, dtype=float), rng, clusters, level)
    problems = len(set(clusters))
    return wilson_interval(problems if hits[0] else 0, problems, level)


def _finite(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=float)
    if array.size == 0:
        raise BadInput("an interval needs at least one value")
    if not np.all(np.isfinite(array)):
        raise BadInput("values contain NaN or infinity: drop problems in error first")
    if array.ndim not in (1, 2):
        raise BadInput(f"values must be (problems,) or (problems, seeds), not {array.shape}")
    return array


def _cluster_sums(values: Floats, clusters: Sequence[Hashable] | None) -> tuple[Floats, Floats]:
    """Sum and count of the values of each problem."""
    if clusters is None:
        rows = values.reshape(len(values), -1)
        return rows.sum(axis=1), np.full(len(rows), float(rows.shape[1]))
    if values.ndim != 1 or len(clusters) != len(values):
        raise BadInput("clusters name the problem of each value: give one of them for each value")
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(c, len(numbers)) for c in clusters])
    sums = np.bincount(index, weights=values).astype(float)
    return sums, np.bincount(index).astype(float)


def _percentile(
    sums: Floats, counts: Floats, rng: np.random.Generator, level: float, resamples: int
) -> Interval:
    tail = (1 - _checked_level(level)) / 2
    n = len(sums)
    rows = max(1, _CELLS // n)
    means = np.concatenate(
        [
            sums[draw].sum(axis=1) / counts[draw].sum(axis=1)
            for start in range(0, resamples, rows)
            for draw in [rng.integers(0, n, (min(rows, resamples - start), n))]
        ]
    )
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high), level)


def _checked_level(level: float) -> float:
    if not 0 < level < 1:
        raise BadInput(f"a confidence level lies between 0 and 1 (0.95 is 95 %), not {level!r}")
    return level
