"""Tap: the reservations of one call, remembered so that a log can make them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from reasoning.budget import Price
from reasoning.core import Usage
from reasoning.ledger import Grant, Ledger


class TappedGrant:
    """A grant that remembers how it is settled, and is charged when the call has ended.

    `settled` is `[prompt, cached, completion, seconds]`, or the reason why it is lost.
    """

    def __init__(self, grant: Grant) -> None:
        self._grant, self.max_tokens, self.empty = grant, grant.max_tokens, grant.empty
        self.settled: list[float] | str = "the call ended without an answer"

    def settle(self, usage: Usage, *, seconds: float | None = None) -> None:
        took = self._grant.elapsed if seconds is None else seconds
        self.settled = [usage.prompt, usage.cached, usage.completion, took]

    def lose(self, reason: str) -> None:
        self.settled = reason

    def apply(self) -> None:
        """Charge the ledger."""
        apply(self._grant, self.settled)


class Tap:
    """A ledger that remembers the reservations of one call, and what the call itself discarded."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.grants: list[TappedGrant] = []
        self._wishes: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def reserve(self, **wish: Any) -> TappedGrant:
        return self._remember("reserve", wish, self._ledger.reserve(**wish))

    def reserve_reading(self, **wish: Any) -> TappedGrant:
        return self._remember("reserve_reading", wish, self._ledger.reserve_reading(**wish))

    def discard(self, key: str, reason: str) -> None:
        self._ledger.discard(key, reason)
        for wish in self._wishes:
            if wish["key"] == key:
                wish.setdefault("discarded", reason)

    @property
    def dollars(self) -> float:
        """What the call has cost so far, lost grants at their reserved maximum."""
        return sum(map(_dollars, self._wishes, self.grants))

    def reserved(self) -> list[dict[str, Any]]:
        """The reservations as plain data, each with how it was settled; `reserve` makes them
        again, `apply` settles them."""
        pairs = zip(self._wishes, self.grants, strict=True)
        return [{**wish, "settled": grant.settled} for wish, grant in pairs]

    def _remember(self, how: str, wish: dict[str, Any], grant: Grant) -> TappedGrant:
        price = wish.get("price")
        self._wishes.append({"how": how, **wish, **({"price": asdict(price)} if price else {})})
        self.grants.append(TappedGrant(grant))
        return self.grants[-1]


def reserve(ledger: Ledger, wish: Mapping[str, Any]) -> Grant:
    """Make a remembered reservation again, discarded where it was."""
    named = {k: v for k, v in wish.items() if k not in ("how", "settled", "discarded")}
    if named.get("price"):
        named["price"] = Price(**named["price"])
    grant = getattr(ledger, wish["how"])(**named)
    if "discarded" in wish and not grant.empty:
        ledger.discard(wish["key"], wish["discarded"])
    return grant


def apply(grant: Grant, settled: Any) -> None:
    """Settle a grant as it was settled, or lose it with the reason."""
    if isinstance(settled, str):
        grant.lose(settled)
    else:
        grant.settle(Usage(*settled[:3]), seconds=settled[3])


def _dollars(wish: Mapping[str, Any], grant: TappedGrant) -> float:
    if not wish.get("price") or grant.empty:
        return 0.0
    price, settled = Price(**wish["price"]), grant.settled
    if isinstance(settled, str):
        return price.of(Usage(wish.get("prompt_tokens", 0), 0, grant.max_tokens))
    return price.of(Usage(*(int(x) for x in settled[:3])))
