"""Database: the islands after so many commits. A pure function of the committed programs.

Programs are committed in the order of their numbers; `commit` says what became of each. The same
programs in the same order give the same database, so a run log is all there is to keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappush, heapreplace
from typing import Any, Literal

import numpy as np
from numpy.random.bit_generator import ISeedSequence

from evaluators.discovery.base import DiscoveryProblem
from reasoning.core import SeedPath
from search.evolve.island import Fate, Island, Member
from search.evolve.program import Program
from search.evolve.settings import Population

FINALISTS = 16
"""How many of the best programs by training score the final choice is made from."""


class _Key(ISeedSequence):
    """A Philox key as numpy wants it: `Philox(key=…)` gives the same draws, but asks the system for
    random bytes first, which takes three times as long."""

    def __init__(self, words: tuple[int, int]) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint64) -> np.ndarray:
        return np.array(self._words, np.uint64)


def generator(seed: int, *parts: str | int) -> np.random.Generator:
    """The counter-based generator of a seed path."""
    key: Any = _Key(SeedPath(seed, ("evolve", *parts)).key)
    return np.random.Generator(np.random.Philox(key))


@dataclass(frozen=True)
class Commit:
    """What became of a program: `fate`, the number of its `twin` where it behaves like a member of
    its island, whether it is the best so far in all, and the islands whose best score changed, with
    the new best."""

    fate: Fate | Literal["no score"]
    twin: int | None
    improved: bool
    changes: tuple[tuple[int, Program], ...]


class Database:
    """The islands, the best programs of the run, and the number of commits."""

    def __init__(self, problem: DiscoveryProblem, settings: Population, seed: int) -> None:
        self.settings, self.seed = settings, seed
        self._sign = 1.0 if problem.direction == "maximise" else -1.0
        self.islands = [Island(settings) for _ in range(settings.islands)]
        self.commits = 0
        self.best: Member | None = None
        self._top: list[tuple[tuple[float, int, int], Member]] = []

    def home(self, k: int) -> int:
        """The island that proposal `k` is for: all take turns."""
        return k % len(self.islands)

    def floor(self, island: int) -> float | None:
        """The score below which a program of any size cannot enter the island; None while there is
        room."""
        worst = self.islands[island].floor
        return None if worst is None else self._sign * worst.fitness

    @property
    def finalists(self) -> list[Program]:
        """The best programs by training score, best first, no two with the same behaviour."""
        return [member.program for _, member in sorted(self._top, reverse=True)]

    def scores(self) -> tuple[float | None, ...]:
        """The best score of every island."""
        return tuple(self._bests(range(len(self.islands))).values())

    def commit(self, program: Program, size: int) -> Commit:
        """Take in the next program, of so many syntax nodes. A duplicate is only counted.

        The starting program (number 0) enters every island.
        """
        if program.k != self.commits:
            raise RuntimeError(f"program {program.k} was committed as number {self.commits}")
        self.commits += 1
        homes: Sequence[int] = range(len(self.islands)) if program.k == 0 else (program.island,)
        renewed = bool(self.settings.reset and program.k and program.k % self.settings.reset == 0)
        before = self._bests(range(len(self.islands)) if renewed else homes)
        fate: Fate | Literal["no score"] = "no score"
        improved, twin, worth = False, None, self._worth(program)
        if program.duplicate_of is not None:
            fate = "duplicate"
        elif worth is not None:
            kept = replace(program, prompt="", response="")
            member = Member(kept, worth, size, self.settings.parsimony)
            other = self.islands[program.island].twin(member)
            for home in homes:
                fate = self.islands[home].enter(member)
            if fate == "duplicate" and other is not None:
                twin = other.program.k
            if self.best is None or worth > self.best.worth:
                self.best, improved = member, True
            if fate == "entered":
                self._rise(member)
        elif program.evaluation is not None and program.evaluation.verdict != "ok":
            self.islands[program.island].failure = replace(program, prompt="", response="")
        if renewed:
            self._reset()
        return Commit(fate, twin, improved, self._changes(before))

    # -- inside -----------------------------------------------------------------------

    def _worth(self, program: Program) -> float | None:
        """The score with higher as better; None for a program that has none, or that was below the
        floor it was evaluated with (nobody audited it)."""
        evaluation = program.evaluation
        if evaluation is None or evaluation.verdict != "ok" or evaluation.score is None:
            return None
        if evaluation.cut:
            return None
        return self._sign * evaluation.score

    def _rise(self, member: Member) -> None:
        """Keep the FINALISTS best programs."""
        if len(self._top) == FINALISTS and member.rank <= self._top[0][0]:
            return
        for at, (_, other) in enumerate(self._top):
            if member.behaviour and other.behaviour == member.behaviour:
                if member.rank > other.rank:
                    self._top[at] = (member.rank, member)
                    self._top.sort()
                return
        if len(self._top) < FINALISTS:
            heappush(self._top, (member.rank, member))
        else:
            heapreplace(self._top, (member.rank, member))

    def _reset(self) -> None:
        """Begin the weaker half of the islands again, each from the best program of a surviving
        island drawn at random."""
        order = sorted(
            range(len(self.islands)), key=lambda i: (_best_rank(self.islands[i]), i), reverse=True
        )
        half = len(order) - len(order) // 2
        rng = generator(self.seed, "reset", self.commits)
        for weak in order[half:]:
            founder = self.islands[order[int(rng.integers(half))]].best
            if founder is not None:
                self.islands[weak].restart(founder)

    def _bests(self, homes: Iterable[int]) -> dict[int, float | None]:
        bests = ((home, self.islands[home].best) for home in homes)
        return {home: best.program.score if best else None for home, best in bests}

    def _changes(self, before: Mapping[int, float | None]) -> tuple[tuple[int, Program], ...]:
        found = []
        for home, old in before.items():
            best = self.islands[home].best
            if best is not None and best.program.score != old:
                found.append((home, best.program))
        return tuple(found)


def _best_rank(island: Island) -> tuple[float, int, int]:
    return island.best.rank if island.best else (float("-inf"), 0, 0)
