"""The toy processes as a task; its judges know everything and remember what they were shown."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from evaluators.problem import Problem
from evaluators.tasks.base import Dialect, Format, Task
from evaluators.verdict import Knows, Verdict
from reasoning.core import Context, Message, Prompt, Trace
from search.conformance.process import SPELT, Process


@dataclass
class Seen:
    """What the judges were shown: texts by who was asked (scorer, verifier, steps)."""

    texts: dict[str, list[str]] = field(default_factory=dict)

    def note(self, judge: str, text: str) -> None:
        """Remember one text."""
        self.texts.setdefault(judge, []).append(text)

    @property
    def all(self) -> set[str]:
        """Every text that any judge saw."""
        return {text for texts in self.texts.values() for text in texts}


@dataclass(frozen=True)
class WholeJudge:
    """Verifier of the toy task: passes the best leaf."""

    seen: Seen
    knows: ClassVar[Knows] = "solution"

    def check(self, problem: Problem, text: str) -> Verdict:
        self.seen.note("verifier", text)
        process = Process.of(problem)
        worth = process.judged(text, True)
        return Verdict(worth, worth == process.reward(process.best), process.read(text)[1])


@dataclass(frozen=True)
class StepJudge:
    """Step verifier of the toy task: passes what still leads to the best leaf."""

    seen: Seen
    knows: ClassVar[Knows] = "solution"

    def check(self, problem: Problem, steps: Sequence[str]) -> Verdict:
        text, process = "".join(steps), Process.of(problem)
        self.seen.note("steps", text)
        last = steps[-1].strip() if steps else ""
        if "=" not in last and (not last or last not in process.names):
            return Verdict(0.0, None)
        worth = process.judged(text, False)
        return Verdict(worth, worth == process.reward(process.best), process.read(text)[1])


@dataclass(frozen=True)
class ToyTask(Task):
    """The toy processes as a task; `seen` remembers what its judges were shown."""

    seen: Seen = field(default_factory=Seen, compare=False, repr=False)

    @property
    def verifier(self) -> WholeJudge:
        return WholeJudge(self.seen)

    @property
    def step_verifier(self) -> StepJudge:
        return StepJudge(self.seen)

    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        process = Process.of(problem)
        how = ":" if format == "chain" else "="
        return f"{process.depth} moves out of {process.names}{how}"

    def extract(self, text: str) -> str | None:
        _, equals, name = text.rpartition("=")
        return name.strip() or None if equals else None

    def state_key(self, problem: Problem, steps: Sequence[str]) -> Hashable | None:
        return "".join(steps)

    def value(self, problem: Problem, steps: Sequence[str]) -> float | None:
        process = Process.of(problem)
        return float(process.judged("".join(steps), False) == process.reward(process.best))

    def step_tokens(self, dialect: Dialect) -> int:
        return SPELT + 4

    def max_tokens(self, format: Format, dialect: Dialect) -> int:
        direct = SPELT + 4
        if format == "direct":
            return direct
        return max((Process.of(p).length for p in self.problems), default=64) + direct + 8

    def examples(self, format: Format, dialect: Dialect, k: int) -> list[tuple[str, str]]:
        shown = Process(2, "ab", {"01": 1.0})
        asked = self.render(shown.problem("example"), format, dialect)
        return [(asked, shown.text("01") if format == "chain" else shown.end("01"))] * k


@dataclass(frozen=True)
class ExactScorer:
    """Rates a trace by brute force: a partial one by what can be reached from it at best (or by
    what the process shows), a whole one by its worth.

    `charged` lets the model read what is rated, so that scoring costs tokens.
    """

    seen: Seen = field(default_factory=Seen, compare=False, repr=False)
    charged: bool = False
    partial: ClassVar[bool] = True
    knows: ClassVar[Knows] = "solution"
    scale: ClassVar[Literal["unit", "log"]] = "unit"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"score"} if self.charged else ())

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        process, paid = Process.of(problem), [True] * len(traces)
        for trace in traces:
            self.seen.note("scorer", trace.text)
        if self.charged:
            asked = Prompt((Message("user", "How good is this?"),))
            read: Any = await ctx.model.score(asked, [t.text for t in traces], ctx.ledger)
            paid = [bool(scores.tokens) for scores in read]
        return [
            process.judged(trace.text, trace.answer is not None) if ok else None
            for trace, ok in zip(traces, paid, strict=True)
        ]
