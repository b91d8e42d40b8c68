"""Countdown chains: write a step, follow the steps, and the expression that they spell out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from evaluators.problem import Problem
from evaluators.tasks import arithmetic as ar
from evaluators.tasks import chains
from evaluators.tasks.countdown_solver import Move, after

_SPACED = re.compile(r"\s*([-+*/×÷−=])\s*")


def line(state: Sequence[int], move: Move, result: int | None = None) -> str:
    """A step: the move and what is left after it. `result` overrides the right one."""
    op, a, b, right = move
    shown = right if result is None else result
    rest = after(state, move)[1:]
    return " ".join([f"{a}{op}{b}={shown}", *map(str, rest)])


@dataclass(frozen=True)
class Progress:
    """Where the standing lines of a chain lead: numbers left, each with its expression."""

    left: tuple[tuple[Fraction, ar.Expression], ...]
    error: str | None = None
    unparsed: bool = False


def follow(problem: Problem, lines: Sequence[str]) -> Progress:
    """Follow a chain line by line, prose left out; stops at the first wrong or unreadable line."""
    left = tuple((Fraction(n), int(n)) for n in problem.fields["numbers"])
    for text in chains.formulas(lines):
        formula, equals, result, rest = _parts(text)
        try:
            tree = ar.parse(formula)
            shown = ar.parse(result) if equals else None
        except ar.NotAnExpression as error:
            return Progress(left, f"{text!r} cannot be read: {error}", unparsed=True)
        if shown is None or isinstance(tree, int) or ar.size(tree) != 1:
            return Progress(left, f"{text!r} is not one operation", unparsed=True)
        pool = list(left)
        picked = []
        for number in ar.leaves(tree):
            hit = next((p for p in pool if p[0] == number), None)
            if hit is None:
                return Progress(left, f"{number} is not among the numbers left")
            pool.remove(hit)
            picked.append(hit)
        if tree[0] == "/" and picked[1][0] == 0:
            return Progress(left, "division by zero")
        value = ar.apply(tree[0], picked[0][0], picked[1][0])
        if not isinstance(shown, int) or value != shown:
            return Progress(left, f"{formula} is {value}, not {result}")
        if rest and not all(map(str.isdigit, rest)):
            return Progress(left, f"{text!r} cannot be read after the result", unparsed=True)
        if rest and sorted(rest) != sorted(str(p[0]) for p in pool):
            return Progress(left, f"{text!r} lists other numbers than are left")
        left = ((value, (tree[0], picked[0][1], picked[1][1])), *pool)
    return Progress(left)


def _parts(text: str) -> tuple[str, bool, str, list[str]]:
    """The operation, whether `=` follows it, the result, and the numbers listed after that."""
    words = _SPACED.sub(r"\1", text).replace(",", " ").split()
    formula, equals, result = (words[0] if words else "").partition("=")
    return formula, bool(equals), result, words[1:]


def canonical(tree: ar.Expression) -> str:
    """One text for expressions that differ only in the order under + and *."""
    if isinstance(tree, int):
        return str(tree)
    parts = [canonical(tree[1]), canonical(tree[2])]
    if tree[0] in "+*":
        parts.sort()
    return f"({parts[0]}{tree[0]}{parts[1]})"


def composed(lines: Sequence[str]) -> str | None:
    """The expression that a chain spells out, taking its results as they are written: no sum is
    checked and no number looked up, so that a vote over it knows nothing."""
    results: dict[int, ar.Expression] = {}
    tree: ar.Expression | None = None
    for text in chains.formulas(lines):
        formula, equals, result, _ = _parts(text)
        try:
            tree = ar.parse(formula)
            shown = int(result) if equals else None
        except (ar.NotAnExpression, ValueError):
            return None
        if isinstance(tree, int) or shown is None:
            return None
        op, left, right = tree
        left, right = (results.pop(n, n) if isinstance(n, int) else n for n in (left, right))
        results[shown] = tree = (op, left, right)
    return None if tree is None else canonical(tree)
