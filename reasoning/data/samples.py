"""Samples: independent samples of one prompt, the plainest source of traces.

Keeping the right ones afterwards is rejection sampling (Yuan et al. 2023, "Scaling relationship on
learning mathematical reasoning", section 3.3).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Format, Task
from reasoning.core import Completion, Context, Prompt, Sampling, SeedPath, Solution, Step, Trace
from reasoning.prompts import PromptStyle, build

WAVE = 64
"""The most samples of one problem in flight at once."""


@dataclass(frozen=True)
class Samples:
    """`k` samples a problem, sample i from `ctx.seed.child(i)`; chooses none.

    `format`, `shots` and `role` say how it is asked, the rest how a sample is drawn;
    `max_tokens` None is the task's own length.
    """

    k: int = 8
    format: Format = "chain"
    shots: int = 0
    role: str | None = None
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise BadInput(f"k must be 1 or more samples a problem, not {self.k}")
        if self.k > 1 and self.temperature == 0:
            raise BadInput("at temperature 0 every sample is the same: set k=1 or a temperature")
        PromptStyle(self.format, self.shots, self.role)
        try:
            Sampling(self.max_tokens or 256, *self._drawing)
        except ValueError as error:
            raise BadInput(str(error)) from error

    @property
    def _drawing(self) -> tuple[float, int, float, float]:
        return self.temperature, self.top_k, self.top_p, self.min_p

    def prepare(self, task: Task) -> None:
        """Raise LabError where the task cannot be asked so. Called before any call."""
        if task.problems:
            build(task, task.problems[0], self.style, "compact")

    @property
    def style(self) -> PromptStyle:
        return PromptStyle(self.format, self.shots, self.role)

    def prompt(self, problem: Problem, ctx: Context) -> Prompt:
        """The question as the model reads it."""
        return build(ctx.task, problem, self.style, ctx.model.dialect)

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The samples that could be paid, the last perhaps shortened."""
        length = self.max_tokens
        if length is None:
            length = ctx.task.max_tokens(self.format, ctx.model.dialect)
        prompt, sampling = self.prompt(problem, ctx), Sampling(length, *self._drawing)
        traces: list[Trace] = []
        while len(traces) < self.k:
            count = ctx.ledger.width(min(WAVE, self.k - len(traces)), length)
            seeds = [ctx.seed.child(len(traces) + i) for i in range(count)]
            made = await asyncio.gather(
                *(ctx.model.generate(prompt, sampling, ctx.ledger, seed) for seed in seeds),
                return_exceptions=True,
            )
            drawn = []
            for answer, seed in zip(made, seeds, strict=True):
                if isinstance(answer, BaseException):
                    raise answer  # all calls have ended: no answer is lost
                drawn += _trace(answer[0], ctx, seed)
            traces += drawn
            if len(drawn) < count or not count:
                break
        stopped = "done" if len(traces) == self.k else "budget"
        return Solution(None, tuple(traces), None, stopped_by=stopped)


def _trace(completion: Completion, ctx: Context, seed: SeedPath) -> list[Trace]:
    """A completion as a trace of one piece; none where nothing was paid."""
    if completion.finish == "budget" and not completion.usage.completion:
        return []
    answer = ctx.task.extract(completion.text) if completion.finish == "eos" else None
    logprobs = completion.logprobs
    step = Step(
        completion.text, completion.usage.completion, completion.finish,
        None if logprobs is None else sum(logprobs),
    )  # fmt: skip
    return [Trace((step,), completion.finish, answer or None, seed=seed.text)]
