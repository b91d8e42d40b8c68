"""Uncertainty: a step that the model is unsure of gets more candidates, the others one draw each.

After MUR, momentum uncertainty guided reasoning (Yan et al. 2025, arXiv:2507.14958): the
uncertainty of a step is its mean negative log-probability per token, m; the momentum of the steps
before it is M <- alpha M + (1 - alpha) m, from 0. A step after the first is drawn again where
exp(m) > exp(M) / gamma.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp
from typing import Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import Context, Scorer, Solution
from search.best_of_n import weights
from search.sampler import refuse_endless, refuse_greedy
from search.scorers import resolve
from search.tree.grow import Grower
from search.tree.node import ROOT, Node
from search.tree.settings import TreeSampler
from search.vote import tally


def uncertainty(node: Node) -> float:
    """The mean negative log-probability of the step's tokens, in nats; 0 or more."""
    return 0.0 if node.logprob is None else -node.logprob / max(1, node.tokens)


@dataclass(frozen=True)
class Uncertainty(TreeSampler):
    """`n` traces (None: as long as the budget pays), each grown step by step: an uncertain step
    gets `candidates` draws in all, of which the one of the highest score goes on.

    `alpha` in [0, 1) is how long the momentum remembers, `gamma` in (0, 1] how much a step may be
    less certain than the momentum; a smaller gamma draws less. Only candidates are scored, so that
    a scorer that costs tokens is asked where it matters. `choose` is among the traces' ends; equal
    states are not merged, because each trace is one line.
    """

    n: int | None = 1
    candidates: int = 4
    alpha: float = 0.9
    gamma: float = 0.9
    scorer: str | Scorer = field(default="mean-likelihood", kw_only=True)
    choose: Literal["score", "vote"] = field(default="vote", kw_only=True)
    merge: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n is not None and self.n < 1:
            raise BadInput(f"uncertainty: n must be 1 or more, not {self.n}")
        if self.candidates < 2:
            raise BadInput(f"uncertainty: candidates must be 2 or more, not {self.candidates}")
        if not 0 <= self.alpha < 1:
            raise BadInput(f"uncertainty: alpha lies in [0, 1), not {self.alpha}")
        if not 0 < self.gamma <= 1:
            raise BadInput(f"uncertainty: gamma lies in (0, 1], not {self.gamma}")
        if self.merge:
            raise BadInput("uncertainty: each trace is one line, so merge must be false")
        refuse_greedy(self, "uncertainty")

    def needs(self, task: Task) -> frozenset[str]:
        return super().needs(task) | {"logprobs"}

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the trace, or what its traces choose."""
        refuse_endless(ctx, self.n, "uncertainty")
        grower = Grower(self, problem, ctx, scorer=None, merge=False)
        scorer = resolve(self.scorer, ctx.task)
        ends: list[Node] = []
        stopped = "done"
        while self.n is None or len(ends) < self.n:
            before = ctx.ledger.spent.tokens
            ends.append(await self._line(grower, scorer))
            if grower.spent:
                stopped = "budget"
                break
            if self.n is None and ctx.ledger.spent.tokens == before:
                break  # what costs nothing would go on for ever
        return grower.solution(await self._choice(ends, grower, scorer), stopped)

    async def _line(self, grower: Grower, scorer: Scorer) -> Node:
        """One trace; its last step."""
        node, momentum = grower.tree.root, 0.0
        while not node.closed:
            [made] = await grower.expand([(node, 1)])
            if not made:
                break
            [step] = made
            if node.id != ROOT and exp(uncertainty(step)) > exp(momentum) / self.gamma:
                step.note["uncertain"] = True
                [more] = await grower.expand([(node, self.candidates - 1)])
                step = await self._pick([step, *more], grower, scorer)
            momentum = self.alpha * momentum + (1 - self.alpha) * uncertainty(step)
            step.note |= {"uncertainty": uncertainty(step), "momentum": momentum}
            node = step
        return node

    async def _pick(self, candidates: list[Node], grower: Grower, scorer: Scorer) -> Node:
        """The candidate of the highest score, the first of equals; the others are closed."""
        await _score(candidates, grower, scorer)
        known = [node for node in candidates if node.score is not None]
        best = max(known, key=lambda node: node.score or 0.0) if known else candidates[0]
        grower.close([node for node in candidates if node is not best], "not chosen")
        return best

    async def _choice(self, ends: list[Node], grower: Grower, scorer: Scorer) -> Node | None:
        """The end to answer with; where no line ended with an answer, a candidate that did."""
        answered = [node for node in ends if node.answer is not None] or grower.tree.finished()
        if len(answered) < 2:
            return answered[0] if answered else None
        await _score([node for node in answered if node.score is None], grower, scorer)
        known = [node for node in answered if node.score is not None]
        if not known:
            return answered[0]
        if self.choose == "score":
            return max(known, key=lambda node: node.score or 0.0)
        traces = [grower.tree.trace(node) for node in answered]
        groups = tally(traces, grower.problem, grower.ctx.task, weights(traces, scorer.scale))
        return answered[groups[0].members[0]] if groups else None


async def _score(nodes: list[Node], grower: Grower, scorer: Scorer) -> None:
    """Scores for these nodes; while it grows the tree is not scored."""
    grower.scorer = scorer
    try:
        await grower.score(nodes)
    finally:
        grower.scorer = None
