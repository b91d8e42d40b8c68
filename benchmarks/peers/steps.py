"""The toy that `benchmarks/searching.py` gives to every system: traces of LENGTH lines of a number.

A model that answers at once writes the next line; a scorer that answers at once rates what stands.
Imports nothing but the standard library: the peers run it in environments of their own.
"""

from __future__ import annotations

import json
import resource
import time

LENGTH = 12
CHOICES = 1000
QUESTION = "Write numbers."


def line(draw: int, written: int) -> str:
    """The step that follows `written` lines; the last one of a trace ends in a full stop."""
    return f"{draw % CHOICES}" + (".\n" if written + 1 >= LENGTH else "\n")


def value(text: str) -> float:
    """What a trace is worth, in [0, 1): scattered, and different for every last line."""
    lines = text.split("\n")
    last = lines[-2] if len(lines) > 1 else "0"
    return (int(last.rstrip(".")) * 2654435761 + len(lines) * 40503) % 2**32 / 2**32


class Clock:
    """Wall and processor seconds since it was made, and at marks."""

    def __init__(self, marks: list[int]) -> None:
        self.marks, self.passed = list(marks), {}
        self.wall, self.cpu = time.perf_counter(), _cpu()

    def at(self, count: int) -> None:
        """`count` calls have been made."""
        while self.marks and count >= self.marks[0]:
            self.passed[self.marks.pop(0)] = self._since()

    def tell(self, calls: int, **more: object) -> None:
        """Print what was measured as one line of JSON."""
        wall, cpu = self._since()
        print(json.dumps({"calls": calls, "wall": wall, "cpu": cpu, "marks": self.passed, **more}))

    def _since(self) -> tuple[float, float]:
        return time.perf_counter() - self.wall, _cpu() - self.cpu


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
