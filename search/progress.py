"""Progress of a comparison: snapshots at most five times a second, and one line in a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TextIO

from search.cell import Cell

INTERVAL = 0.2  # seconds


@dataclass(frozen=True)
class ArmProgress:
    """One arm at one budget so far. `accuracy` is over settled cells; None before the first."""

    arm: str
    budget: str
    done: int = 0
    correct: int = 0
    errors: int = 0
    tokens: int = 0

    @property
    def accuracy(self) -> float | None:
        return self.correct / self.done if self.done else None

    def plus(self, cell: Cell) -> ArmProgress:
        error = cell.state == "error"
        return ArmProgress(
            self.arm, self.budget, self.done + (not error),
            self.correct + (cell.correct and not error), self.errors + error,
            self.tokens + cell.tokens,
        )  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """Where a comparison stands: cells settled out of `total`, per arm and budget.

    `earlier` of them were settled before this session; `ended` marks the last snapshot.
    """

    done: int
    total: int
    errors: int
    tokens: int
    seconds: float
    arms: tuple[ArmProgress, ...] = field(default=(), repr=False)
    earlier: int = 0
    ended: bool = False

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds > 0 else 0.0

    def __str__(self) -> str:
        errors = f", {self.errors} errors" if self.errors else ""
        text = f"{self.done}/{self.total} problems{errors}, {self.tokens_per_second:,.0f} tokens/s"
        if self.ended:
            return f"{text}, {self.seconds:.0f} s"
        fresh = self.done - self.earlier
        if not fresh:
            return text
        return f"{text}, {self.seconds / fresh * (self.total - self.done):.0f} s left"


Watcher = Callable[[Snapshot], None]


class Meter:
    """Counts cells and tells `watchers`, at most every INTERVAL seconds and once at the end.

    Cells that were settled in an earlier session count as done but not for the speed.
    """

    def __init__(
        self, places: Iterable[tuple[str, str]], total: int, watcher: Watcher | None = None
    ) -> None:
        self._arms = {place: ArmProgress(*place) for place in places}
        self._total, self._watcher = total, watcher
        self._started = self._told = time.monotonic()
        self._done = self._errors = self._tokens = self._earlier = 0
        self._ended = False

    def add(self, cell: Cell, *, earlier: bool = False) -> None:
        """Count a settled cell."""
        place = (cell.arm, cell.budget)
        self._arms[place] = self._arms[place].plus(cell)
        self._done += 1
        self._errors += cell.state == "error"
        self._tokens += 0 if earlier else cell.tokens
        self._earlier += earlier
        now = time.monotonic()
        if self._watcher is not None and now - self._told >= INTERVAL:
            self._told = now
            self._watcher(self.snapshot())

    def finish(self) -> None:
        """Tell the last state."""
        self._ended = True
        if self._watcher is not None:
            self._watcher(self.snapshot())

    def snapshot(self) -> Snapshot:
        """The state now."""
        return Snapshot(
            self._done, self._total, self._errors, self._tokens,
            time.monotonic() - self._started, tuple(self._arms.values()), self._earlier,
            self._ended,
        )  # fmt: skip


def watcher_of(progress: bool | Watcher | None, stream: TextIO | None = None) -> Watcher | None:
    """A watcher from an option: a function, True (a line), False (none), or None: a line where
    standard error is a terminal."""
    if callable(progress):
        return progress
    shown = stream or sys.stderr
    if progress is None:
        progress = shown.isatty()
    return Line(shown) if progress else None


class Line:
    """One line that is written over and over, ended when all is done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._width = stream, 0

    def __call__(self, snapshot: Snapshot) -> None:
        text = str(snapshot)
        end = "\n" if snapshot.ended else ""
        self._stream.write("\r" + text.ljust(self._width) + end)
        self._stream.flush()
        self._width = len(text)
