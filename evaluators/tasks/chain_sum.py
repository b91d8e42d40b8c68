"""chain-sum: add multi-digit numbers on a scratchpad, one column a line, from the right.

A line adds the digits of one column and the carry of the line before (Nye et al. 2021,
"Show your work", arXiv:2112.00114, use such a scratchpad for addition).
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks import arithmetic as ar
from evaluators.tasks import chains, instances
from evaluators.tasks.base import END_THINK, THINK, Dialect, Format, Task
from evaluators.verdict import Knows, Verdict

TraceKind = Literal["shortest", "backtracking", "repair"]


def column(terms: Sequence[int], index: int) -> list[int]:
    """The digits of one column (0 is the rightmost) of the terms that reach so far left."""
    return [int(str(t)[-1 - index]) for t in terms if len(str(t)) > index]


def width(terms: Sequence[int]) -> int:
    """The number of columns."""
    return max(len(str(t)) for t in terms)


def columns(terms: Sequence[int]) -> list[tuple[list[int], int]]:
    """Digits (the carry last, when there is one) and sum of every column, from the right."""
    carry, out = 0, []
    for index in range(width(terms)):
        digits = column(terms, index) + ([carry] if carry else [])
        total = sum(digits)
        out.append((digits, total))
        carry = total // 10
    return out


def line(digits: Sequence[int], total: int) -> str:
    """One step of the scratchpad."""
    return f"{'+'.join(map(str, digits))}={total}"


def write_trace(
    problem: Problem, kind: TraceKind, dialect: Dialect, rng: np.random.Generator
) -> tuple[str, list[int]]:
    """A correct completion, and the indices of its lines that are errors on purpose.

    `backtracking` writes a right column, takes it back and writes its digits in another order;
    `repair` writes a wrong sum, takes it back and writes the right one.
    """
    terms = problem.fields["terms"]
    steps = columns(terms)
    detour = int(rng.integers(len(steps))) if kind != "shortest" else -1
    lines: list[str] = []
    errors: list[int] = []
    for at, (digits, total) in enumerate(steps):
        if at == detour and kind == "repair":
            near = [total + d for d in (-10, -2, -1, 1, 2, 10) if total + d >= 0]
            errors.append(len(lines))
            lines += [line(digits, int(rng.choice(near))), chains.WAIT]
        elif at == detour:
            lines += [line(digits[::-1], total), chains.WAIT]
        lines.append(line(digits, total))
    return chains.write(lines, str(sum(terms)), dialect), errors


@dataclass(frozen=True)
class SumVerifier:
    """Passes the completion whose final answer is the sum. Computes that sum."""

    knows: Knows = "solution"

    def check(self, problem: Problem, text: str) -> Verdict:
        start = time.perf_counter()
        answer = chains.number(text)
        if answer is None:
            return Verdict(0.0, False, None, "no final answer", time.perf_counter() - start)
        total = sum(problem.fields["terms"])
        passed = str(total) == answer
        reason = f"{answer} is the sum" if passed else f"the sum is {total}, not {answer}"
        return Verdict(float(passed), passed, answer, reason, time.perf_counter() - start)


@dataclass(frozen=True)
class ColumnVerifier(chains.ChainVerifier):
    """Accepts the next column with its digits (in any order), the right carry and the right sum."""

    knows: Knows = "solution"

    def step(self, problem: Problem, before: Sequence[str], line: str) -> Verdict:
        sums, read = _sums(before), _read_line(line)
        if sums is None or read is None:
            which = "a line before " if sums is None else ""
            return Verdict(0.0, None, None, f"{which}cannot be read")
        terms = problem.fields["terms"]
        if len(sums) >= width(terms):
            return Verdict(0.0, False, None, "there is no further column")
        carry = sums[-1] // 10 if sums else 0
        want = sorted(column(terms, len(sums)) + ([carry] if carry else []))
        if sorted(read[0]) != want:
            return Verdict(0.0, False, None, f"column {len(sums) + 1} holds {want}")
        if sum(want) != read[1]:
            return Verdict(0.0, False, None, f"the column's sum is {sum(want)}, not {read[1]}")
        return Verdict(1.0, True, None, "the next column")

    def answer(self, problem: Problem, before: Sequence[str], text: str) -> Verdict:
        sums, answer = _sums(chains.formulas(before)), chains.number(text)
        if sums is None:
            return Verdict(0.0, None, None, "a line before cannot be read")
        shown = "".join(str(s % 10) for s in reversed(sums[:-1])) if sums else ""
        whole = len(sums) == width(problem.fields["terms"])
        right = whole and answer == str(int(f"{sums[-1]}{shown}"))
        return Verdict(float(right), right, answer, "" if right else "not what the lines say")


def _sums(lines: Sequence[str]) -> list[int] | None:
    """The sums that the lines name; `None` if one of them cannot be read."""
    read = [_read_line(line) for line in lines]
    return None if None in read else [line[1] for line in read if line is not None]


def _read_line(text: str) -> tuple[list[int], int] | None:
    left, equals, right = text.partition("=")
    try:
        tree, total = ar.parse(left), ar.parse(right)
    except ar.NotAnExpression:
        return None
    if not equals or not isinstance(total, int) or set(ar.operators(tree)) - {"+"}:
        return None
    return list(ar.leaves(tree)), total


@dataclass(frozen=True)
class ChainSum(Task):
    """Add the terms. Field: `terms` (list of int)."""

    @property
    def verifier(self) -> SumVerifier:
        return SumVerifier()

    @property
    def step_verifier(self) -> ColumnVerifier:
        return ColumnVerifier()

    @staticmethod
    def parse_problem(text: str) -> Problem:
        """`"347+589+126"` as a problem. Raises BadInput."""
        try:
            return ChainSum.from_fields({"terms": [int(part) for part in text.split("+")]})
        except ValueError as error:
            raise BadInput(f'{text!r} is no chain-sum problem; write "347+589+126"') from error

    @staticmethod
    def from_fields(fields: Mapping[str, Any]) -> Problem:
        """A problem from the task's own fields. Raises BadInput."""
        terms = fields.get("terms")
        if (
            not isinstance(terms, list)
            or not 2 <= len(terms) <= 9
            or not all(type(t) is int and 0 <= t < 10**10 for t in terms)
        ):
            raise BadInput(
                'a chain-sum problem needs "terms", a list of 2 to 9 integers from 0 to 10 digits'
            )
        return Problem("chain-sum/own", {"terms": list(terms)}, str(sum(terms)))

    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        question = "+".join(map(str, problem.fields["terms"]))
        if dialect == "compact":
            return question + (THINK if format == "chain" else "=")
        if format == "direct":
            return f"What is {question}? Reply with one line: Answer: <number>"
        return (
            f"Add {question}. Write one line a column, from the right: the digits and the carry,"
            " like 7+9+6=22. End with the line Answer: <number>"
        )

    def extract(self, text: str) -> str | None:
        return chains.number(text)

    def examples(self, format: Format, dialect: Dialect, k: int) -> list[tuple[str, str]]:
        sample = load("train", n=k, seed=9_001, **_difficulty(self.problems)).problems
        rng = np.random.default_rng(0)
        direct = "" if dialect == "compact" else "Answer: "
        return [
            (
                self.render(p, format, dialect),
                write_trace(p, "shortest", dialect, rng)[0]
                if format == "chain"
                else f"{direct}{p.answer}",
            )
            for p in sample
        ]

    def state_key(self, problem: Problem, steps: Sequence[str]) -> Hashable | None:
        lines = chains.state(steps)
        sums = None if lines is None else _sums(lines)
        return None if sums is None else tuple(sums)

    def value(self, problem: Problem, steps: Sequence[str]) -> float | None:
        """1 while the sums that stand are those of the columns, else 0."""
        chain = chains.unfinished(steps)
        if chain is None:
            return None
        if chain.answer is not None:
            return self.verifier.check(problem, "".join(steps)).score
        sums = _sums(chain.lines)
        right = [total for _, total in columns(problem.fields["terms"])]
        return None if sums is None else float(sums == right[: len(sums)])

    def state_text(self, problem: Problem, steps: Sequence[str]) -> str | None:
        """What the last column has to add (its digits, and the carry that the line before names), a
        line end, and the last line; for a final answer all sums, and the answer."""
        chain = chains.unfinished(steps)
        sums = None if chain is None else _sums(chain.lines)
        if chain is None or sums is None:
            return None
        if chain.answer is not None:
            return f"{' '.join(map(str, sums))}\n{END_THINK}{chain.answer}"
        terms = problem.fields["terms"]
        if not sums:
            return "+".join(map(str, terms))
        carry = sums[-2] // 10 if len(sums) > 1 else 0
        digits = column(terms, len(sums) - 1) + ([carry] if carry else [])
        return "+".join(map(str, digits)) + f"\n{chain.lines[-1]}"


