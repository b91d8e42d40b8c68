"""Exercises accept their reference, reject every listed mistake, and never break a notebook."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from evaluators.errors import UnknownName
from labs.exercises import EXERCISES, exercise
from labs.exercises.compute import pass_at_k
from labs.exercises.exercise import Case, Exercise, attempt, same

WRONG = [(name, label) for name, e in EXERCISES.items() for label in e.wrong]


@pytest.mark.parametrize("name", EXERCISES)
def test_the_reference_is_accepted(name: str) -> None:
    assert attempt(EXERCISES[name], EXERCISES[name].reference).passed


@pytest.mark.parametrize(("name", "label"), WRONG, ids=[f"{n}-{w}" for n, w in WRONG])
def test_every_listed_mistake_is_caught(name: str, label: str) -> None:
    report = attempt(EXERCISES[name], EXERCISES[name].wrong[label])
    assert not report.passed
    assert "hint" in report.message


def test_a_wrong_attempt_is_replaced_by_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    def my_majority(answers: list[str | None]) -> str | None:
        return "6"

    used = exercise(my_majority)
    assert used is EXERCISES["my_majority"].reference
    assert "want" in capsys.readouterr().out


def test_an_attempt_that_raises_or_changes_its_arguments_breaks_nothing() -> None:
    def my_majority(answers: list[str | None]) -> str | None:
        answers.clear()
        raise ZeroDivisionError("division by zero")

    report = attempt(EXERCISES["my_majority"], my_majority)
    assert not report.passed
    assert "ZeroDivisionError" in report.message
    assert exercise(my_majority) is not my_majority
    assert EXERCISES["my_majority"].cases[0].args == (["6", "7", "6"],)


def test_a_right_attempt_is_returned_itself(capsys: pytest.CaptureFixture[str]) -> None:
    def my_pass_at_k(n: int, c: int, k: int) -> float:
        draws = list(combinations([1] * c + [0] * (n - c), k))
        return sum(map(any, draws)) / len(draws)

    assert exercise(my_pass_at_k) is my_pass_at_k
    assert "✓" in capsys.readouterr().out


def test_a_function_without_exercise_is_named() -> None:
    def my_majorty(answers: list[str]) -> None:
        return None

    with pytest.raises(UnknownName, match="my_majority"):
        exercise(my_majorty)


def test_pass_at_k_equals_the_count_over_all_draws() -> None:
    for n, c, k in [(6, 2, 3), (5, 5, 1), (7, 1, 7)]:
        draws = list(combinations([True] * c + [False] * (n - c), k))
        assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_true_is_not_one_and_numbers_have_tolerance() -> None:
    assert not same(True, 1)
    assert same(0.3, 0.1 + 0.2)
    assert same((1, 2), [1, 2])
    assert not same("4", 4)


def test_an_array_is_as_good_as_the_list_that_it_holds() -> None:
    assert same(np.array([0.25, 0.75]), [0.25, 0.75])
    assert same((np.int64(3), [np.float32(0.5)]), (3, [0.5]))
    assert not same(np.array([0.75, 0.25]), [0.25, 0.75])
    assert not same(np.array([1, 0]), [True, False])
    assert not attempt(Exercise("f", abs, [Case((-1,), 1.0, "")], {}), lambda x: x).passed
