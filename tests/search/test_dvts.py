import pytest
from scripted_steps import PROBLEM, Listed, Table, Words, drawn, solve

from evaluators.errors import BadInput
from reasoning.ledger import Budget
from search import DVTS, BeamSearch

STARTS = {"": ["a\n", "b\n", "c\n", "d\n"], "a\n": ["x\n", "y\n"], "b\n": ["x\n", "y\n"]}
STARTS |= {text: ["=yes"] for text in ("a\nx\n", "a\ny\n", "b\nx\n", "b\ny\n")}
SCORES = {"a\n": 0.9, "b\n": 0.5, "a\nx\n": 0.9, "a\ny\n": 0.8, "b\nx\n": 0.1, "b\ny\n": 0.4}


def test_without_frugality_each_tree_goes_on_with_the_best_of_its_own_children():
    strategy = DVTS(2, 2, frugal=False, scorer=Table(SCORES))
    solution, ledger = solve(strategy, Listed(STARTS))
    assert drawn(solution) == [
        "a\n", "b\n", "c\n", "d\n",  # 2 for each of two trees
        "a\nx\n", "a\ny\n", "b\nx\n", "b\ny\n",
        "a\nx\n=yes", "a\nx\n=yes", "b\ny\n=yes", "b\ny\n=yes",
    ]  # fmt: skip
    assert len(ledger.rows) == 12


def test_a_good_start_does_not_take_the_places_of_the_other_trees():
    ends = {}
    for kind in (DVTS, BeamSearch):
        solution, _ = solve(kind(2, 2, frugal=False, scorer=Table(SCORES)), Listed(STARTS))
        finished = solution.tree.finished()
        ends[kind] = {solution.tree.texts(node)[0] for node in finished}
    assert ends == {DVTS: {"a\n", "b\n"}, BeamSearch: {"a\n"}}


def test_trees_begin_differently_and_stay_different():
    task = Words("words", (PROBLEM,), sorts=True)
    table = {"": ["ab\n", "ba\n", "b\n", "ab\n"], "b\n": ["a\n", "c\n"], "ab\n": ["=no"],
             "b\nc\n": ["=yes"]}  # fmt: skip
    strategy = DVTS(2, 2, frugal=False, scorer=Table({}, otherwise=0.5))
    solution, _ = solve(strategy, Listed(table), task=task)
    heads = {solution.tree.texts(node)[0] for node in solution.tree.finished()}
    assert heads == {"ab\n", "b\n"}
    # b a is the state of ab, which the first tree has: the second goes on with b c
    assert {node.answer for node in solution.tree.finished()} == {"no", "yes"}


def test_frugal_and_led_by_the_exact_value_a_tree_draws_no_sibling_after_the_good_one():
    table = {"": ["a\n", "c\n"], "c\n": ["a\n", "b\n", "d\n"], "c\nb\n": ["=yes"]}
    scores = {"c\n": 1.0, "c\nb\n": 1.0, "c\nb\n=yes": 1.0}
    strategy = DVTS(1, 4, scorer=Table(scores), stop="first-accepted")
    solution, _ = solve(strategy, Listed(table), Budget(tokens=200))
    assert drawn(solution) == ["a\n", "c\n", "c\na\n", "c\nb\n", "c\nb\n=yes"]
    assert solution.stopped_by == "accepted"


def test_a_tree_without_candidates_ends_and_the_others_go_on():
    table = {"": ["a\n", "b\n"], "a\n": ["=" + "x" * 60], "b\n": ["=yes"]}
    scores = {"a\n": 0.9, "b\n": 0.8}
    solution, _ = solve(DVTS(2, 1, scorer=Table(scores)), Listed(table))
    assert [node.answer for node in solution.tree.finished()] == ["yes"]


@pytest.mark.parametrize("wrong", [{"trees": 0}, {"expansions": 0}])
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(BadInput):
        DVTS(**wrong)
