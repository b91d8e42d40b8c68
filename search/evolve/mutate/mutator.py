"""Mutator: proposes programs without a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from evaluators.discovery.base import DiscoveryProblem
from reasoning.core import Context
from search.evolve.mutate.expression import BOOLEAN, Node, gives, size, walk
from search.evolve.mutate.grammar import Grammar, grammar_of
from search.evolve.mutate.operators import CHANGES, cross
from search.evolve.mutate.parse import Genome, parse, remember
from search.evolve.mutate.render import Renderer
from search.evolve.mutate.simplify import simplify
from search.evolve.program import Proposal, Request


@dataclass(frozen=True)
class Mutator:
    """A new program from one or two old ones: crossover, then changes (`operators.CHANGES`), until
    the result is new and of at most `largest` nodes. Works on any Python function: assignments and
    a return are one expression, other statements keep their form and change their expressions.

    `crossover` is the chance of crossing two parents, `again` of one more change after a change.
    """

    largest: int = 60
    crossover: float = 0.35
    again: float = 0.2
    tries: int = 12
    name: str = "mutate"
    wants: int = 2
    prefers: ClassVar[Mapping[str, Any]] = {
        "selection": "tournament",
        "islands": 1,
        "capacity": 800,
        "tournament": 4,
        "reset": 0,
        "parsimony": 0.0004,
    }
    """The population that suits it, where a run names no other."""

    def propose(
        self, request: Request, rng: np.random.Generator, ctx: Context | None = None
    ) -> Proposal:
        """A program that differs from its parents, or the reason why there is none."""
        grammar = grammar_of(request.problem)
        known = [(p, _parse(p.source, request.problem)) for p in reversed(request.parents)]
        parents = [(p, genome) for p, genome in known if genome is not None]
        if not parents:
            return Proposal(None, reason="no parent parses")
        own, genome = parents[0]
        other = parents[1] if len(parents) > 1 else None
        if other is not None and rng.random() < 0.5:
            (own, genome), other = other, parents[0]
        for _ in range(self.tries):
            made = self.child(genome, other[1] if other else None, grammar, rng, request.attempt)
            if made is None:
                continue
            child, origin = made
            renderer = Renderer(grammar.numpy, grammar.math, grammar.titles)
            numbers = (own.k, other[0].k) if other and "crossover" in origin else (own.k,)
            source = renderer.program(child)
            remember(source, request.problem.function, child)
            return Proposal(source, numbers, origin)
        return Proposal(None, (own.k,), reason=f"{self.tries} tries made nothing new")

    def child(
        self,
        genome: Genome,
        other: Genome | None,
        grammar: Grammar,
        rng: np.random.Generator,
        attempt: int = 0,
    ) -> tuple[Genome, str] | None:
        """One try: the child and how it was made, None where it is no different or too large."""
        if not genome.roots:
            return None
        index = int(rng.random() * len(genome.roots))
        root, slot, origin = genome.roots[index], genome.slots[index], []
        if other is not None and other.roots and rng.random() < self.crossover:
            donors = [r for r in other.roots if _within(r, slot.names)]
            if donors:
                crossed = cross(root, donors[int(rng.random() * len(donors))], rng)
                if crossed is not None and crossed != root:
                    root, origin = crossed, ["crossover"]
        while not origin or rng.random() < self.again + 0.2 * attempt:
            if len(origin) > 6:
                break
            name, changed = _change(root, grammar, slot.names, rng)
            if changed is not None:
                root = changed
                origin.append(name)
            elif not origin:
                return None
        root = simplify(root)
        if root == genome.roots[index] or size(root) > max(self.largest, size(genome.roots[index])):
            return None
        if any(n[0] in ("/", "%", "//") and n[2] == ("#", 0) for _, n in walk(root)):
            return None
        if gives(root) != slot.type and slot.type == BOOLEAN:
            return None
        roots = (*genome.roots[:index], root, *genome.roots[index + 1 :])
        return replace(genome, roots=roots), "+".join(dict.fromkeys(origin))


def _change(
    root: Node, grammar: Grammar, names: Sequence[str], rng: np.random.Generator
) -> tuple[str, Node | None]:
    left = rng.random() * sum(weight for _, weight in CHANGES.values())
    for name, (change, weight) in CHANGES.items():
        left -= weight
        if left < 0:
            return name, change(root, grammar, names, rng)
    return "constants", None


def _within(root: Node, names: Sequence[str]) -> bool:
    """Whether an expression reads only these names."""
    return all(node[1] in names for _, node in walk(root) if node[0] == "x")


def _parse(source: str | None, problem: DiscoveryProblem) -> Genome | None:
    try:
        return parse(source, problem.function) if source else None
    except (SyntaxError, KeyError, RecursionError):
        return None
