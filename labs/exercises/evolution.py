"""Lab 05: the score of a packing, a policy table by hand, and a comparison in pairs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from labs.exercises.exercise import Case, Exercise

Bins = Sequence[Sequence[int]]


def excess(items: Sequence[int], capacity: int, bins: Bins) -> float | None:
    """How many bins more than the L1 bound, ceil(sum of items / capacity), in percent of it; None
    where `bins` is no packing of the items."""
    return judge()(items, capacity, bins)


def judge(
    *, whole: bool = True, room: bool = True, counted: bool = True, empty: bool = True,
    of: Callable[[int, int], float] = lambda used, bound: 100 * (used - bound) / bound,
) -> Callable[[Sequence[int], int, Bins], float | None]:  # fmt: skip
    """`excess` as it should be or, with settings, wrong: `whole` rounds the bound up, `room` checks
    the capacity, `counted` that every item is there once, `empty` counts empty bins too."""

    def score(items: Sequence[int], capacity: int, bins: Bins) -> float | None:
        packed = [item for each in bins for item in each]
        if counted and Counter(packed) != Counter(items):
            return None
        if room and any(sum(each) > capacity for each in bins):
            return None
        bound: Any = sum(items) / capacity
        used = len(bins) if empty else sum(bool(each) for each in bins)
        return of(used, math.ceil(bound) if whole else bound)

    return score


_ITEMS = [60, 50, 50, 40, 30]

EXCESS = Exercise(
    "my_excess",
    excess,
    [
        Case((_ITEMS, 100, [[60, 40], [50, 50], [30]]), 0.0,
             "the bound is sum(items) / capacity, rounded up: no packing needs fewer bins"),
        Case((_ITEMS, 100, [[60, 40], [50], [50], [30]]), 100 / 3,
             "percent of the bound: 100 * (bins - bound) / bound"),
        Case((_ITEMS, 100, [[60, 50], [50, 40], [30]]), None, "a bin holds more than its capacity"),
        Case((_ITEMS, 100, [[60, 40], [50, 50]]), None, "an item is missing"),
        Case((_ITEMS, 100, [[60, 40], [50], [40], [30]]), None,
             "as many items as there were, but not the same ones"),
        Case((_ITEMS, 100, [[60, 40], [50, 30, 20], [50]]), None, "an item that nobody asked for"),
        Case((_ITEMS, 100, [[60, 40], [50, 50], [30], []]), 100 / 3, "an opened bin is a used bin"),
    ],
    {
        "bound not rounded": judge(whole=False),
        "any weight": judge(room=False),
        "any items": judge(counted=False),
        "empty bins left out": judge(empty=False),
        "a fraction": judge(of=lambda used, bound: (used - bound) / bound),
        "of the bins used": judge(of=lambda used, bound: 100 * (used - bound) / used),
        "bins": judge(of=lambda used, bound: used - bound),
        "every packing": lambda items, capacity, bins: 0.0,
    },
)  # fmt: skip


def policy(item: Any, remaining: Any) -> Any:
    """2 where the item leaves at most 2, 1 where it leaves at least 30, 0 in between."""
    left = remaining - item
    return np.where(left <= 2, 2, np.where(left >= 30, 1, 0))


def _one_number(item: Any, remaining: Any) -> int:
    if np.any(remaining - item <= 2):
        return 2
    return 1 if np.any(remaining - item >= 30) else 0


_ITEM, _REMAINING = np.array([[10], [50]]), np.array([[52, 53, 80, 100]])

POLICY = Exercise(
    "my_policy",
    policy,
    [
        Case((np.array([40]), np.array([41])), [2], "what is left is remaining - item"),
        Case((np.array([10, 10, 10, 10]), np.array([12, 13, 39, 40])), [2, 0, 0, 1],
             "at most 2 and at least 30 include 2 and 30"),
        Case((_ITEM, _REMAINING), [[1, 1, 1, 1], [2, 0, 1, 1]],
             "item is a column and remaining a row: the answer is a whole table (np.where)"),
    ],
    {
        "best fit": lambda item, remaining: item - remaining,
        "below 2": lambda item, remaining: np.where(
            remaining - item < 2, 2, np.where(remaining - item >= 30, 1, 0)
        ),
        "above 30": lambda item, remaining: np.where(
            remaining - item <= 2, 2, np.where(remaining - item > 30, 1, 0)
        ),
        "remaining": lambda item, remaining: np.where(
            remaining <= 2, 2, np.where(remaining >= 30, 1, 0)
        ),
        "the other way round": lambda item, remaining: 2 - policy(item, remaining),
        "one number": _one_number,
        "truth values": lambda item, remaining: remaining - item <= 2,
    },
)  # fmt: skip

Interval = tuple[float, float, float]


def paired(a: Sequence[float], b: Sequence[float]) -> Interval:
    """Mean of a - b over instances, and the ends of its 95 % interval: 1.96 standard errors, from
    the sample's standard deviation (n - 1)."""
    return _interval(np.subtract(a, b), 1)


def _interval(differences: Any, ddof: int, times: float = 1.96) -> Interval:
    mean = float(np.mean(differences))
    error = times * float(np.std(differences, ddof=ddof)) / math.sqrt(len(differences))
    return mean, mean - error, mean + error


def _unpaired(a: Sequence[float], b: Sequence[float]) -> Interval:
    mean = float(np.mean(a) - np.mean(b))
    error = 1.96 * math.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(a))
    return mean, mean - error, mean + error


def _no_root(a: Sequence[float], b: Sequence[float]) -> Interval:
    mean, spread = np.mean(np.subtract(a, b)), np.std(np.subtract(a, b), ddof=1)
    return float(mean), float(mean - 1.96 * spread), float(mean + 1.96 * spread)


_A, _B = [4.0, 5.0, 3.0, 6.0], [3.0, 4.5, 1.5, 5.0]

PAIRED = Exercise(
    "my_paired",
    paired,
    [
        Case(([2.0, 4.0], [1.0, 2.0]), _interval([1.0, 2.0], 1),
             "first the difference on each instance, then its mean"),
        Case((_A, _B), _interval([1.0, 0.5, 1.5, 1.0], 1),
             "the error of a mean: np.std(d, ddof=1) / sqrt(n), times 1.96"),
        Case((_B, _A), _interval([-1.0, -0.5, -1.5, -1.0], 1),
             "a - b is below zero where a needs fewer bins"),
        Case(([3.0, 8.0, 5.0], [2.0, 7.0, 4.0]), (1.0, 1.0, 1.0),
             "the same difference on every instance: nothing is uncertain"),
    ],
    {
        "not in pairs": _unpaired,
        "n instead of n - 1": lambda a, b: _interval(np.subtract(a, b), 0),
        "spread instead of error": _no_root,
        "the other way round": lambda a, b: paired(b, a),
        "one standard error": lambda a, b: _interval(np.subtract(a, b), 1, 1.0),
        "the mean only": lambda a, b: float(np.mean(np.subtract(a, b))),
        "without signs": lambda a, b: _interval(np.abs(np.subtract(a, b)), 1),
    },
)  # fmt: skip

EXERCISES = (EXCESS, POLICY, PAIRED)
