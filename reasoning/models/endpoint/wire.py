"""Wire: requests to one server through the `openai` package, from any event loop.

Every event loop has a client and a limit of its own. The package's retries are off, so that every
attempt is accounted for by the caller. Until it is seen that the server does not refuse this caller
calls go one by one: one that does is asked once, not once for every call in flight.
"""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import openai

from reasoning.core import BadPrompt
from reasoning.models.endpoint.address import Address
from reasoning.models.endpoint.answers import Broken
from reasoning.models.endpoint.faults import fault_of
from reasoning.models.endpoint.retry import Fault


@dataclass
class _Lane:
    """What one event loop uses: its client, its slots, and whether calls still go one by one."""

    client: openai.AsyncOpenAI
    slots: asyncio.Semaphore
    narrow: bool


class Wire:
    """Sends and reads JSON. `timeout` is seconds for a whole attempt, `concurrency` the most
    requests in flight on one event loop; `proven` says that the server has answered before."""

    def __init__(
        self, address: Address, base: str, *, timeout: float = 300.0, concurrency: int = 32,
        proven: bool = False, known: list[str] | None = None,
    ) -> None:  # fmt: skip
        self.address, self.base, self.known = address, base, known or []
        self._timeout, self._concurrency, self._proven = timeout, concurrency, proven
        self._lanes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Lane] = (
            weakref.WeakKeyDictionary()
        )

    async def post(self, path: str, fields: dict[str, Any], admit: Callable[[], None]) -> Any:
        """The JSON that answers. `admit` may still refuse when the request's turn has come. Raises
        Fault, BadPrompt or LabError; cancelling closes the request."""
        lane = self._lane()
        async with lane.slots:
            admit()
            try:
                data = await self._post(lane.client, path, fields)
            except (Fault, BadPrompt):
                self._widen(lane)
                raise
            self._widen(lane)
            return data

    def _widen(self, lane: _Lane) -> None:
        """The server does not refuse this caller: from now on calls go side by side."""
        self._proven = True
        if lane.narrow:
            lane.narrow = False
            for _ in range(self._concurrency - 1):
                lane.slots.release()

    async def _post(self, client: openai.AsyncOpenAI, path: str, fields: dict[str, Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                reply = await client.post(path, cast_to=httpx2.Response, body=fields)
        except TimeoutError:
            reason = f"{self.base} did not answer in {self._timeout:g} s"
            raise Fault(reason, spent=True) from None
        except openai.APIError as error:
            raise fault_of(error, self.address, self.base, self.known) from None
        return self.read(reply)

    def read(self, reply: httpx2.Response) -> Any:
        """The JSON of a reply. Raises Fault."""
        try:
            return json.loads(reply.content)
        except ValueError:
            start = self.address.hide(reply.text[:80])
            raise self.broken(Broken(f"no JSON: {start!r}")) from None

    def broken(self, error: Broken) -> Fault:
        """An answer that cannot be read, as a fault."""
        return Fault(f"the answer of {self.base} cannot be read: {error}", spent=True)

    def _lane(self) -> _Lane:
        loop = asyncio.get_running_loop()
        lane = self._lanes.get(loop)
        if lane is None:
            wide = self._concurrency if self._proven else 1
            lane = _Lane(self._client(), asyncio.Semaphore(wide), wide < self._concurrency)
            self._lanes[loop] = lane
        return lane

    def _client(self) -> openai.AsyncOpenAI:
        patience = httpx2.Timeout(self._timeout, connect=min(10.0, self._timeout))
        # Its own: the package's default client schedules its closing on whichever loop runs when
        # it is collected.
        transport = openai.DefaultAsyncHttpxClient(
            timeout=patience, trust_env=not self.address.local
        )
        return openai.AsyncOpenAI(
            api_key=self.address.key or "none", base_url=self.base, timeout=patience,
            max_retries=0, http_client=transport,
        )  # fmt: skip
