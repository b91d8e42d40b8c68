"""The children of a level, drawn sparingly: no more of them than the level has places.

Drawing a fixed number of children after every node pays for siblings that are equal or not needed.
Here one is drawn after each node first, and further ones only while there are fewer good children
than places. A child is good if it is rated no worse than its parent: under the exact value of a
state the best child has its parent's value (Bellman 1957), so nothing better is to be had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, log

from reasoning.core import Scorer
from search.tree.grow import Grower
from search.tree.node import ROOT, Node
from search.tree.novelty import STALE, novelty

SLACK = 0.05
"""The share of its parent's rating that a good child may lack: ratings are not exact."""

UNSURE = 0.5
"""What stands for the rating of the prompt, which has none (scores 0..1)."""

FALLEN = ("length", "budget", "no answer", "exhausted")
"""Reasons for being closed after which a node is no candidate."""

LAST = 2
"""So many times the usual number of children is drawn where none was found that scores above 0."""


@dataclass(frozen=True)
class Rating:
    """How nodes are compared: by score; a log score counts per token to the power `length`, so
    that a long trace is not worse for being long (Wu et al. 2016, equation 14)."""

    log: bool
    length: float = 0.0

    @classmethod
    def by(cls, scorer: Scorer | None, length: float | None) -> Rating:
        """The rating of a scorer's scores. Without a `length` a likelihood that is a sum over
        tokens (it says `mean = False`) counts per token, any other score as it is."""
        log = scorer is not None and scorer.scale == "log"
        summed = getattr(scorer, "mean", None) is False
        return cls(log, float(summed) if length is None else length)

    def of(self, node: Node) -> float:
        """The rating; a node that could not be scored has the lowest."""
        if node.id == ROOT:
            return -inf if self.log else UNSURE
        if node.score is None:
            return -inf
        return node.score / max(1, node.total) ** self.length if self.log else node.score

    def hopeless(self, nodes: Sequence[Node]) -> bool:
        """Whether there are nodes, all unfinished and of score 0: none is said to succeed."""
        if self.log or not nodes:
            return False
        return all(not n.over and n.score is not None and n.score <= 0 for n in nodes)

    def good(self, child: Node, parent: Node) -> bool:
        """Whether the child is about as good as its parent, or better."""
        least = self.of(parent)
        least = least + log(1 - SLACK) if self.log else least * (1 - SLACK)
        return child.score is not None and self.of(child) >= least


@dataclass
class Brood:
    """Parents that share `places`, and what they brought: the different candidates, the parents of
    those that are good, and how many draws each parent has had."""

    parents: Sequence[Node]
    places: int
    candidates: dict[int, Node] = field(default_factory=dict)
    good: dict[int, int] = field(default_factory=dict)
    drawn: dict[int, int] = field(default_factory=dict)

    def best(self, rating: Rating) -> list[Node]:
        """The candidates, best first, the earlier of equals."""
        return sorted(self.candidates.values(), key=lambda n: (-rating.of(n), n.id))


async def offspring(
    grower: Grower, broods: Sequence[Brood], rating: Rating, *,
    most: int, frugal: bool, seen: set[int], over: Callable[[], str],
) -> None:  # fmt: skip
    """Draw the children of each brood: `most` after every parent, or, if `frugal`, one, and then
    more, `most` at the most, while there are fewer good candidates than places. The prompt has
    `most` for every place; where all candidates are hopeless there are LAST times as many.

    A child of an equal state stands for the node that was first in it. Nodes in `seen` are no
    candidates; candidates are added to it. `over()` ends the drawing.
    """
    asks = [ask for brood in broods for ask in _asked(grower, brood, rating, most, frugal)]
    while asks:
        made = await grower.expand([(parent, count) for _, parent, count in asks])
        for (brood, parent, count), children in zip(asks, made, strict=True):
            brood.drawn[parent.id] = brood.drawn.get(parent.id, 0) + count
            for child in children:
                _take(grower, brood, parent, child, rating, seen)
        if over() or not frugal:
            return
        asks = [ask for brood in broods for ask in _asked(grower, brood, rating, most, frugal)]


def _take(
    grower: Grower, brood: Brood, parent: Node, child: Node, rating: Rating, seen: set[int]
) -> None:
    """Note a child as a candidate."""
    node = grower.tree[child.same_as] if child.same_as >= 0 else child
    if node.id in seen or node.closed in FALLEN:
        return
    seen.add(node.id)
    brood.candidates[node.id] = node
    if rating.good(node, parent):
        brood.good[node.id] = parent.id


def _asked(
    grower: Grower, brood: Brood, rating: Rating, most: int, frugal: bool
) -> list[tuple[Brood, Node, int]]:
    """How many children each parent should have next: first those without a good child, then those
    with the fewest draws, of equals the better. The first time every parent has one."""
    most_of = {p.id: most * (brood.places if p.id == ROOT else 1) for p in brood.parents}
    if not frugal:
        return [(brood, parent, most_of[parent.id]) for parent in brood.parents]
    able = [p for p in brood.parents if not p.closed]
    if brood.drawn and rating.hopeless([*brood.candidates.values()]):
        most_of = {parent: LAST * count for parent, count in most_of.items()}
    wanted = brood.places - len(brood.good)
    if brood.drawn:
        able = [p for p in able if novelty(grower.tree, p) >= STALE]
    else:
        wanted = max(wanted, len(able))
    counts = dict.fromkeys((parent.id for parent in able), 0)
    blessed = set(brood.good.values())

    def turn(parent: Node) -> tuple[bool, int, float, int]:
        draws = counts[parent.id] + brood.drawn.get(parent.id, 0)
        return parent.id in blessed or counts[parent.id] > 0, draws, -rating.of(parent), parent.id

    for _ in range(wanted):
        free = [p for p in able if counts[p.id] + brood.drawn.get(p.id, 0) < most_of[p.id]]
        if not free:
            break
        counts[min(free, key=turn).id] += 1
    return [(brood, parent, counts[parent.id]) for parent in able if counts[parent.id]]
