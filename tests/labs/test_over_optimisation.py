"""Best-of-n by a proxy, against every draw counted out."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import numpy as np
import pytest

from evaluators.errors import BadInput
from labs.over_optimisation import chosen_mean, curve, draw, table

PROXY = [0.3, 0.9, 0.3, -1.0, 0.5, 0.9]
VALUES = [1.0, 0.0, 0.5, 1.0, 1.0, 0.2]


@pytest.mark.parametrize("n", range(1, 7))
def test_the_expectation_is_the_mean_over_all_draws(n):
    worth = []
    for drawn in combinations(range(6), n):
        best = max(PROXY[i] for i in drawn)
        tied = [VALUES[i] for i in drawn if PROXY[i] == best]
        worth.append(sum(tied) / len(tied))
    assert chosen_mean(PROXY, VALUES, n) == pytest.approx(np.mean(worth))


def test_one_of_one_is_the_policy_and_all_of_them_the_proxys_favourite():
    assert chosen_mean(PROXY, VALUES, 1) == pytest.approx(np.mean(VALUES))
    assert chosen_mean(PROXY, VALUES, 6) == pytest.approx((0.0 + 0.2) / 2)


def test_more_than_were_drawn_is_refused():
    with pytest.raises(BadInput, match="sample more"):
        chosen_mean(PROXY, VALUES, 7)


def test_a_proxy_that_is_the_truth_never_falls_and_its_opposite_does():
    values = np.random.default_rng(0).random((30, 16))
    up, down = curve(values, values), curve(-values, values)
    assert [p.n for p in up] == [1, 2, 4, 8, 16]
    assert all(a.true.value < b.true.value for a, b in pairwise(up))
    assert all(a.true.value > b.true.value for a, b in pairwise(down))
    assert all(a.proxy < b.proxy for a, b in pairwise(down))
    assert up[0].nats == 0 and up[2].nats == pytest.approx(math.log(4) - 3 / 4)


def test_curves_are_told_and_drawn():
    points = {"truth": curve(np.array([[0.0, 1], [1, 0]]), np.array([[0.0, 1], [1, 0]]))}
    assert "truth" in table(points) and "1.00 (1.00 to 1.00)" in table(points)
    left, right = draw(points).axes
    assert left.get_lines()[0].get_ydata().tolist() == [0.5, 1.0]
    assert right.get_lines()[0].get_ydata().tolist() == [0.0, 1.0]
