"""Tree of thoughts: several next steps for each of the best partial traces.

Yao et al. 2023, "Tree of thoughts: deliberate problem solving with large language models",
algorithms 1 (breadth-first) and 2 (depth-first with pruning and backtracking).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows
from reasoning.core import Context, Solution
from search.propose import propose, refuse_compact, vote
from search.sampler import Sampler, refuse_endless, refuse_greedy
from search.scorers import resolve
from search.tree.grow import Grower
from search.tree.node import Node
from search.tree.settings import TreeSampler


@dataclass(frozen=True)
class TreeOfThoughts(TreeSampler):
    """Draws `thoughts` next steps for each node that is looked at.

    `order="breadth"` looks at the `breadth` best open steps of one level, then at those of the
    next. `order="depth"` goes on from the best step, then, when nothing below it is open, from the
    next best; steps that score `prune` or less are left (None: none). It ends after `steps` nodes
    were looked at (None: no such end), or when nothing is open; then it starts over from the root,
    `rounds` times in all (None: while the budget pays).

    `generate="sample"` draws the steps one by one, `"propose"` asks for a list of them in one call.
    `evaluate="value"` rates each step by `scorer` (for the model's own judgement
    `self-evaluation`), `"vote"` asks the model `votes` times which of them is the best. Proposals
    and votes need a model that follows instructions.
    """

    thoughts: int = 5
    breadth: int = 5
    order: Literal["breadth", "depth"] = "breadth"
    generate: Literal["sample", "propose"] = "sample"
    evaluate: Literal["value", "vote"] = "value"
    votes: int = 3
    prune: float | None = None
    steps: int | None = None
    rounds: int | None = 1
    stop: Literal["first-accepted"] | None = None
    accept: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("thoughts", "breadth", "votes", "steps", "rounds"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"tree-of-thoughts: {name} must be 1 or more, not {value}")
        for name, known in (
            ("order", ("breadth", "depth")),
            ("generate", ("sample", "propose")),
            ("evaluate", ("value", "vote")),
            ("stop", (None, "first-accepted")),
        ):
            if getattr(self, name) not in known:
                said = " or ".join("nothing" if word is None else repr(word) for word in known)
                raise BadInput(f"tree-of-thoughts: {name} is {said}, not {getattr(self, name)!r}")
        if self.stop and self.evaluate == "vote":
            raise BadInput("tree-of-thoughts: votes compare steps and accept none: leave out stop")
        if self.generate == "sample" and self.thoughts > 1:
            refuse_greedy(self, "tree-of-thoughts")

    def needs(self, task: Task) -> frozenset[str]:
        more = frozenset({"continue"}) if self.generate == "sample" else frozenset()
        return more if self.evaluate == "vote" else more | resolve(self.scorer, task).needs

    def knows(self, task: Task) -> Knows:
        return "nothing" if self.evaluate == "vote" else super().knows(task)

    def prepare(self, task: Task) -> None:
        if self.evaluate == "vote":
            Sampler.prepare(self, task)
            return
        super().prepare(task)
        if self.stop and resolve(self.scorer, task).scale != "unit":
            raise BadInput(
                "tree-of-thoughts stops at the first accepted trace, and scorer"
                f" {self.scorer!r} accepts none: use a scorer that scores 0..1"
            )

    def grower(self, problem: Problem, ctx: Context) -> Grower:
        scorer = None if self.evaluate == "vote" else resolve(self.scorer, ctx.task)
        return Grower(self, problem, ctx, scorer=scorer, merge=self.merge)

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the best finished trace.

        Raises BadInput where a model of the compact dialect is asked to propose or to vote.
        """
        refuse_endless(ctx, self.rounds, "tree-of-thoughts")
        if self.generate == "propose":
            refuse_compact(ctx, "tree-of-thoughts with generate=propose", "generate=sample")
        if self.evaluate == "vote":
            refuse_compact(ctx, "tree-of-thoughts with evaluate=vote", "evaluate=value")
        return await _Thoughts(self, self.grower(problem, ctx)).solve()


