"""One sample: the answer at once, or after a chain of thought (Wei et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.problem import Problem
from evaluators.tasks.base import Format
from reasoning.core import Context, Solution
from search.sampler import Sampler, draw


@dataclass(frozen=True, kw_only=True)
class Direct(Sampler):
    """Asks for the answer alone: one sample, greedy by default."""

    format: Format = "direct"
    temperature: float = 0.0

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of sample 0, or none where it was cut."""
        prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
        traces = [t for t in await draw(prompt, sampling, problem, ctx, [0]) if t.steps]
        if not traces:
            return Solution(None, (), None, stopped_by="budget")
        [trace] = traces
        stopped = "budget" if trace.finish == "budget" else "done"
        chosen = None if trace.answer is None else 0
        return Solution(trace.answer, (trace,), chosen, stopped_by=stopped)


@dataclass(frozen=True, kw_only=True)
class ChainOfThought(Direct):
    """Asks for the steps first: one sample, greedy by default."""

    format: Format = "chain"
