"""Diverse verifier tree search: several subtrees under the prompt, each searched greedily.

Beeching, Tunstall and Rush 2024 (Scaling test-time compute with open models) split the beams into
independent subtrees, so that one good start does not take all places. Here the subtrees begin with
different steps and stay different: none continues a state that another one has reached.
"""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.problem import Problem
from reasoning.core import Context, Solution
from search.beam import follow
from search.tree.grow import Grower
from search.tree.offspring import Brood, Rating, offspring
from search.tree.rounds import RoundSampler, Watch


@dataclass(frozen=True)
class DVTS(RoundSampler):
    """`trees` subtrees; each goes on with the best of at most `expansions` children of its node.

    `frugal` and `length` are as in beam search: fewer children are drawn where a good one is found
    early, and log scores count per token.
    """

    trees: int = 4
    expansions: int = 4
    frugal: bool = True
    length: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least_one("trees", "expansions")

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the best finished trace."""
        return await self.in_rounds(problem, ctx, self.trees, self._round)

    async def _round(self, grower: Grower, watch: Watch, width: int, number: int) -> None:
        rating = Rating.by(grower.scorer, self.length)
        broods = [Brood([grower.tree.root], width)]
        seen: set[int] = set()
        while broods:
            await offspring(
                grower, broods, rating,
                most=self.expansions, frugal=self.frugal, seen=seen, over=watch.over,
            )  # fmt: skip
            if watch.over():
                return
            heads = []
            for brood in broods:
                heads += follow(grower, brood.best(rating), brood.places)
            broods = [Brood([head], 1) for head in heads]
