"""Completions of a local model, piece by piece while they are drawn."""

from __future__ import annotations

import asyncio
import codecs
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from evaluators.errors import BadInput
from reasoning.core import Completion, Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.models.decoding.stops import TokenBytes, Watch
from reasoning.models.local import LocalModel


@dataclass(frozen=True)
class Delta:
    """What is new of completion number `index`: tokens drawn since the last delta with their
    log-probabilities (as in `Completion`), and text that is settled by now.

    Text may come later than its tokens: half a character and what may become a stop string wait.
    """

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    index: int = 0


async def stream(
    model: LocalModel, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
) -> AsyncIterator[Delta | Completion]:
    """The deltas of `sampling.n` completions as they are drawn, then the completions in order.

    The completions are those of `model.generate` and are charged like them; the deltas of one add
    up to its text, ids and log-probabilities. The reservation is made when the first item is asked
    for. Closing the iterator, or cancelling who waits for it, frees the rows at the next step and
    marks the grants lost. Raises BadInput for a model that is not local, else what generate raises.
    """
    if not isinstance(model, LocalModel):
        name = getattr(model, "name", type(model).__name__)
        raise BadInput(f"{name} does not stream here; only models in this process do, as tiny does")
    here, news, woken = asyncio.get_running_loop(), asyncio.Event(), [False]
    tokens: deque[tuple[int, int, float]] = deque()

    def wake() -> None:
        woken[0] = False
        news.set()

    def on_token(index: int, token: int, logprob: float) -> None:
        tokens.append((index, token, logprob))
        if not woken[0]:  # one call across threads for many tokens
            woken[0] = True
            here.call_soon_threadsafe(wake)

    texts = [SettledText(model.token_bytes, sampling) for _ in range(sampling.n)]
    call = here.create_task(model.generate(prompt, sampling, ledger, seed, on_token))
    call.add_done_callback(lambda _: news.set())
    try:
        while not call.done():
            await news.wait()
            news.clear()
            for delta in deltas(tokens, texts):
                yield delta
        completions = call.result()
        for delta in deltas(tokens, texts):
            yield delta
        for index, (completion, text) in enumerate(zip(completions, texts, strict=True)):
            rest = completion.text[text.given :]
            if rest:
                yield Delta(rest, (), (), index)
        for completion in completions:
            yield completion
    finally:
        if not call.done():
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call


def deltas(tokens: deque[tuple[int, int, float]], texts: list[SettledText]) -> list[Delta]:
    """Empty the queue of (completion, id, log-probability): one delta a completion in it."""
    drawn: dict[int, list[tuple[int, float]]] = {}
    while tokens:
        index, token, logprob = tokens.popleft()
        drawn.setdefault(index, []).append((token, logprob))
    return [
        Delta(
            "".join([texts[index].add(token) for token, _ in pairs]),
            tuple(token for token, _ in pairs),
            tuple(logprob for _, logprob in pairs),
            index,
        )
        for index, pairs in drawn.items()
    ]


class SettledText:
    """The text of one completion as far as later tokens cannot change it.

    `given` counts the characters handed out. What comes with the token that ends the completion,
    or was held back until then, is in the completion alone: its text from `given` on.
    """

    def __init__(self, pieces: TokenBytes, sampling: Sampling) -> None:
        self._pieces = pieces
        self._watch = Watch(sampling.boundary, sampling.stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = b""
        self._over = False
        self.given = 0

    def add(self, token: int) -> str:
        """Take the next token; the text that is now settled, perhaps none."""
        if self._over:
            return ""
        piece = self._pieces[token]
        self._over = self._watch(piece) is not None
        if self._over:
            return ""
        self._waiting += piece
        ready = len(self._waiting) - self._watch.held
        text = self._decoder.decode(self._waiting[:ready])
        self._waiting = self._waiting[ready:]
        self.given += len(text)
        return text
