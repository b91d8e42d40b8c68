"""Measuring beside other users of the machine: how much they took, and measuring again (Linux)."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_TICK = 1 / os.sysconf("SC_CLK_TCK")


def busy() -> float:
    """Processor seconds that all processes of this machine have used since it started."""
    user, nice, system, _, _, irq, softirq = Path("/proc/stat").read_text().split()[1:8]
    return _TICK * sum(map(int, (user, nice, system, irq, softirq)))


def own() -> float:
    """Those of this process and of its children that have been waited for."""
    parts = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


class Watch:
    """What share of all processors others take, from when it is made."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), busy(), own()

    def share(self) -> float:
        """From 0 to 1."""
        span = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return max(0.0, (busy() - self._busy) - (own() - self._own)) / span


def undisturbed(measure: Callable[[], T], most: float, until: float) -> tuple[T, float]:
    """What `measure` returns when others took no more than the share `most` meanwhile, and that
    share. Waits for such a time, and measures again, until `time.monotonic()` is `until`; then
    the last one will do."""
    while True:
        while time.monotonic() < until:
            watch = Watch()
            time.sleep(3.0)
            if watch.share() <= most / 2:
                break
        watch = Watch()
        made = measure()
        _reap()
        share = watch.share()
        print(f"  others took {share:.0%}", file=sys.stderr)
        if share <= most or time.monotonic() >= until:
            return made, share


def _reap() -> None:
    """Wait for what has ended, so that it counts as our own."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
