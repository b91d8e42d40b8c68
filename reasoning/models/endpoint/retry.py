"""When a failed call is tried again, and when a server is left alone.

Back-off is exponential with full jitter (Brooker 2015, "Exponential Backoff And Jitter"); a
Retry-After of the server is a lower bound of the wait. The breaker opens after several calls in a
row that failed for good.
"""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from evaluators.errors import BadInput, LabError
from reasoning.core import BadPrompt

T = TypeVar("T")


class ServerFault(Exception):
    """A call that failed for good, at its server: its problem becomes `error`, others go on."""


class Fault(Exception):
    """One failed attempt. `spent`: the server may have generated; `again`: another attempt may
    help; `wait`: the seconds that the server asked for."""

    def __init__(
        self, reason: str, *, spent: bool, again: bool = True, wait: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason, self.spent, self.again, self.wait = reason, spent, again, wait


@dataclass(frozen=True)
class Backoff:
    """How often and how late a call is tried again. Times in seconds.

    Attempt k (from 0) waits between 0 and `min(cap, base * 2**k)`; where the server named a time,
    that time and up to `base` more, so that not all callers come back at once. A server that names
    more than `patience` is not waited for.
    """

    retries: int = 5
    base: float = 0.5
    cap: float = 30.0
    patience: float = 120.0

    def __post_init__(self) -> None:
        if not isinstance(self.retries, int) or self.retries < 0:
            raise BadInput(f"option retries must be a whole number of 0 or more: {self.retries!r}")

    def delay(self, attempt: int, rng: np.random.Generator, asked: float | None = None) -> float:
        """Seconds to wait before the attempt after number `attempt`."""
        if asked is not None:
            return asked + float(rng.uniform(0.0, self.base))
        return float(rng.uniform(0.0, min(self.cap, self.base * 2.0 ** min(attempt, 60))))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that `Retry-After` asks for, written as a number or as a date (RFC 9110, section
    10.2.3), or `retry-after-ms`; None where there is none or it cannot be read. `now` is in
    seconds since the epoch."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    if date is None:
        return None
    try:
        return max(0.0, email.utils.mktime_tz(date) - now)
    except (ValueError, OverflowError):
        return None


class LeftAlone(LabError):
    """No request was sent: the server has failed too often, or has refused this caller."""


class Breaker:
    """Lets calls through until `limit` calls in a row have failed for good; then, for `cooldown`
    seconds, none, and after that one at a time until one is answered. A refusal (a wrong key, an
    unknown model) lets nothing through any more. `clock` is for tests."""

    def __init__(
        self,
        name: str,
        limit: int = 5,
        cooldown: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._limit, self._cooldown, self._clock = name, limit, cooldown, clock
        self._failed, self._until, self._last = 0, 0.0, ""
        self._refusal: LabError | None = None

    @property
    def open(self) -> bool:
        """Whether a call would be turned away now."""
        return self._refusal is not None or (
            self._failed >= self._limit and self._clock() < self._until
        )

    def admit(self) -> None:
        """Called before every request: raises LeftAlone while the server is left alone."""
        if self._refusal is not None:
            raise LeftAlone(str(self._refusal))
        if self._failed < self._limit:
            return
        if self._clock() < self._until:
            raise LeftAlone(
                f"{self._name}: {self._failed} calls in a row failed, the last one with: "
                f"{self._last}; mend the server and run it again with --resume"
            )
        self._until = self._clock() + self._cooldown  # this one tries, the next waits for it

    def answered(self) -> None:
        """A call was answered."""
        self._failed = 0

    def failed(self, reason: str) -> None:
        """A call failed for good."""
        self._failed += 1
        self._last = reason
        self._until = self._clock() + self._cooldown

    def refused(self, error: LabError) -> None:
        """The server will not serve this model to this caller."""
        self._refusal = error


@dataclass(frozen=True)
class Retrier:
    """Asks until there is an answer. `rng` draws the jitter, `sleep` waits that many seconds."""

    backoff: Backoff
    breaker: Breaker
    rng: np.random.Generator
    sleep: Callable[[float], Awaitable[Any]]

    async def persist(self, ask: Callable[[], Awaitable[T]], failed: Callable[[Fault], None]) -> T:
        """What `ask` returns; `failed` is told of every attempt that failed. Raises ServerFault
        after the last one, BadPrompt, and LabError for what concerns every call."""
        attempt = 0
        while True:
            try:
                answer = await ask()
            except Fault as fault:
                failed(fault)
                late = fault.wait is not None and fault.wait > self.backoff.patience
                if late or not fault.again or attempt >= self.backoff.retries:
                    raise self._give_up(fault, attempt, late) from None
                await self.sleep(self.backoff.delay(attempt, self.rng, fault.wait))
                attempt += 1
            except BadPrompt:
                self.breaker.answered()
                raise
            except LeftAlone:
                raise
            except LabError as error:
                self.breaker.refused(error)
                raise
            else:
                self.breaker.answered()
                return answer

    def _give_up(self, fault: Fault, attempt: int, late: bool) -> ServerFault:
        if fault.again:  # a request that the server refused says nothing of the next one
            self.breaker.failed(fault.reason)
        after = "" if attempt == 0 else f", {attempt + 1} times"
        wait = f", and asks to wait {fault.wait:.0f} s" if late else ""
        return ServerFault(f"{fault.reason}{after}{wait}")
