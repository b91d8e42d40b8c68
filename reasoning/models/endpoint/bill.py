"""Bill: which of a server's token counts are believed.

A wrong count must neither make a budget look larger than it is nor ruin it. So the completion
tokens of a choice are never fewer than the token ids or log-probabilities in the answer, never
fewer than one for a text, and, where nothing counts them, never more than were reserved. A count
that is missing, negative or no whole number is replaced by the counted one, else by the reserved
maximum. Prompt tokens above the reserved bound, or not told, stand at the bound; cached ones that
make no sense are not believed, so that they are paid in full. Every correction is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reasoning.core import Usage
from reasoning.models.endpoint.answers import Choice


@dataclass(frozen=True)
class Bill:
    """What one request is charged with, a `Usage` a choice (the prompt stands on the first), what
    was not believed, and whether the answer proves more tokens than were asked for."""

    usages: tuple[Usage, ...]
    doubts: tuple[str, ...]
    overrun: bool


def bill(usage: Any, made: Sequence[Choice], granted: int, prompt: int) -> Bill:
    """The bill of an answer: its `usage` field, its choices, the tokens granted to each, and the
    bound that was reserved for the prompt."""
    doubts: list[str] = []
    told = usage if isinstance(usage, dict) else {}
    counted = [choice.counted for choice in made]
    least = [
        count if count is not None else int(bool(c.text))
        for count, c in zip(counted, made, strict=True)
    ]
    total = _generated(told)
    if total is None:
        doubts.append("completion tokens are not told")
        spent = [granted if count is None else count for count in counted]
    else:
        spent = _shared(total, least, granted)
        if total != sum(spent):
            doubts.append(f"completion tokens are told as {total}, counted as {sum(spent)}")
    overrun = any(count > granted for count in spent)
    read = _count(told.get("prompt_tokens"))
    if read is None or read > prompt:
        told_as = "not told" if read is None else f"told as {read} for at most {prompt}"
        doubts.append(f"prompt tokens are {told_as}")
        read = prompt
    details = told.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    if cached is None or cached > read:
        if isinstance(details, dict) and details.get("cached_tokens") is not None:
            doubts.append("cached tokens are more than the prompt, or no number")
        cached = 0
    first = Usage(read, cached, spent[0])
    return Bill((first, *(Usage(0, 0, count) for count in spent[1:])), tuple(doubts), overrun)


def _generated(told: Mapping[str, Any]) -> int | None:
    """The completion tokens that are told, with those that only the total has: some servers leave
    the tokens of hidden reasoning out of `completion_tokens`."""
    written, read = _count(told.get("completion_tokens")), _count(told.get("prompt_tokens"))
    both = _count(told.get("total_tokens"))
    if written is None or read is None or both is None:
        return written
    return max(written, both - read)


def _shared(total: int, least: Sequence[int], granted: int) -> list[int]:
    """`total` tokens among the choices: none below its least; what is more goes, in order, to
    those that have room (tokens that a server counts and does not show)."""
    spent = list(least)
    more = total - sum(spent)
    for at, count in enumerate(spent):
        room = max(0, min(more, granted - count))
        spent[at] += room
        more -= room
    return spent


def _count(value: Any) -> int | None:
    """A whole number of 0 or more, else None."""
    return value if type(value) is int and value >= 0 else None
