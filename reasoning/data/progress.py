"""Progress of a collection: snapshots at most five times a second, and one line in a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TextIO

from reasoning.data.rows import TraceRow

INTERVAL = 0.2  # seconds


@dataclass(frozen=True)
class Collected:
    """Where a collection stands: problems done out of `total`, `earlier` of them in an earlier
    session, their traces and how many of these are correct, generated tokens of this session."""

    done: int = 0
    total: int = 0
    errors: int = 0
    earlier: int = 0
    traces: int = 0
    correct: int = 0
    tokens: int = 0
    seconds: float = 0.0
    ended: bool = False

    def __str__(self) -> str:
        text = f"{self.done}/{self.total} problems, {self.traces:,} traces"
        text += f" ({self.correct / self.traces:.0%} correct)" if self.traces else ""
        text += f", {self.errors} errors" if self.errors else ""
        text += f", {self.tokens / self.seconds:,.0f} tokens/s" if self.seconds > 0 else ""
        fresh = self.done - self.earlier
        if self.ended:
            return f"{text}, {self.seconds:.0f} s"
        if not fresh:
            return text
        return f"{text}, {self.seconds / fresh * (self.total - self.done):.0f} s left"


Watcher = Callable[[Collected], None]


class Meter:
    """Counts problems and tells `watcher`, at most every INTERVAL seconds and once at the end."""

    def __init__(self, total: int, watcher: Watcher | None = None) -> None:
        self._now, self._watcher = Collected(total=total), watcher
        self._started = self._told = time.monotonic()

    def add(
        self, rows: Sequence[TraceRow], tokens: int, *, error: bool = False, earlier: bool = False
    ) -> None:
        """Count a problem."""
        now = self._now
        self._now = replace(
            now, done=now.done + 1, errors=now.errors + error, earlier=now.earlier + earlier,
            traces=now.traces + len(rows), correct=now.correct + sum(r.correct for r in rows),
            tokens=now.tokens + (0 if earlier else tokens),
        )  # fmt: skip
        if self._watcher is not None and time.monotonic() - self._told >= INTERVAL:
            self._told = time.monotonic()
            self._watcher(self.snapshot())

    def finish(self) -> None:
        """Tell the last state."""
        self._now = replace(self._now, ended=True)
        if self._watcher is not None:
            self._watcher(self.snapshot())

    def snapshot(self) -> Collected:
        """The state now."""
        return replace(self._now, seconds=time.monotonic() - self._started)


def watcher_of(progress: bool | Watcher | None, stream: TextIO | None = None) -> Watcher | None:
    """A watcher from an option: a function, True (a line), False (none), or None: a line where
    standard error is a terminal."""
    if callable(progress):
        return progress
    shown = stream or sys.stderr
    if progress is None:
        progress = shown.isatty()
    return _line(shown) if progress else None


def _line(stream: TextIO) -> Watcher:
    """One line that is written over and over, ended when all is done."""
    width = 0

    def tell(now: Collected) -> None:
        nonlocal width
        text = str(now)
        stream.write("\r" + text.ljust(width) + ("\n" if now.ended else ""))
        stream.flush()
        width = len(text)

    return tell
