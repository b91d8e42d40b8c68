"""Island: a bounded population, its score signatures as clusters, and the choice of parents.

Scores here are turned so that higher is better (`worth`). Nothing in this file grows beyond the
island's capacity, so neither time nor memory depends on how many programs came before.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from search.evolve.program import Program
from search.evolve.settings import Population

Fate = Literal["entered", "duplicate", "weak"]


@dataclass(frozen=True, slots=True)
class Member:
    """A program on an island: what it is worth (higher is better), its size (syntax nodes), and
    the share of its worth that each node costs it among the others."""

    program: Program
    worth: float
    size: int
    parsimony: float = 0.0

    @property
    def signature(self) -> tuple[float, ...]:
        assert self.program.evaluation is not None
        return self.program.evaluation.scores

    @property
    def behaviour(self) -> str:
        assert self.program.evaluation is not None
        return self.program.evaluation.behaviour

    @property
    def rank(self) -> tuple[float, int, int]:
        """Better programs rank higher; of equally good ones the shorter, then the older."""
        return self.worth, -self.size, -self.program.k

    @property
    def standing(self) -> tuple[float, int, int]:
        """The rank on the island, where length costs."""
        return self.fitness, -self.size, -self.program.k

    @property
    def fitness(self) -> float:
        return self.worth - self.parsimony * self.size * abs(self.worth)


class Island:
    """Programs in order of standing, grouped by signature, no two with the same behaviour."""

    def __init__(self, settings: Population) -> None:
        self.settings = settings
        self.members: list[Member] = []
        self.clusters: dict[tuple[float, ...], list[Member]] = {}
        self.registered = 0
        self.failure: Program | None = None
        self._behaviours: dict[str, Member] = {}
        self._best: Member | None = None

    @property
    def best(self) -> Member | None:
        """The member of the highest rank."""
        return self._best

    @property
    def floor(self) -> Member | None:
        """The member that a newcomer would have to beat; None while there is room."""
        return self.members[0] if len(self.members) >= self.settings.capacity else None

    def twin(self, member: Member) -> Member | None:
        """The member that behaves the same."""
        return self._behaviours.get(member.behaviour) if member.behaviour else None

    def enter(self, member: Member) -> Fate:
        """Take a program in, unless the island is full of better ones or has one that behaves the
        same and is no longer. A longer one of the same behaviour makes room."""
        twin = self.twin(member)
        if twin is not None:
            if member.size >= twin.size:
                return "duplicate"
            self._remove(twin)
        elif (floor := self.floor) is not None:
            if member.standing < floor.standing:
                return "weak"
            self._remove(floor)
        insort(self.members, member, key=_standing)
        if self._best is None or member.rank > self._best.rank:
            self._best = member
        self.clusters.setdefault(member.signature, []).append(member)
        if member.behaviour:
            self._behaviours[member.behaviour] = member
        self.registered += 1
        return "entered"

    def restart(self, founder: Member) -> None:
        """Begin again from one program."""
        self.members.clear()
        self.clusters.clear()
        self._behaviours.clear()
        self._best = None
        self.registered, self.failure = 0, None
        self.enter(founder)

    def _remove(self, member: Member) -> None:
        del self.members[bisect_left(self.members, member.standing, key=_standing)]
        cluster = self.clusters[member.signature]
        cluster.remove(member)
        if not cluster:
            del self.clusters[member.signature]
        self._behaviours.pop(member.behaviour, None)
        if member is self._best:
            self._best = max(self.members, key=_rank, default=None)

    # -- parents ----------------------------------------------------------------------

    def parents(self, count: int, rng: np.random.Generator) -> tuple[Program, ...]:
        """`count` different programs (all, where there are fewer), worst first, best last."""
        if len(self.members) <= count:
            return tuple(member.program for member in self.members)
        how = self._by_cluster if self.settings.selection == "clusters" else self._by_tournament
        return tuple(member.program for member in sorted(how(count, rng), key=_rank))

    @property
    def temperature(self) -> float:
        """T0 (1 - (n mod P) / P) after n programs entered (FunSearch, Romera-Paredes et al. 2024,
        Methods)."""
        period = self.settings.period
        return self.settings.temperature * (1 - self.registered % period / period)

    def cluster_weights(self) -> np.ndarray:
        """The logits of the clusters' softmax, (clusters,), in the order of `clusters`.

        A cluster's worth is counted from the best, in units of the distance between the best and
        the median cluster (the better of two middle ones), so neither the problem's unit nor an
        offset makes a difference.
        """
        worths = np.array([cluster[0].worth for cluster in self.clusters.values()])
        top = worths.max()
        scale = top - np.partition(worths, len(worths) // 2)[len(worths) // 2]
        if not scale > 0:
            scale = max(top - worths.min(), 1e-300)
        return (worths - top) / (scale * self.temperature)

    def _by_cluster(self, count: int, rng: np.random.Generator) -> list[Member]:
        """Clusters without replacement by their softmax, one program of each, shorter ones with
        the higher probability; a second program of a cluster only when every cluster gave one."""
        clusters = list(self.clusters.values())
        order = draw(self.cluster_weights(), rng)[:count]
        chosen = [clusters[at][_shorter(clusters[at], rng)] for at in order]
        while len(chosen) < count:
            taken = {id(member) for member in chosen}
            for at in order:
                left = [member for member in clusters[at] if id(member) not in taken]
                if left and len(chosen) < count:
                    chosen.append(left[_shorter(left, rng)])
        return chosen

    def _by_tournament(self, count: int, rng: np.random.Generator) -> list[Member]:
        """Each the best of `tournament` members drawn from those that are not chosen yet."""
        chosen: list[int] = []  # places in the order of rank
        for _ in range(count):
            left = len(self.members) - len(chosen)
            at = int(rng.integers(0, left, self.settings.tournament).max())
            for taken in chosen:
                at += at >= taken
            insort(chosen, at)
        return [self.members[at] for at in chosen]


def draw(logits: np.ndarray, rng: np.random.Generator) -> Sequence[int]:
    """All indices in an order drawn one after the other, without replacement, each time by the
    softmax of those left. (The Gumbel-top-k identity: Kool et al. 2019, section 2.2.)"""
    noisy = logits + rng.gumbel(size=len(logits))
    return np.argsort(-noisy, kind="stable").tolist()


def _shorter(cluster: Sequence[Member], rng: np.random.Generator) -> int:
    """An index, by the softmax of minus the size, sizes counted from the shortest in units of the
    longest (FunSearch, Methods)."""
    if len(cluster) == 1:
        return 0
    sizes = np.array([member.size for member in cluster], float)
    logits = -(sizes - sizes.min()) / (sizes.max() + 1e-6)
    return draw(logits, rng)[0]


def _rank(member: Member) -> tuple[float, int, int]:
    return member.rank


def _standing(member: Member) -> tuple[float, int, int]:
    return member.standing
