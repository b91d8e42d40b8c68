"""Comparison at equal mean tokens, on made-up cells with hand-computed answers."""

from math import log

import pytest

from evaluators import BadInput, UnknownName
from search.cell import Cell
from search.equal_tokens import at_equal_tokens
from search.report import Report


def report(rows: list[tuple[str, str, str, bool, int]]) -> Report:
    """Cells from (arm, budget, problem, correct, tokens)."""
    cells = tuple(
        Cell(arm, budget, 0, problem, correct=correct, completion=tokens)
        for arm, budget, problem, correct, tokens in rows
    )
    settings = {
        "strategies": dict.fromkeys(["a", "b"]), "budgets": dict.fromkeys(["1", "2"]),
        "knows": {"a": "solution", "b": "solution"}, "seeds": [0], "problems": 2,
    }  # fmt: skip
    return Report(settings, cells, len(cells))


def both(arm: str, budget: str, right: tuple[bool, bool], tokens: tuple[int, int]):
    return [(arm, budget, p, r, t) for p, r, t in zip("pq", right, tokens, strict=True)]


def test_the_baseline_is_interpolated_in_the_logarithm_of_its_mean_tokens() -> None:
    rows = both("a", "1", (True, False), (15, 25)) + both("a", "2", (True, True), (300, 500))
    rows += both("b", "1", (False, False), (10, 10)) + both("b", "2", (True, True), (40, 40))
    (found,) = at_equal_tokens(report(rows), "a", "b")
    assert found.budget == "1", "400 tokens lie outside what b was measured at"
    want = (log(20) - log(10)) / (log(40) - log(10))
    assert found.baseline == pytest.approx(want) and found.accuracy == 0.5
    assert found.difference.value == pytest.approx(0.5 - want)
    assert found.difference.low <= found.difference.value <= found.difference.high


def test_an_arm_against_itself_differs_by_nothing() -> None:
    rows = both("a", "1", (True, False), (12, 18)) + both("a", "2", (True, True), (30, 50))
    same = [("b", *row[1:]) for row in rows]
    for found in at_equal_tokens(report(rows + same), "a", "b"):
        d = found.difference
        assert (d.value, d.low, d.high) == pytest.approx((0, 0, 0))


@pytest.mark.filterwarnings("error")
def test_a_budget_of_nothing_is_a_point_like_others() -> None:
    rows = both("a", "1", (False, False), (0, 0)) + both("a", "2", (True, True), (4, 4))
    rows += both("b", "1", (False, False), (0, 0)) + both("b", "2", (True, True), (16, 16))
    nothing, some = at_equal_tokens(report(rows), "a", "b")
    assert (nothing.baseline, some.baseline) == pytest.approx((0.0, 0.5))


def test_missing_arms_and_empty_overlaps_are_named() -> None:
    rows = both("a", "1", (True, False), (12, 18)) + both("a", "2", (True, True), (30, 50))
    with pytest.raises(UnknownName, match="arm"):
        at_equal_tokens(report(rows), "a", "c")
    with pytest.raises(BadInput, match="share no problem"):
        at_equal_tokens(report(rows), "a", "b")
