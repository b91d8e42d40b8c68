"""TreeSampler: the settings that every strategy over steps shares, and how it chooses an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows
from reasoning.core import Context, Scorer
from search.best_of_n import weights
from search.sampler import Sampler
from search.scorers import refuse_whole, resolve
from search.tree.grow import Grower
from search.tree.node import Node
from search.vote import tally


@dataclass(frozen=True, kw_only=True)
class TreeSampler(Sampler):
    """Settings of a search over steps.

    `scorer` rates partial and complete traces (a name of SCORERS or a Scorer). `choose` takes the
    finished trace of the highest score, or the answer of the heaviest vote, weighted by scores.
    `step_tokens` caps one step (None: the task's own length); a longer one goes on as the next.
    `merge` draws what follows an equal state once, where the task knows states.
    """

    scorer: str | Scorer = "step-verifier(rule=all)"
    choose: Literal["score", "vote"] = "score"
    step_tokens: int | None = None
    merge: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_tokens is not None and self.step_tokens < 1:
            raise BadInput(f"step_tokens must be 1 or more, not {self.step_tokens}")
        if self.choose not in ("score", "vote"):
            raise BadInput(f"choose is 'score' or 'vote', not {self.choose!r}")

    def needs(self, task: Task) -> frozenset[str]:
        return frozenset({"continue"}) | resolve(self.scorer, task).needs

    def knows(self, task: Task) -> Knows:
        return resolve(self.scorer, task).knows

    def prepare(self, task: Task) -> None:
        super().prepare(task)
        refuse_whole(self.scorer, task)

    def step_length(self, ctx: Context) -> int:
        """The most tokens of one step."""
        own = ctx.task.step_tokens(ctx.model.dialect)
        return min(self.sampling(ctx).max_tokens, self.step_tokens or own)

    def grower(self, problem: Problem, ctx: Context) -> Grower:
        """A new tree for the problem."""
        return Grower(self, problem, ctx, scorer=resolve(self.scorer, ctx.task), merge=self.merge)

    def best(self, grower: Grower) -> Node | None:
        """The finished node to answer with, by `choose`; the first of equals, None without one."""
        found = grower.tree.finished()
        known = [node for node in found if node.score is not None]
        if not known:
            return found[0] if found else None
        if self.choose == "vote":
            traces = [grower.tree.trace(node) for node in found]
            scale = grower.scorer.scale if grower.scorer is not None else "unit"
            groups = tally(traces, grower.problem, grower.ctx.task, weights(traces, scale))
            return found[groups[0].members[0]] if groups else None
        return max(known, key=lambda node: node.score or 0.0)
