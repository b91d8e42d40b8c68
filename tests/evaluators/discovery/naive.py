"""Online bin packing in plain Python, to compare the compiled code with."""

from __future__ import annotations

import itertools

import numpy as np


def pack_by_table(table: np.ndarray, items: list[int]) -> list[int]:
    """What was left in the bin that each item goes into; ties to the fullest bin."""
    capacity = len(table) - 1
    left: list[int] = []
    taken = []
    for item in items:
        rooms = [r for r in left if r >= item] + [capacity]
        best = max(rooms, key=lambda r: (table[item, r], -r))
        if best in left and best != capacity:
            left.remove(best)
        taken.append(best)
        left.append(best - item)
    return taken


def pack_by_priority(priority, items: list[int], capacity: int) -> list[int]:
    """The bin of each item; as many bins as items, of equal priorities the first."""
    bins = np.full(len(items), capacity)
    packing = []
    for item in items:
        fit = [b for b, room in enumerate(bins) if room >= item]
        rated = priority(item, bins[fit])
        where = fit[int(np.argmax(rated))]
        bins[where] -= item
        packing.append(where)
    return packing


def fewest_bins(items: list[int], capacity: int) -> int:
    """The optimum by trying every assignment."""
    for many in range(1, len(items) + 1):
        for assignment in itertools.product(range(many), repeat=len(items)):
            loads = [0] * many
            for item, b in zip(items, assignment, strict=True):
                loads[b] += item
            if max(loads) <= capacity:
                return many
    raise AssertionError
