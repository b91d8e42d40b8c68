"""Published heuristics of online bin packing, compiled: what a search is compared with, in pairs.

They see the bins as in Romera-Paredes et al., "Mathematical discoveries from program search with
large language models", Nature 2024: as many bins as items, in a row from the start, of equal
priorities the first. `funsearch-weibull` and `funsearch-or` are the heuristics published there.
Their arithmetic is done in the paper's order, so that every choice is the paper's.
"""

from __future__ import annotations

import numpy as np

from evaluators.discovery.bin_packing.instances import Instance
from evaluators.discovery.compiled import compiled
from evaluators.errors import UnknownName

REFERENCES = ("first-fit", "best-fit", "funsearch-weibull", "funsearch-or")


def bins_of(name: str, instance: Instance) -> int:
    """The number of bins that a heuristic uses. Raises UnknownName."""
    return int(np.unique(packing_of(name, instance)).size)


def packing_of(name: str, instance: Instance) -> np.ndarray:
    """A heuristic's packing: the bin of each item, int64, bins numbered as they stand."""
    if name not in REFERENCES:
        raise UnknownName("published heuristic", name, REFERENCES)
    items = instance.items.astype(np.int64)
    if name == "funsearch-weibull":
        return _weibull(items, instance.capacity)
    return _by_gap(items, instance.capacity, REFERENCES.index(name))


@compiled
def _gap_priority(kind: int, gap: int) -> float:
    """first fit: one for all; best fit: the smaller the better; funsearch-or: steps."""
    if kind == 0:
        return 0.0
    if kind == 1:
        return -float(gap)
    edges = (2, 3, 5, 7, 9, 12, 15, 21)
    values = (4.0, 3.0, 2.0, 1.0, 0.9, 0.95, 0.97, 0.98)
    for i in range(8):
        if gap <= edges[i]:
            return values[i]
    return 0.99


@compiled
def _by_gap(items: np.ndarray, capacity: int, kind: int) -> np.ndarray:
    """Heuristics that look at each bin alone. Bins above `used` are empty, one stands for all."""
    left = np.full(items.size + 1, capacity)
    packing = np.empty(items.size, np.int64)
    used = 0
    for i in range(items.size):
        best, where = -np.inf, -1
        for b in range(used + 1):
            if left[b] >= items[i]:
                value = _gap_priority(kind, left[b] - items[i])
                if value > best:
                    best, where = value, b
        left[where] -= items[i]
        packing[i] = where
        used = max(used, where + 1)
    return packing


@compiled
def _weibull(items: np.ndarray, capacity: int) -> np.ndarray:
    """FunSearch's heuristic for Weibull instances: differences of neighbouring bins that fit.

    An empty bin beyond the second in a row differs from its neighbour by 0: three stand for all
    that follow the last one used, but one in between, left out before, counts as itself.
    """
    n = items.size
    left = np.full(n, capacity)
    packing = np.empty(n, np.int64)
    used = 0
    for i in range(n):
        x = items[i]
        seen = min(used + 3, n)
        largest = capacity if seen > used else 0
        for b in range(used):
            largest = max(largest, left[b])
        best, where, before = -np.inf, -1, 0.0
        for b in range(seen):
            if left[b] < x:
                continue
            score = float((left[b] - largest) ** 2) / x + float(left[b] ** 2) / float(x**2)
            score += float(left[b] ** 2) / float(x**3)
            if left[b] > x:
                score = -score
            value = score - before if where >= 0 else score
            before = score
            if value > best:
                best, where = value, b
        left[where] -= x
        packing[i] = where
        used = max(used, where + 1)
    return packing
