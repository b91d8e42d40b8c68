"""Allocation: who gets how much, so that the mean spend is kept and the most problems are solved.

Problems fall into bins of predicted difficulty; for each bin it was measured what every option (a
strategy with its tokens) solves and spends there. Choosing one option a bin is a multiple-choice
knapsack: the share of solved problems is maximised under the mean tokens (the compute-optimal
allocation of Snell et al. 2024, arXiv:2408.03314, section 3.2, with the mean in place of a cap on
every problem).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def allocate(
    shares: ArrayLike, accuracy: ArrayLike, spent: ArrayLike, mean: float
) -> tuple[int, ...]:
    """The option of each bin. `shares` (bins,) sum to 1; `accuracy` and `spent` (bins, options) are
    what an option solves and spends in a bin.

    Exact: for one bin after the other the combinations are kept that no other beats in both. Of
    equals the cheaper is taken; where even the cheapest options spend more than `mean`, those.
    """
    share = np.asarray(shares, float)
    worth = np.asarray(accuracy, float) * share[:, None]
    cost = np.asarray(spent, float) * share[:, None]
    front: list[tuple[float, float, tuple[int, ...]]] = [(0.0, 0.0, ())]
    for bin_worth, bin_cost in zip(worth.tolist(), cost.tolist(), strict=True):
        options = list(zip(bin_cost, bin_worth, range(len(bin_cost)), strict=True))
        longer = [(c + dc, w + dw, (*at, i)) for c, w, at in front for dc, dw, i in options]
        front = _undominated(longer)
    paid = [each for each in front if each[0] <= mean * (1 + 1e-9)]
    return (paid[-1] if paid else front[0])[2]


def _undominated(
    found: Sequence[tuple[float, float, tuple[int, ...]]],
) -> list[tuple[float, float, tuple[int, ...]]]:
    """Those of (cost, worth, choice) that are worth more than all that cost no more, by cost."""
    kept: list[tuple[float, float, tuple[int, ...]]] = []
    for each in sorted(found, key=lambda one: (one[0], -one[1])):
        if not kept or each[1] > kept[-1][1] + 1e-12:
            kept.append(each)
    return kept


def edges(values: ArrayLike, bins: int) -> tuple[float, ...]:
    """The inner borders of at most `bins` bins that hold about equally many of `values`; fewer
    where values are equal. A value on a border belongs to the bin above it."""
    found = np.asarray(values, float)
    cuts = np.unique(np.quantile(found, np.arange(1, bins) / bins)) if bins > 1 else []
    return tuple(float(cut) for cut in cuts if (found < cut).any())


def bin_of(value: float, borders: Sequence[float]) -> int:
    """The number of the bin that a value falls into, from 0."""
    return int(np.searchsorted(np.asarray(borders, float), value, side="right"))


def fitted(features: NDArray[np.float64], target: ArrayLike, ridge: float = 1e-3) -> list[float]:
    """The weights of a linear prediction of `target` (problems,) from `features` (problems, k), the
    constant last, shape (k + 1,), by least squares on standardised features with a small ridge (so
    that features that say the same share the weight)."""
    target = np.asarray(target, float)
    middle, width = features.mean(axis=0), features.std(axis=0)
    width = np.where(width > 1e-12, width, np.inf)  # a constant feature says nothing
    scaled = (features - middle) / width
    gram = scaled.T @ scaled + ridge * len(target) * np.eye(features.shape[1])
    weights = np.linalg.solve(gram, scaled.T @ (target - target.mean())) / width
    return [*weights.tolist(), float(target.mean() - middle @ weights)]
