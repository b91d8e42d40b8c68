"""Streaming: an answer as server-sent events, piece by piece while it is drawn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from labs.server.answer import Answer, Choice, Ready, added, choice, tell, usage_of
from labs.server.asked import Asked
from labs.server.reply import Reply
from reasoning.core import Completion, Prompt, SeedPath, Usage
from reasoning.ledger import Budget, Ledger
from reasoning.models.decoding.stream import Delta, stream
from reasoning.models.local import LocalModel

DONE = b"data: [DONE]\n\n"


def event(body: Any) -> bytes:
    """One server-sent event."""
    return (
        b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
    )


def whole_as_events(answer: Answer, asked: Asked, reply: Reply) -> list[bytes]:
    """A finished answer as a stream: one chunk a choice. For what cannot come piece by piece:
    strategies, models elsewhere, alternatives, echoes."""
    events = []
    for made in answer.choices:
        body = reply.chunk(
            made.index, made.echoed + made.text, told=made.told, ids=made.token_ids, end=made,
            first=True,
        )  # fmt: skip
        if answer.extension is not None:
            body["reasonlab"] = answer.extension
        events.append(event(body))
    return [*events, *_end(answer.usage, asked, reply)]


def flows(asked: Asked, model: Any) -> bool:
    """Whether this answer comes piece by piece."""
    return isinstance(model, LocalModel) and not asked.echo and not asked.logprobs


@dataclass
class _Flow:
    """How far a choice has been sent."""

    sent: str = ""
    size: int = 0  # characters of the tokens sent


class Streaming:
    """The events of one request; `usage` is set when the last has been made."""

    def __init__(self, asked: Asked, model: Any, prompts: Sequence[Ready], reply: Reply) -> None:
        self.asked, self.model, self.reply = asked, model, reply
        self.prompts = prompts
        self.usage = Usage()
        self._flows = [_Flow() for _ in range(len(prompts) * asked.sampling.n)]

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Events in the order in which tokens are drawn. Closing it frees the rows."""
        begun = not self.reply.chat
        async with aclosing(self._items()) as items:
            async for part, item in items:
                if not begun:
                    begun = True
                    for index in range(len(self._flows)):
                        yield event(self.reply.chunk(index, "", first=True))
                if isinstance(item, Delta):
                    yield self._piece(part * self.asked.sampling.n + item.index, item)
                else:
                    for made in self._finished(part, item):
                        yield made
        for made in _end(self.usage, self.asked, self.reply):
            yield made

    async def _items(self) -> AsyncGenerator[tuple[int, Delta | list[Completion]], None]:
        """(number of the prompt, delta or its completions), from all prompts as they come."""
        if len(self.prompts) == 1:
            async with aclosing(self._read(self.prompts[0].prompt)) as read:
                async for item in read:
                    yield 0, item
            return
        queue: asyncio.Queue[Any] = asyncio.Queue()

        async def feed(part: int, prompt: Prompt) -> None:
            try:
                async for item in self._read(prompt):
                    queue.put_nowait((part, item))
            except Exception as error:
                queue.put_nowait(error)

        feeds = [asyncio.create_task(feed(i, ready.prompt)) for i, ready in enumerate(self.prompts)]
        open_parts = len(feeds)
        try:
            while open_parts:
                item = await queue.get()
                if isinstance(item, Exception):
                    raise item
                open_parts -= not isinstance(item[1], Delta)
                yield item
        finally:
            for task in feeds:
                task.cancel()
            await asyncio.gather(*feeds, return_exceptions=True)

    async def _read(self, prompt: Prompt) -> AsyncGenerator[Delta | list[Completion], None]:
        completions: list[Completion] = []
        seed, ledger = SeedPath(self.asked.seed), Ledger(Budget())
        async with aclosing(
            stream(self.model, prompt, self.asked.sampling, ledger, seed)  # type: ignore[type-var]
        ) as items:
            async for item in items:
                if isinstance(item, Completion):
                    completions.append(item)
                else:
                    yield item
        yield completions

    def _piece(self, index: int, delta: Delta, end: Choice | None = None) -> bytes:
        flow, told = self._flows[index], None
        offset = flow.size
        if self.asked.logprobs is not None:
            told = tell(self.model, delta.token_ids, delta.logprobs)
            flow.size += sum(token.size for token in told)
        flow.sent += delta.text
        ids = delta.token_ids if self.asked.token_ids else None
        return event(
            self.reply.chunk(index, delta.text, told=told, offset=offset, ids=ids, end=end)
        )

    def _finished(self, part: int, completions: list[Completion]) -> list[bytes]:
        """The last events of a prompt's choices: what is left of the text, and why it ended."""
        ids, events = self.prompts[part].ids, []
        self.usage = added(self.usage, usage_of(completions, ids))
        for at, completion in enumerate(completions):
            index = part * self.asked.sampling.n + at
            made = choice(index, completion, self.asked, self.model, ids)
            rest = made.text[len(self._flows[index].sent) :]
            events.append(self._piece(index, Delta(rest, (), ()), made))
        return events


def _end(used: Usage, asked: Asked, reply: Reply) -> list[bytes]:
    return [*([event(reply.last(used))] if asked.include_usage else []), DONE]
