"""operator: apply an unknown operator `@` that only the examples in the prompt define.

`a@b` is the sum, the gap, the product, the larger or the smaller of two numbers in 1..9; which one
is hidden. Without examples the answer can only be guessed, with a few it can be worked out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks import chains, instances
from evaluators.tasks.base import END_THINK, Dialect, Format, Task
from evaluators.verdict import Knows, Verdict

KINDS: Mapping[str, Callable[[int, int], int]] = {
    "sum": lambda a, b: a + b,
    "gap": lambda a, b: abs(a - b),
    "product": lambda a, b: a * b,
    "larger": max,
    "smaller": min,
}
MAX_INPUT = 9


@dataclass(frozen=True)
class ReferenceVerifier:
    """Passes the completion whose final number is the stored one."""

    knows: Knows = "reference"

    def check(self, problem: Problem, text: str) -> Verdict:
        start = time.perf_counter()
        wanted = chains.number(f"{END_THINK}{problem.answer or ''}")
        if wanted is None:
            raise BadInput(f"the reference answer {problem.answer!r} is no number; give a number")
        answer = chains.number(text)
        passed = answer == wanted
        reason = "the stored answer" if passed else f"the stored answer is {wanted}"
        return Verdict(float(passed), passed, answer, reason, time.perf_counter() - start)


@dataclass(frozen=True)
class Operator(Task):
    """Apply `@`. Fields: `a`, `b`, `examples` (list of [a, b, result])."""

    formats = ("direct",)

    @property
    def verifier(self) -> ReferenceVerifier:
        return ReferenceVerifier()

    @staticmethod
    def from_fields(fields: Mapping[str, Any]) -> Problem:
        """A problem from the task's own fields, with its `answer`. Raises BadInput."""
        if not {"a", "b", "examples", "answer"} <= set(fields):
            raise BadInput('an operator problem needs "a", "b", "examples" and "answer"')
        own = {name: fields[name] for name in ("a", "b", "examples")}
        return Problem("operator/own", own, str(fields["answer"]))

    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        shown = [f"{a}@{b}={y}" for a, b, y in problem.fields["examples"]]
        question = f"{problem.fields['a']}@{problem.fields['b']}"
        if dialect == "compact":
            return "\n".join([*shown, f"?{question}="])
        told = f"Given {', '.join(shown)}: w" if shown else "W"
        return f"{told}hat is {question}? Reply with one line: Answer: <number>"

    def extract(self, text: str) -> str | None:
        return chains.number(text)


def random_instance(rng: np.random.Generator, shots: tuple[int, int]) -> instances.Instance:
    """A hidden operator, examples of it and a question. The key has the examples too: there are
    only a few hundred questions."""
    kind = str(rng.choice(list(KINDS)))
    count = int(rng.integers(shots[0], shots[1] + 1)) + 1
    pairs = rng.integers(1, MAX_INPUT + 1, (count, 2)).tolist()
    rows = [[a, b, KINDS[kind](a, b)] for a, b in pairs]
    a, b, y = rows.pop()
    return f"{kind}:{a}@{b}:{sorted(rows)}", {"a": a, "b": b, "examples": rows}, str(y)


TASK = Operator("operator")


def load(
    split: str = "test", n: int | None = None, seed: int = 0, shots: int | tuple[int, int] = 4
) -> Operator:
    """`n` (default 200) problems with `shots` examples in the prompt (0..8, or a range)."""
    low, high = (shots, shots) if isinstance(shots, int) else shots
    if not 0 <= low <= high <= 8:
        raise BadInput(f"shots must lie in 0..8 with low <= high, not {shots!r}")

    def make(rng: np.random.Generator) -> instances.Instance:
        return random_instance(rng, (low, high))

    count = 200 if n is None else n
    problems = instances.generate(
        "operator", make, split=split, n=count, seed=seed, meta={"shots": [low, high]}
    )
    return Operator("operator", problems)