class _Thoughts:
    """One tree under way. `looked` counts the nodes that were looked at, `ballots` the votes."""

    def __init__(self, how: TreeOfThoughts, grower: Grower) -> None:
        self.how, self.grower, self.tree = how, grower, grower.tree
        self.looked = self.ballots = 0
        self.accepted: Node | None = None
        self.seen: set[int] = set()  # what was looked at in this round

    async def solve(self) -> Solution:
        how, grower, number = self.how, self.grower, 0
        walk = self._breadth if how.order == "breadth" else self._depth
        while how.rounds is None or number < how.rounds:
            before, size = grower.ctx.ledger.spent.tokens, len(self.tree)
            self.seen.clear()
            await walk()
            number += 1
            free = grower.ctx.ledger.spent.tokens == before
            if self._over or len(self.tree) == size or (how.rounds is None and free):
                break
        for node in self.tree.nodes[1:]:
            if not node.children:
                grower.close([node], "pruned")
        if self.accepted is not None:
            return grower.solution(self.accepted, "accepted")
        best = await self._best()
        return grower.solution(best, "budget" if grower.spent else "done")

    async def _breadth(self) -> None:
        """Algorithm 1: level after level, the best of each."""
        level = [self.tree.root]
        while level and not self._over:
            found = await self._thoughts(level[: self._left])
            level = self._ranked([child for children in found for child in children])
            level = level[: self.how.breadth]

    async def _depth(self) -> None:
        """Algorithm 2: the best child first, back to the next best where it ends."""
        stack = [self.tree.root]
        while stack and not self._over:
            node = stack.pop()
            if node.id not in self.seen:
                [children] = await self._thoughts([node])
                stack += reversed(self._ranked(children))

    @property
    def _left(self) -> int | None:
        return None if self.how.steps is None else self.how.steps - self.looked

    @property
    def _over(self) -> bool:
        spent = self.grower.spent or self.accepted is not None
        return spent or (self.how.steps is not None and self.looked >= self.how.steps)

    async def _thoughts(self, nodes: Sequence[Node]) -> list[list[Node]]:
        """The children of each node, rated; one of an equal state is replaced by the earlier."""
        how, grower = self.how, self.grower
        self.looked += len(nodes)
        self.seen.update(node.id for node in nodes)
        if how.generate == "propose":
            made = await propose(grower, nodes, how.thoughts)
            await grower.score([child for children in made for child in children])
        else:
            made = await grower.expand([(node, how.thoughts) for node in nodes])
        if how.evaluate == "vote":
            fresh = [child for children in made for child in children if child.same_as < 0]
            await vote(grower, fresh, how.votes, self.ballots)
            self.ballots += 1
        if how.stop:
            ends = (node for children in made for node in children if node.answer is not None)
            good = (node for node in ends if (node.score or 0.0) >= how.accept)
            self.accepted = next(good, None)
        return [[self._first(child) for child in children] for children in made]

    def _first(self, node: Node) -> Node:
        return node if node.same_as < 0 else self.tree[node.same_as]

    def _ranked(self, nodes: Sequence[Node]) -> list[Node]:
        """The open ones, each once, the best first; of equals the earlier."""
        least = -float("inf")
        scores = {node: least if node.score is None else node.score for node in nodes}
        kept = [
            node
            for node in scores
            if not (node.closed or node.id in self.seen)
            and (self.how.prune is None or scores[node] > self.how.prune)
        ]
        return sorted(kept, key=lambda node: (-scores[node], node.id))

    async def _best(self) -> Node | None:
        """The finished node to answer with; under votes the winner of a last one, if it can be
        paid and there are different answers."""
        found = self.tree.finished()
        answers = {node.answer: node for node in reversed(found)}
        if self.how.evaluate == "vote" and len(answers) > 1 and not self.grower.spent:
            rivals = sorted(answers.values(), key=lambda node: node.id)
            for node in found:
                node.score = None
            await vote(self.grower, rivals, self.how.votes, self.ballots)
        return self.how.best(self.grower)
