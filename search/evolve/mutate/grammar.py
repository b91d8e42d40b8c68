"""What expressions may be made of: read from the problem's skeleton and its hints."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from evaluators.discovery.base import DiscoveryProblem
from evaluators.errors import BadInput
from search.evolve.mutate.expression import (
    BOOLEAN,
    NUMBER,
    OPERATORS,
    Node,
    constant,
)
from search.evolve.mutate.parse import tree

WEIGHTS = {
    "+": 4.0, "-": 4.0, "*": 4.0, "/": 3.0, "min": 1.5, "max": 1.5, "where": 3.0, "square": 1.0,
    "abs": 0.7, "sqrt": 0.7, "log": 0.7, "%": 0.5, "neg": 0.3,
    "<": 3.0, "<=": 1.0, "==": 0.7, "and": 1.0, "or": 0.7, "not": 0.3,
}  # fmt: skip
"""How often an operator is drawn among those of its type."""


@dataclass(frozen=True)
class Grammar:
    """Operators with weights, leaves of numbers, names for those that are worth one, and how the
    program names numpy and math (None: not imported)."""

    operators: tuple[tuple[str, float], ...]
    terms: tuple[Node, ...]
    titles: tuple[tuple[Node, str], ...]
    constants: tuple[float, ...]
    numpy: str | None
    math: str | None

    def draw_constant(self, rng: np.random.Generator) -> Node:
        """A constant: one the problem names, a small whole number, a fraction, or any size."""
        u = rng.random()
        if self.constants and u < 0.25:
            return constant(self.constants[int(rng.random() * len(self.constants))])
        if u < 0.6:
            return constant(int(rng.random() * 10) + 1)
        if u < 0.8:
            return constant(round(rng.random(), 2))
        return constant(float(f"{10 ** (rng.random() * 4 - 2):.2g}"))

    def leaf(self, names: Sequence[str], rng: np.random.Generator) -> Node:
        """A name in scope, a term of the problem, or a constant."""
        terms = self.terms
        count = len(names) + len(terms)
        if count == 0 or rng.random() < 0.25:
            return self.draw_constant(rng)
        index = int(rng.random() * count)
        return terms[index] if index < len(terms) else ("x", names[index - len(terms)])

    def grow(
        self, type: str, depth: int, names: Sequence[str], rng: np.random.Generator, leafy=0.25
    ) -> Node:
        """A random expression of a type, at most `depth` operators deep."""
        if type == NUMBER and (depth <= 0 or rng.random() < leafy):
            return self.leaf(names, rng)
        if type == BOOLEAN and depth <= 1:
            return self.comparison(names, rng, 0)
        operator = self.operator(type, rng)
        if operator in _COMPARISONS:
            return self.comparison(names, rng, depth - 1)
        takes = OPERATORS[operator].takes
        return (operator, *(self.grow(kind, depth - 1, names, rng, leafy) for kind in takes))

    def comparison(self, names: Sequence[str], rng: np.random.Generator, depth: int) -> Node:
        """Two numbers compared; one of them is often a constant."""
        pairs = [(o, w) for o, w in self.operators if o in _COMPARISONS]
        left = self.grow(NUMBER, depth, names, rng, 0.5)
        constant_right = rng.random() < 0.6
        right = self.draw_constant(rng) if constant_right else self.grow(NUMBER, depth, names, rng)
        return (_weighted(pairs, rng), left, right)

    def has(self, operator: str) -> bool:
        return any(operator == name for name, _ in self.operators)

    def operator(self, type: str, rng: np.random.Generator) -> str:
        """An operator that gives this type."""
        return _weighted(_giving(self.operators, type), rng)

    def alike(self, operator: str) -> list[tuple[str, float]]:
        """The operators that take and give the same types, with weights, itself left out."""
        kind = OPERATORS.get(operator)
        return [(o, w) for o, w in self.operators if OPERATORS[o] == kind and o != operator]


_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


@lru_cache(maxsize=256)
def _giving(operators: tuple[tuple[str, float], ...], type: str) -> tuple[tuple[str, float], ...]:
    return tuple((o, w) for o, w in operators if OPERATORS[o].gives == type)


def _weighted(pairs: Sequence[tuple[str, float]], rng: np.random.Generator) -> str:
    """One name by weight."""
    left = rng.random() * sum(weight for _, weight in pairs)
    for name, weight in pairs:
        left -= weight
        if left < 0:
            return name
    return pairs[-1][0]


def grammar_of(problem: DiscoveryProblem) -> Grammar:
    """The grammar of the function to evolve, from what the skeleton imports and `problem.hints`."""
    hints = problem.hints
    terms = hints.get("terms", ())
    named = tuple(terms.items()) if isinstance(terms, Mapping) else tuple(("", t) for t in terms)
    operators = tuple(hints["operators"]) if "operators" in hints else None
    return _grammar(problem.skeleton, named, operators, tuple(hints.get("constants", ())))


@lru_cache(maxsize=32)
def _grammar(
    skeleton: str,
    terms: tuple[tuple[str, str], ...],
    operators: tuple[str, ...] | None,
    constants: tuple[float, ...],
) -> Grammar:
    numpy, math = _modules(skeleton)
    unknown = sorted(set(operators or ()) - set(OPERATORS))
    if unknown:
        have = ", ".join(OPERATORS)
        raise BadInput(f"hints name unknown operators: {', '.join(unknown)}; there are {have}")
    weights = WEIGHTS if operators is None else {o: WEIGHTS.get(o, 1.0) for o in operators}
    if numpy is None and math is None:
        weights = {o: w for o, w in weights.items() if o not in ("sqrt", "log", "exp")}
    if not any(o in _COMPARISONS for o in weights):  # then there are no truths to choose by
        weights = {o: w for o, w in weights.items() if BOOLEAN not in OPERATORS[o].takes}
    nodes = [(name, tree(ast.parse(text, mode="eval").body, {})) for name, text in terms]
    titles = tuple((node, name) for name, node in nodes if name and node[0] != "x")
    return Grammar(
        tuple(weights.items()), tuple(node for _, node in nodes), titles, constants, numpy, math
    )


def _modules(skeleton: str) -> tuple[str | None, str | None]:
    """The names under which a module has numpy and math."""
    names: dict[str, str] = {}
    for node in ast.parse(skeleton).body:
        if isinstance(node, ast.Import):
            names.update({alias.name: alias.asname or alias.name for alias in node.names})
    return names.get("numpy"), names.get("math")
