"""The greedy construction of a cap, compiled. Vectors are numbers in base 3, first digit first."""

from __future__ import annotations

import numpy as np

from evaluators.discovery.compiled import compiled

HALF = 3**5  # numbers are split into two parts of at most five digits


def thirds() -> np.ndarray:
    """int32 (243, 243): the point that completes a line with two points of five digits."""
    numbers = np.arange(HALF)
    digits = numbers[:, None] // 3 ** np.arange(5) % 3
    sums = (-digits[:, None] - digits[None]) % 3
    return (sums @ 3 ** np.arange(5)).astype(np.int32)


@compiled
def greedy(order: np.ndarray, size: int, table: np.ndarray) -> np.ndarray:
    """The vectors taken, in order: each of `order` that completes no line with two taken before.

    `order` holds numbers below `size`; `table` is `thirds()`. Returns int64.
    """
    blocked = np.zeros(size, np.bool_)
    taken = np.empty(order.size, np.int64)
    n = 0
    for a in order:
        if blocked[a]:
            continue
        high, low = a // HALF, a % HALF
        for i in range(n):
            b = taken[i]
            blocked[table[high, b // HALF] * HALF + table[low, b % HALF]] = True
        taken[n] = a
        n += 1
    return taken[:n]
