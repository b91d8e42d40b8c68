"""Ledger: one cap for everything a strategy spends, and the rows charged against it.

A call reserves before it runs and settles when it is answered. Reservations happen in program
order (`reserve` never waits), so what a call is granted does not depend on timing. Running out is
no error: a grant may be shorter than asked, down to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from evaluators.errors import BadInput
from reasoning.budget import Budget, Price, Row
from reasoning.core import Usage

__all__ = ["Budget", "Grant", "Ledger", "Price", "Row"]

_SUMMED = ("prompt", "cached", "completion", "scored", "calls", "flops", "dollars", "seconds",
           "tokens")  # fmt: skip


class Grant:
    """What a reservation was allowed. Settle it or lose it, once. `max_tokens` may be 0."""

    def __init__(self, ledger: Ledger, index: int, max_tokens: int) -> None:
        self._ledger, self._index, self.max_tokens = ledger, index, max_tokens
        self._started = time.monotonic()

    @property
    def empty(self) -> bool:
        """Whether nothing was granted: the call must not be made."""
        return self._index < 0

    @property
    def elapsed(self) -> float:
        """Seconds since the reservation."""
        return time.monotonic() - self._started

    def settle(self, usage: Usage, *, seconds: float | None = None) -> None:
        """Replace the reservation by what was used."""
        took = self.elapsed if seconds is None else seconds
        self._ledger._settle(self._index, usage, took)

    def lose(self, reason: str) -> None:
        """The call failed or was cut: keep the reserved maximum and say why."""
        self._ledger._lose(self._index, reason)

    def withdraw(self) -> None:
        """Take the reservation back as if it had never been made: no call followed.

        Only the latest reservation of its ledger can be withdrawn, so the order of rows stays.
        """
        self._ledger._withdraw(self._index)


@dataclass(frozen=True)
class _Open:
    """A reservation in flight: what settling it needs to know."""

    flops_per_token: float
    price: Price | None
    reading: bool


class Ledger:
    """The rows of one problem (or one run), and what is left.

    `clock` is for tests. What a ledger spends counts against its `parent` too, and it stops where
    the parent's caps stop. `shortened` says whether any reservation got less than it asked for.
    """

    def __init__(
        self,
        budget: Budget | None = None,
        *,
        parent: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = budget or Budget()
        self.parent = parent
        self.rows: list[Row] = []
        self.shortened = False
        self._clock, self._started = clock, clock()
        self._open: dict[int, _Open] = {}
        self._spent: dict[str, Any] = dict.fromkeys(_SUMMED, 0)
        self._places: dict[str, list[int]] = {}  # key -> rows, of the first `_indexed` ones
        self._indexed = 0

    # -- what is left -----------------------------------------------------------------

    @property
    def spent(self) -> Row:
        """The sum of all rows, reservations at their maximum."""
        return Row("total", "", "", **self._spent)

    @property
    def left_tokens(self) -> int | None:
        """Tokens that can still be reserved here and in every parent; `None` without a cap."""
        own = None if self.budget.tokens is None else self.budget.tokens - self._spent["tokens"]
        above = None if self.parent is None else self.parent.left_tokens
        return min((max(0, x) for x in (own, above) if x is not None), default=None)

    @property
    def left_calls(self) -> int | None:
        """Calls that can still be made here and in every parent; `None` without a cap."""
        own = None if self.budget.calls is None else self.budget.calls - self._spent["calls"]
        above = None if self.parent is None else self.parent.left_calls
        return min((max(0, x) for x in (own, above) if x is not None), default=None)

    @property
    def bounded(self) -> bool:
        """Whether any cap, here or in a parent, will stop a strategy that never stops itself."""
        caps = asdict(self.budget).values()
        return any(cap is not None for cap in caps) or (
            self.parent is not None and self.parent.bounded
        )

    @property
    def in_flight(self) -> int:
        """Reservations that are neither settled nor lost."""
        return len(self._open)

    def exhausted(self) -> bool:
        """Whether the next call would be granted nothing."""
        return self._allowed(1, 1, 0.0, 0) < 1

    def width(self, want: int, max_tokens: int) -> int:
        """How many calls of `max_tokens` can be paid in full, at most `want`; at least 1 while
        anything is left (that one will be shortened), 0 when nothing is."""
        if self.exhausted():
            return 0
        fits, tokens, calls = want, self.left_tokens, self.left_calls
        if tokens is not None and max_tokens > 0:
            fits = min(fits, tokens // max_tokens)
        if calls is not None:
            fits = min(fits, calls)
        return max(1, fits)

    # -- charging ---------------------------------------------------------------------

    def reserve(
        self,
        *,
        purpose: str,
        model: str,
        key: str,
        max_tokens: int,
        prompt_tokens: int = 0,
        flops_per_token: float = 0.0,
        price: Price | None = None,
    ) -> Grant:
        """Reserve up to `max_tokens` generated tokens for one call.

        A grant of 0 tokens writes no row. Raises BadInput for a dollar cap without a price.
        """
        if price is None and self._dollar_cap() is not None:
            raise BadInput(
                f"a dollar budget needs a price for model {model!r}: set prices per million tokens"
                " or cap tokens instead"
            )
        allowed = self._allowed(max_tokens, 1, flops_per_token, prompt_tokens)
        if price is not None:
            allowed = min(allowed, self._affordable(price, prompt_tokens, max_tokens))
        self.shortened |= allowed < max_tokens
        if allowed < 1:
            return Grant(self, -1, 0)
        row = Row(
            purpose, model, key, prompt=prompt_tokens, completion=allowed, tokens=allowed,
            flops=flops_per_token * (prompt_tokens + allowed),
            dollars=price.of(Usage(prompt_tokens, 0, allowed)) if price else 0.0,
        )  # fmt: skip
        return Grant(self, self._reserve(row, _Open(flops_per_token, price, False)), allowed)

    def reserve_reading(
        self, *, purpose: str, model: str, key: str, tokens: int, flops_per_token: float = 0.0
    ) -> Grant:
        """Reserve the reading of `tokens` tokens by a model scorer: all of them, or nothing.

        A reading that settles with a usage of `completion` tokens has read so many of them.
        """
        if self._dollar_cap() is not None:
            raise BadInput("a dollar budget cannot account for scoring; cap tokens instead")
        allowed = self._allowed(tokens, 1, flops_per_token, 0)
        if allowed < tokens or tokens < 1:
            self.shortened |= tokens > 0
            return Grant(self, -1, 0)
        row = Row(purpose, model, key, scored=tokens, tokens=tokens, flops=flops_per_token * tokens)
        return Grant(self, self._reserve(row, _Open(flops_per_token, None, True)), tokens)

    def discard(self, key: str, reason: str) -> None:
        """Mark the rows of a call whose result was not used."""
        for index in range(self._indexed, len(self.rows)):
            self._places.setdefault(self.rows[index].key, []).append(index)
        self._indexed = len(self.rows)
        for index in self._places.get(key, ()):
            if self.rows[index].discarded is None:
                self.rows[index] = replace(self.rows[index], discarded=reason)

    def carry(self, row: Row) -> None:
        """Add a row that was settled in an earlier session of the same run."""
        self.rows.append(row)
        self._add(row, 1)

    # -- inside -----------------------------------------------------------------------

    def _dollar_cap(self) -> float | None:
        own = self.budget.dollars
        return own if own is not None or self.parent is None else self.parent._dollar_cap()

    def _allowed(self, tokens: int, calls: int, flops_per_token: float, prompt: int) -> int:
        allowed, budget, spent = tokens, self.budget, self._spent
        if budget.tokens is not None:
            allowed = min(allowed, budget.tokens - spent["tokens"])
        if budget.calls is not None and spent["calls"] + calls > budget.calls:
            allowed = 0
        if budget.flops is not None:
            left = budget.flops - spent["flops"]
            if flops_per_token > 0:
                allowed = min(allowed, int(left / flops_per_token) - prompt)
            elif left <= 0:
                allowed = 0
        if budget.seconds is not None and self._clock() - self._started >= budget.seconds:
            allowed = 0
        if budget.dollars is not None and spent["dollars"] >= budget.dollars:
            allowed = 0
        if self.parent is not None and allowed > 0:
            allowed = self.parent._allowed(allowed, calls, flops_per_token, prompt)
        return max(0, allowed)

    def _affordable(self, price: Price, prompt: int, tokens: int) -> int:
        allowed = tokens
        ledger: Ledger | None = self
        while ledger is not None:
            if ledger.budget.dollars is not None and price.completion > 0:
                left = ledger.budget.dollars - ledger._spent["dollars"]
                left -= price.of(Usage(prompt, 0, 0))
                allowed = min(allowed, int(left * 1e6 / price.completion))
            ledger = ledger.parent
        return max(0, allowed)

    def _reserve(self, row: Row, opened: _Open) -> int:
        index = len(self.rows)
        self.rows.append(row)
        self._open[index] = opened
        self._add(row, 1)
        return index

    def _settle(self, index: int, usage: Usage, seconds: float) -> None:
        if index < 0:
            return
        opened, old = self._close(index), self.rows[index]
        if opened.reading:
            read = usage.completion or old.scored  # who cannot count before reports it here
            new = replace(
                old, prompt=usage.prompt, cached=usage.cached, scored=read, tokens=read,
                seconds=seconds, flops=opened.flops_per_token * read,
            )  # fmt: skip
        else:
            new = replace(
                old, prompt=usage.prompt, cached=usage.cached, completion=usage.completion,
                tokens=usage.completion, seconds=seconds,
                flops=opened.flops_per_token * (usage.prompt + usage.completion),
                dollars=opened.price.of(usage) if opened.price else 0.0,
            )  # fmt: skip
        self.rows[index] = new
        self._add(old, -1)
        self._add(new, 1)

    def _lose(self, index: int, reason: str) -> None:
        if index < 0:
            return
        self._close(index)
        self.rows[index] = replace(self.rows[index], lost=reason)

    def _withdraw(self, index: int) -> None:
        if index < 0:
            return
        if index != len(self.rows) - 1:
            raise RuntimeError(f"ledger row {index} is not the latest and cannot be withdrawn")
        self._close(index)
        self._add(self.rows.pop(), -1)
        if self._indexed > index:
            self._places.clear()
            self._indexed = 0

    def _close(self, index: int) -> _Open:
        if index not in self._open:
            raise RuntimeError(f"ledger row {index} was settled twice")
        return self._open.pop(index)

    def _add(self, row: Row, sign: int) -> None:
        for name in _SUMMED:
            self._spent[name] += sign * getattr(row, name)
        if self.parent is not None:
            self.parent._add(row, sign)
