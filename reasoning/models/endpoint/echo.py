"""Scores of a given text from an echo: prompt and text sent together, nothing generated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluators.errors import LabError
from reasoning.core import Prompt, TokenScores, Usage
from reasoning.ledger import Grant, Ledger
from reasoning.models.endpoint.answers import Broken
from reasoning.models.endpoint.bodies import PATHS, raw_text
from reasoning.models.endpoint.call import Held
from reasoning.models.endpoint.retry import Fault, ServerFault
from reasoning.models.recording import score_key

if TYPE_CHECKING:
    from reasoning.models.endpoint.model import EndpointModel

Read = tuple[tuple[str, ...], tuple[float, ...], int]


@dataclass(frozen=True)
class Reading:
    """One text that the server of `model` reads after a prompt."""

    model: EndpointModel
    prompt: Prompt
    text: str
    ledger: Ledger

    def reserve(self) -> Grant:
        """All its tokens, which are no more than its bytes, or nothing."""
        return self.ledger.reserve_reading(
            purpose="score", model=self.model.name, key=score_key(self.prompt, self.text),
            tokens=len(self.text.encode("utf-8", "surrogatepass")),
            flops_per_token=self.model.flops_per_token,
        )  # fmt: skip

    async def score(self, grant: Grant | None) -> TokenScores:
        """The log-probabilities of its tokens; none where there was nothing to pay them with."""
        if grant is None:
            return TokenScores((), ())
        model, held = self.model, Held([grant])
        fields = {
            "model": model.model, "prompt": raw_text(self.prompt, model.dialect) + self.text,
            "echo": True, "max_tokens": 0, "temperature": 0,
            "logprobs": 0 if model.server.plain_logprobs else 1,
        }  # fmt: skip

        async def ask() -> Read | None:
            if not held.grants:
                held.grants = [self.reserve()]
            if held.grants[0].empty:
                return None
            data = await model.wire.post(PATHS["completions"], fields, model.retrier.breaker.admit)
            try:
                return scored(data, self.text)
            except Broken as error:
                raise model.wire.broken(error) from None

        def failed(fault: Fault) -> None:
            if fault.spent:
                held.lose(fault.reason)

        try:
            found = await model.retrier.persist(ask, failed)
        except (LabError, ServerFault):
            held.free()
            raise
        except BaseException as error:
            held.lose(repr(error))
            raise
        if found is None:
            return TokenScores((), ())
        tokens, logprobs, read = found
        own = min(len(tokens), held.grants[0].max_tokens)
        held.grants[0].settle(Usage(max(0, read - own), 0, own))
        return TokenScores(tokens, logprobs)


def scored(data: Any, text: str) -> Read:
    """The tokens of `text`, which ends the echoed prompt, with their log-probabilities, and the
    number of all tokens that the server says it read (never fewer than it lists). A token that
    spans the border belongs to the text. Raises Broken."""
    try:
        found = data["choices"][0]["logprobs"]
        tokens, logprobs = list(found["tokens"]), list(found["token_logprobs"])
    except (KeyError, IndexError, TypeError):
        raise Broken("the answer holds no log-probabilities of the prompt") from None
    if len(tokens) != len(logprobs) or not all(isinstance(t, str) for t in tokens):
        raise Broken("tokens and log-probabilities of the answer do not belong together")
    first = _first(tokens, found.get("text_offset"), text)
    values = logprobs[first:]
    if not values or not all(isinstance(x, (int, float)) and not math.isnan(x) for x in values):
        raise Broken("a token of the text has no log-probability")
    usage = data.get("usage")
    told = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    read = told if type(told) is int and told >= len(tokens) else len(tokens)
    return tuple(tokens[first:]), tuple(float(x) for x in values), read


def _first(tokens: list[str], offsets: Any, text: str) -> int:
    """The index of the first token that reaches into the text, counted from the end: what a
    server puts before the prompt (a beginning-of-sequence token) shifts the offsets."""
    if isinstance(offsets, list) and len(offsets) == len(tokens) and tokens:
        start = offsets[-1] + len(tokens[-1]) - len(text)
        ends = [*offsets[1:], offsets[-1] + len(tokens[-1])]
        return next(i for i, end in enumerate(ends) if end > start)
    left, at = len(text), len(tokens)
    while left > 0 and at > 0:
        at -= 1
        left -= len(tokens[at])
    return at
