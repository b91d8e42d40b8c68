"""Several scorers as one: their weighted mean, their product, or the least of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log
from typing import Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.verdict import Knows
from reasoning.core import Context, Scorer, Trace
from search.scorers.aggregate import charged

Scale = Literal["unit", "log"]
Mix = Literal["sum", "product", "min"]

STRENGTH: tuple[Knows, ...] = ("nothing", "check", "solution", "reference")
"""What judges know, from the weakest to the strongest."""

IMPOSSIBLE = -1e9
"""The logarithm of 0, as a number that can be added to."""


@dataclass(frozen=True)
class Mixture:
    """The scores of `parts` as one, by `rule`; `weights` has one positive number a part, all 1
    without it.

    `sum`: the weighted mean on 0..1, and `min` the least; a score that is a log-probability counts
    as the probability. `product`: each score to the power of its weight; on the log scale where a
    part is, so that no long trace vanishes. Tokens of all parts are charged; of a product and of a
    minimum that is 0 already the later parts are not asked, so the cheap ones go first. It knows
    what its strongest part knows. None where a part gives None.
    """

    parts: tuple[Scorer, ...]
    rule: Mix = "sum"
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.parts:
            raise BadInput("a mixture needs scorers: mixture(step-verifier,mean-likelihood)")
        if self.rule not in ("sum", "product", "min"):
            raise BadInput(f"mixture: rule is sum, product or min, not {self.rule!r}")
        if self.weights and (
            len(self.weights) != len(self.parts) or not all(0 < w < inf for w in self.weights)
        ):
            raise BadInput(
                f"mixture: {len(self.parts)} scorers need as many weights above 0, not"
                f" {list(self.weights)}"
            )
        if self.rule == "min" and self.weights:
            raise BadInput("mixture: the least score has no weights; leave them out")

    @property
    def knows(self) -> Knows:
        known: list[Knows] = [part.knows for part in self.parts]
        return max(known, key=STRENGTH.index)

    @property
    def scale(self) -> Scale:
        on_log = self.rule == "product" and any(part.scale == "log" for part in self.parts)
        return "log" if on_log else "unit"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset().union(*(part.needs for part in self.parts))

    @property
    def partial(self) -> bool:
        """Whether unfinished traces are rated too: if all parts do."""
        return all(getattr(part, "partial", False) for part in self.parts)

    @property
    def joint(self) -> bool:
        """Whether traces are rated against each other: if a part does."""
        return any(getattr(part, "joint", False) for part in self.parts)

    @property
    def charged(self) -> bool:
        """Whether scoring costs tokens."""
        return any(map(charged, self.parts))

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        weights = self.weights or (1.0,) * len(self.parts)
        found: list[float | None] = [self._start] * len(traces)
        for part, weight in zip(self.parts, weights, strict=True):
            open_ = [i for i, so_far in enumerate(found) if not self._settled(so_far)]
            if getattr(part, "joint", False):
                open_ = list(range(len(traces)))  # the others are what each is rated against
            if not open_:
                continue
            given = await part.score(problem, [traces[i] for i in open_], ctx)
            for i, score in zip(open_, given, strict=True):
                before = found[i]
                if not self._settled(before):
                    found[i] = (
                        None if before is None or score is None
                        else self._joined(before, score, part.scale, weight)
                    )  # fmt: skip
        if self.rule == "sum":
            return [None if score is None else score / sum(weights) for score in found]
        return found

    @property
    def _start(self) -> float:
        return 0.0 if self.rule == "sum" or self.scale == "log" else 1.0

    def _settled(self, so_far: float | None) -> bool:
        """Whether later parts cannot change it."""
        least = IMPOSSIBLE if self.scale == "log" else 0.0
        return so_far is None or (self.rule != "sum" and so_far <= least)

    def _joined(self, so_far: float, score: float, scale: Scale, weight: float) -> float:
        if self.rule == "product" and self.scale == "log":
            logged = score if scale == "log" else log(score) if score > 0 else IMPOSSIBLE
            return max(IMPOSSIBLE, so_far + weight * logged)
        unit = exp(min(score, 0.0)) if scale == "log" else score
        if self.rule == "product":
            return so_far * unit**weight
        return min(so_far, unit) if self.rule == "min" else so_far + weight * unit
