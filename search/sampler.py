"""What strategies that sample whole traces share: how they ask, and waves of samples.

Sample i of a problem is always drawn from `ctx.seed.child(i)`, whatever the strategy: arms that
ask alike see the same samples, so their differences are not blurred by the draw (common random
numbers).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Format, Task
from evaluators.verdict import Knows, Verdict
from reasoning.core import Completion, Context, Prompt, Sampling, SeedPath, Step, Trace
from reasoning.prompts import PromptStyle, build

WAVE = 64
"""The most samples of one problem in flight at once."""


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """Settings of asking: prompt format, worked examples, role, and how tokens are drawn.

    `max_tokens` caps one trace; None takes the task's own length.
    """

    format: Format = "chain"
    shots: int = 0
    role: str | None = None
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        PromptStyle(self.format, self.shots, self.role)
        try:
            Sampling(256 if self.max_tokens is None else self.max_tokens, *self._drawing)
        except ValueError as error:
            raise BadInput(str(error)) from error

    @property
    def _drawing(self) -> tuple[float, int, float, float]:
        return self.temperature, self.top_k, self.top_p, self.min_p

    def needs(self, task: Task) -> frozenset[str]:
        """What the model must be able to do."""
        return frozenset()

    def knows(self, task: Task) -> Knows:
        """What the judge that chooses the answer had to know."""
        return "nothing"

    def prepare(self, task: Task) -> None:
        """Raise LabError where the settings cannot work on the task. Called before any call."""
        if task.problems:
            style = PromptStyle(self.format, self.shots, self.role)
            build(task, task.problems[0], style, "compact")

    def prompt(self, problem: Problem, ctx: Context) -> Prompt:
        """The question as the model reads it."""
        style = PromptStyle(self.format, self.shots, self.role)
        return build(ctx.task, problem, style, ctx.model.dialect)

    def sampling(self, ctx: Context) -> Sampling:
        """How one trace is drawn."""
        length = self.max_tokens
        if length is None:
            length = ctx.task.max_tokens(self.format, ctx.model.dialect)
        return Sampling(length, *self._drawing)


def refuse_greedy(sampler: Sampler, what: str) -> None:
    """Raises BadInput for temperature 0, at which every sample is the same."""
    if sampler.temperature == 0:
        raise BadInput(f"{what} draws several samples: temperature must be above 0")


def refuse_endless(ctx: Context, limit: int | None, what: str) -> None:
    """Raises BadInput where neither a count nor a budget ends the sampling."""
    if limit is None and not ctx.ledger.bounded:
        raise BadInput(f"without a budget {what} never ends: set a budget or a number")


async def waves(
    prompt: Prompt,
    sampling: Sampling,
    problem: Problem,
    ctx: Context,
    *,
    n: int | None,
    width: int | None = None,
) -> AsyncIterator[list[Trace]]:
    """Samples of one problem in waves, each in index order, until `n` or until the budget ends.

    A wave is no wider than `width` and than the tokens and calls left can pay in full; the last may
    be one shortened sample. What a cap on flops leaves unpaid is asked again when the others have
    given back what they did not use.
    """
    first = 0
    while n is None or first < n:
        want = min(width or WAVE, WAVE if n is None else n - first)
        count = ctx.ledger.width(want, sampling.max_tokens)
        if count == 0:
            return
        traces = await draw(prompt, sampling, problem, ctx, range(first, first + count))
        paid = [trace for trace in traces if trace.steps]  # the unpaid ones come last
        first += len(paid)
        yield paid
        free = not any(trace.tokens for trace in paid)
        if not paid or (n is None and free):  # what costs nothing would go on for ever
            return


async def draw(
    prompt: Prompt, sampling: Sampling, problem: Problem, ctx: Context, indices: Sequence[int]
) -> list[Trace]:
    """The samples with these indices, in this order; one that could not be paid has no steps."""
    seeds = [ctx.seed.child(i) for i in indices]
    made = await complete([(prompt, sampling, seed) for seed in seeds], ctx)
    return [whole(each, problem, ctx, seed) for each, seed in zip(made, seeds, strict=True)]


async def complete(
    asks: Sequence[tuple[Prompt, Sampling, SeedPath]], ctx: Context
) -> list[Completion]:
    """One completion for each ask, in this order, all asked at once.

    All calls end before the first error is raised, so that no answer is lost.
    """
    calls = [ctx.model.generate(prompt, how, ctx.ledger, seed) for prompt, how, seed in asks]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    made = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        made.append(answer[0])
    return made


def whole(completion: Completion, problem: Problem, ctx: Context, seed: SeedPath) -> Trace:
    """A completion as a trace of one piece. Only one that ended by itself has an answer; the
    tokens of any other are marked on the ledger as discarded."""
    if completion.finish == "budget" and completion.usage.completion == 0:
        return Trace((), "budget", seed=seed.text)
    answer = ctx.task.extract(completion.text) if completion.finish == "eos" else None
    if completion.finish != "eos":
        ctx.ledger.discard(seed.text, f"cut by {completion.finish}")
    elif not answer:
        ctx.ledger.discard(seed.text, "no answer")
    return Trace((step_of(completion),), completion.finish, answer or None, seed=seed.text)


def step_of(completion: Completion, verdict: Verdict | None = None) -> Step:
    """A completion as one step."""
    logprobs = completion.logprobs
    return Step(
        completion.text, completion.usage.completion, completion.finish,
        None if logprobs is None else sum(logprobs), verdict=verdict,
    )  # fmt: skip


def ended(completion: Completion, before: str, ctx: Context) -> bool:
    """Whether the trace ends with this completion, which follows the text `before`.

    A server that does not tell a stop string from the end is read so: a stop is a boundary unless
    the task finds an answer, and an empty completion is the end.
    """
    if completion.finish == "eos":
        return True
    if completion.finish != "stop" or "tells_stop" in ctx.model.can:
        return False
    return not completion.text or ctx.task.extract(before + completion.text) is not None


def pieces(text: str, boundary: str) -> list[str]:
    """A trace's text cut after every step boundary."""
    *ended, rest = text.split(boundary)
    return [*(piece + boundary for piece in ended), *([rest] if rest else [])]
