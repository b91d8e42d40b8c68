"""Subject: the strategy under examination, its runs, and what it was seen to do.

Which rules apply follows from what a strategy does on a first problem, not from what it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from evaluators.errors import BadInput
from search.conformance.case import Case, Run, scorers_of, solve
from search.conformance.process import Process


class NotApplicable(Exception):
    """A rule asks for something that the strategy does not do."""


def maze(depth: int, names: str = "abc", best: str | None = None) -> Process:
    """A process with one best leaf, worth 1, and a few that are worth less and lie elsewhere."""
    digits = "0123456789"[: len(names)]
    best = best or (digits[1:] * depth)[:depth]
    other = {
        "".join(digits[(digits.index(move) + shift) % len(digits)] for move in best)
        for shift in range(1, len(digits))
    }
    near = best[:-1] + digits[(digits.index(best[-1]) + 1) % len(digits)]
    lesser = {path: 0.5 - 0.1 * i for i, path in enumerate(sorted({*other, near} - {best}))}
    return Process(depth, names, {best: 1.0, **lesser})


@dataclass(frozen=True)
class Habits:
    """What a strategy was seen to do: go on from unfinished traces (`steps`), begin `several`, ask
    whom to judge (`judge`: the scorer it was given, or the task's judges), judge `partial` traces,
    draw at temperature 0 only (`greedy`), write to the end from the middle (`rollouts`)."""

    steps: bool
    several: bool
    judge: Literal["scorer", "task"] | None
    partial: bool
    greedy: bool
    rollouts: bool


@dataclass
class Subject:
    """The strategy; `expansions` overrides how many calls it may need to find an optimum; `depth`
    is that of the deep problem."""

    strategy: Any
    expansions: int | None = None
    depth: int = 2_000
    _runs: dict[str, Run] = field(default_factory=dict)

    def run(self, case: Case) -> Run:
        """The strategy on a case, in an event loop of its own; the same case is run once."""
        case = replace(case, dialect=self.dialect)
        key = repr(case)
        if key not in self._runs:
            self._runs[key] = self.fresh(case)
        return self._runs[key]

    def fresh(
        self,
        case: Case,
        past: list[Mapping[str, Any]] | None = None,
        on_call: Callable[[], None] | None = None,
    ) -> Run:
        """As `run`, each time anew; with `past`, under a log (see `solve`)."""
        case = replace(case, dialect=self.dialect)
        return asyncio.run(solve(self.strategy, case, past, on_call))

    @cached_property
    def dialect(self) -> Literal["compact", "plain"]:
        """The dialect of the model: compact, or plain for a strategy that refuses that one."""
        run = asyncio.run(solve(self.strategy, self.plain))
        return "plain" if isinstance(run.error, BadInput) else "compact"

    @cached_property
    def plain(self) -> Case:
        """The problem that most rules look at: three moves, a model that draws, and room for about
        a dozen traces."""
        process = maze(3)
        return Case(process, tokens=12 * process.length)

    @cached_property
    def habits(self) -> Habits:
        """What it was seen to do on the plain problem."""
        run = self.run(self.plain)
        asked = [call for call in run.model.calls if call.question]
        process = run.case.process
        middle = [c for c in asked if c.prefix == process.text(process.read(c.prefix)[0])]
        depths = [len(process.read(call.prefix)[0]) for call in middle]
        began = [call for call in asked if not call.prefix]
        told = run.seen.texts
        judge: Literal["scorer", "task"] | None = None
        if scorers_of(self.strategy) or "scorer" in told:
            judge = "scorer"
        elif told:
            judge = "task"
        return Habits(
            steps=any(call.sampling.boundary == "\n" for call in asked),
            several=len(began) > 1,
            judge=judge,
            partial=any("=" not in text for text in run.seen.all),
            greedy=bool(asked) and all(call.sampling.temperature == 0 for call in asked),
            rollouts=any(
                call.sampling.boundary != "\n" and 0 < depth < process.depth
                for call, depth in zip(middle, depths, strict=True)
            ),
        )

    @property
    def writes(self) -> Literal["in turn", "mostly", "sure"]:
        """What the model writes where the optimum is to be found: with a judge all moves in turn;
        without one it is right in most traces, and in the only one."""
        if self.habits.judge is not None:
            return "in turn"
        return "mostly" if self.habits.several else "sure"
