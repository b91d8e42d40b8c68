"""Scorers that are programs: the verifier of whole traces, the step verifier of partial ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.verdict import Knows, StepVerifier, Verifier
from reasoning.core import Context, Trace
from reasoning.verify import judge, verdict_of
from search.sampler import pieces


@dataclass(frozen=True)
class Checked:
    """The score of the task's verifier."""

    verifier: Verifier
    needs: frozenset[str] = frozenset()
    scale: ClassVar[Literal["unit", "log"]] = "unit"

    @property
    def knows(self) -> Knows:
        return self.verifier.knows

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        return [(await judge(self.verifier, problem, trace.text)).score for trace in traces]


@dataclass(frozen=True)
class StepsChecked:
    """The share of steps that the step verifier accepts, or (`rule="all"`) 1 if it rejects none.

    Steps that cannot be parsed do not count, except the last one, which must be accepted for a
    full score.
    """

    verifier: StepVerifier
    rule: Literal["share", "all"] = "share"
    needs: frozenset[str] = frozenset()
    scale: ClassVar[Literal["unit", "log"]] = "unit"
    partial: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.rule not in ("share", "all"):
            raise BadInput(f"step-verifier: rule is 'share' or 'all', not {self.rule!r}")

    @property
    def knows(self) -> Knows:
        return self.verifier.knows

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        return [self._rate(problem, pieces(t.text, ctx.task.boundary)) for t in traces]

    def _rate(self, problem: Problem, steps: Sequence[str]) -> float:
        heads = [steps[: i + 1] for i in range(len(steps))]
        said = [verdict_of(self.verifier, problem, head).passed for head in heads]
        if not said:
            return 0.0
        counted = [bool(passed) for passed in said[:-1] if passed is not None]
        counted.append(said[-1] is True)
        return float(all(counted)) if self.rule == "all" else sum(counted) / len(counted)
