"""Algebra that shortens an expression and keeps its value: against bloat and duplicates."""

from __future__ import annotations

import math
import operator as op
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from search.evolve.mutate.expression import LEAVES, Node, constant, is_constant

_FOLD: dict[str, Callable[..., Any]] = {
    "+": op.add, "-": op.sub, "*": op.mul, "/": op.truediv, "min": min, "max": max,
    "neg": op.neg, "abs": abs, "square": lambda x: x * x, "cube": lambda x: x * x * x,
    "sqrt": lambda x: math.sqrt(abs(x)), "log": lambda x: math.log1p(abs(x)),
    "<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge, "==": op.eq, "!=": op.ne,
    "and": lambda a, b: a and b, "or": lambda a, b: a or b, "not": op.not_,
}  # fmt: skip
_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
DIGITS = 6
_ZERO, _ONE = ("#", 0), ("#", 1)


def _folded(value: float) -> Node:
    return constant(value, DIGITS)


@lru_cache(maxsize=16384)
def simplify(node: Node) -> Node:
    """The same value, no longer; values where it was undefined (0/0) may become defined."""
    if node[0] in LEAVES:
        return node
    node = (node[0], *map(simplify, node[1:]))
    shorter = _fold(node) or _rule(node)
    return node if shorter is None else shorter


def _fold(node: Node) -> Node | None:
    function = _FOLD.get(node[0])
    if function is None or not all(map(is_constant, node[1:])):
        return None
    try:
        value = function(*(child[1] for child in node[1:]))
    except (ArithmeticError, ValueError):
        return None
    return _folded(value) if math.isfinite(value) else None


def _rule(node: Node) -> Node | None:
    name, first = node[0], node[1]
    if len(node) == 2:
        return _unary(name, first)
    if name == "where":
        return _where(first, node[2], node[3])
    if len(node) == 3 and name in _BINARY:
        return _BINARY[name](first, node[2])
    return None


def _unary(name: str, x: Node) -> Node | None:
    if name == "neg":
        if x[0] == "neg":
            return x[1]
        return ("-", x[2], x[1]) if x[0] == "-" else None
    if name == "abs":
        if x[0] in ("abs", "square", "sqrt", "log", "exp"):
            return x
        return ("abs", x[1]) if x[0] == "neg" else None
    if name in ("square", "sqrt", "log") and x[0] in ("neg", "abs"):
        return (name, x[1])
    if name == "sqrt" and x[0] == "square":
        return simplify(("abs", x[1]))
    if name == "square" and x[0] == "sqrt":
        return simplify(("abs", x[1]))
    if name == "not":
        if x[0] == "not":
            return x[1]
        return (_NEGATED[x[0]], x[1], x[2]) if x[0] in _NEGATED else None
    return None


def _where(condition: Node, yes: Node, no: Node) -> Node | None:
    if is_constant(condition):
        return yes if condition[1] else no
    if yes == no:
        return yes
    if condition[0] == "not":
        return ("where", condition[1], no, yes)
    return None


def _add(a: Node, b: Node) -> Node | None:
    if is_constant(a):
        if a == _ZERO:
            return b
        return None if is_constant(b) else simplify(("+", b, a))
    if b == _ZERO:
        return a
    if a == b:
        return simplify(("*", a, ("#", 2)))
    if b[0] == "neg":
        return simplify(("-", a, b[1]))
    if is_constant(b):
        if b[1] < 0:
            return simplify(("-", a, _folded(-b[1])))
        if a[0] in "+-" and is_constant(a[2]):
            return simplify(("+", a[1], _folded(b[1] + (a[2][1] if a[0] == "+" else -a[2][1]))))
    return None


def _subtract(a: Node, b: Node) -> Node | None:
    if b == _ZERO:
        return a
    if a == b:
        return _ZERO
    if a == _ZERO:
        return simplify(("neg", b))
    if b[0] == "neg":
        return simplify(("+", a, b[1]))
    if is_constant(b):
        if b[1] < 0:
            return simplify(("+", a, _folded(-b[1])))
        if a[0] in "+-" and is_constant(a[2]):
            return simplify(("+", a[1], _folded((a[2][1] if a[0] == "+" else -a[2][1]) - b[1])))
    if a[0] == "+" and b in a[1:]:
        return a[2] if a[1] == b else a[1]
    return None


def _times(a: Node, b: Node) -> Node | None:
    if is_constant(a):
        return simplify(("*", b, a)) if not is_constant(b) else None
    if b == _ZERO:
        return _ZERO
    if b == _ONE:
        return a
    if b == ("#", -1):
        return simplify(("neg", a))
    if a == b:
        return ("square", a)
    if is_constant(b) and a[0] == "*" and is_constant(a[2]):
        return simplify(("*", a[1], _folded(a[2][1] * b[1])))
    if a[0] == "neg":
        return simplify(("neg", ("*", a[1], b)))
    if b[0] == "neg":
        return simplify(("neg", ("*", a, b[1])))
    return None


def _over(a: Node, b: Node) -> Node | None:
    if b == _ONE:
        return a
    if a == _ZERO and b != _ZERO:
        return _ZERO
    if a == b and not is_constant(a):
        return _ONE
    if a[0] == "neg":
        return simplify(("neg", ("/", a[1], b)))
    return None


def _same(a: Node, b: Node) -> Node | None:
    return a if a == b else None


def _never(a: Node, b: Node) -> Node | None:
    return ("#", False) if a == b else None


def _always(a: Node, b: Node) -> Node | None:
    return ("#", True) if a == b else None


def _and(a: Node, b: Node) -> Node | None:
    if is_constant(a):
        return b if a[1] else a
    if is_constant(b):
        return a if b[1] else b
    return _same(a, b)


def _or(a: Node, b: Node) -> Node | None:
    if is_constant(a):
        return a if a[1] else b
    if is_constant(b):
        return b if b[1] else a
    return _same(a, b)


_BINARY: dict[str, Callable[[Node, Node], Node | None]] = {
    "+": _add, "-": _subtract, "*": _times, "/": _over, "min": _same, "max": _same,
    "<": _never, ">": _never, "!=": _never, "<=": _always, ">=": _always, "==": _always,
    "and": _and, "or": _or,
}  # fmt: skip
