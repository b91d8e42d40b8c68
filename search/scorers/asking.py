"""What scorers that ask a model share: which model, the question as it reads it, waves of calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TypeVar

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import Completion, Context, LanguageModel, Message, Prompt, Sampling
from reasoning.prompts import PromptStyle, build

T = TypeVar("T")


@lru_cache(maxsize=8)
def opened(name: str) -> LanguageModel:
    """A model by name; one that is loaded stays. Raises what `load_model` raises."""
    from reasoning.models import load_model

    return load_model(name)


def judge_of(model: str | LanguageModel | None, ctx: Context) -> LanguageModel:
    """The scorer's own model, in a run so that what it says is logged too; without one the model
    that writes the traces."""
    if model is None:
        return ctx.model
    found = opened(model) if isinstance(model, str) else model
    beside = getattr(ctx.model, "beside", None)
    return found if beside is None else beside(found)


def question_of(task: Task, problem: Problem, dialect: str) -> Prompt:
    """The question of a chain, where the task has chains, in the dialect of the judge."""
    style = PromptStyle("chain" if "chain" in task.formats else task.formats[0])
    return build(task, problem, style, "compact" if dialect == "compact" else "plain")


def turn(text: str, prefix: str = "") -> Prompt:
    """One user turn, and the beginning of the answer to it."""
    return Prompt((Message("user", text),), prefix)


async def said(
    model: LanguageModel, prompt: Prompt, sampling: Sampling, ctx: Context
) -> Completion:
    """What a judge answers; its seed depends on the prompt alone."""
    text = "\0".join([*(m.content for m in prompt.messages), prompt.prefix])
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    [made] = await model.generate(prompt, sampling, ctx.ledger, ctx.seed.child("judge", digest))
    return made


async def in_waves(
    items: Sequence[T],
    work: Callable[[T], Awaitable[float | None]],
    ctx: Context,
    *,
    tokens: int,
) -> list[float | None]:
    """What `work` says of each item, in this order, as many at once as the budget can pay when one
    costs up to `tokens`; None for those that it cannot pay. All calls of a wave end before the
    first error is raised, so that no answer is lost."""
    found: list[float | None] = []
    while len(found) < len(items):
        wide = ctx.ledger.width(len(items) - len(found), tokens)
        if wide == 0:
            return found + [None] * (len(items) - len(found))
        wave = items[len(found) : len(found) + wide]
        for answer in await asyncio.gather(*map(work, wave), return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
            found.append(answer)
    return found
