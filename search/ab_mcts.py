"""AB-MCTS-A: a tree of whole answers; go wider or go deeper by Thompson sampling.

Inoue et al. 2025, "Wider or deeper? Scaling LLM inference-time compute with adaptive branching tree
search", section 3.3 and algorithm 1. At every node one arm stands for a new answer (GEN) and one
for all the children there are (CONT); where CONT wins, a child is drawn in the same way. A new
answer's score is told to GEN of its parent; above it, to CONT and to the child on the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import Literal

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import (
    Completion,
    Context,
    Message,
    Prompt,
    Sampling,
    Scorer,
    SeedPath,
    Solution,
)
from search.sampler import Sampler, complete, ended, pieces, refuse_endless, refuse_greedy
from search.scorers import resolve
from search.scorers.aggregate import beginnings
from search.thompson import Beliefs
from search.tree.grow import Grower
from search.tree.node import ROOT, Node
from search.tree.settings import TreeSampler

REFINE = (
    "The answer above may be wrong. Check it step by step, and answer the question again, with"
    " everything mended that you find, in the form that was asked for at first."
)
"""How an instruction-tuned model is asked to refine an answer."""

GEN, CONT = 0, 1


@dataclass(frozen=True)
class ABMCTS(TreeSampler):
    """Draws answers until there are `answers` or the budget ends: each from the question alone, or
    as a refinement of an earlier one.

    `by="prompt"` shows the model the answer and asks with the text `refine`. `by="prefix"` lets it
    go on from the beginning of the answer, cut before the step where the score falls most, or, with
    a scorer that rates finished traces only, before a step drawn at random: models of the compact
    dialect read no remarks. None is by prefix for these and by prompt for all others.

    `beliefs` are Gaussian or beta; log scores count as probabilities. `wave` answers are drawn at
    once; Thompson sampling spreads them by itself. `stop="first-accepted"` ends with the first
    answer whose score reaches `accept`.
    """

    scorer: str | Scorer = "step-verifier"
    answers: int | None = None
    beliefs: Literal["gaussian", "beta"] = "gaussian"
    by: Literal["prompt", "prefix"] | None = None
    refine: str = REFINE
    wave: int = 1
    stop: Literal["first-accepted"] | None = None
    accept: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_greedy(self, "ab-mcts")
        for name, ok, want in (
            ("answers", self.answers is None or self.answers >= 1, "1 or more"),
            ("beliefs", self.beliefs in ("gaussian", "beta"), "'gaussian' or 'beta'"),
            ("by", self.by in (None, "prompt", "prefix"), "'prompt', 'prefix' or nothing"),
            ("refine", bool(self.refine.strip()), "some text"),
            ("wave", self.wave >= 1, "1 or more"),
            ("stop", self.stop in (None, "first-accepted"), "'first-accepted' or nothing"),
        ):
            if not ok:
                raise BadInput(f"ab-mcts: {name} must be {want}, not {getattr(self, name)!r}")

    def needs(self, task: Task) -> frozenset[str]:
        more = {"continue"} if self.by == "prefix" else set()
        return resolve(self.scorer, task).needs | more

    def prepare(self, task: Task) -> None:
        Sampler.prepare(self, task)
        scorer = resolve(self.scorer, task)
        if self.stop and scorer.scale != "unit":
            raise BadInput(
                f"ab-mcts stops at the first accepted answer, and scorer {self.scorer!r} accepts"
                " none: use a scorer that scores 0..1, such as 'verifier'"
            )

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the best score.

        Raises BadInput for `by="prompt"` and a model of the compact dialect, and for refinement by
        prefix with a scorer that needs to know how every token came about.
        """
        refuse_endless(ctx, self.answers, "ab-mcts")
        compact = ctx.model.dialect == "compact"
        if self.by == "prompt" and compact:
            raise BadInput(
                f"ab-mcts: model {ctx.model.name!r} was trained on the compact dialect and reads no"
                " remarks on its answers; take by=prefix, or an instruction-tuned model (hf:…,"
                " openai:…)"
            )
        prefix = self.by == "prefix" or (self.by is None and compact)
        if prefix and "logprobs" in resolve(self.scorer, ctx.task).needs:
            raise BadInput(
                f"ab-mcts refines by prefix here, and scorer {self.scorer!r} cannot rate an answer"
                " whose beginning was given; use 'verifier', 'step-verifier' or another that reads"
                " the text"
            )
        return await _Tree(self, problem, ctx, prefix).solve()


@dataclass(slots=True)
class _Arms:
    """What is believed at one node: of GEN and CONT, and of each of its children."""

    ways: Beliefs
    children: Beliefs


