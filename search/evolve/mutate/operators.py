"""Mutation and crossover: every change keeps the types, and so the program's meaningfulness."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from search.evolve.mutate.constants import tune
from search.evolve.mutate.expression import (
    BOOLEAN,
    LEAVES,
    NUMBER,
    OPERATORS,
    Node,
    Path,
    gives,
    replace,
    walk,
)
from search.evolve.mutate.grammar import Grammar

Change = Callable[[Node, Grammar, Sequence[str], np.random.Generator], Node | None]


def pick(root: Node, rng: np.random.Generator, type: str | None = None) -> tuple[Path, Node] | None:
    """A node, an operator rather than a leaf nine times in ten; of a type where one is asked."""
    found = [(p, n) for p, n in walk(root) if type is None or gives(n) == type]
    inner = [pair for pair in found if pair[1][0] not in LEAVES]
    if inner and rng.random() < 0.9:
        found = inner
    return found[int(rng.random() * len(found))] if found else None


def cross(one: Node, other: Node, rng: np.random.Generator) -> Node | None:
    """A part of `one` replaced by a part of `other` of the same type."""
    place = pick(one, rng)
    assert place is not None
    given = pick(other, rng, gives(place[1]))
    return None if given is None else replace(one, place[0], given[1])


def regrow(root: Node, g: Grammar, names: Sequence[str], rng: np.random.Generator) -> Node:
    """A part replaced by a random one."""
    place = pick(root, rng)
    assert place is not None
    depth = 1 + int(rng.random() * 3)
    return replace(root, place[0], g.grow(gives(place[1]), depth, names, rng))


def point(root: Node, g: Grammar, names: Sequence[str], rng: np.random.Generator) -> Node | None:
    """An operator replaced by one of the same types, or a leaf by another."""
    nodes = list(walk(root))
    path, node = nodes[int(rng.random() * len(nodes))]
    if node[0] in LEAVES:
        return replace(root, path, g.leaf(names, rng)) if gives(node) == NUMBER else None
    others = g.alike(node[0])
    if not others:
        return None
    return replace(root, path, (others[int(rng.random() * len(others))][0], *node[1:]))


def hoist(root: Node, g: Grammar, names: Sequence[str], rng: np.random.Generator) -> Node | None:
    """A part replaced by a part of itself: shorter."""
    place = pick(root, rng)
    assert place is not None
    path, node = place
    below = [n for p, n in walk(node) if p and gives(n) == gives(node)]
    return replace(root, path, below[int(rng.random() * len(below))]) if below else None


def wrap(root: Node, g: Grammar, names: Sequence[str], rng: np.random.Generator) -> Node | None:
    """A part becomes the argument of a new operator."""
    nodes = [(p, n) for p, n in walk(root) if gives(n) == NUMBER]
    if not nodes:
        return None
    path, node = nodes[int(rng.random() * len(nodes))]
    operator = g.operator(NUMBER, rng)
    takes = OPERATORS[operator].takes
    places = [i for i, kind in enumerate(takes) if kind == NUMBER]
    chosen = places[int(rng.random() * len(places))]
    made = [node if i == chosen else g.grow(kind, 1, names, rng) for i, kind in enumerate(takes)]
    return replace(root, path, (operator, *made))


def case(root: Node, g: Grammar, names: Sequence[str], rng: np.random.Generator) -> Node | None:
    """A part gets a case of its own: where a condition holds, a changed copy of it."""
    nodes = [(p, n) for p, n in walk(root) if gives(n) == NUMBER]
    if not nodes or not g.has("where"):
        return None
    path, node = nodes[int(rng.random() * len(nodes))]
    changed = (tune(node, rng) if rng.random() < 0.5 else None) or wrap(node, g, names, rng)
    condition = g.grow(BOOLEAN, 1 + int(rng.random() * 2), names, rng)
    return None if changed is None else replace(root, path, ("where", condition, changed, node))


def swap(root: Node, g: Grammar, names: Sequence[str], rng: np.random.Generator) -> Node | None:
    """The two sides of an operator exchanged."""
    nodes = [(p, n) for p, n in walk(root) if n[0] in ("-", "/", "%", "<", "<=", "where")]
    if not nodes:
        return None
    path, node = nodes[int(rng.random() * len(nodes))]
    return replace(root, path, (*node[:-2], node[-1], node[-2]))


def retune(root: Node, g: Grammar, names: Sequence[str], rng: np.random.Generator) -> Node | None:
    """Steps of constants."""
    return tune(root, rng)


CHANGES: dict[str, tuple[Change, float]] = {
    "constants": (retune, 3.0),
    "regrow": (regrow, 1.5),
    "point": (point, 1.5),
    "hoist": (hoist, 0.8),
    "wrap": (wrap, 1.5),
    "case": (case, 0.7),
    "swap": (swap, 0.3),
}
"""Changes by name with how often each is drawn."""
