"""Cap sets, `cap-set:N`: as many vectors of {0, 1, 2}^N as possible, no three of them on a line.

Three different vectors lie on a line when they add up to 0 modulo 3 in every coordinate. The
largest caps known (N = 3…9) have 9, 20, 45, 112, 236, 512 and 1082 vectors; up to N = 6 no larger
one exists. A program rates all vectors at once; we take them greedily in the order of its
priorities, leaving out what would complete a line (Romera-Paredes et al., "Mathematical discoveries
from program search with large language models", Nature 2024).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluators.errors import UnknownName

if TYPE_CHECKING:
    from evaluators.discovery.cap_set.problem import CapSet

VARIANTS = tuple(str(n) for n in range(3, 10))


def load(dimension: str) -> CapSet:
    """`cap-set:N` for N from 3 to 9. Raises UnknownName."""
    from evaluators.discovery.cap_set.problem import CapSet

    if dimension not in VARIANTS:
        raise UnknownName("dimension of a cap set", dimension, VARIANTS)
    return CapSet(int(dimension))
