"""Shingles, resemblance and the effective number of texts, against values by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evaluators.errors import BadInput
from reasoning.data.diversity import (
    distinct,
    diversity,
    effective,
    resemblance,
    shingles,
    similarities,
)


def test_arithmetic_and_prose_are_cut_into_words():
    assert shingles("12+3*x2", 2) == {("12", "+"), ("+", "3"), ("3", "*"), ("*", "x"), ("x", "2")}
    assert shingles("The ferry", 3) == {("the", "ferry")} and shingles("", 3) == frozenset()


def test_resemblance_is_what_two_texts_share_of_all_they_have():
    a, b = shingles("a b c d e"), shingles("a b c d x")
    assert resemblance(a, b) == resemblance(b, a) == 2 / 4
    assert resemblance(a, a) == 1 and resemblance(a, frozenset()) == 0
    assert resemblance(frozenset(), frozenset()) == 1


def test_distinct_runs_over_all_runs():
    assert distinct(["a b a", "a b"], 1) == 2 / 5
    assert distinct(["a b a", "a b"], 2) == 2 / 3
    assert distinct(["a"], 2) == 0


def test_the_effective_number_counts_copies_once_and_strangers_fully():
    assert effective(similarities(["a b c"] * 5)) == pytest.approx(1)
    assert effective(similarities(["a b c", "d e f", "g h i"])) == pytest.approx(3)
    half = np.array([[1.0, 0.5], [0.5, 1.0]])  # eigenvalues 3/4 and 1/4
    want = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert effective(half) == pytest.approx(want)


def test_a_report_counts_repetitions():
    texts = ["one two three four five", "One two  three four five", "one two three four six",
             "p q r s"]  # fmt: skip
    found = diversity(texts)
    assert (found.texts, found.unique, found.compared) == (4, 3, 4)
    assert found.near == 1 / 4  # the second repeats the first; the third shares 2 of 4 runs
    assert found.mean == pytest.approx((1 + 0.5 + 0.5) / 6)
    assert "4 texts, 3 different" in str(found)


def test_a_report_on_many_texts_compares_a_sample_drawn_by_the_seed():
    texts = [f"number {i} of many" for i in range(60)]
    assert diversity(texts, most=20, seed=1) == diversity(texts, most=20, seed=1)
    assert diversity(texts, most=20).compared == 20 and diversity(texts).compared == 60


def test_nothing_has_no_diversity():
    with pytest.raises(BadInput):
        diversity([])
