"""Best-first search over steps: the most promising node is continued, again and again.

As in A* and in Levin-style searches the open nodes stand in a queue by their score (Pearl 1984,
Heuristics). Here a node that was continued stays open for more children, because a model draws
children at random and the first few may miss the right one; each time it is worth less.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from math import log

from evaluators.errors import BadInput
from evaluators.problem import Problem
from reasoning.core import Context, Solution
from search.sampler import refuse_endless
from search.tree.grow import Grower
from search.tree.node import Node
from search.tree.settings import TreeSampler


@dataclass(frozen=True)
class BestFirst(TreeSampler):
    """Continues the open node of the highest priority by `expansions` children at a time, until
    `enough` traces have finished, `steps` nodes were continued, or the budget ends.

    The priority is the node's score times `patience` for each time it was continued (for log
    scores plus its logarithm); of equals the deeper goes first, then the earlier.
    """

    expansions: int = 2
    enough: int | None = None
    steps: int | None = None
    patience: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("expansions", "enough", "steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"best-first: {name} must be 1 or more, not {value}")
        if not 0 < self.patience <= 1:
            raise BadInput(f"best-first: patience lies in (0, 1], not {self.patience}")

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the best finished trace."""
        refuse_endless(ctx, self.enough or self.steps, "best-first")
        grower = self.grower(problem, ctx)
        queue: list[tuple[float, int, int]] = []
        self._push(queue, grower.tree.root, grower)
        continued, stopped = 0, "done"
        while queue and (self.steps is None or continued < self.steps):
            node = grower.tree[heapq.heappop(queue)[2]]
            before = ctx.ledger.spent.tokens
            [children] = await grower.expand([(node, self.expansions)])
            continued += 1
            for child in children:
                if not child.closed:
                    self._push(queue, child, grower)
            if not node.closed and ctx.ledger.spent.tokens > before:
                self._push(queue, node, grower)
            if grower.spent:
                stopped = "budget"
                break
            if self.enough is not None and len(grower.tree.finished()) >= self.enough:
                break
        return grower.solution(self.best(grower), stopped)

    def _push(self, queue: list[tuple[float, int, int]], node: Node, grower: Grower) -> None:
        times = node.draws // self.expansions
        score = 1.0 if node.score is None else node.score  # the root has none
        if grower.scorer is not None and grower.scorer.scale == "log":
            priority = (node.score or 0.0) + times * log(self.patience)
        else:
            priority = score * self.patience**times
        heapq.heappush(queue, (-priority, -node.depth, node.id))
