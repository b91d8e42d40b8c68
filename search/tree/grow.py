"""Grower: grows the search tree of one problem, step by step, under its budget.

Every strategy over steps grows its tree here, so that the same holds for all: steps are drawn in
waves that the budget can pay, each from the seed path (node, index of the child); the results are
taken in the order of asking; nothing is drawn past the end of a trace; what follows an equal state
is drawn once; what leads to no finished trace is on the ledger as discarded, with the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from math import inf, isnan
from typing import TYPE_CHECKING

from evaluators.errors import BadInput
from evaluators.problem import Problem
from reasoning.core import Completion, Context, Scorer, Solution
from search.sampler import WAVE, ended, pieces
from search.tree.node import Node
from search.tree.tree import SearchTree

if TYPE_CHECKING:
    from search.tree.settings import TreeSampler


class Grower:
    """The tree of one problem and what makes it grow.

    With `merge`, a step whose state equals that of an earlier one is closed as "equal state", takes
    its score, and names it in `same_as`. `scorer` None leaves nodes without a score.
    """

    def __init__(
        self, settings: TreeSampler, problem: Problem, ctx: Context, *,
        scorer: Scorer | None, merge: bool = True,
    ) -> None:  # fmt: skip
        self.problem, self.ctx, self.scorer, self.merge = problem, ctx, scorer, merge
        self.sampling = settings.sampling(ctx)
        self.step_tokens = settings.step_length(ctx)
        self.tree = SearchTree(settings.prompt(problem, ctx), problem.id)
        ctx.events("tree", tree=self.tree)

    # -- growing ----------------------------------------------------------------------

    async def expand(
        self, wishes: Sequence[tuple[Node, int]], *, to_end: bool = False
    ) -> list[list[Node]]:
        """New children, scored: for each (node, how many), in this order; fewer where the budget
        ends. With `to_end` a child is all that is left of the trace (a rollout).

        Raises ValueError for a node that is over: nothing is drawn past the end of a trace.
        """
        asks: list[tuple[int, Node]] = []
        for at, (node, count) in enumerate(wishes):
            if node.over:
                raise ValueError(f"node {node.id} ends a trace: it has no children")
            if self.room(node) < 1:
                node.closed = node.closed or "length"
                continue
            asks += [(at, node)] * count
        made: list[list[Node]] = [[] for _ in wishes]
        first = 0
        while first < len(asks):
            length = self.sampling.max_tokens if to_end else self.step_tokens
            fits = self.ctx.ledger.width(min(WAVE, len(asks) - first), length)
            if fits == 0:
                break
            wave = asks[first : first + fits]
            drawn = await self._draw([node for _, node in wave], to_end)
            await self.score([node for node in drawn if node is not None])
            for (at, _), node in zip(wave, drawn, strict=True):
                if node is not None:
                    made[at].append(node)
            if all(node is None for node in drawn):
                break
            first += fits
        return made

    async def score(self, nodes: Sequence[Node]) -> None:
        """Give the nodes the scorer's scores; one of an equal state takes that of the earlier
        node. Raises BadInput for a scorer that does not give every trace a number or None."""
        if self.scorer is None:
            return
        fresh = [node for node in nodes if node.same_as < 0]
        if fresh:
            traces = [self.tree.trace(node) for node in fresh]
            given = await self.scorer.score(self.problem, traces, self.ctx)
            if len(given) != len(fresh) or any(
                s is not None and (isnan(s) or s == inf) for s in given
            ):
                raise BadInput(
                    f"scorer {type(self.scorer).__name__} must give a number or None for each of"
                    f" {len(fresh)} traces, not {list(given)}"
                )
            for node, score in zip(fresh, given, strict=True):
                node.score = score
        for node in nodes:
            if node.same_as >= 0:
                node.score = self.tree[node.same_as].score

    def grown(self, parent: Node, completion: Completion, key: str) -> Node | None:
        """A completion as a child, not scored yet; None where nothing was paid. Several children
        may share a key: the steps that one call has listed."""
        if completion.finish == "budget" and not completion.usage.completion:
            return None
        tree, task = self.tree, self.ctx.task
        before = "".join(tree.texts(parent))
        logprobs = completion.logprobs
        node = tree.add(
            parent, completion.text, tokens=completion.usage.completion, finish=completion.finish,
            ids=completion.token_ids, key=key, over=ended(completion, before, self.ctx),
            logprob=None if logprobs is None else sum(logprobs),
        )  # fmt: skip
        if node.over:
            node.answer = task.extract(before + completion.text) or None
            node.closed = "finished" if node.answer is not None else "no answer"
        elif completion.finish == "budget":
            node.closed = "budget"
        elif self.room(node) < 1 or not completion.usage.completion:  # or the context is full
            node.closed = "length"
        elif self.merge and node.finish != "length":  # one cut within a line stands at no state
            self._merge(node)
        return node

    def room(self, node: Node) -> int:
        """How many tokens a trace through the node may still have."""
        return self.sampling.max_tokens - node.total

    def close(self, nodes: Sequence[Node], why: str) -> None:
        """Say why nothing will follow these nodes. The first reason stands."""
        for node in nodes:
            node.closed = node.closed or why

    @property
    def spent(self) -> bool:
        """Whether the next call would be granted nothing."""
        return self.ctx.ledger.exhausted()

    # -- ending -----------------------------------------------------------------------

    def solution(self, chosen: Node | None, stopped_by: str) -> Solution:
        """The finished and the cut traces and the chosen one. Tokens of steps that no finished
        trace runs through are marked as discarded, with what closed them."""
        tree, ledger, useful = self.tree, self.ctx.ledger, self.tree.useful()
        used = {node.key for node in tree.nodes if useful[node.id]}
        for node in tree.nodes:
            if node.key and node.key not in used:
                ledger.discard(node.key, node.closed or "not continued")
        ends = [n for n in tree.nodes if n.over or (n.closed in ("length", "budget") and n.id)]
        at = {node.id: index for index, node in enumerate(ends)}
        tree.settled, tree.stopped_by = True, stopped_by
        tree.chosen = -1 if chosen is None else chosen.id
        answer = None if chosen is None else chosen.answer
        index = None if chosen is None else at[chosen.id]
        return Solution(answer, tuple(map(tree.trace, ends)), index, tree, stopped_by)

    # -- inside -----------------------------------------------------------------------

    async def _draw(self, parents: Sequence[Node], to_end: bool) -> list[Node | None]:
        """One step after each of the nodes; None where it could not be paid."""
        boundary = None if to_end else self.ctx.task.boundary
        prompts = {node.id: self.tree.prompt_at(node) for node in parents}
        calls, keys = [], []
        for node in parents:
            room = self.room(node)
            length = room if to_end else min(room, self.step_tokens)
            wish = replace(self.sampling, max_tokens=length, boundary=boundary)
            seed = self.ctx.seed.child("node", node.id, node.draws)
            node.draws += 1
            keys.append(seed.text)
            calls.append(self.ctx.model.generate(prompts[node.id], wish, self.ctx.ledger, seed))
        if len(calls) == 1:  # without a task of its own, which costs more than drawing a node
            return [self.grown(parents[0], (await calls[0])[0], keys[0])]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer  # all calls have ended: no answer is lost
        return [
            self.grown(node, answer[0], key)
            for node, answer, key in zip(parents, answers, keys, strict=True)
            if not isinstance(answer, BaseException)
        ]

    def _merge(self, node: Node) -> None:
        """Close a node whose state an earlier one has reached."""
        lines = pieces("".join(self.tree.texts(node)), self.ctx.task.boundary)
        state = self.ctx.task.state_key(self.problem, lines)
        if state is None:
            return
        first = self.tree.states.setdefault(state, node.id)
        if first != node.id:
            node.same_as, node.closed = first, "equal state"
