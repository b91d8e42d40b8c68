"""Toy decision processes: small trees of moves whose best leaf is found by brute force.

A path is a string of digits, one a move ("021"). A trace is one move a line, by its name, and then
`=` with the leaf's name. What the leaves are worth is no part of the question: the same model on
the same question can be judged in any way.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from itertools import product

from evaluators.problem import Problem

SPELT = 12
"""Up to this depth a leaf's name spells its path; a longer path is told by a checksum."""


@dataclass(frozen=True)
class Process:
    """`depth` moves, each one of `names` (at most ten single letters); a leaf is worth what
    `rewards` says (0..1), else `rest`.

    What an unfinished path looks like to a judge may mislead: with `shown` it is the longest entry
    that the path starts with; with `likes` it is 1 after one of these moves and 0.05 after another.
    Without either a path looks like the best leaf below it.
    """

    depth: int
    names: str
    rewards: Mapping[str, float]
    rest: float = 0.0
    shown: Mapping[str, float] = field(default_factory=dict)
    likes: str = ""

    @property
    def branching(self) -> int:
        """How many moves there are to choose from."""
        return len(self.names)

    @property
    def leaves(self) -> int:
        """How many ends there are."""
        return self.branching**self.depth

    @property
    def length(self) -> int:
        """The tokens of one whole trace, its end included; a token is a letter."""
        return 2 * self.depth + len(self.end("0" * self.depth)) + 1

    @property
    def best(self) -> str:
        """The leaf that is worth most, the first of equals."""
        return max(self.rewards, key=lambda path: self.rewards[path])

    def reward(self, path: str) -> float:
        """What a leaf is worth."""
        return self.rewards.get(path, self.rest)

    def value(self, path: str) -> float:
        """The worth of the best leaf below a path (of the leaf itself)."""
        found = [worth for leaf, worth in self.rewards.items() if leaf.startswith(path)]
        below = self.branching ** (self.depth - len(path))
        return max([*found, *([self.rest] if len(found) < below else [])])

    def looks(self, path: str) -> float:
        """What a judge says of a path."""
        if self.likes and path:
            return 1.0 if path[-1] in self.likes else 0.05
        if len(path) == self.depth or not self.shown:
            return self.value(path)
        heads = [head for head in self.shown if path.startswith(head)]
        return self.shown[max(heads, key=len)] if heads else 0.0

    def spelt(self, path: str) -> str:
        """The names of the moves of a path."""
        return path.translate(str.maketrans("0123456789"[: self.branching], self.names))

    def end(self, path: str) -> str:
        """The last line of a trace."""
        spelt = self.spelt(path)
        return "=" + (spelt if self.depth <= SPELT else f"{zlib.crc32(spelt.encode()):08x}")

    def text(self, path: str) -> str:
        """A path as the model writes it; a leaf with its end."""
        moves = "\n".join(self.spelt(path)) + "\n" * bool(path)
        return moves + (self.end(path) if len(path) == self.depth else "")

    def read(self, text: str) -> tuple[str, str | None]:
        """The path that stands in a text, and the name after the last `=`, if any. Lines that are
        no moves are passed over."""
        body, equals, name = text.rpartition("=")
        body, known = body if equals else text, set(self.names)
        letters, numbers = body[::2], str.maketrans(self.names, "0123456789"[: self.branching])
        if body[1::2].strip("\n") or not set(letters) <= known:  # not moves alone
            letters = "".join(line for line in body.split("\n") if line in known)
        path = letters.translate(numbers)
        return path[: self.depth], (name.strip() or None) if equals else None

    def leaf(self, text: str) -> str | None:
        """The leaf that a finished text names; None for a name that its own moves contradict."""
        path, name = self.read(text)
        if name is None:
            return None
        if len(path) == self.depth:
            return path if self.end(path) == f"={name}" else None
        if self.depth <= SPELT and len(name) == self.depth and set(name) <= set(self.names):
            return "".join(str(self.names.index(letter)) for letter in name)
        return None

    def judged(self, text: str, whole: bool) -> float:
        """The score of a trace, whole or partial."""
        if "=" not in text and not whole:
            return self.looks(self.read(text)[0])
        leaf = self.leaf(text)
        return 0.0 if leaf is None else self.reward(leaf)

    def problem(self, name: str) -> Problem:
        """The process as a problem of the toy task."""
        return Problem(
            f"toy/{name}", {"process": json.dumps(asdict(self))}, self.end(self.best)[1:]
        )

    @staticmethod
    def of(problem: Problem) -> Process:
        """The process that a problem of the toy task holds."""
        return _read(problem.fields["process"])


@lru_cache(maxsize=256)
def _read(spec: str) -> Process:
    return Process(**json.loads(spec))


def brute_force(process: Process) -> tuple[str, float]:
    """The best leaf and its worth, by looking at every leaf; the first of equals."""
    digits = "0123456789"[: process.branching]
    paths = map("".join, product(digits, repeat=process.depth))
    best = max(paths, key=process.reward)
    return best, process.reward(best)
