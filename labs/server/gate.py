"""The bounded queue: how many requests are worked on, and what became of all that came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from labs.server.errors import busy
from reasoning.core import Usage


@dataclass
class Tally:
    """Requests since the server began, by what became of them, and the tokens answered with.

    `left` are requests whose client went away before its answer; `refused` came past the queue.
    """

    active: int = 0
    answered: int = 0
    failed: int = 0
    left: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class ClientLeft(Exception):
    """The client closed its connection before it was answered."""


class Gate:
    """Lets at most `limit` requests in; the event loop's thread alone uses it."""

    def __init__(self, limit: int) -> None:
        self.limit, self.tally = limit, Tally()

    def enter(self) -> None:
        """Count a request in. Raises ApiError (429) past the limit."""
        if self.tally.active >= self.limit:
            self.tally.refused += 1
            raise busy(self.limit, 1)
        self.tally.active += 1

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Count out a request that came in, whichever way it ends."""
        try:
            yield
        except ClientLeft:
            self.tally.left += 1
            raise
        except BaseException:
            self.tally.failed += 1
            raise
        else:
            self.tally.answered += 1
        finally:
            self.tally.active -= 1

    def charge(self, usage: Usage) -> None:
        """Add the tokens that an answer reports."""
        self.tally.prompt_tokens += usage.prompt
        self.tally.cached_tokens += usage.cached
        self.tally.completion_tokens += usage.completion

    def counts(self) -> dict[str, int]:
        """The counts as JSON values."""
        return asdict(self.tally)
