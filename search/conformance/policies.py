"""What a scripted model writes: how it chooses each move.

`Drawn` chooses by the seed path, as a sampling model does. The others need no luck: `InTurn` tries
the moves of every position one after the other, the right one last; `Sure` always knows; `Mostly`
is right in most of its traces.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from math import log
from typing import ClassVar, Protocol

from reasoning.core import Sampling, SeedPath
from search.conformance.process import Process

CERTAIN = -1e-3
"""The log-probability of a letter that follows from those before it."""


def chance(text: str) -> int:
    """A number that belongs to a text and looks drawn."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")


class Policy(Protocol):
    """Writes all that is left of a trace: its text and the log-probability of each letter."""

    name: ClassVar[str]

    def write(
        self, process: Process, said: str, before: str, sampling: Sampling, seed: SeedPath
    ) -> tuple[str, list[float]]: ...


@dataclass
class Drawn:
    """Every move at random from the seed path, all alike; at temperature 0 one that depends on the
    position alone."""

    name: ClassVar[str] = "drawn"

    def write(
        self, process: Process, said: str, before: str, sampling: Sampling, seed: SeedPath
    ) -> tuple[str, list[float]]:
        path, _ = process.read(before)
        whole = path
        while len(whole) < process.depth:
            where = whole if sampling.temperature == 0 else f"{seed.text}|{len(whole)}"
            whole += str(chance(where) % process.branching)
        return rest(process, said, before, path, whole, log(1 / process.branching), sampling)


@dataclass
class InTurn:
    """The moves of a position one after the other, in an order that the position says but with
    those of the paths `last` at the end: what a search over it finds is no luck. Where there is
    one such path, a step away from it is less likely than one along it."""

    last: tuple[str, ...] = ()
    asked: Counter[str] = field(default_factory=Counter)
    name: ClassVar[str] = "in turn"

    def write(
        self, process: Process, said: str, before: str, sampling: Sampling, seed: SeedPath
    ) -> tuple[str, list[float]]:
        path, _ = process.read(before)
        whole = path
        while len(whole) < process.depth:
            place = f"{said}|{whole}"
            whole += self._order(process, whole)[self.asked[place] % process.branching]
            self.asked[place] += 1
            if sampling.boundary == "\n":  # the rest will not be seen
                whole += "0" * (process.depth - len(whole))
        sure = len(self.last) == 1 and whole[: len(path) + 1] == self.last[0][: len(path) + 1]
        choice = log(0.9 if sure else 0.1)
        return rest(process, said, before, path, whole, choice, sampling)

    def _order(self, process: Process, path: str) -> list[str]:
        at_end = {leaf[len(path)] for leaf in self.last if leaf.startswith(path)}
        moves = [str(i) for i in range(process.branching)]
        return sorted(moves, key=lambda move: (move in at_end, chance(f"{path}|{move}")))


@dataclass
class Sure:
    """Always the moves of `path`, where it still can."""

    path: str
    name: ClassVar[str] = "sure"

    def write(
        self, process: Process, said: str, before: str, sampling: Sampling, seed: SeedPath
    ) -> tuple[str, list[float]]:
        path, _ = process.read(before)
        return rest(process, said, before, path, path + self.path[len(path) :], CERTAIN, sampling)


@dataclass
class Mostly:
    """Of every three traces begun, the last two follow `path`; the first errs, each time elsewhere,
    and less surely. A trace that is going on follows `path` where it still can."""

    path: str
    begun: int = 0
    name: ClassVar[str] = "mostly"

    def write(
        self, process: Process, said: str, before: str, sampling: Sampling, seed: SeedPath
    ) -> tuple[str, list[float]]:
        path, _ = process.read(before)
        whole, sure = path + self.path[len(path) :], log(0.9)
        if not path:
            if self.begun % 3 == 0:
                whole, sure = self._wrong(process, self.begun // 3), log(1 / process.branching)
            self.begun += 1
        return rest(process, said, before, path, whole, sure, sampling)

    def _wrong(self, process: Process, number: int) -> str:
        at = int(self.path, process.branching)
        at = (at + 1 + number % (process.leaves - 1)) % process.leaves
        digits = ""
        for _ in range(process.depth):
            at, digit = divmod(at, process.branching)
            digits = str(digit) + digits
        return digits


def rest(
    process: Process,
    said: str,
    before: str,
    path: str,
    whole: str,
    choice: float,
    sampling: Sampling,
) -> tuple[str, list[float]]:
    """The text that leads from `before`, where the moves of `path` stand, to the end of the leaf
    `whole`; a move that was cut in the middle and an end that was begun are completed. Where the
    question `said` asks for the answer alone (it ends in "="), that is all there is."""
    if sampling.boundary == "\n" and before.endswith("\n") and len(path) < process.depth:
        move = process.spelt(whole[len(path)])  # no more of it will be seen
        return f"{move}\n", [choice, CERTAIN]
    line = before.rpartition("\n")[2]
    if "=" in line:
        text = process.end(whole)[len(line) - line.index("=") :]
        return text, [CERTAIN] * len(text)
    text = "\n" if line and line in process.names else ""
    logprobs = [CERTAIN] * len(text)
    if said.endswith("=") or before.endswith(("</think>", "Answer:")):
        moves = ""
    else:
        moves = process.text(whole)[2 * len(path) : 2 * process.depth]
    end = process.end(whole)
    logprobs += [choice, CERTAIN] * (len(moves) // 2) + [CERTAIN] * len(end)
    return text + moves + end, logprobs
