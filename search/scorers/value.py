"""Exact values as scores, and scores of graded quality made from them: oracles, for measuring what
a search would gain from a better scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt
from statistics import NormalDist
from typing import ClassVar, Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows
from reasoning.core import Context, Trace
from reasoning.verify import judge

NORMAL = NormalDist()


def require_value(task: Task) -> None:
    """Raises BadInput for a task that cannot tell the value of a partial trace."""
    if type(task).value is Task.value:
        raise BadInput(
            f"task {task.name!r} cannot tell the exact value of a partial trace; use scorer"
            " 'step-verifier' or 'likelihood', or write Task.value"
        )


@dataclass(frozen=True)
class ExactValue:
    """1 where what stands can still be brought to a right answer, 0 where not; for a finished trace
    the verifier's score. None where the task cannot read the trace."""

    needs: frozenset[str] = frozenset()
    knows: ClassVar[Knows] = "solution"
    scale: ClassVar[Literal["unit", "log"]] = "unit"
    partial: ClassVar[bool] = True

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        return [await self._value(problem, trace, ctx) for trace in traces]

    async def _value(self, problem: Problem, trace: Trace, ctx: Context) -> float | None:
        if trace.finish == "eos":
            return (await judge(ctx.task.verifier, problem, trace.text)).score
        return ctx.task.value(problem, [step.text for step in trace.steps])


@dataclass(frozen=True)
class Graded:
    """The exact value seen through noise, so that a state of value 1 scores above one of value 0
    with probability `auc` (0.5: noise alone, 1: exact).

    The binormal model of signal detection: the state is seen as x ~ N(value d, 1), and the area
    under the curve is Phi(d / sqrt 2) (Green and Swets 1966; Fawcett 2006, section 7, for its
    meaning). The score is P(value = 1 | x) at even odds, sigmoid(d x - d^2 / 2). The noise of a
    state depends on the run's seed, the problem and the state alone: equal states score alike, arms
    see the same, and a greater `auc` sees the same noise. Between states it is independent, which
    the errors of a learned scorer are not.
    """

    auc: float = 0.8
    needs: frozenset[str] = frozenset()
    knows: ClassVar[Knows] = "solution"
    scale: ClassVar[Literal["unit", "log"]] = "unit"
    partial: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0.5 <= self.auc <= 1:
            raise BadInput(f"graded: auc lies in 0.5 (chance) to 1 (exact), not {self.auc}")

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        values = await ExactValue().score(problem, traces, ctx)
        return [
            None if value is None else self._seen(value, problem, trace, ctx)
            for value, trace in zip(values, traces, strict=True)
        ]

    def _seen(self, value: float, problem: Problem, trace: Trace, ctx: Context) -> float:
        if self.auc == 1:
            return value
        word = ctx.seed.child("graded", state_of(problem, trace, ctx.task)).key[0]
        noise = NORMAL.inv_cdf((word + 0.5) / 2**64)
        apart = sqrt(2) * NORMAL.inv_cdf(self.auc)
        odds = apart * (value * apart + noise) - apart**2 / 2
        return 1 / (1 + exp(-odds))


def state_of(problem: Problem, trace: Trace, task: Task) -> str:
    """A name that equal states share: the answer of a finished trace, the task's state key, or the
    text where it has neither."""
    if trace.finish == "eos":
        key = task.answer_key(problem, trace.text)
        return f"answer {key}" if key is not None else f"text {trace.text}"
    key = task.state_key(problem, [step.text for step in trace.steps])
    return f"state {key}" if key is not None else f"text {trace.text}"
