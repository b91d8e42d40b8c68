"""Agreement among traces as their score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from evaluators.problem import Problem
from evaluators.verdict import Knows
from reasoning.core import Context, Trace
from search.vote import tally


@dataclass(frozen=True)
class Vote:
    """The share of the traces' answers that equal this one's: `joint`, it rates all of a problem's
    traces against each other."""

    joint: ClassVar[bool] = True
    knows: ClassVar[Knows] = "nothing"
    scale: ClassVar[Literal["unit", "log"]] = "unit"
    needs: frozenset[str] = frozenset()

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        shares: list[float | None] = [0.0] * len(traces)
        groups = tally(traces, problem, ctx.task)
        total = sum(group.weight for group in groups)
        for group in groups:
            for member in group.members:
                shares[member] = group.weight / total
        return shares
