"""A language model's ratings as scores, point by point or pair by pair (evaluators.rater)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.rater import CRITERION, Ask, PairRater, PointRater
from evaluators.verdict import Knows
from reasoning.core import Context, LanguageModel, Sampling, Trace
from search.scorers.asking import in_waves, judge_of, question_of, said, turn

Pair = tuple[int, int]

WON = {"first": 1.0, "tie": 0.5, "second": 0.0}


@dataclass(frozen=True)
class Rater:
    """The rating that a model gives a trace, on 0..1; None where its reply cannot be read or paid.

    `kind="point"` rates each trace, or beginning of one, on 1..5. `kind="pair"` compares finished
    traces, each with each in both orders; the score is the share of comparisons won, ties at half:
    n (n - 1) calls, so give the strategy its n. `model` is a name or a model (None: the one that
    writes the traces); it has to follow instructions in English. `tokens` caps a reply; what is
    replied is charged as generated. Ratings and reasons are events of the run log.
    """

    kind: Literal["point", "pair"] = "point"
    model: str | LanguageModel | None = None
    criterion: str = CRITERION
    tokens: int = 256
    needs: frozenset[str] = frozenset()
    knows: ClassVar[Knows] = "nothing"
    scale: ClassVar[Literal["unit", "log"]] = "unit"

    def __post_init__(self) -> None:
        if self.kind not in ("point", "pair"):
            raise BadInput(f"rater: kind is 'point' or 'pair', not {self.kind!r}")
        if self.tokens < 1:
            raise BadInput(f"rater: tokens must be 1 or more, not {self.tokens}")

    @property
    def partial(self) -> bool:
        """Whether unfinished traces are rated too."""
        return self.kind == "point"

    @property
    def joint(self) -> bool:
        """Whether traces are rated against each other."""
        return self.kind == "pair"

    @property
    def charged(self) -> bool:
        """Whether each trace costs tokens by itself."""
        return self.kind == "point"

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        judge = judge_of(self.model, ctx)
        question = "\n".join(m.content for m in question_of(ctx.task, problem, "plain").messages)
        ask = self._ask(judge, ctx)
        if self.kind == "point":
            return await self._points(question, traces, ask, ctx)
        return await self._pairs(question, traces, ask, ctx)

    def _ask(self, judge: LanguageModel, ctx: Context) -> Ask:
        sampling = Sampling(self.tokens, temperature=0.0)

        async def ask(text: str) -> str:
            return (await said(judge, turn(text), sampling, ctx)).text

        return ask

    async def _points(
        self, question: str, traces: Sequence[Trace], ask: Ask, ctx: Context
    ) -> list[float | None]:
        rater = PointRater(ask, self.criterion)

        async def rate(trace: Trace) -> float | None:
            partial = trace.finish != "eos"
            rating = await rater.rate(question, trace.text, partial=partial)
            ctx.events("rating", trace=trace.seed, score=rating.score, reason=rating.reason)
            return rating.unit

        return await in_waves(traces, rate, ctx, tokens=self.tokens)

    async def _pairs(
        self, question: str, traces: Sequence[Trace], ask: Ask, ctx: Context
    ) -> list[float | None]:
        rater = PairRater(ask, self.criterion)
        pairs = list(combinations(range(len(traces)), 2))

        async def compare(pair: Pair) -> float | None:
            first, second = (traces[i].text for i in pair)
            found = await rater.compare(question, first, second)
            seeds = [traces[i].seed for i in pair]
            ctx.events("preference", traces=seeds, said=list(found.said), reasons=found.reasons)
            return None if found.winner is None else WON[found.winner]

        won = await in_waves(pairs, compare, ctx, tokens=2 * self.tokens)
        points: list[list[float]] = [[] for _ in traces]
        for (i, j), share in zip(pairs, won, strict=True):
            if share is not None:
                points[i].append(share)
                points[j].append(1 - share)
        alone = len(traces) == 1
        return [sum(p) / len(p) if p else 0.5 if alone else None for p in points]
