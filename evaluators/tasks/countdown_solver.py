"""The countdown game itself: moves, exact solver, random instances. All numbers are positive
integers; the solver is memoised on the canonical state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

MAX_VALUE, MAX_INPUT = 60, 12
Move = tuple[str, int, int, int]
"""(operator, a, b, result) with positive integer results."""


def moves(numbers: Sequence[int]) -> list[Move]:
    """All different moves between two of the numbers with a positive integer result."""
    found: dict[Move, None] = {}
    for i, x in enumerate(numbers):
        for y in numbers[i + 1 :]:
            a, b = max(x, y), min(x, y)
            found[("+", a, b, a + b)] = None
            found[("*", a, b, a * b)] = None
            if a > b:
                found[("-", a, b, a - b)] = None
            if b > 1 and a % b == 0:
                found[("/", a, b, a // b)] = None
    return list(found)


def after(numbers: Sequence[int], move: Move) -> tuple[int, ...]:
    """The numbers left after a move: its result first, then the rest in their order."""
    rest = list(numbers)
    rest.remove(move[1])
    rest.remove(move[2])
    return (move[3], *rest)


@lru_cache(maxsize=200_000)
def _solvable(state: tuple[int, ...], target: int) -> bool:
    if len(state) == 1:
        return state[0] == target
    return any(_solvable(tuple(sorted(after(state, m))), target) for m in moves(state))


def solvable(numbers: Sequence[int], target: int) -> bool:
    """Whether the target can be reached with positive integers on the way (exact)."""
    return _solvable(tuple(sorted(numbers)), target)


@lru_cache(maxsize=200_000)
def _reachable(state: tuple[int, ...], target: int) -> bool:
    if len(state) == 1:
        return state[0] == target
    twins = {a for a, b in pairwise(state) if a == b}
    options = [*moves(state), *(("-", a, a, 0) for a in twins)]
    return any(_reachable(tuple(sorted(after(state, m))), target) for m in options)


def reachable(numbers: Sequence[int], target: int) -> bool:
    """Whether a chain of legal lines reaches the target (exact): as `solvable`, but 0 may be met on
    the way, which the verifier accepts and the problems never need. For 0 and positive integers."""
    return _reachable(tuple(sorted(numbers)), target)


def solve(
    numbers: Sequence[int], target: int, rng: np.random.Generator | None = None
) -> list[Move] | None:
    """The moves of one solution (a random one with `rng`), or `None` when there is none."""
    if not solvable(numbers, target):
        return None
    state, path = tuple(numbers), []
    while len(state) > 1:
        options = [m for m in moves(state) if solvable(after(state, m), target)]
        move = options[int(rng.integers(len(options)))] if rng is not None else options[0]
        path.append(move)
        state = after(state, move)
    return path


def random_instance(count: int, rng: np.random.Generator) -> tuple[list[int], int, list[Move]]:
    """Numbers, a reachable target and the moves that made it, all values in 1..60."""
    while True:
        numbers = [int(x) for x in rng.integers(1, MAX_INPUT + 1, count)]
        state, path = tuple(numbers), []
        while len(state) > 1:
            i, j = rng.choice(len(state), 2, replace=False)
            options = [m for m in moves((state[i], state[j])) if m[3] <= MAX_VALUE]
            if not options:
                break
            path.append(options[int(rng.integers(len(options)))])
            state = after(state, path[-1])
        if len(state) == 1 and state[0] not in numbers:
            return numbers, state[0], path
