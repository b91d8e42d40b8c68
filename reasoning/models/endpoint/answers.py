"""Answers: what a server's JSON says, choice by choice, and why each text ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reasoning.core import Finish, Sampling
from reasoning.models.endpoint.server import Server


class Broken(ValueError):
    """An answer that cannot be read: cut, no JSON, or not of the agreed form."""


@dataclass(frozen=True)
class Choice:
    """One choice as the server told it. `reason` is its `finish_reason`; `matched` the stop string
    that it names, `""` where it says that none did, None where it says nothing. `counted` is the
    number of tokens that can be counted in it, None where there is nothing to count."""

    text: str
    reason: str
    matched: str | None
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None

    @property
    def counted(self) -> int | None:
        sizes = [len(x) for x in (self.token_ids, self.logprobs) if x is not None]
        return max(sizes, default=None)


def choices(data: Any, n: int) -> list[Choice]:
    """The choices of an answer of either route. Raises Broken where there are not `n` whole
    ones."""
    found = data.get("choices") if isinstance(data, dict) else None
    if not isinstance(found, list) or len(found) != n:
        told = f"{len(found)} choices" if isinstance(found, list) else "no choices"
        raise Broken(f"the answer holds {told} where {n} were asked for")
    if not all(isinstance(item, dict) for item in found):
        raise Broken("a choice of the answer is no object")
    if all(isinstance(item.get("index"), int) for item in found):
        found = sorted(found, key=lambda item: item["index"])
    return [_choice(item) for item in found]


def _choice(item: dict[str, Any]) -> Choice:
    message = item.get("message")
    text = message.get("content") if isinstance(message, dict) else item.get("text")
    if text is None and isinstance(message, dict):
        text = ""  # a model that only thought, or called a tool
    if not isinstance(text, str):
        raise Broken("a choice of the answer has no text")
    reason = item.get("finish_reason")
    if not isinstance(reason, str):
        raise Broken("a choice of the answer does not say why it ended: it was cut")
    matched = item.get("stop_reason", False)
    return Choice(
        text, reason, None if matched is False else matched if isinstance(matched, str) else "",
        _ids(item.get("token_ids")), _logprobs(item.get("logprobs")),
    )  # fmt: skip


def _ids(found: Any) -> tuple[int, ...] | None:
    whole = isinstance(found, list) and all(type(i) is int for i in found)
    return tuple(found) if whole else None


def _logprobs(found: Any) -> tuple[float, ...] | None:
    """Those of the generated tokens: `token_logprobs` on the completions route, `content` on the
    chat route."""
    if not isinstance(found, dict):
        return None
    values = found.get("token_logprobs")
    if not isinstance(values, list):
        content = found.get("content")
        if not isinstance(content, list):
            return None
        values = [item.get("logprob") if isinstance(item, dict) else None for item in content]
    known = [float(x) for x in values if isinstance(x, (int, float)) and not math.isnan(x)]
    return tuple(known) if len(known) == len(values) else None


def ended(choice: Choice, server: Server, sampling: Sampling) -> tuple[str, Finish]:
    """The text as `Sampling` wants it (the boundary in it, stop strings cut from it) and why it
    ended; a text that ran to its limit ended by `length`.

    Where the server does not tell a stop string from the end, `stop` is all that can be said; then
    a boundary that was the only stop string is put back behind a text that is not empty, which is
    how strategies read such servers (an empty one is the end).
    """
    marks = [*([sampling.boundary] if sampling.boundary else []), *sampling.stop]
    text = choice.text
    if choice.reason == "length":
        return text, "length"
    if choice.reason != "stop":
        return text, "stop"  # filtered, or a tool call: no end of its own
    if not marks:
        return text, "eos"
    included = server.keeps(sampling)
    if server.reasons and choice.matched is not None:
        if choice.matched == "":
            return text, "eos"
        mark = choice.matched
    elif included:
        mark = _first(text, marks)
        if mark is None:
            return text, "eos"
    else:
        mark = _first(text, marks)
        if mark is None:
            alone = sampling.boundary if text and not sampling.stop else None
            return text + (alone or ""), "stop"
        included = True  # kept without being asked: it is what ended the text
    if mark == sampling.boundary and mark not in sampling.stop:
        return (text if included else text + mark), "boundary"
    return (text[: text.index(mark)] if included and mark in text else text), "stop"


def _first(text: str, marks: Sequence[str]) -> str | None:
    """The mark that is complete first in the text."""
    at = {mark: text.index(mark) + len(mark) for mark in marks if mark in text}
    return min(at, key=lambda mark: at[mark]) if at else None
