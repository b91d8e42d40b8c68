import math

import pytest
from scripted_steps import PROBLEM, Listed, Table, Words, drawn, solve

from evaluators.errors import BadInput
from reasoning.ledger import Budget
from search import BestFirst
from search.tree.node import Node
from search.tree.novelty import novelty
from search.tree.tree import SearchTree

LADDER = {"": ["a\n", "b\n", "c\n"], "c\n": ["a\n", "b\n"], "c\nb\n": ["=yes"]}
EXACT = {"c\n": 1.0, "c\nb\n": 1.0, "c\nb\n=yes": 1.0}


def test_led_by_the_exact_value_it_writes_nothing_after_a_bad_step():
    strategy = BestFirst(scorer=Table(EXACT), stop="first-accepted")
    solution, ledger = solve(strategy, Listed(LADDER), Budget(tokens=200))
    assert drawn(solution) == ["a\n", "b\n", "c\n", "c\na\n", "c\nb\n", "c\nb\n=yes"]
    assert (solution.answer, solution.stopped_by) == ("yes", "accepted")
    assert len(ledger.rows) == 6


def test_a_node_stays_open_for_more_children():
    # the only way to the end is the prompt's sixth child
    table = {"": ["a\n", "b\n", "c\n", "d\n", "e\n", "f\n"], "f\n": ["=yes"]}
    strategy = BestFirst(scorer=Table({"f\n": 1.0, "f\n=yes": 1.0}), stop="first-accepted")
    solution, _ = solve(strategy, Listed(table), Budget(tokens=200))
    assert drawn(solution) == ["a\n", "b\n", "c\n", "d\n", "e\n", "f\n", "f\n=yes"]


def test_of_equals_the_deeper_goes_first_then_the_earlier():
    letters = ["a\n", "b\n"]
    table = {"": letters, "a\n": letters, "b\n": letters}
    strategy = BestFirst(2, scorer=Table({}, otherwise=1.0), patience=1.0, enough=1)
    solution, _ = solve(strategy, Listed(table), Budget(tokens=200))
    assert drawn(solution)[:5] == ["a\n", "b\n", "a\na\n", "a\nb\n", "a\na\n=no"]


SURE, UNSURE = math.log(0.99) / 5, -2.0


def test_the_end_that_the_model_is_sure_of_is_not_written_again_and_again():
    # Every start can be had; each leads to one end, of which the model is sure (0.99 in 5 tokens).
    starts = [f"{mark}\n" for mark in "abcdefgh"]
    table = {"": [(start, UNSURE) for start in starts]}
    table |= {start: [(f"={start[0]}no", SURE)] for start in starts}
    scorer = Table({}, otherwise=0.9)
    solution, _ = solve(BestFirst(scorer=scorer), Listed(table), Budget(tokens=7 * 8))
    ends = [text for text in drawn(solution) if "=" in text]
    assert len(ends) == len(set(ends)) == 8  # all its tokens went into traces not seen before


def test_novelty_is_what_the_model_leaves_to_other_children():
    tree = SearchTree(prompt=None)
    assert novelty(tree, tree.root) == 1
    for text, p in (("a", 0.5), ("b", 0.3), ("a", 0.5)):
        tree.add(tree.root, text, key=text, logprob=math.log(p))
    assert novelty(tree, tree.root) == pytest.approx(0.2)


def test_without_log_probabilities_novelty_is_the_share_of_children_seen_once():
    tree = SearchTree(prompt=None)
    wanted = [1, 2 / 2, 1 / 3, 2 / 4, 1 / 5]  # (seen once + 1) / (children + 1)
    found = []
    for text in ("", "a", "a", "b", "b"):
        if text:
            tree.add(tree.root, text, key=text)
        found.append(novelty(tree, tree.root))
    assert found == pytest.approx(wanted)
    assert isinstance(tree.root, Node)


def test_it_ends_with_the_traces_the_steps_or_the_budget_that_were_set():
    table = {"": ["=a", "=b", "=c", "=d"]}
    for settings, stopped, written in (
        ({"enough": 2}, "done", 2), ({"steps": 3}, "done", 3), ({}, "budget", 4),
    ):  # fmt: skip
        solution, ledger = solve(
            BestFirst(scorer=Table({}, otherwise=0.5), **settings),
            Listed(table),
            Budget(tokens=12),
        )
        assert (solution.stopped_by, len(ledger.rows)) == (stopped, written)


def test_what_follows_an_equal_state_is_written_once():
    task = Words("words", (PROBLEM,), sorts=True)
    table = {"": ["ab\n", "ba\n"], "ab\n": ["=yes"], "ba\n": ["=no"]}
    strategy = BestFirst(2, scorer=Table({}, otherwise=1.0), enough=1)
    solution, _ = solve(strategy, Listed(table), Budget(tokens=200), task=task)
    assert drawn(solution)[:3] == ["ab\n", "ba\n", "ab\n=yes"]
    assert solution.tree.nodes[2].closed == "equal state"


@pytest.mark.parametrize(
    "wrong",
    [{"expansions": 0}, {"patience": 0.0}, {"enough": 0}, {"steps": 0}, {"stop": "soon"},
     {"temperature": 0}],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(BadInput):
        BestFirst(**wrong)


def test_without_a_budget_or_a_number_it_is_refused():
    with pytest.raises(BadInput, match="never ends"):
        solve(BestFirst(scorer=Table({})), Listed({}))


def test_enough_finished_traces_are_no_end_for_a_model_that_may_finish_none():
    with pytest.raises(BadInput, match="never ends"):
        solve(BestFirst(enough=1, scorer=Table({})), Listed({}))
