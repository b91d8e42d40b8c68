"""Best-first search over steps: the most promising node is continued, again and again.

As in A* and in Levin-style searches the open nodes stand in a queue by their score (Pearl 1984,
Heuristics). Here a node that was continued stays open for more children, because a model draws
children at random and the first few may miss the right one; each time it is worth less, and least
where the next child would most likely repeat an earlier one.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from math import inf, log

from evaluators.errors import BadInput
from evaluators.problem import Problem
from reasoning.core import Context, Solution
from search.sampler import refuse_endless
from search.tree.grow import Grower
from search.tree.node import Node
from search.tree.novelty import novelty
from search.tree.rounds import StoppingSampler, Watch

Queue = list[tuple[float, int, int]]


@dataclass(frozen=True)
class BestFirst(StoppingSampler):
    """Continues the open node of the highest priority by `expansions` children at a time, until a
    trace is accepted, `enough` traces have finished, `steps` nodes were continued, or the budget
    ends.

    The priority is the node's score times `patience` for each child that was drawn, times the
    probability that the next child is a new one (for log scores plus their logarithms). Of equals
    the deeper goes first, then the earlier: without a better one at hand a trace is finished.
    """

    expansions: int = 1
    steps: int | None = None
    patience: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least_one("expansions", "steps")
        if not 0 < self.patience <= 1:
            raise BadInput(f"best-first: patience lies in (0, 1], not {self.patience}")

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the best finished trace."""
        refuse_endless(ctx, self.steps, "best-first")  # `enough` may never be reached
        grower = self.grower(problem, ctx)
        watch, queue, continued = Watch(self, grower), Queue(), 0
        self._push(queue, grower.tree.root, grower)
        while queue and not watch.over() and (self.steps is None or continued < self.steps):
            node = grower.tree[heapq.heappop(queue)[2]]
            before = ctx.ledger.spent.tokens
            [children] = await grower.expand([(node, self.expansions)])
            continued += 1
            for child in children:
                if not child.closed:
                    self._push(queue, child, grower)
            if not node.closed and ctx.ledger.spent.tokens > before:
                self._push(queue, node, grower)
        chosen = watch.accepted or self.best(grower)
        return grower.solution(chosen, watch.over() or "done")

    def _push(self, queue: Queue, node: Node, grower: Grower) -> None:
        new = novelty(grower.tree, node) * self.patience**node.draws
        scores = (above.score for above in grower.tree.ancestors(node))
        score = next((s for s in scores if s is not None), None)  # one not payable: its parent's
        if grower.scorer is not None and grower.scorer.scale == "log":
            priority = (score or 0.0) + (log(new) if new else -inf)
        else:
            priority = (1.0 if score is None else score) * new
        heapq.heappush(queue, (-priority, -node.depth, node.id))
