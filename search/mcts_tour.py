"""Tour: the simulations of one Monte-Carlo tree search, wave after wave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING

from search.mcts_rules import widened
from search.tree.grow import Grower
from search.tree.node import ROOT, Node

if TYPE_CHECKING:
    from search.mcts import MCTS


@dataclass(slots=True)
class Place:
    """What has been drawn at a node: `arms` the different children that are open, `weights` their
    priors before division by `total`, `texts` the first child of each text. `own` is what the node
    was worth when it was new, `best` what the best of its children was."""

    arms: list[Node] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    total: float = 0.0
    own: float = 1.0
    best: float = -float("inf")
    draws: int = 0
    texts: dict[str, int] = field(default_factory=dict)


class Tour:
    """One tree under way. `low` and `high` bound the values; on a log scale by what was seen."""

    def __init__(self, how: MCTS, grower: Grower) -> None:
        self.how, self.grower, self.tree = how, grower, grower.tree
        self.log = grower.scorer is not None and grower.scorer.scale == "log"
        self.low, self.high = (float("inf"), -float("inf")) if self.log else (0.0, 1.0)
        self.places: dict[int, Place] = {ROOT: Place()}
        self.accepted: Node | None = None

    async def run(self) -> str:
        """Simulate until something ends it; returns what did."""
        how, made = self.how, 0
        while how.simulations is None or made < how.simulations:
            left = how.wave if how.simulations is None else min(how.wave, how.simulations - made)
            size = len(self.tree)
            paths = [self._select() for _ in range(left)]
            if not await self._grow(paths):
                return "budget" if self.grower.spent else "done"
            made += left
            if self.accepted is not None:
                return "accepted"
            if self.grower.spent:
                return "budget"
            if how.simulations is None and not any(n.tokens for n in self.tree.nodes[size:]):
                return "done"  # what costs nothing would go on for ever
        return "done"

    def answer(self) -> Node | None:
        """The node to answer with."""
        for place in self.places.values():
            for arm, weight in zip(place.arms, place.weights, strict=True):
                arm.note["prior"] = round(weight / place.total, 6)
        if self.accepted is not None:
            return self.accepted
        if not self.how.most_visited:
            return self.how.best(self.grower)
        useful, node = self.tree.useful(), self.tree.root
        while not node.over:
            ways = [child for child in self.tree.children(node) if useful[child.id]]
            if not ways:
                return None
            node = max(ways, key=lambda way: (way.visits, way.mean))
        return node

    # -- selection --------------------------------------------------------------------

    def _select(self) -> list[Node]:
        """The path to the node that gets the next child; each of its nodes has lost once more."""
        node, path = self.tree.root, []
        low = self.low if self.low <= self.high else 0.0
        while True:
            place = self.places[node.id]
            draw = place.draws < widened(node.visits, self.how.widen, self.how.alpha)
            hoped = (place.own - low) * self.how.urgency**place.draws
            draw = draw or not place.arms or place.best - low < hoped
            following = None if draw else self._follow(node, place, low)
            node.visits += 1
            node.value += low
            path.append(node)
            if following is None:
                place.draws += 1
                return path
            node = following

    def _follow(self, node: Node, place: Place, low: float) -> Node:
        """The child of the highest `puct` or `uct` (search.mcts_rules, written out: this is the
        innermost loop); the first of equals."""
        span = max(self.high - low, 1e-12)
        top, best = -float("inf"), place.arms[0]
        puct = self.how.rule == "puct"
        if puct:
            scale = self.how.c * sqrt(node.visits) / place.total
        else:
            scale = self.how.c * sqrt(log(max(1, node.visits)))
        for arm, weight in zip(place.arms, place.weights, strict=True):
            visits = arm.visits
            more = scale * weight / (1 + visits) if puct else scale / sqrt(visits)
            bound = (arm.value / visits - low) / span + more
            if bound > top:
                top, best = bound, arm
        return best

    # -- a wave -----------------------------------------------------------------------

    async def _grow(self, paths: Sequence[list[Node]]) -> bool:
        """Draw the step that each path asks for and back its value up; whether any was drawn."""
        low = self.low if self.low <= self.high else 0.0  # as the selections have charged it
        wishes: dict[int, int] = {}
        for path in paths:
            wishes[path[-1].id] = wishes.get(path[-1].id, 0) + 1
        grown = await self.grower.expand([(self.tree[at], n) for at, n in wishes.items()])
        drawn = {at: iter(children) for at, children in zip(wishes, grown, strict=True)}
        children = [next(drawn[path[-1].id], None) for path in paths]
        new = [self._admit(path[-1], child) for path, child in zip(paths, children, strict=True)]
        ends = await self._rollouts([child for child in new if child and not child.closed])
        for path, child, seen in zip(paths, children, new, strict=True):
            if child is None or seen is None:  # not paid: as if it had not been selected
                for node in path:
                    node.visits -= 1
                    node.value -= low
                self.places[path[-1].id].draws -= 1
                continue
            value = self._value(child, seen, ends.get(child.id), path[-1])
            if child.visits == 0:
                child.visits, child.value = 1, value
                place = self.places[path[-1].id]
                place.best = max(place.best, value)
                if child.id in self.places:
                    self.places[child.id].own = value
            for node in path:
                node.value += value - low
        return any(child is not None for child in children)

    def _admit(self, parent: Node, child: Node | None) -> Node | None:
        """Take a draw into account; returns the node whose value it has: the child itself, or the
        earlier one that it equals."""
        if child is None:
            return None
        place, seen = self.places[parent.id], child
        if self.grower.merge:
            first = place.texts.setdefault(child.text, child.id)
            if first != child.id:
                seen = self.tree[first]
                if not child.closed:
                    child.same_as, child.closed = first, "equal state"
            elif child.same_as >= 0:
                seen = self.tree[child.same_as]
        sibling = seen.parent == parent.id
        if self.how.prior == "draws":
            place.total += 1
            if seen is not child and sibling and seen in place.arms:
                place.weights[place.arms.index(seen)] += 1
        if seen is child and not child.closed:
            self.places[child.id] = Place()
            place.arms.append(child)
            if self.how.prior == "likelihood":
                place.weights.append(exp(child.logprob or 0.0))
            else:
                place.weights.append(1.0)
            if self.how.prior != "draws":
                place.total += place.weights[-1]
        if child.over and child.answer is not None and self.how.stop and self.accepted is None:
            self.accepted = child if (child.score or 0.0) >= self.how.accept else None
        return seen

    async def _rollouts(self, nodes: Sequence[Node]) -> dict[int, Node]:
        """For each node the end of a trace that is written through it, by the node's id."""
        if not self.how.rollout or not nodes:
            return {}
        made = await self.grower.expand([(node, 1) for node in nodes], to_end=True)
        found = {node.id: ends[0] for node, ends in zip(nodes, made, strict=True) if ends}
        for end in found.values():
            end.visits, end.value = 1, self._rate(end, 0.0)
            if end.answer is not None and self.how.stop and self.accepted is None:
                self.accepted = end if (end.score or 0.0) >= self.how.accept else None
        return found

    # -- values -----------------------------------------------------------------------

    def _value(self, child: Node, seen: Node, end: Node | None, parent: Node) -> float:
        """What a draw is worth to the path that led to it; one that brings nothing new where
        nothing else is open is a loss, so that the search turns elsewhere."""
        others = parent.visits - 1
        neutral = parent.value / others if others > 0 else 0.0 if self.log else 0.5
        if seen is not child and seen.visits:
            return seen.mean if self.places[parent.id].arms else self._least(neutral)
        value = self._rate(child, neutral)
        if end is None or child.closed:
            return value
        share = self.how.rollout if child.score is not None else 1.0
        return (1 - share) * value + share * self._rate(end, neutral)

    def _rate(self, node: Node, neutral: float) -> float:
        """A node's own value: its score; the least there is for a trace that ended without an
        answer or is impossible (minus infinity); `neutral` where there is no score."""
        if node.closed in ("no answer", "length") or node.score == -inf:
            return self._least(neutral)
        if node.score is None:
            return neutral
        if self.log:
            self.low, self.high = min(self.low, node.score), max(self.high, node.score)
        return node.score

    def _least(self, neutral: float) -> float:
        """The least value there is; on a log scale the least seen."""
        return self.low if self.low <= self.high else neutral
