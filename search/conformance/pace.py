"""When a scripted model answers: at once, later, in reverse, unevenly, one call at a time.

No clocks: a call waits for turns of the event loop, so that what is measured does not depend on
the machine.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal, get_args

from reasoning.core import SeedPath

Kind = Literal["at once", "later", "reversed", "uneven", "one at a time"]
PACES: tuple[Kind, ...] = get_args(Kind)
REST = 12
"""Turns of the loop after which whoever wanted to ask has asked."""


@dataclass
class Pace:
    """`reversed` answers the calls that wait together last first; `uneven` after a number of turns
    that the seed path says; `one at a time` each after the one before."""

    kind: Kind = "at once"
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)
    _worker: asyncio.Task[None] | None = None

    async def wait(self, seed: SeedPath) -> None:
        """Return when the call may be answered."""
        if self.kind == "later":
            await asyncio.sleep(0)
        elif self.kind == "uneven":
            for _ in range(1 + seed.key[1] % REST):
                await asyncio.sleep(0)
        elif self.kind != "at once":
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            if self._worker is None:
                self._worker = asyncio.ensure_future(self._serve())
            await turn

    async def _serve(self) -> None:
        while self._waiting:
            for _ in range(REST):
                await asyncio.sleep(0)
            turn = self._waiting.pop(-1 if self.kind == "reversed" else 0)
            if not turn.done():
                turn.set_result(None)
        self._worker = None
