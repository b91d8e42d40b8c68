from fractions import Fraction

import numpy as np
import pytest

from evaluators.tasks import arithmetic as ar
from evaluators.tasks.expressions import random_tree

VALUES = [
    ("1+2*3", 7), ("(1+2)*3", 9), ("8-3-2", 3), ("8-(3-2)", 7), ("12/4/3", 1),
    ("1/3", Fraction(1, 3)), ("2×3÷6", 1), ("9−4", 5), (" 7 ", 7), ("((((5))))", 5),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), VALUES, ids=[t for t, _ in VALUES])
def test_values_are_exact(text: str, value: Fraction | int) -> None:
    assert ar.evaluate(ar.parse(text)) == value


@pytest.mark.parametrize(
    "text",
    ["", "1+", "+1", "(1", "1)", "1 2", "2**3", "a", "1.5", "__import__('os')", "²", "1" * 13,
     "(" * 80 + "1" + ")" * 80, "1+" * 1500 + "1"],
    ids=lambda t: t[:12],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ar.NotAnExpression):
        ar.parse(text)


def test_rendering_keeps_the_tree() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        tree = random_tree(int(rng.integers(0, 12)), rng)
        assert ar.parse(ar.render(tree)) == tree


def test_rewrites_accepts_each_single_evaluation_and_no_wrong_value() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        tree = random_tree(int(rng.integers(1, 9)), rng)
        for path in ar.reducible(tree):
            value = int(ar.evaluate(ar.node(tree, path)))
            assert ar.rewrites(tree, ar.replace(tree, path, value))
            assert not ar.rewrites(tree, ar.replace(tree, path, value + 1))
        assert not ar.rewrites(tree, tree)


def test_division_by_zero_is_no_rewrite() -> None:
    assert not ar.rewrites(ar.parse("1/(2-2)"), 1)
