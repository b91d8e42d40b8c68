"""The sentences follow the data: the same question gets opposite answers on opposite data."""

from __future__ import annotations

import pytest

from labs.findings import Cell, difference, duel, most_gain, no_gain, three_sentences

PROBLEMS = 60


def cell(
    share: float, budget: int, tokens: float, strategy: str = "vote", knows: str = "nothing",
    task: str = "expressions", seeds: int = 1,
) -> Cell:  # fmt: skip
    right = round(share * PROBLEMS)
    correct = {(f"p/{i}", s): float(i < right) for i in range(PROBLEMS) for s in range(seeds)}
    return Cell(task, strategy, budget, knows, correct, tokens)


def test_a_gain_is_claimed_only_when_its_interval_excludes_zero() -> None:
    clear = [cell(0.2, 32, 30), cell(0.7, 512, 400)]
    assert most_gain(clear).startswith("More compute helps")
    assert "0.20 at 32 to 0.70 at 512" in most_gain(clear)
    unclear = [cell(0.50, 32, 30), cell(0.5, 512, 400)]
    assert most_gain(unclear).startswith("No arm gains measurably")


def test_the_arm_with_the_largest_gain_is_named() -> None:
    cells = [
        cell(0.2, 32, 30, "a"), cell(0.4, 512, 400, "a"),
        cell(0.2, 32, 30, "b"), cell(0.8, 512, 400, "b"),
    ]  # fmt: skip
    assert ", b goes from" in most_gain(cells)


@pytest.mark.parametrize(
    ("mine", "other", "said"),
    [(0.8, 0.3, "is ahead of"), (0.3, 0.8, "is behind"), (0.5, 0.5, "cannot be told apart")],
)
def test_a_duel_says_who_is_ahead(mine: float, other: float, said: str) -> None:
    cells = [
        cell(mine, 512, 200, "step-resample", "solution"),
        cell(other, 512, 210, "best-of-n", "solution"),
    ]
    assert said in duel(cells, "step-resample", "best-of-n")


def test_a_duel_of_unequal_knowledge_claims_nothing() -> None:
    cells = [cell(0.8, 512, 200, "a", "solution"), cell(0.3, 512, 210, "b", "nothing")]
    said = duel(cells, "a", "b")
    assert "nothing is claimed" in said
    assert "ahead" not in said


def test_no_gain_names_the_arm_that_spends_more_for_nothing() -> None:
    cells = [cell(0.5, 32, 30, "flat"), cell(0.5, 512, 400, "flat"),
             cell(0.2, 32, 30, "up"), cell(0.8, 512, 400, "up")]  # fmt: skip
    assert "flat gains nothing measurable" in no_gain(cells)
    assert "13.3 times" in no_gain(cells)


def test_a_loss_is_called_a_loss() -> None:
    assert "loses accuracy" in no_gain([cell(0.8, 32, 30), cell(0.2, 512, 400)])


def test_where_every_arm_gains_the_smallest_gain_is_told() -> None:
    cells = [cell(0.2, 32, 30, "a"), cell(0.9, 512, 400, "a"),
             cell(0.2, 32, 30, "b"), cell(0.6, 512, 400, "b")]  # fmt: skip
    assert no_gain(cells).startswith("In this run every arm")
    assert "of b on" in no_gain(cells)


def test_an_arm_that_does_not_spend_more_is_no_case() -> None:
    cells = [cell(0.5, 32, 2), cell(0.5, 512, 2)]
    assert no_gain(cells).startswith("No arm spent more")


def test_differences_are_paired_on_shared_runs_only() -> None:
    a, b = cell(0.5, 32, 30, seeds=2), cell(0.4, 32, 30, seeds=1)
    gap = difference(a, b)
    assert gap is not None
    assert gap.value == pytest.approx(0.1)
    assert difference(a, Cell("t", "s", 1, "nothing", {("other", 0): 1.0}, 1)) is None


def test_there_are_three_sentences_whatever_the_data() -> None:
    for cells in ([], [cell(0.5, 32, 30)], [cell(0.1, 32, 30), cell(0.9, 64, 60)]):
        said = three_sentences(cells, "step-resample", "best-of-n")
        assert len(said) == 3
        assert all(s.endswith(".") for s in said)
