"""The mixture of `tiny-tools`: expressions of larger numbers, worked out with a calculator.

An operation that the mixture of `tiny` hardly showed (one number above 60, or two above 12) is a
call, `[23*47]`; its result, `=1081` and the end of the line, is the tool's and not learned.
The next line is the expression with the result in its place. Small operations are still done in the
head, one a line, as `tiny` does them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evaluators.problem import Problem
from evaluators.tasks import arithmetic as ar
from evaluators.tasks import expressions
from evaluators.tasks.base import END_THINK
from labs.recipes.mixture import FULL, Mixture, Part, _prompt, _split
from search.tools.calculator import COMPACT

OPS = (1, 5)
RANGES = ((99, 9999), (99, 9999), (999, 9999), (999, 9999), (99, 999), (30, 999), (12, 60))
"""Greatest number in the question and greatest value on the way, drawn alike."""
KEPT = 0.25
"""What the mixture of `tiny` weighs here, against its weight there."""


def beyond(operation: ar.Expression) -> bool:
    """Whether an operation on two numbers lies beyond those that `tiny` was trained on."""
    numbers = list(ar.leaves(operation))
    high = max(*numbers, ar.evaluate(operation)) > expressions.MAX_VALUE
    return high or min(numbers) > expressions.MAX_LEAF


def problem(rng: np.random.Generator) -> Problem:
    """A training instance; short ones more often."""
    leaf, most = RANGES[int(rng.integers(len(RANGES)))]

    def make() -> tuple[str, Problem]:
        count = OPS[0] + int((OPS[1] + 1 - OPS[0]) * rng.random() ** 1.5)
        tree = expressions.random_tree(count, rng, leaf, most)
        return expressions.key_of(tree), Problem("", {"expression": ar.render(tree)})

    return _split(make)


def write(expression: str, learned: bool) -> list[Part]:
    """The chain of an expression with its calls; `learned` says whether results are learned."""
    tree = ar.parse(expression)
    parts: list[Part] = []
    while not isinstance(tree, int):
        path = next(ar.reducible(tree))
        operation = ar.node(tree, path)
        value = int(ar.evaluate(operation))
        tree = ar.replace(tree, path, value)
        called = beyond(operation)
        if called:
            parts.append((COMPACT.of(ar.render(operation)), True))
            parts.append((COMPACT.told(str(value)), learned))
        if not (called and isinstance(tree, int)):  # the last result needs no line of its own
            parts.append((ar.render(tree) + "\n", True))
    return [*parts, (f"{END_THINK}{tree}", True)]


def chain(learned: bool) -> Callable[[np.random.Generator], list[Part]]:
    """Chains with calls, their results read, or learned."""

    def make(rng: np.random.Generator) -> list[Part]:
        asked = problem(rng)
        return [(_prompt(expressions, asked), False), *write(asked.fields["expression"], learned)]

    return make


TOOLS: Mixture = {
    "expressions with calls": (5.0, chain(learned=False)),
    "expressions, results written": (1.5, chain(learned=True)),
    **{name: (KEPT * weight, make) for name, (weight, make) in FULL.items()},
}
"""`results written` lets the model go on by itself where no tool answers."""
