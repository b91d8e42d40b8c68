"""expressions: evaluate an arithmetic expression by rewriting it, one operation a line.

All values met on the way are integers in 0..60. The step verifier accepts a line that comes from
the line before by evaluating one or more operations rightly, and so could compute the answer.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks import arithmetic as ar
from evaluators.tasks import chains, instances
from evaluators.tasks.base import END_THINK, THINK, Dialect, Format, Task
from evaluators.verdict import Knows, Verdict

MAX_VALUE, MAX_LEAF = 60, 12
TraceKind = Literal["shortest", "terse", "backtracking", "repair"]


def random_tree(
    ops: int, rng: np.random.Generator, leaf: int = MAX_LEAF, most: int = MAX_VALUE
) -> ar.Expression:
    """A random expression of `ops` operations and numbers up to `leaf` whose subexpressions all lie
    in 0..`most`."""
    if ops == 0:
        return int(rng.integers(1, leaf + 1))
    left_ops = int(rng.integers(0, ops))
    left, right = (random_tree(k, rng, leaf, most) for k in (left_ops, ops - 1 - left_ops))
    a, b = int(ar.evaluate(left)), int(ar.evaluate(right))
    choices = [op for op, ok in (("+", a + b <= most), ("*", a * b <= most)) if ok]
    op = str(rng.choice([*choices, "-"]))
    if op == "-" and a < b:
        left, right = right, left
    return (op, left, right)


def solve(tree: ar.Expression, per_line: int = 1) -> list[str]:
    """The rewriting lines from the first rewrite to the value, leftmost operation first."""
    lines = []
    while not isinstance(tree, int):
        for _ in range(per_line):
            if isinstance(tree, int):
                break
            path = next(ar.reducible(tree))
            tree = ar.replace(tree, path, int(ar.evaluate(ar.node(tree, path))))
        lines.append(ar.render(tree))
    return lines


def wrong_rewrite(tree: ar.Expression, rng: np.random.Generator) -> ar.Expression:
    """The tree after its leftmost operation was evaluated wrongly, to a value in 0..60."""
    path = next(ar.reducible(tree))
    right = int(ar.evaluate(ar.node(tree, path)))
    near = [right + d for d in (-10, -2, -1, 1, 2, 10) if 0 <= right + d <= MAX_VALUE]
    return ar.replace(tree, path, int(rng.choice(near)))


def write_trace(
    problem: Problem, kind: TraceKind, dialect: Dialect, rng: np.random.Generator
) -> tuple[str, list[int]]:
    """A correct completion, and the indices of its lines that are errors on purpose.

    `shortest`: one operation a line; `terse`: two a line; `backtracking`: a right step that is
    taken back for another order; `repair`: a wrong step, `wait`, the right one.
    """
    tree = ar.parse(problem.fields["expression"])
    if kind in ("shortest", "terse"):
        lines = solve(tree, 2 if kind == "terse" else 1)
        return chains.write(lines, lines[-1] if lines else ar.render(tree), dialect), []
    lines, errors = [], []
    detour = int(rng.integers(0, max(1, ar.size(tree) - 1)))
    while not isinstance(tree, int):
        paths = list(ar.reducible(tree))
        if len(lines) == detour:
            path = paths[-1] if kind == "backtracking" else paths[0]
            aside = (
                ar.replace(tree, path, int(ar.evaluate(ar.node(tree, path))))
                if kind == "backtracking"
                else wrong_rewrite(tree, rng)
            )
            if kind == "repair":
                errors.append(len(lines))
            lines += [ar.render(aside), chains.WAIT]
            detour = -1
        tree = ar.replace(tree, paths[0], int(ar.evaluate(ar.node(tree, paths[0]))))
        lines.append(ar.render(tree))
    return chains.write(lines, str(tree), dialect), errors


@dataclass(frozen=True)
class ExpressionVerifier:
    """Passes the completion whose final answer is the expression's value. Computes that value."""

    knows: Knows = "solution"

    def check(self, problem: Problem, text: str) -> Verdict:
        start = time.perf_counter()
        value = ar.evaluate(ar.parse(problem.fields["expression"]))
        answer = chains.number(text)
        if answer is None:
            return Verdict(0.0, False, None, "no final answer", time.perf_counter() - start)
        passed = value == Fraction(answer)
        reason = f"{answer} is the value" if passed else f"the value is {value}, not {answer}"
        return Verdict(float(passed), passed, answer, reason, time.perf_counter() - start)


