"""Online bin packing, compiled: a policy table ranked once, then instances packed four at a time.

A table says how much an item of size x likes a bin with r left (row x, column r). Only the order in
a row matters, and only down to the empty bin (column C), which is always there: so each row becomes
byte ranks, 0 for what is never chosen. The bins open now are one byte a remaining capacity, 255 or
0, and the choice is the maximum of rank & open over the row, a few vector instructions. Four
instances in step hide each other's latency. Nothing here holds the interpreter's lock.
"""

from __future__ import annotations

import numpy as np

from evaluators.discovery.compiled import compiled

BYTES = 254  # the largest capacity whose ranks fit a byte


@compiled
def preferences(table: np.ndarray) -> np.ndarray:
    """What each item size would choose, best first, as remaining capacities, -1 after the end.

    `table` is (C + 1, C + 1) float64, no NaN where r >= x >= 1. A row ends with C, the empty bin.
    Equal priorities: the fullest bin first. Returns int16 (C + 1, C + 1); row 0 is unused.
    """
    top = table.shape[0] - 1
    found = np.full((top + 1, top + 1), -1, np.int16)
    for x in range(1, top + 1):
        row = table[x]
        n = 0
        for r in range(x, top):
            if row[r] >= row[top]:
                found[x, n] = r
                n += 1
        order = np.argsort(-row[found[x, :n]], kind="mergesort")
        found[x, :n] = found[x, :n][order]
        found[x, n] = top
    return found


@compiled
def ranked(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`preferences` as byte ranks (C + 1, padded to 32) by remaining capacity, best highest, 0 for
    never; and the inverse, from rank to remaining capacity, int16 (C + 1, 256). C <= 254."""
    top = chosen.shape[0] - 1
    ranks = np.zeros((top + 1, (top + 32) // 32 * 32), np.uint8)
    inverse = np.zeros((top + 1, 256), np.int16)
    for x in range(1, top + 1):
        n = 1
        while chosen[x, n - 1] != top:
            n += 1
        for j in range(n):
            ranks[x, chosen[x, j]] = n - j
            inverse[x, n - j] = chosen[x, j]
    return ranks, inverse


@compiled
def pack(chosen: np.ndarray, items: np.ndarray, taken: np.ndarray) -> int:
    """The bins that the items of one instance need; `taken` (as long as `items`) receives what was
    left in the bin that each was put into. By walking the preferences; any capacity."""
    top = chosen.shape[0] - 1
    counts = np.zeros(top + 1, np.int64)
    counts[top] = items.size + 1
    for i in range(items.size):
        x = items[i]
        j = 0
        while counts[chosen[x, j]] == 0:
            j += 1
        r = chosen[x, j]
        taken[i] = r
        counts[r] -= 1
        counts[r - x] += 1
    return items.size + 1 - int(counts[top])


@compiled
def _pack4(
    ranks: np.ndarray, inverse: np.ndarray, top: int, items: np.ndarray, bins: np.ndarray
) -> None:
    """`bins[k]` of four instances of equal length, `items` (n, 4), in step."""
    width = ranks.shape[1]
    counts = np.zeros((4, width), np.int32)
    opened = np.zeros((4, width), np.uint8)
    for k in range(4):
        counts[k, top] = items.shape[0] + 1
        opened[k, top] = 255
    for i in range(items.shape[0]):
        for k in range(4):
            x = items[i, k]
            row = ranks[x]
            state = opened[k]
            best = np.uint8(0)
            for r in range(width):
                value = np.uint8(row[r] & state[r])
                best = max(best, value)
            r = inverse[x, best]
            counts[k, r] -= 1
            if counts[k, r] == 0:
                opened[k, r] = 0
            counts[k, r - x] += 1
            opened[k, r - x] = 255
    for k in range(4):
        bins[k] = items.shape[0] + 1 - counts[k, top]


@compiled
def pack_all(
    chosen: np.ndarray,
    items: np.ndarray,
    bounds: np.ndarray,
    most: float,
    bins: np.ndarray,
) -> int:
    """Pack instances of equal length, `items` (instances, n), filling `bins`; how many were packed.

    Ends early once the excess in percent over the L1 `bounds`, summed, is above `most`: what is
    still to be packed has an excess of at least 0 each.
    """
    many, length = items.shape
    top = chosen.shape[0] - 1
    spent = 0.0
    done = 0
    if top <= BYTES:
        ranks, inverse = ranked(chosen)
        four = np.empty((length, 4), np.int64)
        counted = np.zeros(4, np.int64)
        while done < many:
            lanes = min(4, many - done)
            for k in range(4):  # an incomplete group is filled up with its first instance
                four[:, k] = items[done + k if k < lanes else done]
            _pack4(ranks, inverse, top, four, counted)
            for k in range(lanes):
                bins[done + k] = counted[k]
                spent += 100.0 * (counted[k] / bounds[done + k] - 1.0)
            done += lanes
            if spent > most:
                break
        return done
    taken = np.empty(length, np.int64)
    while done < many:
        bins[done] = pack(chosen, items[done], taken)
        spent += 100.0 * (bins[done] / bounds[done] - 1.0)
        done += 1
        if spent > most:
            break
    return done