def _difficulty(problems: Sequence[Problem]) -> dict[str, tuple[int, int]]:
    """The ranges of `load` that the problems span, within its limits."""
    asked = [p.fields["terms"] for p in problems[:50]]
    if not asked:
        return {}
    sizes = [len(str(term)) for terms in asked for term in terms]
    spans = {"terms": [len(terms) for terms in asked], "digits": sizes}
    return {name: (max(2, min(9, min(n))), max(2, min(9, max(n)))) for name, n in spans.items()}


def key_of(terms: Sequence[int]) -> str:
    """The canonical instance: the terms sorted."""
    return "+".join(map(str, sorted(terms)))


def random_terms(
    rng: np.random.Generator, terms: tuple[int, int], digits: tuple[int, int]
) -> list[int]:
    """Random terms; their count and their numbers of digits lie in the given ranges."""
    sizes = rng.integers(digits[0], digits[1] + 1, int(rng.integers(terms[0], terms[1] + 1)))
    return [int(rng.integers(10 ** (int(s) - 1), 10 ** int(s))) for s in sizes]


TASK = ChainSum("chain-sum")


def load(
    split: str = "test",
    n: int | None = None,
    seed: int = 0,
    terms: int | tuple[int, int] = (2, 4),
    digits: int | tuple[int, int] = (3, 4),
) -> ChainSum:
    """`n` (default 200) sums of `terms` terms (2..9) of `digits` digits (2..9), or ranges."""
    few, many = (terms, terms) if isinstance(terms, int) else terms
    short, long = (digits, digits) if isinstance(digits, int) else digits
    if not 2 <= few <= many <= 9 or not 2 <= short <= long <= 9:
        raise BadInput(f"terms and digits must lie in 2..9, not {terms!r} and {digits!r}")

    def make(rng: np.random.Generator) -> instances.Instance:
        given = random_terms(rng, (few, many), (short, long))
        return key_of(given), {"terms": given}, str(sum(given))

    count = 200 if n is None else n
    meta = {"terms": [few, many], "digits": [short, long]}
    problems = instances.generate("chain-sum", make, split=split, n=count, seed=seed, meta=meta)
    return ChainSum("chain-sum", problems)
