"""Searching in rounds: when to stop, and how wide the next round may be.

A wide round that the budget cuts leaves many started traces and no finished one. So under a budget
the first round has width 1, each later one twice that of the one before, and none is wider than
what is left is likely to pay, by what the earlier ones cost. A trace is finished as soon as one can
be, and the narrow rounds together cost no more than the wide one after them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import Context, Solution
from search.sampler import refuse_greedy
from search.scorers import resolve
from search.tree.grow import Grower
from search.tree.node import Node
from search.tree.novelty import close_exhausted
from search.tree.settings import TreeSampler


@dataclass(frozen=True, kw_only=True)
class StoppingSampler(TreeSampler):
    """Settings of when a search over steps stops before its budget does.

    `stop="first-accepted"` ends it with the first finished trace whose score reaches `accept`,
    `enough` with so many finished traces.
    """

    stop: Literal["first-accepted"] | None = None
    accept: float = 1.0
    enough: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stop not in (None, "first-accepted"):
            raise BadInput(f"stop is 'first-accepted' or nothing, not {self.stop!r}")
        self._at_least_one("enough")
        refuse_greedy(self, type(self).__name__)

    def _at_least_one(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"{type(self).__name__}: {name} must be 1 or more, not {value}")

    def prepare(self, task: Task) -> None:
        super().prepare(task)
        if self.stop and resolve(self.scorer, task).scale != "unit":
            raise BadInput(
                f"{type(self).__name__} stops at the first accepted trace, and scorer"
                f" {self.scorer!r} accepts none: use a scorer that scores 0..1, such as"
                " 'step-verifier'"
            )


class Watch:
    """Watches a tree grow for the moment to stop. `accepted` is the finished node that was
    accepted first, `finished` how many finished."""

    def __init__(self, settings: StoppingSampler, grower: Grower) -> None:
        self.settings, self.grower = settings, grower
        self.accepted: Node | None = None
        self.finished = self._seen = 0

    def over(self) -> str:
        """Why the search ends now (`accepted`, `done`, `budget`), "" while it goes on."""
        settings, nodes = self.settings, self.grower.tree.nodes
        for node in nodes[self._seen :]:
            if node.over and node.answer is not None:
                self.finished += 1
                good = settings.stop and node.score is not None and node.score >= settings.accept
                if good and self.accepted is None:
                    self.accepted = node
        self._seen = len(nodes)
        if self.accepted is not None:
            return "accepted"
        if settings.enough is not None and self.finished >= settings.enough:
            return "done"
        return "budget" if self.grower.spent else ""


Round = Callable[[Grower, Watch, int, int], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class RoundSampler(StoppingSampler):
    """Settings of a search in rounds: at most `rounds` of them; None goes on while the budget pays,
    and makes one where there is no budget."""

    rounds: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least_one("rounds")

    async def in_rounds(
        self, problem: Problem, ctx: Context, widest: int, search: Round
    ) -> Solution:
        """The answer after rounds of `search(grower, watch, width, number)`, each no wider than
        `widest`."""
        grower = self.grower(problem, ctx)
        watch = Watch(self, grower)
        most = self.rounds if self.rounds or ctx.ledger.bounded else 1
        widths: list[int] = []
        while not watch.over() and (most is None or len(widths) < most):
            width, before = width_of(ctx, widest, widths), ctx.ledger.spent.tokens
            first = len(grower.tree)
            await search(grower, watch, width, len(widths))
            close_exhausted(grower.tree, first)
            widths.append(width)
            if ctx.ledger.spent.tokens == before:
                break  # what costs nothing would go on for ever
        chosen = watch.accepted or self.best(grower)
        return grower.solution(chosen, watch.over() or "done")


def width_of(ctx: Context, widest: int, before: list[int]) -> int:
    """How wide the next round is, after rounds of the widths `before`."""
    ledger = ctx.ledger
    if not ledger.bounded:
        return widest
    width = min(widest, 2 * before[-1] if before else 1)
    spent = ledger.spent
    for left, cost in ((ledger.left_tokens, spent.tokens), (ledger.left_calls, spent.calls)):
        if left is not None and cost:
            width = min(width, int(left * sum(before) / cost))
    return max(1, width)
