"""Best-of-N: sample several chains, let a scorer choose (Cobbe et al. 2021), or let the scores
weigh a vote (Li et al. 2023, Making language models better reasoners with step-aware verifier)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, isnan
from typing import Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows
from reasoning.core import Context, Scorer, Solution, Trace
from search.sampler import Sampler, refuse_endless, refuse_greedy, waves
from search.scorers import resolve
from search.vote import tally


@dataclass(frozen=True)
class BestOfN(Sampler):
    """The best of `n` samples by `scorer` (a name of SCORERS or a Scorer); None samples as long as
    the budget pays.

    `vote` sums the scores of equal answers (log scores as probabilities) and takes the heaviest.
    `stop="first-accepted"` ends with the first sample whose score reaches `accept`. `width` is how
    many samples are drawn before they are scored: 1 when stopping early or when scoring costs
    tokens, else as many as can be paid.
    """

    n: int | None = None
    scorer: str | Scorer = "verifier"
    vote: bool = False
    stop: Literal["first-accepted"] | None = None
    accept: float = 1.0
    width: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n is not None and self.n < 1:
            raise BadInput(f"best-of-n: n must be 1 or more, not {self.n}")
        if self.width is not None and self.width < 1:
            raise BadInput(f"best-of-n: width must be 1 or more, not {self.width}")
        if self.stop not in (None, "first-accepted"):
            raise BadInput(f"best-of-n: stop is 'first-accepted' or nothing, not {self.stop!r}")
        if self.n != 1:
            refuse_greedy(self, "best-of-n")

    def needs(self, task: Task) -> frozenset[str]:
        return resolve(self.scorer, task).needs

    def knows(self, task: Task) -> Knows:
        return resolve(self.scorer, task).knows

    def prepare(self, task: Task) -> None:
        super().prepare(task)
        if self.stop and resolve(self.scorer, task).scale != "unit":
            raise BadInput(
                f"best-of-n stops at the first accepted trace, and scorer {self.scorer!r} accepts"
                " none: use a scorer that scores 0..1, such as 'verifier'"
            )

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the highest score (the first of equals), or of the heaviest vote."""
        refuse_endless(ctx, self.n, "best-of-n")
        scorer = resolve(self.scorer, ctx.task)
        prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
        charged = getattr(scorer, "charged", "score" in scorer.needs)
        early = self.stop is not None or charged
        traces: list[Trace] = []
        stopped = "budget"
        async for wave in waves(
            prompt, sampling, problem, ctx, n=self.n, width=self.width or (1 if early else None)
        ):
            if getattr(scorer, "joint", False):  # rates traces against each other: all again
                traces = await scored([*traces, *wave], scorer, problem, ctx)
            else:
                traces += await scored(wave, scorer, problem, ctx)
            accepted = self._accepted(traces)
            if accepted is not None:
                for trace in traces[accepted + 1 :]:
                    ctx.ledger.discard(trace.seed, "after the first accepted")
                answer = traces[accepted].answer
                return Solution(answer, tuple(traces), accepted, stopped_by="accepted")
        if len(traces) == self.n:
            stopped = "done"
        chosen = self._choose(traces, scorer, problem, ctx)
        answer = None if chosen is None else traces[chosen].answer
        return Solution(answer, tuple(traces), chosen, stopped_by=stopped)

    def _accepted(self, traces: Sequence[Trace]) -> int | None:
        if self.stop is None:
            return None
        good = (i for i, t in enumerate(traces) if t.score is not None and t.score >= self.accept)
        return next(good, None)

    def _choose(
        self, traces: Sequence[Trace], scorer: Scorer, problem: Problem, ctx: Context
    ) -> int | None:
        answered = [i for i, trace in enumerate(traces) if trace.answer is not None]
        known = [i for i in answered if traces[i].score is not None]
        if not known:
            return answered[0] if answered else None
        if self.vote:
            groups = tally(traces, problem, ctx.task, weights(traces, scorer.scale))
            return groups[0].members[0] if groups else None
        return max(known, key=lambda i: traces[i].score or 0.0)  # the first of equals


async def scored(
    traces: Sequence[Trace], scorer: Scorer, problem: Problem, ctx: Context
) -> list[Trace]:
    """The traces with their scores; those without an answer are not scored. Raises BadInput for a
    scorer that does not give every trace a number or None."""
    answered = [trace for trace in traces if trace.answer is not None]
    given = await scorer.score(problem, answered, ctx) if answered else []
    if len(given) != len(answered) or any(s is not None and isnan(s) for s in given):
        raise BadInput(
            f"scorer {type(scorer).__name__} must give a number or None for each of"
            f" {len(answered)} traces, not {list(given)}"
        )
    scores = iter(given)
    return [t if t.answer is None else replace(t, score=next(scores)) for t in traces]


def weights(traces: Sequence[Trace], scale: str) -> list[float]:
    """What each trace's vote weighs: its score, or for log scores the probability relative to the
    most probable trace. A trace without a score weighs nothing."""
    top = max((t.score for t in traces if t.score is not None), default=0.0)
    if scale == "log":
        return [0.0 if t.score is None else exp(t.score - top) for t in traces]
    return [t.score or 0.0 for t in traces]
