"""The course of an evolution: best scores over evaluations, in all and on every island."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Point = tuple[int, float]
"""(number of the evaluation, score)"""


@dataclass(frozen=True)
class Course:
    """What the charts draw: `best` on the training instances and its `held_out` score as steps, the
    best of every island as steps, up to evaluation `last`. `marks` are levels to compare with."""

    name: str
    direction: str
    best: Sequence[Point] = ()
    held_out: Sequence[Point] = ()
    islands: Sequence[Sequence[Point]] = ()
    last: int = 0
    marks: Mapping[str, float] = field(default_factory=dict)

    @property
    def minimise(self) -> bool:
        return self.direction == "minimise"

    def range(self) -> tuple[float, float] | None:
        """The lowest and highest score worth drawing: the start counts only as long as it is not
        left behind at once, so that one bad first score does not flatten the rest."""
        begun = self.last / 50
        values = [v for (_, v), (after, _) in pairwise([*self.best, (self.last + 1, 0.0)])
                  if after >= begun]  # fmt: skip
        values += [v for _, v in self.held_out[-1:]] + list(self.marks.values())
        values = [v for v in values if math.isfinite(v)]
        if not values:
            return None
        low, high = min(values), max(values)
        return (low - 0.5, high + 0.5) if low == high else (low, high)

    def columns(self, count: int) -> list[list[float | None]]:
        """Every island's best score at the end of each of `count` equal spans of evaluations."""
        return [
            [at(steps, (i + 1) * max(self.last, 1) / count) for i in range(count)]
            for steps in self.islands
        ]


def at(steps: Sequence[Point], k: float) -> float | None:
    """The value of a step function at evaluation `k`; None before its first step."""
    value = None
    for place, score in steps:
        if place > k:
            break
        value = score
    return value


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """About `count` round numbers between `low` and `high` (steps of 1, 2 or 5 times a power of
    ten)."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]
