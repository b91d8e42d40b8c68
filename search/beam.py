"""Beam search over steps: of all the children of a level the best few are continued.

Snell et al. 2024 (Scaling LLM test-time compute optimally, section 5.1) steer it by a process
reward model. Here children are drawn sparingly (`search/tree/offspring.py`), and under a budget
the search goes in rounds that grow from narrow to wide (`search/tree/rounds.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.problem import Problem
from reasoning.core import Context, Solution
from search.tree.grow import Grower
from search.tree.node import Node
from search.tree.offspring import Brood, Rating, offspring
from search.tree.rounds import RoundSampler, Watch


@dataclass(frozen=True)
class BeamSearch(RoundSampler):
    """Keeps the `width` best of each level's children; a node has at most `expansions` of them.

    With `frugal` no more children are drawn than the level has places, as long as they are no
    worse than their parents; without, `expansions` after every node. A trace that finishes among
    the best of its level keeps its place, so that the beam narrows and ends when all its places
    have finished. `length` is the power of its tokens that a log score is divided by to compare
    short with long traces; None is 1 for a summed likelihood and 0 for any other score.
    """

    width: int = 4
    expansions: int = 4
    frugal: bool = True
    length: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least_one("width", "expansions")

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the best finished trace."""
        return await self.in_rounds(problem, ctx, self.width, self._round)

    async def _round(self, grower: Grower, watch: Watch, width: int, number: int) -> None:
        rating = Rating.by(grower.scorer, self.length)
        beam, places = [grower.tree.root], width
        seen: set[int] = set()
        while beam:
            brood = Brood(beam, places)
            await offspring(
                grower, [brood], rating,
                most=self.expansions, frugal=self.frugal, seen=seen, over=watch.over,
            )  # fmt: skip
            if watch.over():
                return
            ranked = brood.best(rating)
            beam = follow(grower, ranked, places)
            places -= sum(node.over for node in ranked[:places])


def follow(grower: Grower, ranked: list[Node], places: int) -> list[Node]:
    """The unfinished ones among the first `places` candidates, open again if they had been pruned;
    the others are pruned."""
    kept = [node for node in ranked[:places] if not node.over]
    for node in kept:
        if node.closed == "pruned":
            node.closed = ""
    grower.close([node for node in ranked[places:] if not node.over], "pruned")
    return kept
