"""Adaptive: predict how hard a problem is, and spend on it what pays there (Snell et al. 2024,
Scaling LLM test-time compute optimally, arXiv:2408.03314, sections 3.2 and 5.3).

The plan is fitted on training problems by `search.fit.fit_adaptive`; it is plain data. Probe
samples that a prediction rests on are charged once: a strategy that samples whole traces is given
them as its first samples. No answer of a problem that is being solved is ever read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows
from reasoning.core import Completion, Context, Prompt, Sampling, SeedPath, Solution, Trace
from reasoning.ledger import Budget, Ledger
from search.plan import Option, Plan, Predictor, features
from search.plans import FOLDER, shipped
from search.sampler import Sampler, waves
from search.vote import tally


@dataclass(frozen=True)
class Adaptive(Sampler):
    """Takes for each problem the option that `plan` (the name of a shipped one, a file, or a Plan)
    has for its difficulty.

    With `mean` the plan spends so many tokens a problem on average, more on some than on others;
    the budget of each problem should then be several times that. Without, every problem may spend
    the whole budget, and the difficulty chooses on what. The settings of asking are those of the
    probes: they serve as samples of strategies that ask alike.
    """

    plan: str | Plan = "tiny-expressions"
    mean: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mean is not None and self.mean <= 0:
            raise BadInput(f"adaptive: mean must be a number of tokens above 0, not {self.mean}")
        self.contents()

    @cached_property
    def fitted(self) -> Plan:
        """The plan itself."""
        if not isinstance(self.plan, str):
            return self.plan
        return Plan.load(FOLDER / f"{self.plan}.json" if self.plan in shipped() else self.plan)

    def contents(self) -> Plan:
        """What a run's settings say of the plan: all of it, as the file may change."""
        return self.fitted

    def save(self, path: str) -> None:
        """Write the plan as a file that `adaptive(plan=FILE)` reads."""
        self.fitted.save(path)

    def needs(self, task: Task) -> frozenset[str]:
        asked = [getattr(each, "needs", None) for each in self._strategies()]
        own = {"logprobs"} if any("likelihood" in p.weights for p in self.fitted.predictors) else ()
        return frozenset(own).union(*(ask(task) for ask in asked if ask is not None))

    def knows(self, task: Task) -> Knows:
        from search.strategies import knows

        known: list[Knows] = [knows(strategy, task) for strategy in self._strategies()]
        return max(known, key=_KNOWING.index)

    def prepare(self, task: Task) -> None:
        super().prepare(task)
        for strategy in self._strategies():
            prepare = getattr(strategy, "prepare", None)
            if prepare is not None:
                prepare(task)

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """What the option for this problem makes of it."""
        predictor, options = self.fitted.choose(self.mean, ctx.ledger.left_tokens)
        memory = _Memory(ctx.model)
        before = ctx.ledger.spent.tokens
        probes = await self.probe(predictor.probes, problem, replace(ctx, model=memory))
        memory.asking = False
        if predictor.probes and not probes:
            return Solution(None, (), None, stopped_by="budget")
        known = features(problem, ctx.task, self._question(problem, ctx), probes)
        ease = predictor.predict(known)
        option = options[predictor.bin(ease)]
        ctx.events("adaptive", problem=problem.id, ease=ease, known=known, **vars(option))
        left = None if option.tokens is None else option.tokens - (ctx.ledger.spent.tokens - before)
        part = _Part(Budget(tokens=None if left is None else max(0, left)), parent=ctx.ledger)
        if probes and part.exhausted():
            return _voted(probes, (), problem, ctx.task)
        solution = await self._spend(option, part, problem, replace(ctx, model=memory))
        aside = [trace for trace in probes if trace.seed in memory.unused]
        for trace in aside:
            ctx.ledger.discard(trace.seed, "probe only")
        if aside and solution.answer is None:
            return _voted(aside, solution.traces, problem, ctx.task)
        return replace(solution, traces=(*solution.traces, *aside)) if aside else solution

    async def probe(self, count: int, problem: Problem, ctx: Context) -> list[Trace]:
        """The first samples of the problem, as many as can be paid."""
        found: list[Trace] = []
        if count:
            prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
            async for wave in waves(prompt, sampling, problem, ctx, n=count):
                found += wave
        return found

    async def _spend(
        self, option: Option, part: Ledger, problem: Problem, ctx: Context
    ) -> Solution:
        """The option's own work; its rows become the problem's."""
        from search.strategies import parse

        try:
            return await parse(option.strategy).solve(problem, replace(ctx, ledger=part))
        finally:
            ctx.ledger.rows += part.rows  # their sums were counted as they were made

    def _question(self, problem: Problem, ctx: Context) -> str:
        return ctx.task.render(problem, self.format, ctx.model.dialect)

    def _strategies(self) -> list[Any]:
        from search.strategies import parse

        return [parse(option.strategy) for option in self.fitted.options]


_KNOWING: tuple[Knows, ...] = ("nothing", "check", "solution", "reference")


class _Part(Ledger):
    """A part of a problem's ledger with a smaller cap."""

    def discard(self, key: str, reason: str) -> None:
        super().discard(key, reason)
        assert self.parent is not None
        self.parent.discard(key, reason)


class _Memory:
    """A model that answers the calls that were made while it was `asking` once more from memory,
    free of charge."""

    def __init__(self, model: Any) -> None:
        self._model, self.asking = model, True
        self._kept: dict[tuple[Prompt, Sampling, str], list[Completion]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def unused(self) -> list[str]:
        """The keys of the calls that nobody has asked again."""
        return [key for _, _, key in self._kept]

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        key = (prompt, sampling, seed.text)
        if not self.asking and key in self._kept:
            return self._kept.pop(key)
        made = await self._model.generate(prompt, sampling, ledger, seed)
        if self.asking and any(each.usage.completion for each in made):
            self._kept[key] = made
        return made


def _voted(
    probes: Sequence[Trace], others: Sequence[Trace], problem: Problem, task: Task
) -> Solution:
    """What most of the probes say."""
    groups = tally(probes, problem, task)
    traces = (*others, *probes)
    if not groups:
        return Solution(None, traces, None, stopped_by="budget")
    chosen = len(others) + groups[0].members[0]
    return Solution(traces[chosen].answer, traces, chosen, stopped_by="done")


__all__ = ["Adaptive", "Option", "Plan", "Predictor"]
