"""Particle filter over steps: several traces go on together; after each step those of little weight
give way to copies of the heavy ones.

Puri et al. 2025 (Rollout Roulette) weigh particles by a process reward model; Feng et al. 2024
(Step-by-step reasoning for math problems via twisted sequential Monte Carlo, section 3) by the
ratio of a state's value to the value before, so that the particles are samples of the model's
traces weighted by their value, however often they are resampled. That ratio is used here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, inf, log

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem
from reasoning.core import Context, SeedPath, Solution
from search.tree.grow import Grower
from search.tree.node import Node
from search.tree.rounds import RoundSampler, Watch
from search.vote import tally


@dataclass(slots=True)
class Particle:
    """Where a trace stands, its log weight, and the log value that the weight already counts."""

    node: Node
    weight: float = 0.0
    counted: float = 0.0

    @property
    def goes_on(self) -> bool:
        """Whether it has a next step: it has not ended, and its weight is not 0."""
        return not self.node.closed and self.weight > -inf


@dataclass(frozen=True)
class ParticleFilter(RoundSampler):
    """`particles` traces, resampled when their effective number falls to the share `ess` of
    them (1: after every step).

    A particle's weight is its score to the power 1 / `tau` (for log scores exp(score / tau)). At 1
    the traces are weighted by their value; below, the better ones count for more.
    Copies share a node and part with the next draw. When all weights are 0 the step is drawn
    again, at most `retries` times. States are not merged: particles are independent draws. A vote
    counts the final weights, which have the scores in them already.
    """

    particles: int = 8
    ess: float = 0.5
    tau: float = 0.5
    retries: int = 3
    merge: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least_one("particles")
        for name, ok, want in (
            ("ess", 0 <= self.ess <= 1, "lie in 0..1"),
            ("tau", self.tau > 0, "be above 0"),
            ("retries", self.retries >= 0, "be 0 or more"),
        ):
            if not ok:
                raise BadInput(f"particle-filter: {name} must {want}, not {getattr(self, name)}")
        if self.merge:
            raise BadInput("particle-filter draws independent traces: it cannot merge equal states")

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the best finished trace, or of the vote."""
        return await self.in_rounds(problem, ctx, self.particles, self._round)

    async def _round(self, grower: Grower, watch: Watch, width: int, number: int) -> None:
        seed = grower.ctx.seed.child("resample", number)
        cloud = [Particle(grower.tree.root) for _ in range(width)]
        step = tries = 0
        while any(particle.goes_on for particle in cloud):
            moved = await self._moved(grower, cloud)
            stuck = all(new is old for new, old in zip(moved, cloud, strict=True))
            if stuck or watch.over():
                return weigh(moved)
            weights = normalised([particle.weight for particle in moved])
            if not any(weights):
                tries += 1
                if tries > self.retries:
                    return
                continue
            if effective(weights) <= self.ess * width * (1 + 1e-9):
                picks = systematic(weights, width, uniform(seed.child(step)))
                cloud = [Particle(moved[i].node, 0.0, moved[i].counted) for i in picks]
                kept = {particle.node.id for particle in cloud}
                lost = [particle.node for particle in moved if particle.node.id not in kept]
                grower.close(lost, "not resampled")
            else:
                cloud = moved
            step, tries = step + 1, 0
        weigh(cloud)

    def best(self, grower: Grower) -> Node | None:
        """The finished node to answer with: of the highest score, or of the heaviest vote."""
        found = [node for node in grower.tree.finished() if "weight" in node.note]
        if self.choose == "score" or not found:
            return super().best(grower)
        traces = [grower.tree.trace(node) for node in found]
        weights = [node.note["weight"] for node in found]
        groups = tally(traces, grower.problem, grower.ctx.task, weights)
        return found[groups[0].members[0]] if groups else None

    async def _moved(self, grower: Grower, cloud: Sequence[Particle]) -> list[Particle]:
        """The particles one step on, weighted; those that do not go on stay."""
        open_ones = [particle for particle in cloud if particle.goes_on]
        copies = Counter(particle.node.id for particle in open_ones)
        nodes = [grower.tree[node] for node in copies]
        made = await grower.expand([(node, copies[node.id]) for node in nodes])
        waiting = {node.id: iter(children) for node, children in zip(nodes, made, strict=True)}
        moved = []
        for particle in cloud:
            child = next(waiting[particle.node.id], None) if particle.goes_on else None
            moved.append(particle if child is None else self._weighed(grower, particle, child))
        return moved

    def _weighed(self, grower: Grower, particle: Particle, node: Node) -> Particle:
        """The particle at its next node, its weight multiplied by the ratio of the values."""
        if node.closed in ("no answer", "length"):
            return Particle(node, -inf, -inf)
        if node.score is None:
            return Particle(node, particle.weight, particle.counted)
        scorer = grower.scorer
        if scorer is not None and scorer.scale == "log":
            value = node.score
        else:
            value = log(node.score) if node.score > 0 else -inf
        value /= self.tau
        return Particle(node, particle.weight + value - particle.counted, value)


def weigh(cloud: Sequence[Particle]) -> None:
    """Note the final weight of each finished trace: 1 on average over the cloud, copies added."""
    for particle, weight in zip(cloud, normalised([p.weight for p in cloud]), strict=True):
        if particle.node.over and particle.node.answer is not None:
            note = particle.node.note
            note["weight"] = note.get("weight", 0.0) + weight * len(cloud)


def normalised(logs: Sequence[float]) -> list[float]:
    """Weights that sum to 1 out of their logarithms; all 0 where each is 0."""
    top = max(logs)
    if top == -inf:
        return [0.0] * len(logs)
    weights = [exp(weight - top) for weight in logs]
    total = sum(weights)
    return [weight / total for weight in weights]


def effective(weights: Sequence[float]) -> float:
    """The effective sample size, 1 / sum of squares, of weights that sum to 1 (Kong, Liu and Wong
    1994)."""
    return 1.0 / sum(weight * weight for weight in weights)


def systematic(weights: Sequence[float], n: int, u: float) -> list[int]:
    """`n` indices, each as often as its weight says, rounded up or down: those whose stretch of
    the cumulated weights holds one of the points (u + i) / n. `u` in [0, 1) is the only draw
    (Kitagawa 1996, appendix)."""
    picks, at, reached = [], 0, weights[0]
    last = max(index for index, weight in enumerate(weights) if weight > 0)  # rounding aside
    for i in range(n):
        point = (u + i) / n
        while point >= reached and at < last:
            at += 1
            reached += weights[at]
        picks.append(at)
    return picks


def uniform(seed: SeedPath) -> float:
    """A number in [0, 1) that belongs to a seed path."""
    key = np.array(seed.key, np.uint64)
    return float(np.random.Generator(np.random.Philox(key=key)).random())
