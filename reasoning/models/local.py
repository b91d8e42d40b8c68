"""LocalModel: a transformers model in this process, decoded in one thread for all callers.

Calls come from any thread and any event loop. All reservations of a call are made before its first
await; cancelling the call frees its rows at the next step and marks its grants lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import zip_longest
from typing import Any, Literal, Protocol

from reasoning.core import (
    BadPrompt,
    Completion,
    Prompt,
    Sampling,
    SeedPath,
    TokenScores,
    Usage,
)
from reasoning.ledger import Grant, Ledger
from reasoning.models.decoding.guide import Guides
from reasoning.models.decoding.stepper import Request, Result, Scored
from reasoning.models.decoding.stops import TokenBytes
from reasoning.models.encode import Encoder
from reasoning.models.recording import score_key

Path = Literal["fused", "batched", "generate"]
OnToken = Callable[[int, int, float], None]


class Loop(Protocol):
    """What serves requests: `decode.DecodeLoop`, or `generate.GenerateLoop`."""

    def submit(self, request: Request) -> Future[Result]: ...

    def score(self, ids: Sequence[int], start: int) -> Future[Scored]: ...

    @property
    def counters(self) -> Any: ...

    @property
    def pieces(self) -> TokenBytes: ...

    @property
    def eos_ids(self) -> frozenset[int]: ...

    def close(self, wait: float | None = None) -> None: ...


class LocalModel:
    """Implements `LanguageModel` over a decode loop.

    `path` says how tokens are made (`fused`, `batched`, `generate`) and `note` why, where it is
    not the fastest. `flops_per_token` is 2 x the parameters that take part in a product: all of
    them, less an input embedding that is not the output head as well (Kaplan et al. 2020, section
    2.1, with the head counted). `counters` is the loop's own count of tokens.
    """

    can = frozenset(
        {"continue", "logprobs", "score", "n", "seed", "token_ids", "tells_stop"}
        | {"choices", "regex", "schema", "top_k", "min_p"}
    )

    def __init__(
        self,
        name: str,
        loop: Loop,
        encoder: Encoder,
        *,
        max_positions: int,
        flops_per_token: float,
        path: Path,
        note: str = "",
        identity: Mapping[str, Any] | None = None,
        torch_model: Any = None,
    ) -> None:
        self.name, self.path, self.note = name, path, note
        self.dialect, self.tokenizer = encoder.dialect, encoder.tokenizer
        self.max_positions, self.flops_per_token = max_positions, flops_per_token
        self.torch_model = torch_model
        self._loop, self._encoder, self._identity = loop, encoder, dict(identity or {})
        self._guides = Guides(encoder.tokenizer, loop)

    def __repr__(self) -> str:
        note = f", {self.note}" if self.note else ""
        return f"LocalModel({self.name!r}, decoded by {self.path}{note})"

    # -- the protocol -----------------------------------------------------------------

    async def generate(
        self,
        prompt: Prompt,
        sampling: Sampling,
        ledger: Ledger,
        seed: SeedPath,
        on_token: OnToken | None = None,
    ) -> list[Completion]:
        """`sampling.n` completions; fewer tokens, perhaps none, where the ledger is short. A
        started answer that fills the context gets none more, by `length`; raises BadPrompt.

        Of a form that is enforced (`choices`, `regex`, `schema`) the text is whole where it ends
        by `eos`; by any other finish it is the beginning of such a text. Raises BadInput for a
        form that cannot be enforced, before anything is charged.

        `on_token(index of the completion, id, log-probability)` is called for every token in the
        decode thread; what it raises fails the call (`stream.stream` is made of it).
        """
        ids, guide = self.encode(prompt), self._guides.of(sampling)
        if len(ids) >= self.max_positions:
            if prompt.prefix or prompt.prefix_ids:
                return [Completion("", "length", Usage(), (), ())] * sampling.n
            raise BadPrompt(
                f"the prompt has {len(ids)} tokens, but {self.name} reads at most"
                f" {self.max_positions} with at least one left to write; shorten the prompt"
                " (fewer examples) or take a model with a longer context"
            )
        seeds = [seed.child(i) for i in range(sampling.n)] if sampling.n > 1 else [seed]
        grants = [
            ledger.reserve(
                purpose="sample",
                model=self.name,
                key=path.text,
                max_tokens=sampling.max_tokens,
                prompt_tokens=len(ids),
                flops_per_token=self.flops_per_token,
            )
            for path in seeds
        ]
        listeners = [None if on_token is None else partial(on_token, i) for i in range(sampling.n)]
        requests = [
            None
            if grant.empty
            else Request(ids, sampling, grant.max_tokens, path.key, listener, guide)
            for grant, path, listener in zip(grants, seeds, listeners, strict=True)
        ]
        results = await settled(grants, requests, self._loop.submit, usage_of)
        pairs = zip(results, grants, strict=True)
        return [completion(result, grant, sampling) for result, grant in pairs]

    async def score(
        self, prompt: Prompt, continuations: Sequence[str], ledger: Ledger
    ) -> list[TokenScores]:
        """Log-probabilities of each continuation after this prompt; its tokens are charged as
        read. Empty where the ledger cannot pay for all of them, and for an empty text."""
        before = self.encode(prompt)
        tokens = [self._encoder.continuation(prompt, text) for text in continuations]
        for ids in tokens:
            if len(before) + len(ids) > self.max_positions:
                raise BadPrompt(
                    f"prompt and continuation have {len(before)} + {len(ids)} tokens, but"
                    f" {self.name} reads at most {self.max_positions}; shorten one of them"
                )
        grants = [
            ledger.reserve_reading(
                purpose="score",
                model=self.name,
                key=score_key(prompt, text),
                tokens=len(ids),
                flops_per_token=self.flops_per_token,
            )
            if ids
            else None
            for ids, text in zip(tokens, continuations, strict=True)
        ]
        requests = [
            None if grant is None or grant.empty else [*before, *ids]
            for grant, ids in zip(grants, tokens, strict=True)
        ]

        def read(ids: Sequence[int]) -> Future[Scored]:
            return self._loop.score(ids, len(before))

        results = await settled(grants, requests, read, lambda scored: Usage())
        return [
            TokenScores(self._encoder.pieces(ids), scored.logprobs)
            if scored is not None
            else TokenScores((), ())
            for ids, scored in zip(tokens, results, strict=True)
        ]

    def fingerprint(self) -> dict[str, Any]:
        """Name, weights, how tokens are made and why: what a run log compares."""
        return {
            "name": self.name,
            "path": self.path,
            "note": self.note,
            "dialect": self.dialect,
            **self._identity,
        }

    # -- beside the protocol ----------------------------------------------------------

    @property
    def token_bytes(self) -> TokenBytes:
        """The bytes of each token, as the texts of completions are made of them."""
        return self._loop.pieces

    @property
    def counters(self) -> Any:
        """What the decode loop counted since it began: requests, prompt, cached, completion,
        scored, steps."""
        return self._loop.counters

    @property
    def speculation(self) -> Any:
        """What a draft proposed and the model accepted (`speculative.Speculation`); `None` without
        a draft."""
        return getattr(getattr(self._loop, "stepper", None), "speculation", None)

    def encode(self, prompt: Prompt) -> list[int]:
        """The ids that the model reads for this prompt."""
        return self._encoder.ids(prompt)

    async def read(self, ids: Sequence[int], start: int) -> tuple[float, ...]:
        """Log-probabilities of the exact ids `ids[start:]`, each given all before it (start is at
        least 1). Nothing is charged: for a server, which accounts for its clients itself."""
        return (await asyncio.wrap_future(self._loop.score(ids, start))).logprobs

    def close(self) -> None:
        """Stop the decode thread; later calls fail."""
        self._loop.close()


async def settled(
    grants: Sequence[Grant | None],
    requests: Sequence[Any],
    submit: Callable[[Any], Future[Any]],
    usage: Callable[[Any], Usage],
) -> list[Any]:
    """Submit what is not `None`, wait, settle the grants; `None` stays `None`.

    When the wait is cancelled or a call fails, finished calls are settled, the others are
    cancelled and their grants lost.
    """
    futures: list[Future[Any] | None] = []
    try:
        for request in requests:
            futures.append(None if request is None else submit(request))
        waiting = [asyncio.wrap_future(future) for future in futures if future is not None]
        answers = iter(await asyncio.gather(*waiting))
    except BaseException as error:
        reason = "cancelled" if isinstance(error, asyncio.CancelledError) else repr(error)
        for grant, future in zip_longest(grants, futures):
            if grant is None or grant.empty:
                continue
            if future is not None and succeeded(future):
                grant.settle(usage(future.result()))
                continue
            if future is not None:
                future.cancel()
            grant.lose(reason)
        raise
    results = [None if future is None else next(answers) for future in futures]
    for grant, result in zip(grants, results, strict=True):
        if grant is not None and result is not None:
            grant.settle(usage(result))
    return results


def succeeded(future: Future[Any]) -> bool:
    """Whether it holds a result."""
    return future.done() and not future.cancelled() and future.exception() is None


def usage_of(result: Result) -> Usage:
    """The tokens of one finished request."""
    return Usage(result.prompt_tokens, result.cached_tokens, len(result.token_ids))


def completion(result: Result | None, grant: Grant, sampling: Sampling) -> Completion:
    """A result as the caller sees it: cut by the budget where the grant was the shorter limit."""
    if result is None:
        return Completion("", "budget", Usage(), (), ())
    short = result.finish == "length" and len(result.token_ids) == grant.max_tokens
    finish = "budget" if short and grant.max_tokens < sampling.max_tokens else result.finish
    return Completion(result.text, finish, usage_of(result), result.token_ids, result.logprobs)
