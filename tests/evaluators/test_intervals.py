"""Intervals against exhaustive resampling, hand-computed values and their own coverage."""

from itertools import product

import numpy as np
import pytest

from evaluators.errors import BadInput
from evaluators.intervals import accuracy_interval
from evaluators.metrics import bootstrap_interval, paired_bootstrap, wilson_interval


def rng(seed=0):
    return np.random.default_rng(seed)


def test_bootstrap_bounds_are_the_quantiles_of_all_resamples():
    values = np.array([0.0, 0.1, 0.5, 0.7, 1.0])
    every = [np.mean(draw) for draw in product(values, repeat=5)]
    low, high = np.quantile(every, [0.05, 0.95])
    interval = bootstrap_interval(values, rng(), level=0.9, resamples=40_000)
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(low, abs=0.021)  # neighbouring values are 0.02 apart
    assert interval.high == pytest.approx(high, abs=0.021)


def test_paired_bounds_are_the_quantiles_of_all_resamples_of_pairs():
    a, b = np.array([1.0, 1.0, 0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0, 0.0, 0.5])
    every = [np.mean(draw) for draw in product(a - b, repeat=5)]
    low, high = np.quantile(every, [0.025, 0.975])
    interval = paired_bootstrap(a, b, rng(), resamples=40_000)
    assert interval.value == pytest.approx(0.3)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.101)  # steps of 0.1


def test_a_constant_has_an_interval_of_no_width():
    interval = bootstrap_interval([0.5, 0.5, 0.5], rng())
    assert (interval.low, interval.value, interval.high) == (0.5, 0.5, 0.5)


def test_the_same_generator_gives_the_same_bounds():
    values = rng(3).random(50)
    assert bootstrap_interval(values, rng(1)) == bootstrap_interval(values, rng(1))


def test_seeds_of_one_problem_do_not_narrow_the_interval():
    """Ten copies of each problem's value add no information."""
    values = rng(4).integers(0, 2, 40).astype(float)
    once = bootstrap_interval(values, rng(1))
    copied = bootstrap_interval(np.tile(values[:, None], (1, 10)), rng(1))
    assert (once.low, once.high) == pytest.approx((copied.low, copied.high))


def test_clusters_and_rows_are_two_spellings_of_the_same():
    values = rng(5).random((12, 3))
    names = [f"p{i}" for i in range(12) for _ in range(3)]
    rows = bootstrap_interval(values, rng(1))
    named = bootstrap_interval(values.ravel(), rng(1), clusters=names)
    assert (rows.low, rows.value, rows.high) == pytest.approx((named.low, named.value, named.high))


def test_ragged_clusters_weigh_runs_equally():
    assert bootstrap_interval([1, 1, 1, 0], rng(), clusters="aaab").value == 0.75


def test_pairing_removes_the_difficulty_of_the_problems():
    hard = rng(6).random(60)
    paired = paired_bootstrap(hard + 0.02, hard, rng(1))
    assert paired.value == pytest.approx(0.02)
    assert paired.high - paired.low < 1e-9
    assert paired.excludes(0.0)


def test_a_95_percent_interval_covers_the_mean_about_95_times_in_100():
    draws = rng(8).random((300, 60)) < 0.4
    hits = [
        not bootstrap_interval(row, rng(i), resamples=400).excludes(0.4)
        for i, row in enumerate(draws)
    ]
    assert 0.90 < np.mean(hits) < 0.98


def test_chunked_resampling_keeps_the_number_of_resamples(monkeypatch):
    monkeypatch.setattr("evaluators.intervals._CELLS", 70)
    interval = bootstrap_interval([0.0, 1.0, 1.0, 0.0, 1.0], rng(), resamples=1001)
    assert interval.low < 0.6 < interval.high


@pytest.mark.parametrize("values", [[], [0.5, float("nan")], [[[0.1]]]], ids=["none", "nan", "3d"])
def test_values_that_cannot_be_averaged_are_refused(values):
    with pytest.raises(BadInput):
        bootstrap_interval(values, rng())


def test_arms_of_different_length_are_refused():
    with pytest.raises(BadInput, match="same problems"):
        paired_bootstrap([1, 0], [1], rng())


def test_wilson_by_hand():
    # 8 of 10, z^2 = 3.841459: centre .99208/1.38415 = .71674, half width .22658.
    interval = wilson_interval(8, 10)
    assert (interval.low, interval.high) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)


def test_wilson_stays_inside_0_and_1():
    assert wilson_interval(0, 20).low == 0.0
    assert wilson_interval(20, 20).high == 1.0
    assert 0.13 < wilson_interval(0, 20).high < 0.17


@pytest.mark.parametrize(("right", "n"), [(1, 0), (-1, 3), (4, 3)])
def test_wilson_refuses_counts_that_cannot_be(right, n):
    with pytest.raises(BadInput):
        wilson_interval(right, n)


def test_an_accuracy_of_mixed_hits_is_the_bootstrap_over_problems():
    hits, problems = [1.0, 0.0, 1.0, 1.0], ["a", "a", "b", "c"]
    assert accuracy_interval(hits, rng(), problems) == bootstrap_interval(hits, rng(), problems)


@pytest.mark.parametrize("hit", [0.0, 1.0], ids=["all wrong", "all right"])
def test_an_accuracy_where_all_agree_keeps_the_width_that_so_few_problems_leave(hit):
    found = accuracy_interval([hit] * 20, rng(), [f"p{i % 10}" for i in range(20)])
    assert found == wilson_interval(int(10 * hit), 10)  # ten problems, two seeds each
    assert found.high - found.low == pytest.approx(0.2775, abs=1e-4)  # z^2 / (10 + z^2)
