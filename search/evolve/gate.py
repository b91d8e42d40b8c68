"""Gate: calls in flight together must not be cut short by each other's reservations.

A call reserves the most that it may generate, and gets back what it did not. Near the end of a
budget a call therefore waits, in the order of asking, until it can be granted in full or no other
is in flight; what it is granted then is really all that is left.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from reasoning.core import Completion, LanguageModel, Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.logged import LoggedModel, Responses
from reasoning.runlog import RunLog


@dataclass(frozen=True)
class Amount:
    """What a call may use, or has used."""

    tokens: int = 0
    dollars: float = 0.0

    def plus(self, other: Amount, sign: int = 1) -> Amount:
        return Amount(self.tokens + sign * other.tokens, self.dollars + sign * other.dollars)


class Gate:
    """Lets calls through under the caps of a run's ledger (what it has spent counts)."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._used = _spent(ledger)
        self._promised = Amount()
        self._inside = 0
        self._queue: deque[tuple[Amount, asyncio.Future[None]]] = deque()

    async def enter(self, most: Amount) -> None:
        """Wait until a call that may use `most` can be paid in full, or is alone."""
        if self._queue or not self._open(most):
            turn = asyncio.get_running_loop().create_future()
            self._queue.append((most, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # let in and cancelled at once
                    self.leave(most, Amount())
                raise
        else:
            self._let_in(most)

    def leave(self, most: Amount, used: Amount) -> None:
        """A call that might have used `most` has used `used`."""
        self._inside -= 1
        self._promised = self._promised.plus(most, -1)
        self._used = self._used.plus(used)
        while self._queue:
            wanted, turn = self._queue[0]
            if not turn.done():
                if not self._open(wanted):
                    return
                self._let_in(wanted)
                turn.set_result(None)
            self._queue.popleft()

    def _let_in(self, most: Amount) -> None:
        self._inside += 1
        self._promised = self._promised.plus(most)

    def _open(self, most: Amount) -> bool:
        total = self._used.plus(self._promised).plus(most)
        caps = self.ledger.budget
        fits = caps.tokens is None or total.tokens <= caps.tokens
        fits = fits and (caps.dollars is None or total.dollars <= caps.dollars)
        return fits or not self._inside


class GatedModel(LoggedModel):
    """A logged model whose calls pass a gate."""

    def __init__(
        self, model: LanguageModel, log: RunLog | None, scope: str, past: Responses, gate: Gate
    ) -> None:
        super().__init__(model, log, scope, past)
        self._gate = gate

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        """As the model's own, when its turn has come; raises CallFailed."""
        price, tokens = getattr(self.inner, "price", None), sampling.max_tokens * sampling.n
        most = Amount(tokens, tokens * price.completion / 1e6 if price else 0.0)
        await self._gate.enter(most)
        before = _spent(ledger)
        try:
            return await super().generate(prompt, sampling, ledger, seed)
        finally:
            self._gate.leave(most, _spent(ledger).plus(before, -1))


def _spent(ledger: Ledger) -> Amount:
    spent = ledger.spent
    return Amount(spent.tokens, spent.dollars)
