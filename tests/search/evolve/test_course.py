"""The course of an evolution: steps, ranges, ticks, and its two drawings."""

from __future__ import annotations

import re

import pytest

from search.evolve.course import Course, at, ticks
from search.evolve.drawing import COLUMNS, code_html, course_svg, verdicts_html

COURSE = Course(
    "toy", "minimise", best=[(0, 100.0), (5, 4.0), (300, 1.0)], held_out=[(300, 1.5)],
    islands=[[(0, 100.0), (5, 4.0)], [(300, 1.0)]], last=1000, marks={"<best> fit": 3.98},
)  # fmt: skip


@pytest.mark.parametrize(("k", "want"), [(2, None), (3, 9.0), (4, 9.0), (7, 5.0), (99, 5.0)])
def test_a_step_holds_until_the_next_one(k: int, want: float | None) -> None:
    assert at([(3, 9.0), (7, 5.0)], k) == want


def test_a_start_that_is_left_at_once_does_not_flatten_the_rest() -> None:
    assert COURSE.range() == (1.0, 4.0)
    held = Course("toy", "minimise", best=[(0, 100.0), (500, 1.0)], last=1000)
    assert held.range() == (1.0, 100.0)


def test_without_a_score_there_is_no_range_and_the_drawing_says_so() -> None:
    assert Course("toy", "minimise").range() is None
    assert "no program has a score" in course_svg(Course("toy", "minimise"))


def test_columns_hold_an_islands_best_at_the_end_of_each_span() -> None:
    assert COURSE.columns(4) == [[4.0] * 4, [None, 1.0, 1.0, 1.0]]


@pytest.mark.parametrize(
    ("low", "high", "want"),
    [(0, 10, [0, 5, 10]), (0.9, 4.1, [1, 2, 3, 4]), (-1, 1, [-1, -0.5, 0, 0.5, 1]), (3, 3, [3])],
)
def test_ticks_are_round(low: float, high: float, want: list[float]) -> None:
    assert ticks(low, high, 4) == pytest.approx(want)


def test_the_drawing_names_the_last_scores_and_escapes_names() -> None:
    drawn = course_svg(COURSE)
    assert "best training score 1 after 1000 evaluations, held-out score 1.5" in drawn
    assert "&lt;best&gt; fit 3.98" in drawn and "<best>" not in drawn


def opacities(drawn: str) -> list[float]:
    return [float(x) for x in re.findall(r"fill-opacity: ([\d.]+)", drawn)]


@pytest.mark.parametrize("direction", ["minimise", "maximise"])
def test_a_better_island_has_a_stronger_colour(direction: str) -> None:
    scores = (4.0, 1.0) if direction == "minimise" else (1.0, 4.0)
    islands = [[(0, score)] for score in scores]
    course = Course("toy", direction, [(0, 4.0), (9, 1.0)], (), islands, 10)
    worse, better = opacities(course_svg(course))
    assert better > worse


def test_cells_of_equal_score_are_one_rectangle() -> None:
    still = Course("toy", "minimise", [(0, 4.0)], (), [[(0, 4.0)]], 10)
    assert course_svg(still).count("<rect") == 1
    many = [(k, 100.0 - k) for k in range(COLUMNS)]
    moving = Course("toy", "minimise", many, (), [many], COLUMNS)
    assert course_svg(moving).count("<rect") >= COLUMNS - 1


def test_verdicts_are_sorted_by_count_and_zeros_left_out() -> None:
    shown = verdicts_html({"ok": 3, "timeout": 0, "duplicate": 7})
    assert shown.index("duplicate") < shown.index("ok")
    assert "timeout" not in shown


def test_a_program_is_escaped() -> None:
    assert "<script>" not in code_html("<b>", "<script>alert(1)</script>")


def test_the_figure_draws_both_curves_and_the_islands() -> None:
    from search.evolve.chart import chart

    above, below = chart(COURSE).axes
    assert [line.get_label() for line in above.lines][:2] == [
        "best so far, training instances",
        "the same program, held-out instances",
    ]
    assert list(above.lines[0].get_ydata()) == [100.0, 4.0, 1.0, 1.0]
    assert above.get_ylim()[1] < 5
    assert below.images[0].get_array().shape[0] == 2
