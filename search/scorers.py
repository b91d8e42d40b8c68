"""What rates complete traces: verifier, step verifier, likelihood, vote.

A scorer says what it had to know (`knows`), its `scale` (`unit` 0..1 or `log`), and what the model
must be able to do (`needs`). SCORERS is the one dict of names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows, StepVerifier, Verifier
from reasoning.core import Context, LanguageModel, Scorer, Trace
from reasoning.prompts import PromptStyle, build
from search.sampler import judge, pieces, verdict_of
from search.vote import tally


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


@dataclass(frozen=True)
class Likelihood:
    """The log-probability of the trace, summed or (`mean`) per token.

    By default under the model that wrote it, from what it reported while writing, which costs
    nothing. With `model` the text is read by that one; the tokens read are charged, and a trace
    whose reading cannot be paid scores None.
    """

    mean: bool = False
    model: LanguageModel | None = field(default=None, repr=False)
    knows: ClassVar[Knows] = "nothing"
    scale: ClassVar[Literal["unit", "log"]] = "log"

    def __post_init__(self) -> None:
        if self.model is not None and "score" not in self.model.can:
            raise BadInput(f"model {self.model.name!r} cannot score a given text; name a local one")

    @property
    def charged(self) -> bool:
        """Whether scoring costs tokens."""
        return self.model is not None

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"logprobs"} if self.model is None else ())

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        if self.model is not None:
            prompt = build(ctx.task, problem, PromptStyle(), self.model.dialect)
            beside = getattr(ctx.model, "beside", None)  # in a run: what it reads is logged too
            reader = self.model if beside is None else beside(self.model)
            read = await reader.score(prompt, [t.text for t in traces], ctx.ledger)
            sums = [(sum(r.logprobs), len(r.logprobs)) if r.logprobs else None for r in read]
        else:
            sums = [None if t.logprob is None else (t.logprob, t.tokens) for t in traces]
        return [
            None if pair is None else pair[0] / max(1, pair[1]) if self.mean else pair[0]
            for pair in sums
        ]


@dataclass(frozen=True)
class Vote:
    """The share of the traces' answers that equal this one's: `joint`, it rates all of a problem's
    traces against each other."""

    joint: ClassVar[bool] = True
    knows: ClassVar[Knows] = "nothing"
    scale: ClassVar[Literal["unit", "log"]] = "unit"
    needs: frozenset[str] = frozenset()

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        shares: list[float | None] = [0.0] * len(traces)
        groups = tally(traces, problem, ctx.task)
        total = sum(group.weight for group in groups)
        for group in groups:
            for member in group.members:
                shares[member] = group.weight / total
        return shares


def _step_verifier(task: Task) -> StepVerifier:
    if task.step_verifier is None:
        raise BadInput(
            f"task {task.name!r} has no step verifier; use scorer 'verifier' or 'likelihood'"
        )
    return task.step_verifier


SCORERS: dict[str, Callable[[Task], Any]] = {
    "likelihood": lambda task: Likelihood(),
    "mean-likelihood": lambda task: Likelihood(mean=True),
    "step-verifier": lambda task: StepsChecked(_step_verifier(task)),
    "verifier": lambda task: Checked(task.verifier),
    "vote": lambda task: Vote(),
}
"""Name -> what makes the Scorer of a task."""


def resolve(scorer: str | Scorer, task: Task) -> Scorer:
    """A scorer by name, for a task; an object is returned as it is. Raises UnknownName."""
    if not isinstance(scorer, str):
        return scorer
    if scorer not in SCORERS:
        raise UnknownName("scorer", scorer, SCORERS)
    return SCORERS[scorer](task)
