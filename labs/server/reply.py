"""Answers as OpenAI's JSON: completions, chat completions, their chunks, log-probabilities."""

from __future__ import annotations

import codecs
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any

from labs.server.answer import Answer, Choice, Told
from reasoning.core import Usage

Piece = Callable[[int], str]


class Reply:
    """The bodies of one answer, under one id. `piece` gives a token's text."""

    def __init__(self, route: str, model: str, piece: Piece | None = None) -> None:
        self.chat, self.piece = route == "chat", piece or str
        self.head = {
            "id": f"{'chatcmpl' if self.chat else 'cmpl'}-{uuid.uuid4().hex}",
            "object": "chat.completion" if self.chat else "text_completion",
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        make = self._turn if self.chat else self._text
        body = {**self.head, "choices": [make(choice) for choice in answer.choices]}
        body["usage"] = usage(answer.usage)
        if self.chat and answer.choices[0].prompt_ids is not None:
            body["prompt_token_ids"] = list(answer.choices[0].prompt_ids)
        if answer.extension is not None:
            body["reasonlab"] = answer.extension
        return body

    def chunk(
        self, index: int, text: str | None = None, *, told: Iterable[Told] | None = None,
        offset: int = 0, ids: Sequence[int] | None = None, end: Choice | None = None,
        first: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """One event of a stream: new text and tokens of a choice, or its end."""
        tokens = None if told is None else list(told)
        made: dict[str, Any] = {"index": index}
        if self.chat:
            delta: dict[str, Any] = {"role": "assistant"} if first else {}
            made["delta"] = delta if text is None else {**delta, "content": text}
            made["logprobs"] = None if tokens is None else {"content": self._contents(tokens)}
        else:
            made["text"] = text or ""
            made["logprobs"] = None if tokens is None else self._legacy(tokens, offset)
        made["finish_reason"] = None if end is None else end.finish_reason
        if end is not None:
            made["stop_reason"] = end.stop_reason
        if ids is not None:
            made["token_ids"] = list(ids)
        return {**self.head, "object": self._kind, "choices": [made]}

    def last(self, used: Usage) -> dict[str, Any]:
        """The event after all choices that carries the usage."""
        return {**self.head, "object": self._kind, "choices": [], "usage": usage(used)}

    @property
    def _kind(self) -> str:
        return "chat.completion.chunk" if self.chat else "text_completion"

    def _text(self, choice: Choice) -> dict[str, Any]:
        made: dict[str, Any] = {
            "index": choice.index,
            "text": choice.echoed + choice.text,
            "logprobs": None if choice.told is None else self._legacy(choice.told, 0),
            "finish_reason": choice.finish_reason,
            "stop_reason": choice.stop_reason,
        }
        if choice.token_ids is not None:
            made["token_ids"] = list(choice.token_ids)
            made["prompt_token_ids"] = list(choice.prompt_ids or ())
        return made

    def _turn(self, choice: Choice) -> dict[str, Any]:
        told = None if choice.told is None else {"content": self._contents(choice.told)}
        made: dict[str, Any] = {
            "index": choice.index,
            "message": {"role": "assistant", "content": choice.text},
            "logprobs": told,
            "finish_reason": choice.finish_reason,
            "stop_reason": choice.stop_reason,
        }
        if choice.token_ids is not None:
            made["token_ids"] = list(choice.token_ids)
        return made

    def _legacy(self, told: Sequence[Told], offset: int) -> dict[str, Any]:
        """Log-probabilities as `/v1/completions` has them, offsets in characters."""
        tops = [self._top(token) for token in told]
        return {
            "tokens": [token.text for token in told],
            "token_logprobs": [token.logprob for token in told],
            "top_logprobs": tops if any(tops) else None,
            "text_offset": offsets([token.size for token in told], offset),
        }

    def _top(self, token: Told) -> dict[str, float] | None:
        if not token.top:
            return None
        row = {self.piece(i): logprob for i, logprob in reversed(token.top)}
        row = dict(reversed(row.items()))  # of two tokens with one text the likelier stays
        return row if token.logprob is None else {**row, token.text: token.logprob}

    def _contents(self, told: Iterable[Told]) -> list[dict[str, Any]]:
        return [
            {
                **_named(token.text, token.logprob or 0.0),
                "top_logprobs": [_named(self.piece(i), value) for i, value in token.top],
            }
            for token in told
        ]


def usage(used: Usage) -> dict[str, Any]:
    """The tokens of an answer as OpenAI counts them."""
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
        "prompt_tokens_details": {"cached_tokens": used.cached},
    }


def offsets(sizes: Sequence[int], start: int = 0) -> list[int]:
    """Where each token begins in the text of all, counted in characters from `start`."""
    return list(accumulate(sizes[:-1], initial=start)) if sizes else []


def _named(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(codecs.encode(text, "utf-8"))}