@dataclass(frozen=True)
class RewriteVerifier(chains.ChainVerifier):
    """Accepts a line that rightly evaluates one or more operations of the line it follows.

    In `a = b` each side follows from the one before; there a side that does not follow may be an
    aside (`3+4 = 7`), so that the line is not rejected.
    """

    knows: Knows = "solution"

    def step(self, problem: Problem, before: Sequence[str], line: str) -> Verdict:
        try:
            old, sides = _reached(problem, before), _sides(line)
        except ar.NotAnExpression as error:
            return Verdict(0.0, None, None, f"cannot be read: {error}")
        new = _along(old, sides)
        if new is None or (new == old and len(sides) == 1):
            passed = None if "=" in line else False
            return Verdict(0.0, passed, None, f"{line} does not follow from {ar.render(old)}")
        if new == old:
            return Verdict(0.0, None, None, "nothing is worked out")
        return Verdict(1.0, True, None, "a legal rewrite")

    def answer(self, problem: Problem, before: Sequence[str], text: str) -> Verdict:
        answer = chains.number(text)
        try:
            old = _reached(problem, chains.formulas(before))
        except ar.NotAnExpression as error:
            return Verdict(0.0, None, None, f"the line before cannot be read: {error}")
        right = answer is not None and isinstance(old, int) and old == Fraction(answer)
        return Verdict(
            float(right), right, answer, "" if right else "not the value of the last line"
        )


def _sides(line: str) -> list[ar.Expression]:
    """The expressions between the equals signs. Raises NotAnExpression."""
    return [ar.parse(side) for side in line.removeprefix("=").split("=")]


def _along(old: ar.Expression, sides: Sequence[ar.Expression]) -> ar.Expression | None:
    """The last side if each is the one before or a rewrite of it; `None` otherwise."""
    for new in sides:
        if new != old and not ar.rewrites(old, new):
            return None
        old = new
    return old


def _reached(problem: Problem, lines: Sequence[str]) -> ar.Expression:
    """What the problem has been rewritten to: the last line that is an expression, and what is
    equated to it after that. Raises NotAnExpression."""
    whole = [at for at, line in enumerate(lines) if "=" not in line]
    old = ar.parse(lines[whole[-1]] if whole else problem.fields["expression"])
    for line in lines[whole[-1] + 1 if whole else 0 :]:
        new = _along(old, _sides(line))
        old = old if new is None else new  # 0 is a value
    return old


