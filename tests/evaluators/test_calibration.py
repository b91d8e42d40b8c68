"""AUC, its interval, Brier score, calibration error: values by hand, properties, coverage."""

from __future__ import annotations

from math import isnan, sqrt

import numpy as np
import pytest

from evaluators.calibration import (
    auc,
    auc_interval,
    brier,
    calibration,
    ece,
    reliability,
    within,
)
from evaluators.errors import BadInput
from evaluators.intervals import wilson_interval

SCORES, RIGHT = [0.9, 0.8, 0.8, 0.1], [True, False, True, False]


def test_the_area_counts_pairs_and_ties_at_half():
    assert auc(SCORES, RIGHT) == 3.5 / 4  # .9>.8 .9>.1 .8=.8 .8>.1
    assert auc([1, 1, 1], [True, False, False]) == 0.5
    assert auc([1, 2], [False, True]) == 1 and auc([2, 1], [False, True]) == 0
    assert auc([-float("inf"), -3.0, 0.0], [False, True, True]) == 1


def test_the_area_is_the_pairwise_count_on_random_scores():
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, right = rng.integers(0, 6, 30).tolist(), rng.random(30) < 0.4
        pairs = [
            (a > b) + (a == b) / 2
            for a, x in zip(scores, right, strict=True) for b, y in zip(scores, right, strict=True)
            if x and not y
        ]  # fmt: skip
        assert auc(scores, right.tolist()) == pytest.approx(np.mean(pairs))


def test_the_interval_of_independent_items_by_hand():
    # placements of the right ones 1, .75 and of the wrong ones .75, 1: variances 1/32 each, so that
    # the variance of the area is 1/32/2 + 1/32/2 = 1/32
    found = auc_interval(SCORES, RIGHT, level=0.6826894921)  # one standard error
    assert found.value == 0.875
    assert found.low == pytest.approx(0.875 - sqrt(1 / 32), abs=1e-6)
    assert found.high == 1.0


def test_an_item_counted_twice_says_nothing_new():
    rng = np.random.default_rng(1)
    right = rng.random(60) < 0.5
    scores = right + rng.normal(size=60)
    names = list(range(60))
    once = auc_interval(scores.tolist(), right.tolist())
    assert once == auc_interval(scores.tolist(), right.tolist(), names)
    twice = auc_interval([*scores] * 2, [*right] * 2, names * 2)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    blind = auc_interval([*scores] * 2, [*right] * 2)
    assert blind.high - blind.low < 0.8 * (once.high - once.low)


def test_nineteen_of_twenty_intervals_hold_the_area_of_clustered_scores():
    rng, truth, held = np.random.default_rng(2), 0.7602, 0  # Phi(1 / sqrt 2), d = 1
    for _ in range(400):
        clusters = np.repeat(np.arange(40), 4)
        right = rng.random(160) < 0.5
        shared = rng.normal(size=40)[clusters]
        scores = right + (shared + rng.normal(size=160)) / sqrt(2)
        held += not auc_interval(scores.tolist(), right.tolist(), clusters.tolist()).excludes(truth)
    assert 0.91 < held / 400 < 0.98


def test_a_perfect_separation_keeps_an_interval():
    found = auc_interval([1, 2, 3, 4, 5], [False, False, True, True, True])
    assert found == wilson_interval(2, 2)
    assert auc_interval([3, 1], [False, True]).value == 0
    assert auc_interval([1, 2, 3, 2], [False, True, True, False], "aaaa").low == 0


def test_inside_each_problem_the_easy_ones_do_not_help():
    scores = [0.9, 0.8, 0.2, 0.1, 0.5]
    right, names = [True, True, True, False, False], ["easy", "easy", "hard", "hard", "none"]
    assert auc(scores, right) == pytest.approx(5 / 6)
    assert within(scores, right, names) == {"hard": 1.0}


def test_brier_by_hand():
    assert brier([0.9, 0.6, 0.2], [True, False, False]) == pytest.approx((0.01 + 0.36 + 0.04) / 3)
    assert brier([0.5] * 4, RIGHT) == 0.25


def test_the_reliability_diagram_by_hand():
    said = [0.0, 0.1, 0.5, 0.55, 0.95, 1.0]
    bins = reliability(said, [False, True, False, True, True, True], 2)
    assert [(b.low, b.high, b.n) for b in bins] == [(0, 0.5, 3), (0.5, 1, 3)]
    assert bins[0].said == pytest.approx(0.2) and bins[1].said == pytest.approx(2.5 / 3)
    assert bins[0].right == wilson_interval(1, 3) and bins[1].right == wilson_interval(3, 3)
    assert ece(bins) == pytest.approx((abs(0.2 - 1 / 3) + abs(2.5 / 3 - 1)) / 2)
    empty = reliability([0.9], [True], 10)[0]
    assert (empty.n, empty.right) == (0, None) and isnan(empty.said)


def test_probabilities_that_are_true_are_calibrated():
    rng = np.random.default_rng(3)
    said = rng.random(20_000)
    found = calibration(said.tolist(), (rng.random(20_000) < said).tolist())
    assert found.ece < 0.015 and found.brier == pytest.approx(1 / 6, abs=0.01)
    assert found.auc is not None and found.auc.value == pytest.approx(5 / 6, abs=0.01)
    assert found.base == pytest.approx(0.5, abs=0.02)
    bold = calibration(np.round(said).tolist(), (rng.random(20_000) < said).tolist())
    assert bold.ece == pytest.approx(0.25, abs=0.02)


def test_scores_of_another_scale_have_an_area_only():
    found = calibration([-3.0, -1.0], [False, True], probabilities=False)
    assert found.auc is not None and found.auc.value == 1 and found.bins == ()
    assert isnan(found.ece) and isnan(found.brier)
    assert calibration([0.5, 0.7], [True, True]).auc is None


def test_what_cannot_be_measured_says_so():
    for call, says in (
        (lambda: auc([1, 2], [True, True]), "both|at least one of each"),
        (lambda: auc([float("nan"), 1], [True, False]), "NaN"),
        (lambda: auc([1], [True, False]), "one score an item"),
        (lambda: brier([1.2], [True]), r"0\.\.1"), (lambda: calibration([], []), "at least one"),
        (lambda: reliability([0.5], [True], 0), "at least one"),
        (lambda: auc_interval(SCORES, RIGHT, ["a"]), "one of them for each"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=says):
            call()
