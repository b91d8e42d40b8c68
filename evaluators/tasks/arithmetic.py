"""Integer arithmetic expressions as trees: parse, render, evaluate, rewrite. Nothing is executed.

An expression is an `int` (a leaf) or a tuple `(operator, left, right)` with one of `+ - * /`.
Operators of equal rank associate to the left; rendering writes the fewest brackets that keep the
tree. Typographic signs (`×`, `÷`, `−`) are read as their plain forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

Expression = int | tuple[str, "Expression", "Expression"]

RANK = {"+": 1, "-": 1, "*": 2, "/": 2}
MAX_CHARS, MAX_DEPTH, MAX_DIGITS = 2000, 60, 12
_TOKEN = re.compile(r"\s*(\d+|[-+*/()])")
_PLAIN = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "[": "(", "]": ")"})


class NotAnExpression(ValueError):
    """The text is not an expression of this grammar."""


def parse(text: str) -> Expression:
    """Read one expression. Raises NotAnExpression for anything else, or for one past the caps."""
    if len(text) > MAX_CHARS:
        raise NotAnExpression(f"longer than {MAX_CHARS} characters")
    text = text.translate(_PLAIN).strip()
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotAnExpression(f"unexpected {text[at : at + 8]!r}")
        tokens.append(match.group(1))
        at = match.end()
    tree, end = _parse_sum(tokens, 0, 0)
    if end != len(tokens):
        raise NotAnExpression(f"unexpected {tokens[end]!r}")
    return tree


def _parse_sum(tokens: list[str], at: int, depth: int) -> tuple[Expression, int]:
    left, at = _parse_product(tokens, at, depth)
    while at < len(tokens) and tokens[at] in "+-":
        right, end = _parse_product(tokens, at + 1, depth)
        left, at = (tokens[at], left, right), end
    return left, at


def _parse_product(tokens: list[str], at: int, depth: int) -> tuple[Expression, int]:
    left, at = _parse_atom(tokens, at, depth)
    while at < len(tokens) and tokens[at] in "*/":
        right, end = _parse_atom(tokens, at + 1, depth)
        left, at = (tokens[at], left, right), end
    return left, at


def _parse_atom(tokens: list[str], at: int, depth: int) -> tuple[Expression, int]:
    if depth > MAX_DEPTH:
        raise NotAnExpression(f"nested deeper than {MAX_DEPTH}")
    if at >= len(tokens):
        raise NotAnExpression("it ends too early")
    token = tokens[at]
    if token == "(":
        tree, at = _parse_sum(tokens, at + 1, depth + 1)
        if at >= len(tokens) or tokens[at] != ")":
            raise NotAnExpression("a bracket is not closed")
        return tree, at + 1
    if not token.isascii() or not token.isdigit():
        raise NotAnExpression(f"unexpected {token!r}")
    if len(token) > MAX_DIGITS:
        raise NotAnExpression(f"a number of more than {MAX_DIGITS} digits")
    return int(token), at + 1


def render(tree: Expression) -> str:
    """The expression with the fewest brackets that keep its tree."""
    if isinstance(tree, int):
        return str(tree)
    op, left, right = tree
    a, b = render(left), render(right)
    if not isinstance(left, int) and RANK[left[0]] < RANK[op]:
        a = f"({a})"
    if not isinstance(right, int) and RANK[right[0]] <= RANK[op]:
        b = f"({b})"
    return f"{a}{op}{b}"


def apply(op: str, a: Fraction | int, b: Fraction | int) -> Fraction:
    """Exact `a op b`. Raises ZeroDivisionError."""
    if op == "+":
        return Fraction(a) + b
    if op == "-":
        return Fraction(a) - b
    return Fraction(a) * b if op == "*" else Fraction(a) / b


def evaluate(tree: Expression) -> Fraction:
    """The exact value. Raises ZeroDivisionError."""
    if isinstance(tree, int):
        return Fraction(tree)
    return apply(tree[0], evaluate(tree[1]), evaluate(tree[2]))


def leaves(tree: Expression) -> Iterator[int]:
    """The numbers, from left to right."""
    if isinstance(tree, int):
        yield tree
    else:
        yield from leaves(tree[1])
        yield from leaves(tree[2])


def operators(tree: Expression) -> Iterator[str]:
    """The operators, from left to right."""
    if not isinstance(tree, int):
        yield from operators(tree[1])
        yield tree[0]
        yield from operators(tree[2])


def size(tree: Expression) -> int:
    """How many operations are left."""
    return 0 if isinstance(tree, int) else 1 + size(tree[1]) + size(tree[2])


def reducible(tree: Expression, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Paths (1 left, 2 right) to the nodes whose two operands are numbers, left first."""
    if isinstance(tree, int):
        return
    if isinstance(tree[1], int) and isinstance(tree[2], int):
        yield path
        return
    yield from reducible(tree[1], (*path, 1))
    yield from reducible(tree[2], (*path, 2))


def node(tree: Expression, path: tuple[int, ...]) -> Expression:
    """The subtree at a path."""
    for turn in path:
        assert not isinstance(tree, int)
        tree = tree[turn]  # type: ignore[assignment]
    return tree


def replace(tree: Expression, path: tuple[int, ...], new: Expression) -> Expression:
    """The tree with the subtree at `path` replaced."""
    if not path:
        return new
    assert not isinstance(tree, int)
    op, left, right = tree
    if path[0] == 1:
        return (op, replace(left, path[1:], new), right)
    return (op, left, replace(right, path[1:], new))


def rewrites(old: Expression, new: Expression) -> bool:
    """Whether `new` comes from `old` by evaluating one or more of its operations, rightly."""
    return size(new) < size(old) and _covers(old, new)


def _covers(old: Expression, new: Expression) -> bool:
    if isinstance(new, int):
        try:
            return evaluate(old) == new
        except ZeroDivisionError:
            return False
    return (
        not isinstance(old, int)
        and old[0] == new[0]
        and _covers(old[1], new[1])
        and _covers(old[2], new[2])
    )
