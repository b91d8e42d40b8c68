"""What a judge says, and the two kinds of judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from evaluators.problem import Problem

Knows = Literal["reference", "solution", "check", "nothing"]
"""What a judge had to know: the reference answer; enough to compute the answer; only how to check
one; nothing (learned or model-made). The first two are oracles at test time."""

ORACLES: frozenset[str] = frozenset({"reference", "solution"})


@dataclass(frozen=True)
class Verdict:
    """A judgement of one completion, or of a partial one.

    `score` lies in 0..1, `passed` is the decision, `answer` what was taken out of the text (`None`
    when there is none), `reason` one sentence, `seconds` the time the judge took. For a step
    verifier `passed` is `None` when the last step could not be parsed: neither accepted nor
    rejected.
    """

    score: float
    passed: bool | None
    answer: str | None = None
    reason: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"a verdict's score lies in 0..1, not {self.score!r}")


@runtime_checkable
class Verifier(Protocol):
    """Judges a whole trace. `text` is everything that the model wrote after the prompt."""

    knows: Knows

    def check(self, problem: Problem, text: str) -> Verdict: ...


@runtime_checkable
class StepVerifier(Protocol):
    """Judges a partial trace: `steps` are the texts of all steps so far; the last one is judged."""

    knows: Knows

    def check(self, problem: Problem, steps: Sequence[str]) -> Verdict: ...
