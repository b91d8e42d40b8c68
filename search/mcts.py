"""Monte-Carlo tree search over steps: selection, one more child, its value, back up the path.

The children are drawn by a model, so their number is not known: progressive widening (Coulom 2007;
Couetoux et al. 2011) says when a node gets another one. A node is chosen by PUCT (Rosin 2011;
Silver et al. 2017) or UCT (Kocsis and Szepesvari 2006). Several selections go on at once, each
counted as a loss until its value is known (virtual loss: Chaslot et al. 2008), in a fixed order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows
from reasoning.core import Context, Scorer, Solution, Trace
from search.mcts_tour import Tour
from search.sampler import Sampler, refuse_endless, refuse_greedy
from search.scorers import resolve
from search.tree.grow import Grower
from search.tree.settings import TreeSampler


@dataclass(frozen=True)
class MCTS(TreeSampler):
    """Adds one step a simulation, until `simulations` were made or the budget ends.

    The value of a new step is its score; with `rollout` above 0 the trace is written to its end,
    and the value is (1 - rollout) times the step's score plus `rollout` times that of the end
    (Silver et al. 2016, equation 5). With `rollout=1` any scorer of finished traces will do. Every
    end that was written is an answer to choose from. Scores on a log scale are brought to 0..1 by
    the least and the greatest seen (Schrittwieser et al. 2020, equation 5).

    `rule` and `c` say how a child is selected. Its `prior` is the share of its parent's draws that
    came to it, the model's likelihood of the step, or the same for all. A draw that equals a
    sibling adds to that sibling's prior. A node with n visits gets floor(widen n^alpha) draws, and
    another one as long as every child was worth less, when it was new, than the node's own value
    times urgency^draws (a first-play urgency: Gelly and Wang 2006; 0: never). `wave` selections are
    made before their steps are drawn: many at once cost less time and choose less well.
    `most_visited` answers with the end of the most visited path in place of `choose`;
    `stop="first-accepted"` with the first end whose score reaches `accept`.
    """

    simulations: int | None = None
    rule: Literal["puct", "uct"] = "puct"
    c: float = 0.3
    prior: Literal["draws", "likelihood", "uniform"] = "draws"
    widen: float = 1.0
    alpha: float = 0.25
    urgency: float = 0.95
    rollout: float = 0.0
    wave: int = 1
    most_visited: bool = False
    stop: Literal["first-accepted"] | None = None
    accept: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_greedy(self, "mcts")
        for name, ok, want in (
            ("simulations", self.simulations is None or self.simulations >= 1, "1 or more"),
            ("rule", self.rule in ("puct", "uct"), "'puct' or 'uct'"),
            ("c", self.c >= 0, "0 or more"),
            ("prior", self.prior in ("draws", "likelihood", "uniform"),
             "'draws', 'likelihood' or 'uniform'"),
            ("widen", self.widen > 0, "above 0"),
            ("alpha", 0 <= self.alpha <= 1, "in [0, 1]"),
            ("urgency", 0 <= self.urgency <= 1, "in [0, 1]"),
            ("rollout", 0 <= self.rollout <= 1, "in [0, 1]"),
            ("wave", self.wave >= 1, "1 or more"),
            ("stop", self.stop in (None, "first-accepted"), "'first-accepted' or nothing"),
        ):  # fmt: skip
            if not ok:
                raise BadInput(f"mcts: {name} must be {want}, not {getattr(self, name)!r}")

    def needs(self, task: Task) -> frozenset[str]:
        return super().needs(task) | ({"logprobs"} if self.prior == "likelihood" else set())

    def prepare(self, task: Task) -> None:
        if self.rollout < 1:
            super().prepare(task)
        else:
            Sampler.prepare(self, task)
        if self.stop and resolve(self.scorer, task).scale != "unit":
            raise BadInput(
                f"mcts stops at the first accepted trace, and scorer {self.scorer!r} accepts none:"
                " use a scorer that scores 0..1, such as 'step-verifier'"
            )

    def grower(self, problem: Problem, ctx: Context) -> Grower:
        scorer: Any = resolve(self.scorer, ctx.task)
        if self.rollout == 1:
            scorer = _Ends(scorer, scorer.knows, scorer.scale, scorer.needs)
        return Grower(self, problem, ctx, scorer=scorer, merge=self.merge)

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the best (or the most visited) finished trace."""
        refuse_endless(ctx, self.simulations, "mcts")
        search = Tour(self, self.grower(problem, ctx))
        stopped = await search.run()
        return search.grower.solution(search.answer(), stopped)


@dataclass(frozen=True)
class _Ends:
    """A scorer that rates only finished traces: for values that come from rollouts alone."""

    inner: Scorer
    knows: Knows
    scale: Literal["unit", "log"]
    needs: frozenset[str]

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        ends = [trace for trace in traces if trace.answer is not None]
        given = iter(await self.inner.score(problem, ends, ctx) if ends else ())
        return [None if trace.answer is None else next(given) for trace in traces]