@dataclass(frozen=True)
class Expressions(Task):
    """Evaluate by rewriting. Field: `expression`."""

    @property
    def verifier(self) -> ExpressionVerifier:
        return ExpressionVerifier()

    @property
    def step_verifier(self) -> RewriteVerifier:
        return RewriteVerifier()

    @staticmethod
    def parse_problem(text: str) -> Problem:
        """`"(3+4)*2-5"` as a problem. Raises BadInput."""
        return Expressions.from_fields({"expression": text})

    @staticmethod
    def from_fields(fields: Mapping[str, Any]) -> Problem:
        """A problem from the task's own fields. Raises BadInput."""
        if not isinstance(fields.get("expression"), str):
            raise BadInput('an expressions problem needs the field "expression", a string')
        try:
            tree = ar.parse(fields["expression"])
            value = ar.evaluate(tree)
        except ZeroDivisionError as error:
            raise BadInput(f"{fields['expression']!r} divides by zero; it has no value") from error
        except ar.NotAnExpression as error:
            raise BadInput(
                f"{fields['expression']!r} is no expression: {error}; write integers, + - * / and"
                " brackets, like (3+4)*2-5"
            ) from error
        return Problem("expressions/own", {"expression": ar.render(tree)}, str(value))

    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        expression = problem.fields["expression"]
        if dialect == "compact":
            return expression + (THINK if format == "chain" else "=")
        if format == "direct":
            return f"What is {expression}? Reply with one line: Answer: <number>"
        return (
            f"Evaluate {expression}. Rewrite the whole expression with one operation worked out,"
            " one rewriting a line, until a single number is left. End with the line"
            " Answer: <number>"
        )

    def extract(self, text: str) -> str | None:
        return chains.number(text)

    def examples(self, format: Format, dialect: Dialect, k: int) -> list[tuple[str, str]]:
        ops = [ar.size(ar.parse(p.fields["expression"])) for p in self.problems[:50]] or [4]
        sample = load("train", n=k, seed=9_001, ops=(max(1, min(ops)), max(ops))).problems
        rng = np.random.default_rng(0)
        return [
            (
                self.render(p, format, dialect),
                write_trace(p, "shortest", dialect, rng)[0]
                if format == "chain"
                else (p.answer or "") if dialect == "compact" else f"Answer: {p.answer}",
            )
            for p in sample
        ]  # fmt: skip

    def state_key(self, problem: Problem, steps: Sequence[str]) -> Hashable | None:
        lines = chains.state(steps)
        try:
            return None if lines is None else ar.render(_reached(problem, lines))
        except ar.NotAnExpression:
            return None

    def value(self, problem: Problem, steps: Sequence[str]) -> float | None:
        """1 while the last line that stands has the expression's value, else 0."""
        chain = chains.unfinished(steps)
        if chain is None:
            return None
        if chain.answer is not None:
            return self.verifier.check(problem, "".join(steps)).score
        try:
            wanted = ar.evaluate(ar.parse(problem.fields["expression"]))
            return float(ar.evaluate(_reached(problem, chain.lines)) == wanted)
        except ar.NotAnExpression:
            return None
        except ZeroDivisionError:
            return 0.0

    def state_text(self, problem: Problem, steps: Sequence[str]) -> str | None:
        """The line before the last, a line end, and the last one (or the final answer): what tells
        whether the last step is right. Without steps the expression."""
        chain = chains.unfinished(steps)
        if chain is None:
            return None
        lines = [problem.fields["expression"], *chain.lines]
        if chain.answer is not None:
            lines.append(END_THINK + chain.answer)
        return "\n".join(lines[-2:])


def key_of(tree: ar.Expression) -> str:
    """The canonical instance: the multisets of its numbers and of its operators."""
    return f"{sorted(ar.leaves(tree))}{''.join(sorted(ar.operators(tree)))}"


TASK = Expressions("expressions")


def load(
    split: str = "test", n: int | None = None, seed: int = 0, ops: int | tuple[int, int] = (4, 6),
    leaf: int = MAX_LEAF, most: int = MAX_VALUE,
) -> Expressions:  # fmt: skip
    """`n` (default 200) expressions with `ops` operations (a number or a range, 1..20), of numbers
    up to `leaf`, with no value on the way above `most`."""
    low, high = (ops, ops) if isinstance(ops, int) else (0, 0) if isinstance(ops, str) else ops
    if not 1 <= low <= high <= 20:
        raise BadInput(f"ops must lie in 1..20 with low <= high, not {ops!r}")
    if not 1 <= leaf <= most < 10**9:
        raise BadInput(f"leaf and most must lie in 1..10^9 with leaf <= most: {leaf!r}, {most!r}")

    def make(rng: np.random.Generator) -> instances.Instance:
        tree = random_tree(int(rng.integers(low, high + 1)), rng, leaf, most)
        return key_of(tree), {"expression": ar.render(tree)}, str(ar.evaluate(tree))

    count = 200 if n is None else n
    wide = {} if (leaf, most) == (MAX_LEAF, MAX_VALUE) else {"leaf": leaf, "most": most}
    meta: dict[str, Any] = {"ops": [low, high], **wide}
    problems = instances.generate("expressions", make, split=split, n=count, seed=seed, meta=meta)
    return Expressions("expressions", problems)
