"""The sentences follow the data: the same question gets opposite answers on opposite data."""

from __future__ import annotations

import pytest

from evaluators.intervals import Interval
from labs.findings import (
    Point,
    against,
    difference,
    duel,
    even_spend,
    most_gain,
    no_gain,
    three_sentences,
)
from search.cell import Cell
from search.report import Report

PROBLEMS = 60


def point(
    share: float, budget: int, tokens: float, strategy: str = "vote", knows: str = "nothing",
    task: str = "expressions", seeds: int = 1,
) -> Point:  # fmt: skip
    right = round(share * PROBLEMS)
    correct = {(f"p/{i}", s): float(i < right) for i in range(PROBLEMS) for s in range(seeds)}
    return Point(task, strategy, budget, knows, correct, tokens)


def test_a_gain_is_claimed_only_when_its_interval_excludes_zero() -> None:
    clear = [point(0.2, 32, 30), point(0.7, 512, 400)]
    assert most_gain(clear).startswith("More compute helps")
    assert "0.20 at 32 to 0.70 at 512" in most_gain(clear)
    unclear = [point(0.50, 32, 30), point(0.5, 512, 400)]
    assert most_gain(unclear).startswith("No arm gains measurably")


def test_the_arm_with_the_largest_gain_is_named() -> None:
    points = [
        point(0.2, 32, 30, "a"), point(0.4, 512, 400, "a"),
        point(0.2, 32, 30, "b"), point(0.8, 512, 400, "b"),
    ]  # fmt: skip
    assert ", b goes from" in most_gain(points)


@pytest.mark.parametrize(
    ("mine", "other", "said"),
    [(0.8, 0.3, "is ahead of"), (0.3, 0.8, "is behind"), (0.5, 0.5, "cannot be told apart")],
)
def test_a_duel_says_who_is_ahead(mine: float, other: float, said: str) -> None:
    points = [
        point(mine, 512, 200, "step-resample", "solution"),
        point(other, 512, 210, "best-of-n", "solution"),
    ]
    assert said in duel(points, "step-resample", "best-of-n")


def test_a_duel_of_unequal_knowledge_claims_nothing() -> None:
    points = [point(0.8, 512, 200, "a", "solution"), point(0.3, 512, 210, "b", "nothing")]
    said = duel(points, "a", "b")
    assert "nothing is claimed" in said
    assert "ahead" not in said


def test_every_arm_beside_the_base_gets_the_verdict_of_its_interval() -> None:
    points = [
        point(0.5, 64, 60, "base"), point(0.9, 64, 60, "up"), point(0.1, 64, 60, "down"),
        point(0.5, 64, 60, "like"), point(0.9, 64, 60, "told", "reference"),
        point(0.9, 128, 60, "up"),
    ]  # fmt: skip
    up, down, like, told = against(points, "base").split("\n")
    assert up.startswith("under a cap of 64 tokens 'up' is ahead of 'base' (+0.40, 95 % interval")
    assert "'down' is behind 'base' (-0.40" in down
    assert "'like' cannot be told apart from 'base' (+0.00" in like
    assert "do not know the same" in told and "ahead" not in told
    assert against(points, "none") == "nothing ran beside 'none'"


def test_no_gain_names_the_arm_that_spends_more_for_nothing() -> None:
    points = [point(0.5, 32, 30, "flat"), point(0.5, 512, 400, "flat"),
             point(0.2, 32, 30, "up"), point(0.8, 512, 400, "up")]  # fmt: skip
    assert "flat gains nothing measurable" in no_gain(points)
    assert "13.3 times" in no_gain(points)


def test_of_several_steps_without_gain_the_best_proven_one_is_told() -> None:
    points = [point(0.5, 32, 30, "flat"), point(0.5, 128, 120, "flat"),
              point(0.58, 512, 480, "flat")]  # fmt: skip
    assert "from 32 to 128 tokens" in no_gain(points)


def test_a_loss_is_called_a_loss() -> None:
    assert "loses accuracy" in no_gain([point(0.8, 32, 30), point(0.2, 512, 400)])


def test_where_every_arm_gains_the_smallest_gain_is_told() -> None:
    points = [point(0.2, 32, 30, "a"), point(0.9, 512, 400, "a"),
             point(0.2, 32, 30, "b"), point(0.6, 512, 400, "b")]  # fmt: skip
    assert no_gain(points).startswith("In this run every arm")
    assert "of b on" in no_gain(points)


def test_an_arm_that_does_not_spend_more_is_no_case() -> None:
    points = [point(0.5, 32, 2), point(0.5, 512, 2)]
    assert no_gain(points).startswith("No arm spent more")


def test_differences_are_paired_on_shared_runs_only() -> None:
    a, b = point(0.5, 32, 30, seeds=2), point(0.4, 32, 30, seeds=1)
    gap = difference(a, b)
    assert gap is not None
    assert gap.value == pytest.approx(0.1)
    assert difference(a, Point("t", "s", 1, "nothing", {("other", 0): 1.0}, 1)) is None


def test_there_are_three_sentences_whatever_the_data() -> None:
    for points in ([], [point(0.5, 32, 30)], [point(0.1, 32, 30), point(0.9, 64, 60)]):
        said = three_sentences(points, "step-resample", "best-of-n")
        assert len(said) == 3
        assert all(s.endswith(".") for s in said)


def test_a_duel_is_also_told_at_equal_mean_tokens_where_that_was_measured() -> None:
    points = [point(0.6, 128, 60, "a", "check"), point(0.6, 128, 90, "b", "check")]
    assert "equal mean tokens" not in duel(points, "a", "b")
    said = duel(points, "a", "b", {("expressions", 128): Interval(0.2, 0.1, 0.3)})
    assert "cannot be told apart" in said
    assert "at equal mean tokens +0.20, 95 % interval +0.10 to +0.30" in said


def test_a_duel_takes_the_middle_budget() -> None:
    points = [point(s, b, b, n, "check") for n, s, b in
              (("a", 0.0, 32), ("b", 0.0, 32), ("a", 0.9, 128), ("b", 0.1, 128),
               ("a", 1.0, 512), ("b", 1.0, 512))]  # fmt: skip
    assert "0.90 and 0.10 at 128 tokens" in duel(points, "a", "b")


def test_equal_spend_is_told_or_why_it_is_not() -> None:
    def cells(arm: str, budget: str, tokens: int, right: int) -> list[Cell]:
        return [
            Cell(arm, budget, 0, f"p/{i}", correct=i < right, completion=tokens) for i in range(20)
        ]

    settings = {
        "strategies": {"a": {}, "b": {}},
        "knows": {"a": "check", "b": "check"},
        "budgets": {"32": {}, "64": {}},
        "seeds": [0],
    }
    rows = [*cells("a", "32", 40, 16), *cells("a", "64", 40, 16),
            *cells("b", "32", 30, 5), *cells("b", "64", 60, 10)]  # fmt: skip
    assert "difference +0." in even_spend(Report(settings, tuple(rows), 80), "a", "b")
    assert even_spend(Report(settings, tuple(rows[:20]), 80), "a", "b").startswith("not measured")
