"""Expressions as plain tuples: what mutation and crossover cut and join.

A node is `(operator, child, …)`. Leaves: `("x", name)`, a name in scope; `("#", value)`, a
constant; `("@", source, type)`, Python that is kept as it stands (a subscript, a comprehension).
Operators are words of our own (`min`, `where`, `+`); `render` says them in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Node = tuple[Any, ...]
Path = tuple[int, ...]

NUMBER, BOOLEAN = "number", "boolean"


@dataclass(frozen=True)
class Operator:
    """Types of the arguments and of the value."""

    takes: tuple[str, ...]
    gives: str = NUMBER


_ONE, _TWO = (NUMBER,), (NUMBER, NUMBER)
OPERATORS: dict[str, Operator] = {
    **{name: Operator(_TWO) for name in ("+", "-", "*", "/", "%", "//", "**", "min", "max")},
    **{name: Operator(_ONE) for name in ("neg", "square", "cube", "abs", "sqrt", "log", "exp")},
    **{name: Operator(_TWO, BOOLEAN) for name in ("<", "<=", ">", ">=", "==", "!=")},
    "and": Operator((BOOLEAN, BOOLEAN), BOOLEAN),
    "or": Operator((BOOLEAN, BOOLEAN), BOOLEAN),
    "not": Operator((BOOLEAN,), BOOLEAN),
    "where": Operator((BOOLEAN, NUMBER, NUMBER)),
}
"""`sqrt` is the root of the absolute value, `log` the logarithm of 1 + the absolute value: neither
has anywhere that it is undefined. Calls of other functions are `call:NAME`, numbers in and out."""

LEAVES = ("x", "#", "@")


def constant(value: float, digits: int = 4) -> Node:
    """A constant, rounded to so many significant digits; whole numbers become integers."""
    if isinstance(value, bool):
        return ("#", value)
    value = float(f"{value:.{digits}g}")
    return ("#", int(value) if value.is_integer() and abs(value) < 1e9 else value)


def is_constant(node: Node) -> bool:
    """Whether a node is a number or a truth."""
    return node[0] == "#"


def gives(node: Node) -> str:
    """The type of a node's value."""
    operator = node[0]
    if operator == "#":
        return BOOLEAN if isinstance(node[1], bool) else NUMBER
    if operator == "@":
        return node[2]
    known = OPERATORS.get(operator)
    return known.gives if known else NUMBER


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below; none below a leaf."""
    return () if node[0] in LEAVES else node[1:]


@lru_cache(maxsize=8192)
def size(node: Node) -> int:
    """How many nodes."""
    return 1 + sum(map(size, children(node)))


@lru_cache(maxsize=2048)
def walk(root: Node) -> tuple[tuple[Path, Node], ...]:
    """Every node with its path from the root, the root first."""
    found: list[tuple[Path, Node]] = []
    stack: list[tuple[Path, Node]] = [((), root)]
    while stack:
        path, node = pair = stack.pop()
        found.append(pair)
        if node[0] not in LEAVES:
            stack += [((*path, i), node[i]) for i in range(len(node) - 1, 0, -1)]
    return tuple(found)


def replace(node: Node, path: Path, new: Node) -> Node:
    """The tree with the node at `path` replaced; what is beside the path is shared."""
    if not path:
        return new
    index = path[0]
    return (*node[:index], replace(node[index], path[1:], new), *node[index + 1 :])