class _Tree:
    """One tree under way."""

    def __init__(self, how: ABMCTS, problem: Problem, ctx: Context, prefix: bool) -> None:
        self.how, self.problem, self.ctx, self.prefix = how, problem, ctx, prefix
        self.grower: Grower = how.grower(problem, ctx)
        self.tree, self.sampling = self.grower.tree, how.sampling(ctx)
        key = np.array(ctx.seed.child("thompson").key, dtype=np.uint64)
        self.rng = np.random.Generator(np.random.Philox(key=key))
        self.arms: dict[int, _Arms] = {}
        self.places: dict[int, int] = {}  # node -> which of its parent's arms it is
        self._enter(self.tree.root)

    async def solve(self) -> Solution:
        """Draw answers until something ends it."""
        how, ledger = self.how, self.ctx.ledger
        stopped = "done"
        while how.answers is None or len(self.tree) - 1 < how.answers:
            left = how.wave if how.answers is None else how.answers - len(self.tree) + 1
            before = ledger.spent.tokens
            wide = ledger.width(min(how.wave, left), self.sampling.max_tokens)
            new = await self._draw([self._select() for _ in range(wide)])
            for node in new:
                if how.stop and node.answer is not None and (node.score or 0.0) >= how.accept:
                    return self.grower.solution(node, "accepted")
            if self.grower.spent or not new:
                stopped = "budget"
                break
            if how.answers is None and ledger.spent.tokens == before:
                break  # what costs nothing would go on for ever
        return self.grower.solution(how.best(self.grower), stopped)

    # -- wider or deeper --------------------------------------------------------------

    def _select(self) -> Node:
        """The node that gets a new child: the root for a fresh answer."""
        node = self.tree.root
        while node.children:
            arms = self.arms[node.id]
            if arms.ways.choose(self.rng) == GEN:
                break
            node = self.tree[node.children[arms.children.choose(self.rng)]]
        return node

    def _enter(self, node: Node) -> None:
        self.arms[node.id] = _Arms(Beliefs(self.how.beliefs, 2), Beliefs(self.how.beliefs))

    def _tell(self, node: Node) -> None:
        """Take a new answer's reward into account on the whole path."""
        reward = self._reward(node)
        self._enter(node)
        parent = self.arms[node.parent]
        self.places[node.id] = parent.children.add()
        parent.children.tell(self.places[node.id], reward)
        parent.ways.tell(GEN, reward)
        for at in self.tree.ancestors(node):
            at.visits += 1
            at.value += reward
            if at is not node and at.id != ROOT:
                above = self.arms[at.parent]
                above.children.tell(self.places[at.id], reward)
                above.ways.tell(CONT, reward)

    def _reward(self, node: Node) -> float:
        if node.answer is None or node.score is None:
            return 0.0
        log = self.grower.scorer is not None and self.grower.scorer.scale == "log"
        return exp(min(0.0, node.score)) if log else node.score

    # -- answers ----------------------------------------------------------------------

    async def _draw(self, parents: Sequence[Node]) -> list[Node]:
        """A new answer below each of the nodes, scored; fewer where the budget ends."""
        asks: list[tuple[Prompt, Sampling, SeedPath]] = []
        kept: list[str] = []
        for node in parents:
            prompt, begun = await self._asked(node)
            number = node.draws
            node.draws += 1
            root = node.id == ROOT  # its samples are those of every other strategy
            path = (number,) if root else ("refine", node.id, number)
            asks.append((prompt, self.sampling, self.ctx.seed.child(*path)))
            kept.append(begun)
        made = await complete(asks, self.ctx)
        new = [
            self._grown(node, begun, completion, seed.text)
            for node, begun, completion, (_, _, seed) in zip(parents, kept, made, asks, strict=True)
            if completion.finish != "budget" or completion.usage.completion
        ]
        await self.grower.score([node for node in new if node.answer is not None])
        for node in new:
            self._tell(node)
        return new

    async def _asked(self, node: Node) -> tuple[Prompt, str]:
        """What the model continues for a child of the node, and how its answer begins."""
        prompt = self.tree.prompt
        if node.id == ROOT:
            return prompt, ""
        if self.prefix:
            begun = await self._beginning(node)
            return replace(prompt, prefix_ids=()).forced(begun) if begun else prompt, begun
        turns = (Message("assistant", node.text), Message("user", self.how.refine))
        return Prompt((*prompt.messages, *turns)), ""

    async def _beginning(self, node: Node) -> str:
        """The steps of an answer that a refinement keeps."""
        steps = pieces(node.text, self.ctx.task.boundary)
        if len(steps) < 2:
            return ""
        if "cut" not in node.note:
            node.note["cut"] = await self._worst(node)
        worst = node.note["cut"]
        at = int(self.rng.integers(len(steps))) if worst is None else worst
        return "".join(steps[:at])

    async def _worst(self, node: Node) -> int | None:
        """The step at which the score falls most, the first of equals; None where it never falls or
        no partial trace can be scored."""
        scorer = self.grower.scorer
        if scorer is None or not getattr(scorer, "partial", False):
            return None
        traces = beginnings(self.tree.trace(node), self.ctx.task.boundary)
        given = await scorer.score(self.problem, traces, self.ctx)
        scores = [score for score in given if score is not None]
        if len(scores) < len(traces):
            return None
        before = [1.0 if scorer.scale == "unit" else 0.0, *scores]
        falls = [old - new for old, new in zip(before, scores, strict=False)]
        return falls.index(max(falls)) if max(falls) > 0 else None

    def _grown(self, parent: Node, begun: str, made: Completion, key: str) -> Node:
        logprobs = None if begun or made.logprobs is None else sum(made.logprobs)
        node = self.tree.add(
            parent, begun + made.text, tokens=made.usage.completion, finish=made.finish, key=key,
            ids=None if begun else made.token_ids, logprob=logprobs, whole=True,
            over=ended(made, begun, self.ctx),
        )  # fmt: skip
        if node.over:
            node.answer = self.ctx.task.extract(node.text) or None
        cut = "no answer" if node.over else "budget" if made.finish == "budget" else "length"
        node.closed = "finished" if node.answer is not None else cut
        return node
