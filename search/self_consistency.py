"""Self-consistency: sample several chains, answer what most of them say (Wang et al. 2022).

With `adaptive` it stops as soon as the lead is certain enough (Aggarwal et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.errors import BadInput
from evaluators.problem import Problem
from reasoning.core import Context, Solution, Trace
from search.sampler import Sampler, refuse_endless, refuse_greedy, waves
from search.vote import certainty, tally


@dataclass(frozen=True)
class SelfConsistency(Sampler):
    """Majority vote over `n` samples; None samples as long as the budget pays.

    `adaptive` (0.95 in the paper) stops when the leading answer is the most frequent one with that
    probability. `width` is how many samples are drawn before the vote is looked at again: 1 with
    `adaptive`, else as many as can be paid.
    """

    n: int | None = None
    adaptive: float | None = None
    width: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n is not None and self.n < 1:
            raise BadInput(f"self-consistency: n must be 1 or more, not {self.n}")
        if self.width is not None and self.width < 1:
            raise BadInput(f"self-consistency: width must be 1 or more, not {self.width}")
        if self.adaptive is not None and not 0.5 < self.adaptive < 1:
            raise BadInput(f"self-consistency: adaptive lies between .5 and 1, not {self.adaptive}")
        if self.n != 1:
            refuse_greedy(self, "self-consistency")

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The most frequent answer; ties go to the one seen first."""
        refuse_endless(ctx, self.n, "self-consistency")
        prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
        width = self.width or (1 if self.adaptive else None)
        traces: list[Trace] = []
        drawn, stopped = 0, "budget"
        async for wave in waves(prompt, sampling, problem, ctx, n=self.n, width=width):
            traces += wave
            drawn += len(wave)
            votes = [len(group.members) for group in tally(traces, problem, ctx.task)]
            first, second = ([*votes, 0, 0])[:2]
            if self.adaptive and first and certainty(first, second) >= self.adaptive:
                stopped = "agreed"
                break
        if stopped == "budget" and drawn == self.n:
            stopped = "done"
        groups = tally(traces, problem, ctx.task)
        if not groups:
            return Solution(None, tuple(traces), None, stopped_by=stopped)
        chosen = groups[0].members[0]
        return Solution(traces[chosen].answer, tuple(traces), chosen, stopped_by=stopped)
