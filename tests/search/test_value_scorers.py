"""Exact and graded values as scores."""

from __future__ import annotations

import asyncio
from itertools import combinations
from math import exp, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from evaluators import load_task
from evaluators.errors import BadInput
from evaluators.tasks.countdown import Countdown
from reasoning.core import Context, SeedPath, Step, Trace
from reasoning.ledger import Ledger
from search.best_of_n import BestOfN
from search.scorers import resolve
from search.strategies import knows
from tests.search.toy_lab import toy

TASK = load_task("countdown", n=4)
PROBLEM = Countdown.parse_problem("8 3 2 1=24")


def trace(text: str, finish="boundary") -> Trace:
    return Trace(tuple(Step(t, 1, "boundary") for t in text.splitlines(True)), finish)


def rate(scorer, *traces, seed=0, task=TASK, problem=PROBLEM) -> list[Any]:
    ctx = Context(task, None, Ledger(), SeedPath(seed, (problem.id,)))  # type: ignore[arg-type]
    return asyncio.run(resolve(scorer, task).score(problem, traces, ctx))


def test_the_exact_value_of_partial_and_finished_traces():
    good, dead, done = (
        "2-1=1 8 3\n",
        "8+3=11 2 1\n11+2=13 1\n",
        "2-1=1\n8*3=24\n24*1=24\n</think>24",
    )
    wrong = done.replace("</think>24", "</think>23")
    given = [trace(good), trace(dead), trace(done, "eos"), trace(wrong, "eos"), trace("hm\n")]
    assert rate("exact-value", *given) == [1.0, 0.0, 1.0, 0.0, None]
    assert rate("graded(auc=1)", *given) == [1.0, 0.0, 1.0, 0.0, None]


def test_both_are_oracles():
    for scorer in ("exact-value", "graded(auc=0.6)"):
        assert knows(BestOfN(scorer=scorer), TASK) == "solution"


def test_a_task_that_cannot_tell_values_is_refused():
    for scorer in ("exact-value", "graded"):
        with pytest.raises(BadInput, match="cannot tell the exact value"):
            resolve(scorer, toy())
    with pytest.raises(BadInput, match=r"0\.5"):
        resolve("graded(auc=0.3)", TASK)


def test_equal_states_score_alike_and_other_states_seeds_and_problems_do_not():
    one, two = trace("2-1=1 8 3\n8*3=24 1\n"), trace("8*3=24\n2-1=1\n")
    other = trace("2-1=1 8 3\n")
    a, b, c = rate("graded", one, two, other)
    assert a == b != c
    assert rate("graded", one) == [a] != rate("graded", one, seed=1)
    assert rate("graded", one, problem=Countdown.parse_problem("8 3 1 2=24")) == [a]
    assert rate("graded", one, problem=TASK.problems[0]) != [a]


def first_lines(numbers: list[int]) -> list[Trace]:
    """The sums and products of every two of the numbers, as first steps."""
    found = []
    for i, j in combinations(range(len(numbers)), 2):
        a, b = numbers[i], numbers[j]
        rest = [str(n) for k, n in enumerate(numbers) if k not in (i, j)]
        for text in (f"{a}+{b}={a + b}", f"{a}*{b}={a * b}"):
            found.append(trace(" ".join([text, *rest]) + "\n"))
    return found


def test_graded_has_the_area_it_names():
    values, scores = [], {auc: [] for auc in (0.5, 0.6, 0.8, 0.95)}
    for problem in load_task("countdown", "train", n=120, seed=3).problems:
        lines = first_lines(problem.fields["numbers"])
        values += rate("exact-value", *lines, problem=problem)
        for auc, given in scores.items():
            given += rate(f"graded({auc})", *lines, problem=problem)
    right = np.array(values) == 1
    assert min(right.sum(), (~right).sum()) > 300
    for auc, given in scores.items():
        good, bad = np.array(given)[right], np.array(given)[~right]
        area = (good[:, None] > bad).mean() + (good[:, None] == bad).mean() / 2
        assert area == pytest.approx(auc, abs=0.04)
        assert ((good >= 0) & (good <= 1)).all()


def test_the_score_is_the_chance_at_even_odds_by_bayes_rule():
    [score] = rate("graded(auc=0.8)", trace("2-1=1 8 3\n"))
    state = "state ((Fraction(1, 1), Fraction(3, 1), Fraction(8, 1)), 24)"
    word = SeedPath(0, (PROBLEM.id,)).child("graded", state).key[0]
    normal, apart = NormalDist(), sqrt(2) * NormalDist().inv_cdf(0.8)
    seen = apart + normal.inv_cdf((word + 0.5) / 2**64)
    good, bad = NormalDist(apart, 1).pdf(seen), normal.pdf(seen)
    assert score == pytest.approx(good / (good + bad))
    assert score == pytest.approx(1 / (1 + exp(-(apart * seen - apart**2 / 2))))


def test_a_better_grade_sees_the_same_noise():
    lines = [f"{a}+{b}={a + b}\n" for a, b in ((8, 3), (8, 2), (8, 1), (3, 2), (3, 1), (2, 1))]
    traces = [trace(line) for line in lines]
    exact = rate("exact-value", *traces)
    for value in (0.0, 1.0):
        same = [t for t, v in zip(traces, exact, strict=True) if v == value]
        orders = [np.argsort(rate(f"graded({auc})", *same)).tolist() for auc in (0.6, 0.7, 0.99)]
        assert len(same) > 1 and orders[0] == orders[1] == orders[2]
