"""How far two judges agree: share of equal judgements, and Cohen's kappa."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import nan

from evaluators.errors import BadInput
from evaluators.intervals import Interval, wilson_interval


@dataclass(frozen=True)
class Agreement:
    """Of `n` items that both judges decided, the share on which they agree, with its interval, and
    `kappa`; `missing` items were decided by one of them only, or by none.

    `table` counts the pairs of judgements (first judge, second judge).
    """

    n: int
    missing: int
    accuracy: Interval | None
    kappa: float
    table: dict[tuple[Hashable, Hashable], int]


def kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Agreement beyond chance, (p_o - p_e) / (1 - p_e): 1 for equal judgements, 0 for what judges
    of these habits would agree on by chance (Cohen 1960, equation 1).

    NaN where chance alone makes them agree (both always say the same). Raises BadInput for lists
    that are empty or of different lengths.
    """
    if len(first) != len(second) or not first:
        raise BadInput(
            f"kappa needs two lists of the same items, not {len(first)} and {len(second)} of them"
        )
    n = len(first)
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    one, two = Counter(first), Counter(second)
    chance = sum(one[label] * two[label] for label in one) / n**2
    return nan if chance == 1 else (observed - chance) / (1 - chance)


def agreement(first: Sequence[Hashable | None], second: Sequence[Hashable | None]) -> Agreement:
    """How two judges agree on the same items; `None` is no judgement. Raises BadInput for lists of
    different lengths."""
    if len(first) != len(second):
        raise BadInput(f"{len(first)} and {len(second)} judgements: give both judges' on each item")
    both = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not both:
        return Agreement(0, len(first), None, nan, {})
    one, two = zip(*both, strict=True)
    same = wilson_interval(sum(a == b for a, b in both), len(both))
    return Agreement(len(both), len(first) - len(both), same, kappa(one, two), dict(Counter(both)))
