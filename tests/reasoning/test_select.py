"""Selection: each rule against rows whose fate is known."""

from __future__ import annotations

import pytest

from evaluators.errors import BadInput, UnknownName
from reasoning.data.select import Rate, question_of, select, solve_rates
from reasoning.data.sound import flaw
from tests.reasoning.trace_rows import TASK, row

HARD, EASY = "9-2*3", "1+2*3"
ROWS = [
    row(1, "1+6\n7\n</think>7"),
    row(2, "1+6\n</think>7"),
    row(3, "3*3\n9\n</think>9", False),
    row(4, "9-6\n3\n</think>3", True, HARD),
    row(5, "7*3\n21\n</think>21", False, HARD),
    row(6, "7*3\n</think>21", False, HARD),
    row(7, "7*3\n20\n</think>20", False, HARD),
    row(8, "9-6", False, HARD, finish="length"),
    row(9, "</think>3", None, HARD),
]


def ids(rows):
    return [r.id for r in rows]


def kept(**settings):
    return ids(select(ROWS, **settings))


def test_only_right_traces_are_kept_unless_asked_otherwise():
    assert kept() == ["r1", "r2", "r4"]
    assert kept(verdict="wrong") == ["r3", "r5", "r6", "r7"]
    assert kept(verdict="wrong", ended=False) == ["r3", "r5", "r6", "r7", "r8"]
    assert kept(verdict="any", ended=False) == ids(ROWS)


def test_difficulty_is_the_share_of_all_judged_traces_of_the_problem():
    assert solve_rates(ROWS)[question_of(ROWS[0])] == Rate(2, 3)
    assert solve_rates(ROWS)[question_of(ROWS[3])] == Rate(1, 5)
    assert kept(solved=(0.0, 0.5)) == ["r4"]
    assert kept(solved=(0.5, 1.0)) == ["r1", "r2"]


def test_a_hint_makes_no_problem_easier():
    hinted = [*ROWS, row(10, "9-6\n</think>3", True, HARD, hint_used=True)]
    assert solve_rates(hinted)[question_of(ROWS[3])] == Rate(1, 5)
    assert "r10" in ids(select(hinted)) and "r10" not in ids(select(hinted, hinted=False))


def test_lengths_are_kept_between_two_bounds():
    assert kept(tokens=(14, None)) == ["r1", "r4"]
    assert kept(tokens=(0, 12)) == []
    assert [r.n_tokens for r in ROWS[:2]] == [15, 13]


def test_a_right_answer_after_a_wrong_step_is_not_sound():
    rows = [row(1, "1+6\n7\n</think>7"), row(2, "1+5\n6\n</think>7"),
            row(3, "9\n</think>7"), row(4, "3*3\nwait\n1+6\n7\n</think>7"),
            row(5, "well, hm\n1+6\n7\n</think>7")]  # fmt: skip
    assert ids(select(rows, sound=True)) == ["r1", "r4", "r5"]
    assert flaw(rows[1], TASK) == "1+5: 1+5 does not follow from 1+2*3"
    own = [row(1, "1+6\n7\n</think>7", task="of mine")]
    assert not select(own, sound=True) and len(select(own)) == 1


def test_equal_texts_and_equal_answers_of_a_problem_are_kept_once():
    twice = [row(1, "7\n</think>7"), row(2, "7 \n</think> 7"), row(3, "1+6\n7\n</think>7"),
             row(4, "7\n</think>7", True, "2+2*3")]  # fmt: skip
    assert ids(select(twice)) == ["r1", "r3", "r4"]
    assert ids(select(twice, distinct="none")) == ["r1", "r2", "r3", "r4"]
    same = [row(1, "a</think>7"), row(2, "b</think>7"), row(3, "c</think>8")]
    assert ids(select(same, distinct="answer")) == ["r1", "r3"]


def test_the_collectors_key_says_what_is_the_same():
    rows = [row(1, "a</think>7", dedup_key="k"), row(2, "b</think>7", dedup_key="k")]
    assert ids(select(rows)) == ["r1"]


@pytest.mark.parametrize(
    ("prefer", "want"),
    [("first", ["r1", "r2"]), ("shortest", ["r2", "r3"]), ("longest", ["r1", "r3"]),
     ("likely", ["r2", "r3"])],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_so_many_of_a_problem_in_the_order_preferred(prefer, want):
    rows = [row(1, "aaaa", logprob=-4.0), row(2, "b", logprob=-0.1), row(3, "cc", logprob=-1.0)]
    assert ids(select(rows, each=2, prefer=prefer)) == want


def test_random_choice_depends_on_the_seed_alone():
    rows = [row(i, f"{i} plus {i}") for i in range(20)]
    drawn = [tuple(ids(select(rows, each=3, prefer="random", seed=s))) for s in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1] and len(set(drawn)) == 3
    assert all(len(d) == 3 for d in drawn)


def test_the_novel_choice_is_the_farthest_from_what_is_kept():
    rows = [row(1, "a b c d e"), row(2, "a b c d x"), row(3, "a b c d e f"), row(4, "p q r s")]
    assert ids(select(rows, each=2, prefer="novel")) == ["r1", "r4"]
    assert ids(select(rows, each=3, prefer="novel")) == ["r1", "r2", "r4"]


def test_a_trace_too_near_to_one_that_is_kept_is_left_out():
    # shingles of r1: abc bcd cde; r2 shares abc bcd of 4 in all: distance 1/2; r3 3 of 4: 1/4
    rows = [row(1, "a b c d e"), row(2, "a b c d x"), row(3, "a b c d e f"), row(4, "p q r s")]
    assert ids(select(rows, novelty=0.5)) == ["r1", "r2", "r4"]
    assert ids(select(rows, novelty=0.6)) == ["r1", "r4"]
    assert ids(select(rows, novelty=0.2)) == ["r1", "r2", "r3", "r4"]


def test_a_limit_draws_evenly_and_keeps_the_order():
    rows = [row(i, f"t{i}") for i in range(50)]
    drawn = select(rows, limit=10)
    assert len(drawn) == 10 and ids(drawn) == sorted(ids(drawn), key=lambda i: int(i[1:]))
    assert select(rows, limit=99).rows == tuple(rows)


def test_the_sieves_tell_what_every_rule_left():
    found = select(ROWS, each=1)
    assert [(s.rule, s.rows, s.problems) for s in found.sieves] == [
        ("all", 9, 2), ("right", 3, 2), ("ended by itself", 3, 2), ("different texts", 3, 2),
        ("at most 1 a problem (first)", 2, 2),
    ]  # fmt: skip
    assert "at most 1 a problem" in str(found) and found.told()["sieves"][0]["rows"] == 9


def test_a_selection_is_a_sequence_of_rows():
    found = select(ROWS)
    assert (len(found), found[0], list(found)[-1]) == (3, ROWS[0], ROWS[3])
    assert list(found[1:]) == [ROWS[1], ROWS[3]]


@pytest.mark.parametrize(
    "settings",
    [{"solved": (0.9, 0.1)}, {"each": 0}, {"limit": 0}, {"novelty": 2}, {"tokens": (5, 1)}],
    ids=str,
)
def test_rules_that_cannot_be_are_refused(settings):
    with pytest.raises(BadInput, match=next(iter(settings))):
        select(ROWS, **settings)


def test_names_that_are_none_are_refused():
    with pytest.raises(UnknownName, match="verdict"):
        select(ROWS, verdict="good")
    with pytest.raises(UnknownName, match="each"):
        select(ROWS, eech=3)
    with pytest.raises(BadInput, match="log-probability"):
        select(ROWS, each=1, prefer="likely")
