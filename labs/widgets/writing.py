"""A text that grows token by token, drawn as the model itself draws: the playground's logic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from evaluators.errors import BadInput
from labs.tokens import ALTERNATIVES, Token, tokens_of
from reasoning.core import Completion, LanguageModel, Message, Prompt, Sampling, SeedPath, Usage
from reasoning.ledger import Ledger
from reasoning.models.introspect import Distribution, as_logits, distribution, vocabulary

Told = Callable[[], None]


def asked(text: str) -> Prompt:
    """What a prompt box holds, as one user turn (the compact dialect adds nothing to it)."""
    return Prompt((Message("user", text),))


class Writing:
    """One prompt, one seed, and the tokens drawn so far. For one caller at a time.

    As long as the controls stay the same, the text is the one that `model.generate` gives for this
    prompt and seed, whether it is drawn token by token or at once. `ended` says why it ended:
    `eos`, or `length` (the model reads no more).
    """

    def __init__(self, model: LanguageModel, prompt: Prompt, seed: int = 0) -> None:
        if prompt.prefix or prompt.prefix_ids:
            raise BadInput(
                "a text is written from its first token on; give a prompt without prefix"
            )
        self.model, self.prompt, self.seed = model, prompt, seed
        self.local = getattr(model, "torch_model", None) is not None
        self.clear()

    def clear(self) -> None:
        """Forget all tokens."""
        self.tokens: list[Token] = []
        self.ended: str | None = None
        self._ids: list[int] = []
        self._now = self.prompt
        self._how: set[Sampling] = set()
        self._shown: Distribution | None = None
        self._read: int | None = None

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of the tokens of a local model; empty for an endpoint."""
        return tuple(self._ids)

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens)

    @property
    def now(self) -> Prompt:
        """What the next token continues."""
        return replace(self.prompt, prefix_ids=tuple(self._ids)) if self.local else self._now

    def look(self) -> Distribution:
        """The distribution of the next token; computed once a position."""
        if self._shown is None:
            self._shown = distribution(self.model, self.now)
        return self._shown

    def step(self, sampling: Sampling) -> None:
        """Draw the next token."""
        if self.ended is not None:
            return
        if self.local:
            self._add(*self._drawn(sampling))
        else:
            from reasoning.loop import run

            self._told(run(self._ask(replace(sampling, max_tokens=1))))
        self._how.add(replace(sampling, max_tokens=0))

    async def rest(self, sampling: Sampling, pace: float = 0.0, told: Told = lambda: None) -> None:
        """Draw up to `sampling.max_tokens` in all; `told` is called after every token.

        `pace` is the most tokens a second (0: as they come). Cancelling keeps what there is.
        """
        how = replace(sampling, max_tokens=0)
        if self.ended is not None or len(self.tokens) >= sampling.max_tokens:
            return
        if not self.local:
            left = sampling.max_tokens - len(self.tokens)
            self._told(await self._ask(replace(sampling, max_tokens=left)))
            self._how.add(how)
            return told()
        from reasoning.models.decoding.stream import Delta, stream

        done = len(self.tokens)
        start, seed, count = self.now, SeedPath(self.seed).child("after", done), 0
        if not self._how - {how}:  # the same draws again, from the first on
            start, seed, count = self.prompt, SeedPath(self.seed), done
            self.clear()
        limit = sampling.max_tokens - done + count
        self._how.add(how)
        items = stream(
            self.model,  # type: ignore[arg-type]
            start,
            replace(sampling, max_tokens=limit),
            Ledger(),
            seed,
        )
        async for item in items:
            if not isinstance(item, Delta):
                self.ended = "eos" if item.finish == "eos" else self.ended
                continue
            for token, logprob in zip(item.token_ids, item.logprobs, strict=True):
                if pace and count <= 0:
                    await asyncio.sleep(1 / pace)
                count -= 1
                self._add(token, logprob, ())
                told()

    def explain(self) -> None:
        """Look up how likely each token was and what else could have stood there, where that is
        not known yet."""
        if self.local and not all(token.others for token in self.tokens):
            logprobs = tuple(token.logprob or 0.0 for token in self.tokens)
            whole = Completion(self.text, "length", Usage(), tuple(self._ids), logprobs)
            self.tokens = list(tokens_of(self.model, self.prompt, whole))
        elif not self.local and any(token.logprob is None for token in self.tokens):
            whole = Completion(self.text, "length", Usage())
            self.tokens = list(tokens_of(self.model, self.prompt, whole))

    # -- inside -----------------------------------------------------------------------

    def _drawn(self, sampling: Sampling) -> tuple[int, float, tuple[tuple[str, float], ...]]:
        from reasoning.models.decoding.draw import draw
        from reasoning.models.decoding.stepper import Controls

        shown = self.look()
        row = np.empty(len(shown), np.float32)
        row[shown.ids] = as_logits(shown)
        controls = Controls.empty(1)
        controls.put(0, sampling, SeedPath(self.seed).key)
        controls.counter[0] = len(self._ids)
        ids, logprobs = draw(row[None], controls)
        first = shown.first(ALTERNATIVES)
        others = tuple(zip(first.tokens, first.logprobs.tolist(), strict=True))
        return int(ids[0]), float(logprobs[0]), others

    def _add(self, token: int, logprob: float, others: tuple[tuple[str, float], ...]) -> None:
        model: Any = self.model
        self._ids.append(token)
        self.tokens.append(Token(vocabulary(model)[token], logprob, others))
        self._shown = None
        ends = model.torch_model.generation_config.eos_token_id or ()
        if token in (ends if isinstance(ends, list | tuple) else [ends]):
            self.ended = "eos"
        elif self._start() + len(self._ids) >= model.max_positions:
            self.ended = "length"

    def _start(self) -> int:
        """Tokens of the prompt."""
        if self._read is None:
            model: Any = self.model
            self._read = len(model.encode(self.prompt))
        return self._read

    async def _ask(self, sampling: Sampling) -> list[Completion]:
        path = SeedPath(self.seed)
        if self.tokens:
            path = path.child("after", len(self.tokens))
        return await self.model.generate(self._now, sampling, Ledger(), path)

    def _told(self, completions: list[Completion]) -> None:
        """Append what an endpoint wrote: one token, or a text that is not taken apart yet."""
        completion = completions[0]
        logprobs = completion.logprobs or ()
        if completion.text:
            one = len(logprobs) == 1
            self.tokens.append(Token(completion.text, logprobs[0] if one else None))
        self._now, self._shown = self._now.extended(completion), None
        if completion.finish == "eos" or not completion.text:
            self.ended = completion.finish
