"""Task: a named source of problems, with its prompt formats, its judges and its step boundary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from evaluators.errors import UnknownName
from evaluators.problem import Problem
from evaluators.verdict import StepVerifier, Verifier

Dialect = Literal["compact", "plain"]
Format = Literal["direct", "chain"]

THINK, END_THINK = "<think>", "</think>"


@dataclass(frozen=True)
class Task(ABC):
    """Problems plus everything needed to ask and to judge them.

    Subclasses say how a problem is rendered and judged; `problems` is the selected split. In both
    dialects a step ends at `boundary`. The compact dialect is what the embedded models read: the
    rendered string of a chain ends in `<think>`, the model writes one step a line, then
    `</think>` and the answer; a direct prompt is answered at once. The plain dialect is English,
    one step a line, `Answer:` last.
    """

    name: str
    problems: Sequence[Problem] = field(default=(), repr=False)

    formats: ClassVar[tuple[Format, ...]] = ("direct", "chain")
    boundary: ClassVar[str] = "\n"

    @property
    @abstractmethod
    def verifier(self) -> Verifier:
        """The judge of a whole trace."""

    @property
    def step_verifier(self) -> StepVerifier | None:
        """The judge of partial traces, or `None` where steps cannot be judged by program."""
        return None

    @abstractmethod
    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        """The question as one string, without examples or role (those are `reasoning.prompts`)."""

    @abstractmethod
    def extract(self, text: str) -> str | None:
        """The final answer in a finished completion in canonical form for voting; `None` if absent.

        `text` is what the model wrote; the caller asks only for traces that ended by themselves.
        """

    def answer_key(self, problem: Problem, text: str) -> str | None:
        """What equal answers share, for voting. By default the extracted answer."""
        return self.extract(text)

    def examples(self, format: Format, dialect: Dialect, k: int) -> list[tuple[str, str]]:
        """`k` worked examples (rendered question, completion) from training instances."""
        raise UnknownName("prompt format for " + self.name, "few-shot", self.formats)

    def state_key(self, problem: Problem, steps: Sequence[str]) -> Hashable | None:
        """What two partial traces share when the rest of the work is the same, or `None`."""
        return None

    def value(self, problem: Problem, steps: Sequence[str]) -> float | None:
        """The exact value of a partial trace: 1 if what stands can still be brought to a right
        answer, 0 if not, `None` where the task cannot tell. Knows the solution: an oracle."""
        return None

    def state_text(self, problem: Problem, steps: Sequence[str]) -> str | None:
        """What a learned scorer reads in place of the whole trace, in the compact dialect: enough
        to tell `value`, or (a task says so) the value of the last step where those before it were
        right. `None` where the steps cannot be read so."""
        return None

    def step_tokens(self, dialect: Dialect) -> int:
        """A length that no sensible step exceeds."""
        return 160 if dialect == "plain" else 64

    def max_tokens(self, format: Format, dialect: Dialect) -> int:
        """A length that no sensible completion exceeds."""
        if dialect == "plain":
            return 512 if format == "chain" else 64
        return 256 if format == "chain" else 32

    def __len__(self) -> int:
        return len(self.problems)
