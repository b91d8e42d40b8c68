"""Lab 04: the way to a node, the bound that balances old and new, and how good a scorer is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from labs.exercises.exercise import Case, Exercise


def path(parents: Sequence[int], node: int) -> list[int]:
    """The ids from the root down to `node`; the root's parent is -1."""
    found = []
    while node >= 0:
        found.append(node)
        node = parents[node]
    return found[::-1]


def _recursive(parents: Sequence[int], node: int) -> list[int]:
    return [] if node < 0 else [*_recursive(parents, parents[node]), node]


def _without_root(parents: Sequence[int], node: int) -> list[int]:
    return path(parents, node)[1:]


def _not_itself(parents: Sequence[int], node: int) -> list[int]:
    return path(parents, node)[:-1]


_PARENTS = [-1, 0, 0, 1, 1, 3, 2]
_CHAIN = [-1, *range(2000)]

PATH = Exercise(
    "my_path",
    path,
    [
        Case((_PARENTS, 5), [0, 1, 3, 5], "climb from the node to the root, then turn the list"),
        Case((_PARENTS, 6), [0, 2, 6], "a child need not stand beside its parent"),
        Case((_PARENTS, 0), [0], "the way to the root is the root itself"),
        Case((_CHAIN, 2000), [*range(2001)], "2,000 steps deep: a loop, not a recursion"),
    ],
    {
        "recursive": _recursive,
        "upwards": lambda parents, node: path(parents, node)[::-1],
        "without the root": _without_root,
        "without the node": _not_itself,
        "all before it": lambda parents, node: list(range(node + 1)),
    },
)


def bound(value: float, visits: int, parent_visits: int, c: float) -> float:
    """UCB1 (Auer et al. 2002; Kocsis and Szepesvári 2006): the mean of what was backed up, and c
    times the square root of ln(parent's visits) / visits; infinite before the first visit."""
    if visits == 0:
        return math.inf
    return value / visits + c * math.sqrt(math.log(parent_visits) / visits)


def _no_first(value: float, visits: int, parent_visits: int, c: float) -> float:
    visits = max(visits, 1)
    return value / visits + c * math.sqrt(math.log(parent_visits) / visits)


def _sum(value: float, visits: int, parent_visits: int, c: float) -> float:
    return value + c * math.sqrt(math.log(parent_visits) / visits) if visits else math.inf


def _no_log(value: float, visits: int, parent_visits: int, c: float) -> float:
    return value / visits + c * math.sqrt(parent_visits / visits) if visits else math.inf


def _outside(value: float, visits: int, parent_visits: int, c: float) -> float:
    return value / visits + math.sqrt(c * math.log(parent_visits) / visits) if visits else math.inf


UCB = Exercise(
    "my_ucb",
    bound,
    [
        Case((0.0, 0, 5, 1.0), math.inf, "a child that was never visited goes first: math.inf"),
        Case((3.0, 4, 10, 0.0), 0.75, "`value` is a sum: with c = 0 only its mean counts"),
        Case((3.0, 4, 10, 1.0), bound(3.0, 4, 10, 1.0),
             "mean + c * sqrt(ln(parent_visits) / visits)"),
        Case((3.0, 4, 10, 2.0), bound(3.0, 4, 10, 2.0), "c stands before the root"),
        Case((0.0, 3, 20, 1.4), bound(0.0, 3, 20, 1.4), "without success, it may still be next"),
        Case((1.0, 1, 1, 1.4), 1.0, "ln(1) is 0"),
    ],
    {
        "unvisited like once": _no_first,
        "sum instead of mean": _sum,
        "without the logarithm": _no_log,
        "c under the root": _outside,
        "the mean only": lambda v, n, p, c: v / n if n else math.inf,
        "for ever new": lambda v, n, p, c: math.inf,
    },
)  # fmt: skip


def auc(right: Sequence[float], wrong: Sequence[float]) -> float:
    """The chance that a right one scores above a wrong one, half of it for equals (Hanley and
    McNeil 1982): the area under the ROC curve."""
    pairs = [(r > w) + 0.5 * (r == w) for r in right for w in wrong]
    return sum(pairs) / len(pairs)


def _one_half(right: Sequence[float], wrong: Sequence[float]) -> float:
    hits = [r > 0.5 for r in right] + [w <= 0.5 for w in wrong]
    return sum(hits) / len(hits)


def _in_pairs(right: Sequence[float], wrong: Sequence[float]) -> float:
    pairs = list(zip(right, wrong, strict=False))
    return sum(r > w for r, w in pairs) / len(pairs)


AUC = Exercise(
    "my_auc",
    auc,
    [
        Case(([0.9, 0.8], [0.1]), 1.0, "every right one scores above every wrong one"),
        Case(([0.2], [0.7, 0.8]), 0.0, "every right one scores below every wrong one"),
        Case(([0.5, 0.5], [0.5]), 0.5, "equal scores are worth half a hit"),
        Case(([0.9, 0.3], [0.5, 0.1]), 0.75, "compare every right one with every wrong one"),
        Case(([-1.0, -7.5], [-9.0, -2.0, -1.0]), 3.5 / 6,
             "scores need not lie in 0..1: only their order counts"),
    ],
    {
        "accuracy at one half": _one_half,
        "in pairs": _in_pairs,
        "equals count in full": lambda r, w: sum(a >= b for a in r for b in w) / (len(r) * len(w)),
        "equals do not count": lambda r, w: sum(a > b for a in r for b in w) / (len(r) * len(w)),
        "the other way round": lambda r, w: auc(w, r),
        "difference of means": lambda r, w: sum(r) / len(r) - sum(w) / len(w),
    },
)  # fmt: skip

EXERCISES = (PATH, UCB, AUC)
