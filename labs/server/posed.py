"""Posed: a model that is asked the turns of a request, whatever a strategy would ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluators.tasks.base import Dialect
from reasoning.core import (
    Completion,
    LanguageModel,
    Prompt,
    Sampling,
    SeedPath,
    TokenScores,
)
from reasoning.ledger import Ledger


class Posed:
    """The model as a strategy sees it: the turns of the request come before what it asks or, where
    `alone`, in place of it."""

    def __init__(self, model: LanguageModel, posed: Prompt, alone: bool) -> None:
        self.name, self.can = model.name, model.can
        self.dialect: Dialect = model.dialect
        self.flops_per_token, self.price = model.flops_per_token, getattr(model, "price", None)
        self._model, self._posed, self._alone = model, posed, alone

    def fingerprint(self) -> Mapping[str, Any]:
        return self._model.fingerprint()

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        return await self._model.generate(self.prompt(prompt), sampling, ledger, seed)

    async def score(
        self, prompt: Prompt, continuations: Sequence[str], ledger: Ledger
    ) -> list[TokenScores]:
        return await self._model.score(self.prompt(prompt), continuations, ledger)

    def prompt(self, asked: Prompt) -> Prompt:
        """What the model reads where the strategy asks this."""
        before = self._posed
        if not self._alone:
            return Prompt(before.messages + asked.messages, asked.prefix, asked.prefix_ids)
        text = before.prefix + asked.prefix
        if before.prefix_ids is None and asked.prefix_ids is None:
            return Prompt(before.messages, text)
        start = before.prefix_ids or ((before.prefix,) if before.prefix else ())
        rest = asked.prefix_ids or ((asked.prefix,) if asked.prefix else ())
        return Prompt(before.messages, text, (*start, *rest))
