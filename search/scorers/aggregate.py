"""One score for a trace out of the scores of its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import prod
from typing import Literal, get_args
from weakref import WeakKeyDictionary

from evaluators.errors import UnknownName
from evaluators.problem import Problem
from evaluators.verdict import Knows
from reasoning.core import Context, Scorer, Step, Trace
from reasoning.ledger import Ledger
from search.sampler import pieces

Place = tuple[str, bool, str]  # problem, whether the trace is finished, text
Rule = Literal["min", "product", "mean", "last"]

RULES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "product": prod,
    "mean": lambda scores: sum(scores) / len(scores),
    "last": lambda scores: scores[-1],
}
"""How the scores of steps, on 0..1, become one (Lightman et al. 2023, appendix F, compare the
minimum and the product)."""


def check_rule(rule: str) -> None:
    """Raises UnknownName for a rule that does not exist."""
    if rule not in RULES:
        raise UnknownName("aggregation of step scores", rule, get_args(Rule))


def aggregate(scores: Sequence[float], rule: Rule = "min") -> float:
    """The scores of a trace's steps, each on 0..1, as one; 1 without a step."""
    return RULES[rule](scores) if scores else 1.0


@dataclass(frozen=True)
class Stepwise:
    """The score of every beginning of a trace by `scorer`, which rates partial traces on 0..1,
    made one by `rule`. A beginning that was scored for the same problem is not scored again."""

    scorer: Scorer
    rule: Rule = "min"
    _memory: WeakKeyDictionary[Ledger, dict[Place, float | None]] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        check_rule(self.rule)

    @property
    def knows(self) -> Knows:
        return self.scorer.knows

    @property
    def scale(self) -> Literal["unit", "log"]:
        return self.scorer.scale

    @property
    def needs(self) -> frozenset[str]:
        return self.scorer.needs

    @property
    def partial(self) -> bool:
        return True

    @property
    def charged(self) -> bool:
        """Whether scoring costs tokens."""
        return charged(self.scorer)

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        memory = self._memory.setdefault(ctx.ledger, {})
        cut = [beginnings(trace, ctx.task.boundary) for trace in traces]
        places = [[(problem.id, part.finish == "eos", part.text) for part in row] for row in cut]
        pairs = zip(chain.from_iterable(places), chain.from_iterable(cut), strict=True)
        new = {place: part for place, part in pairs if place not in memory}
        if new:
            given = await self.scorer.score(problem, list(new.values()), ctx)
            memory.update(zip(new, given, strict=True))
        return [self._one([memory[place] for place in row]) for row in places]

    def _one(self, scores: Sequence[float | None]) -> float | None:
        known = [score for score in scores if score is not None]
        return aggregate(known, self.rule) if len(known) == len(scores) else None


def beginnings(trace: Trace, boundary: str) -> list[Trace]:
    """The trace after each of its steps, the whole one last. A step has its share of the trace's
    tokens, by characters: a scorer that charges for reading charges by them."""
    texts = pieces(trace.text, boundary)
    each = trace.tokens / max(1, len(trace.text))
    steps = [Step(text, round(each * len(text)), "boundary") for text in texts]
    parts = [
        Trace(tuple(steps[: at + 1]), "boundary", seed=f"{trace.seed}+{at}")
        for at in range(len(steps) - 1)
    ]
    return [*parts, trace] if texts else []


def charged(scorer: Scorer) -> bool:
    """Whether a scorer's scores cost tokens."""
    return bool(getattr(scorer, "charged", "score" in scorer.needs))
