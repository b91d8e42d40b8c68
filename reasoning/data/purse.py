"""Purse: the ledger of one problem in a collection, which knows when it was the whole run's caps
that cut a call short, not the problem's own: a later session may be able to pay for it."""

from __future__ import annotations

from typing import Any

from reasoning.ledger import Grant, Ledger


class Purse(Ledger):
    """A ledger with a parent. `cut` says whether the parent granted less than this one would."""

    cut = False

    def reserve(self, **wish: Any) -> Grant:
        """As a ledger's own."""
        alone = self._alone(wish["max_tokens"], wish)
        grant = super().reserve(**wish)
        self.cut |= grant.max_tokens < alone
        return grant

    def reserve_reading(self, **wish: Any) -> Grant:
        """As a ledger's own."""
        alone = self._alone(wish["tokens"], wish)
        grant = super().reserve_reading(**wish)
        self.cut |= grant.max_tokens < alone == wish["tokens"]
        return grant

    def _alone(self, tokens: int, wish: dict[str, Any]) -> int:
        """What would be granted without a parent."""
        parent, self.parent = self.parent, None
        try:
            flops, prompt = wish.get("flops_per_token", 0.0), wish.get("prompt_tokens", 0)
            return self._allowed(tokens, 1, flops, prompt)
        finally:
            self.parent = parent
