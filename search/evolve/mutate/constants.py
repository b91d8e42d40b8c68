"""Tuning: small and large steps of the constants in an expression."""

from __future__ import annotations

import numpy as np

from search.evolve.mutate.expression import Node, Path, constant, replace, walk


def constants_of(root: Node) -> list[tuple[Path, float]]:
    """Where the numbers stand, and what they are."""
    return [
        (path, node[1])
        for path, node in walk(root)
        if node[0] == "#" and not isinstance(node[1], bool)
    ]


def step(value: float, rng: np.random.Generator) -> float:
    """A neighbour of a constant: a whole step or a few, a share of its size (from three in a
    thousand to about as much again), double or half, its opposite, or a rounder number."""
    u, sign = rng.random(), 1.0 if rng.random() < 0.5 else -1.0
    if u < 0.3 and (isinstance(value, int) or abs(value) >= 3):
        return value + sign * (1 if rng.random() < 0.6 else 2 + int(rng.random() * 4))
    if u < 0.8:
        share = 10 ** (-2.5 + 2.5 * rng.random())
        return value + share * float(rng.standard_normal()) * (abs(value) or 1.0)
    if u < 0.88:
        return value * (2.0 if sign > 0 else 0.5)
    if u < 0.92:
        return -value
    return float(f"{value:.{1 + int(rng.random() * 2)}g}")


def tune(root: Node, rng: np.random.Generator) -> Node | None:
    """Step one constant, or several at once; None where there is none."""
    found = constants_of(root)
    if not found:
        return None
    count = 1
    while count < len(found) and rng.random() < 0.35:
        count += 1
    for index in rng.permutation(len(found))[:count]:
        path, value = found[index]
        new = constant(step(value, rng))
        if new[1] == value:
            new = constant(value + (1 if isinstance(value, int) else 0.1 * (value or 1)))
        root = replace(root, path, new)
    return root
