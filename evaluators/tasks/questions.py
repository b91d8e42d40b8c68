"""Questions with a reference answer: how they are asked, and the verifier that reads the answer.

The base of `gsm8k` and `jsonl`. Nothing judges a single step here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evaluators.answers import Kind, canonical, compare, extract
from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import THINK, Dialect, Format, Task
from evaluators.verdict import Knows, Verdict

_FORMS: dict[str, str] = {
    "math": "<answer>",
    "number": "<number>",
    "exact": "<answer>",
    "choice": "<letter>",
}


def listed(choices: Mapping[str, str]) -> str:
    """Choices as they are shown: one line each, `(A) …`."""
    return "".join(f"\n({letter}) {text}" for letter, text in choices.items())


def given(problem: Problem, text: str, kind: Kind) -> str | None:
    """The answer that a completion gives to a problem. A choice may be given by its text."""
    answer = extract(text, kind)
    choices: Mapping[str, str] = problem.fields.get("choices") or {}
    if answer is None and kind == "choice" and choices:
        words = (extract(text, "exact") or "").rstrip(" .").casefold()
        named = [letter for letter, choice in choices.items() if choice.casefold() == words]
        return named[0] if len(named) == 1 else None
    return answer


@dataclass(frozen=True)
class AnswerVerifier:
    """Passes the completion whose final answer equals the reference, under the rules of `kind`."""

    kind: Kind
    knows: Knows = "reference"

    def check(self, problem: Problem, text: str) -> Verdict:
        start = time.perf_counter()
        if problem.answer is None:
            raise BadInput(f"problem {problem.id} has no reference answer; give it one")
        answer = given(problem, text, self.kind)
        if answer is None:
            return Verdict(0.0, False, None, "no final answer", time.perf_counter() - start)
        found = compare(problem.answer, answer, self.kind)
        seconds = time.perf_counter() - start
        return Verdict(float(found.equal), found.equal, answer, found.reason, seconds)


@dataclass(frozen=True)
class Questions(Task):
    """Problems whose field `question` is asked as it stands; `choices` are listed below it."""

    kind: Kind = "math"

    @property
    def verifier(self) -> AnswerVerifier:
        return AnswerVerifier(self.kind)

    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        question = problem.fields["question"] + listed(problem.fields.get("choices") or {})
        if dialect == "compact":
            # As in expressions: the embedded models read arithmetic so, and no English anyway.
            return question + (THINK if format == "chain" else "=")
        form = _FORMS[self.kind]
        if format == "direct":
            return f"{question}\nReply with one line: Answer: {form}"
        return f"{question}\nThink step by step, one step a line. End with the line Answer: {form}"

    def extract(self, text: str) -> str | None:
        answer = extract(text, self.kind)
        return None if answer is None else canonical(answer, self.kind)

    def answer_key(self, problem: Problem, text: str) -> str | None:
        answer = given(problem, text, self.kind)
        return None if answer is None else canonical(answer, self.kind)

    def from_fields(self, fields: Mapping[str, Any]) -> Problem:
        """A problem from the fields `question`, `answer` and perhaps `choices`. Raises BadInput."""
        for name in ("question", "answer"):
            if not isinstance(fields.get(name), str | int | float):
                raise BadInput(f'a {self.name} problem needs the field "{name}", text or a number')
        shown = {key: value for key, value in fields.items() if key != "answer"}
        return Problem(f"{self.name}/own", shown, str(fields["answer"]))
