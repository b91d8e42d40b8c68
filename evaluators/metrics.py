"""Numbers drawn from judged samples: pass@k, maj@k, best-of-N by score or weighted vote, intervals.

All expectations are over random k-subsets (without replacement) of the n samples that were drawn,
so one run of n samples gives unbiased values for every k up to n. Where an expectation is summed
exactly its `error` is 0; where it is drawn, `error` is the standard error of the Monte-Carlo mean.
Randomness always arrives as a `numpy.random.Generator`.

Ties are split fairly: the value is the mean over the tied answers. For samples in random order this
equals the expectation of "the first seen wins", and it does not depend on how samples are listed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluators.errors import BadInput
from evaluators.intervals import Interval, bootstrap_interval, paired_bootstrap, wilson_interval

__all__ = [
    "Estimate",
    "Interval",
    "bootstrap_interval",
    "maj_at_k",
    "paired_bootstrap",
    "pass_at_k",
    "weighted_best_of_n",
    "wilson_interval",
]

Floats = NDArray[np.float64]

EXACT_VOTE_SAMPLES = 256
"""Majority votes are summed exactly up to this many samples (beyond it the counts overflow or the
sum takes longer than drawing)."""

EXACT_SUBSETS = 20_000
"""Weighted votes are summed over all subsets up to this many of them."""

_CELLS = 1 << 21  # numbers held at once while resampling: 16 MB


@dataclass(frozen=True)
class Estimate:
    """A mean over subsets and its Monte-Carlo standard error (0 where the sum is exact)."""

    value: float
    error: float = 0.0

    def __float__(self) -> float:
        return self.value


def pass_at_k(n: ArrayLike, c: ArrayLike, k: ArrayLike) -> Any:
    """The probability that at least one of k samples is right, without bias.

    `n` samples of which `c` are right; integers or arrays that broadcast together. Returns a float
    for scalars, else an array of the broadcast shape: 1 - C(n-c, k) / C(n, k), as a product of
    ratios (Chen et al. 2021, section 2.1). Raises BadInput unless 0 <= c <= n and 1 <= k <= n.
    """
    samples, right, size = np.broadcast_arrays(*(np.asarray(x) for x in (n, c, k)))
    for name, values in (("n", samples), ("c", right), ("k", size)):
        if not np.issubdtype(values.dtype, np.integer):
            raise BadInput(f"pass@k counts samples: {name} must be an integer, not {values.dtype}")
    if np.any((right < 0) | (right > samples)):
        raise BadInput("pass@k needs 0 <= c <= n: more right samples than samples, or fewer than 0")
    if np.any((size < 1) | (size > samples)):
        raise BadInput("pass@k needs 1 <= k <= n: draw at least k samples for each problem")
    missed = np.ones(samples.shape)
    for i in range(int(size.max(initial=0))):
        left = np.maximum(samples - i, 1)
        wrong = np.maximum(samples - right - i, 0)
        missed = np.where(i < size, missed * (wrong / left), missed)
    return _plain(1.0 - missed)


def maj_at_k(
    answers: Sequence[Hashable | None],
    correct: Sequence[bool] | Sequence[float],
    k: int,
    rng: np.random.Generator | None = None,
    draws: int = 4000,
) -> Estimate:
    """The expected accuracy of the majority answer of k out of the n samples of one problem.

    `answers[i]` is what sample i voted for, `None` (or an empty string) casts no vote; `correct[i]`
    its correctness in 0..1. A subset without a vote is wrong. Equal answers that were judged
    differently count with their mean, as a random one of them stands for the group. Exact up to
    EXACT_VOTE_SAMPLES samples (counts per group summed by dynamic programming); beyond that
    `draws` subsets are drawn from `rng`.
    """
    group, share = _groups(answers, correct)
    n = _check_size(len(group), k)
    if n > EXACT_VOTE_SAMPLES:
        subsets = _draw_subsets(n, k, draws, rng, "maj@k")
        return _mean(_vote(subsets, group, np.ones(n), share))
    sizes = [int(np.sum(group == g)) for g in range(len(share))]
    silent = int(np.sum(group < 0))
    total = 0.0
    for most in range(1, min(k, max(sizes, default=0)) + 1):
        total += _winners_of_size(most, sizes, share, silent, k)
    return Estimate(float(min(max(total / comb(n, k), 0.0), 1.0)))


def weighted_best_of_n(
    answers: Sequence[Hashable | None],
    correct: Sequence[bool] | Sequence[float],
    scores: Sequence[float | None],
    k: int,
    rule: Literal["max", "vote"] = "max",
    rng: np.random.Generator | None = None,
    draws: int = 4000,
) -> Estimate:
    """The probability that the sample or answer chosen by score among k of the n samples is right.

    `max` takes the sample with the highest score (any finite scale), exactly for every n. `vote`
    adds the scores (0 or more) of equal answers and takes the heaviest answer: exact while there
    are at most EXACT_SUBSETS subsets, else `draws` of them from `rng`. A sample without an answer
    or without a score (`None`, NaN) is never chosen and casts no vote; a subset of only such
    samples is wrong, and so is a vote whose weights are all 0.
    """
    group, share = _groups(answers, correct)
    n = _check_size(len(group), k)
    values = np.array([np.nan if s is None else float(s) for s in scores], dtype=float)
    if len(values) != n:
        raise BadInput(f"{len(values)} scores for {n} samples: give one score (or None) a sample")
    group = np.where(np.isnan(values), -1, group)
    if rule == "max":
        return _best_by_score(group >= 0, np.asarray(correct, dtype=float), values, k)
    if rule != "vote":
        raise BadInput(f"unknown rule {rule!r} for weighted best-of-N. Known: max, vote.")
    weights = np.where(group < 0, 0.0, values)
    if np.any(weights < 0) or not np.all(np.isfinite(weights)):
        raise BadInput(
            "a weighted vote needs finite scores of 0 or more; map log scores to weights"
        )
    if comb(n, k) <= EXACT_SUBSETS:
        subsets = np.array(list(combinations(range(n), k)), dtype=np.intp)
        return Estimate(float(_vote(subsets, group, weights, share).mean()))
    return _mean(_vote(_draw_subsets(n, k, draws, rng, "best-of-N"), group, weights, share))


def _plain(x: Floats) -> Any:
    return float(x) if x.ndim == 0 else x


def _check_size(n: int, k: int) -> int:
    if not 1 <= k <= n:
        raise BadInput(f"k must lie in 1..{n} (the samples there are), not {k}")
    return n


def _groups(
    answers: Sequence[Hashable | None], correct: Sequence[bool] | Sequence[float]
) -> tuple[NDArray[np.intp], Floats]:
    """Group number of each sample (-1: no answer) and mean correctness of each group."""
    if len(answers) != len(correct):
        raise BadInput(f"{len(answers)} answers but {len(correct)} judgements: give one for each")
    values = np.asarray(correct, dtype=float)
    if not np.all((values >= 0) & (values <= 1)):
        raise BadInput("correctness lies in 0..1; drop samples in error first, they are not zeros")
    numbers: dict[Hashable, int] = {}
    group = np.array(
        [-1 if a is None or a == "" else numbers.setdefault(a, len(numbers)) for a in answers],
        dtype=np.intp,
    )
    share = np.array([values[group == g].mean() for g in range(len(numbers))])
    return group, share


def _winners_of_size(most: int, sizes: Sequence[int], share: Floats, silent: int, k: int) -> float:
    """Sum over k-subsets whose largest groups have `most` votes of the winners' mean correctness.

    `ways[t, s]` counts choices of s samples among the groups seen so far with t groups at `most`
    votes; `right[t, s]` is the same weighted by the summed correctness of those t groups.
    """
    ways = np.zeros((k // most + 2, k + 1))
    ways[0, : min(silent, k) + 1] = [comb(silent, s) for s in range(min(silent, k) + 1)]
    right = np.zeros_like(ways)
    for size, value in zip(sizes, share, strict=True):
        fewer = [comb(size, s) for s in range(min(most - 1, size, k) + 1)]
        ways_next, right_next = np.zeros_like(ways), np.zeros_like(right)
        for s, count in enumerate(fewer):
            ways_next[:, s:] += count * ways[:, : k + 1 - s]
            right_next[:, s:] += count * right[:, : k + 1 - s]
        if size >= most:
            count = comb(size, most)
            reached = right[:-1] + value * ways[:-1]
            ways_next[1:, most:] += count * ways[:-1, : k + 1 - most]
            right_next[1:, most:] += count * reached[:, : k + 1 - most]
        ways, right = ways_next, right_next
    return float(np.sum(right[1:, k] / np.arange(1, len(right))))


def _best_by_score(open_: NDArray[np.bool_], correct: Floats, scores: Floats, k: int) -> Estimate:
    """P(right) of the highest score in a random k-subset; equal scores are equally likely."""
    if not np.all(np.isfinite(scores[open_])):
        raise BadInput("scores must be finite; give None for a sample that was not scored")
    n, below = len(scores), int(np.sum(~open_))
    total, chosen = 0.0, comb(below, k)
    for level in np.unique(scores[open_]):
        at = open_ & (scores == level)
        below += int(np.sum(at))
        up_to = comb(below, k)
        total += float(correct[at].mean()) * ((up_to - chosen) / comb(n, k))
        chosen = up_to
    return Estimate(total)


def _draw_subsets(
    n: int, k: int, draws: int, rng: np.random.Generator | None, what: str
) -> NDArray[np.intp]:
    """(draws, k) indices: independent k-subsets of 0..n-1, each without replacement."""
    if rng is None:
        raise BadInput(f"{what} of {k} out of {n} samples is drawn, not summed: pass rng=")
    rows = max(1, _CELLS // n)
    parts = [
        np.argpartition(rng.random((min(rows, draws - start), n)), k - 1, axis=1)[:, :k]
        for start in range(0, draws, rows)
    ]
    return np.concatenate(parts)


def _vote(subsets: NDArray[np.intp], group: NDArray[np.intp], weights: Floats, share: Floats):
    """(subsets,) mean correctness of the heaviest answers in each subset; 0 without a vote."""
    if len(share) == 0:
        return np.zeros(len(subsets))
    rows = np.arange(len(subsets))
    tally = np.zeros((len(subsets), len(share) + 1))  # the last column takes what has no answer
    for column in subsets.T:
        tally[rows, group[column]] += weights[column]
    tally = tally[:, :-1]
    heaviest = tally.max(axis=1, keepdims=True)
    # Sums of the same weights in another order differ in the last bits and are still ties.
    tied = (tally >= heaviest * (1 - 1e-12)) & (tally > 0)
    return tied @ share / np.maximum(tied.sum(axis=1), 1)


def _mean(values: Floats) -> Estimate:
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Estimate(float(values.mean()), spread / float(np.sqrt(len(values))))
