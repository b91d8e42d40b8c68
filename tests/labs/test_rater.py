"""Clicks become a preference file, can be taken back, and are found again."""

from __future__ import annotations

import pytest

from evaluators.errors import BadInput
from labs.widgets.rater import Rater, couples
from reasoning.core import Message
from reasoning.data.pairs import read
from reasoning.data.rows import Piece, TraceRow


def row(question: str, text: str, right: bool) -> TraceRow:
    return TraceRow(
        f"{question}/{text}", "toy", "train", 0, {"id": question, "fields": {}}, question,
        (Message("user", question),), (Piece(text),), "eos", verdict={"passed": right},
        n_tokens=len(text),
    )  # fmt: skip


ROWS = [row(q, t, t == "good") for q in ("1+1", "2+2", "3+3") for t in ("good", "bad", "<b>ugly")]


@pytest.fixture
def rater(tmp_path) -> Rater:
    return Rater(couples(ROWS, 5, seed=2), tmp_path / "clicks.jsonl")


def test_couples_are_two_different_traces_of_one_question_and_spread_over_questions():
    made = couples(ROWS, 6, seed=0)
    assert all(a.messages == b.messages and a.text != b.text for a, b in made)
    assert sorted(a.instance for a, _ in made) == ["1+1"] * 2 + ["2+2"] * 2 + ["3+3"] * 2
    assert made == couples(ROWS, 6, seed=0) != couples(ROWS, 6, seed=1)


def test_neither_side_holds_the_right_trace_more_often():
    made = couples(ROWS, 400, seed=5)
    decided = [(a, b) for a, b in made if a.correct != b.correct]
    assert 0.4 < sum(a.correct for a, _ in decided) / len(decided) < 0.6


def test_a_question_without_two_different_traces_cannot_be_rated():
    with pytest.raises(BadInput, match="two different traces"):
        couples([ROWS[0], ROWS[0], ROWS[3]], 2)


def test_a_click_writes_the_pair_to_the_file_at_once(rater):
    left, right = rater.couples[0]
    rater.buttons["right"].click()
    (kept,) = read(rater.file)
    assert (kept.chosen.id, kept.rejected.id, kept.origin) == (right.id, left.id, "person")
    rater.buttons["equal"].click()
    assert len(read(rater.file)) == 1 and "2 of 5" in rater._state.value
    rater.buttons["back"].click()
    rater.buttons["back"].click()
    assert read(rater.file) == [] and rater.buttons["back"].disabled


def test_opened_again_it_goes_on_where_it_was(rater):
    for choice in ("left", "equal", "right"):
        rater.choose(choice)
    again = Rater(rater.couples, rater.file)
    assert again._chosen == ["left", "equal", "right"] and again.pairs == rater.pairs
    with pytest.raises(BadInput, match="other couples"):
        Rater(couples(ROWS[:3], 2, seed=9), rater.file)


def test_a_function_stands_in_for_what_is_left(rater):
    rater.choose("equal")
    rater.stand_in(lambda left, right: "left" if left.correct else "right")
    assert rater.done and len(rater.pairs) == 4 and rater.buttons["left"].disabled
    hits, decided = rater.agreement
    assert hits == decided == sum(a.correct != b.correct for a, b in rater.couples[1:])
    with pytest.raises(BadInput, match="every couple"):
        rater.choose("left")


def test_a_click_that_cannot_be_kept_says_so_in_the_cell(rater):
    rater.file = rater.file.parent / "file" / "clicks.jsonl"
    rater.file.parent.write_text("in the way")
    rater.buttons["left"].click()
    assert 'role="alert"' in rater._error.value


def test_what_a_model_wrote_is_shown_as_text_not_as_html(rater):
    shown = "".join(
        Rater([couple], rater.file.with_name(f"{i}.jsonl"))._left.value
        for i, couple in enumerate(couples(ROWS, 12, seed=3))
    )
    assert "&lt;b&gt;ugly" in shown and "<b>ugly" not in shown
