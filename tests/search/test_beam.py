import math
import random

import pytest
from scripted_steps import PROBLEM, TASK, Listed, Table, Words, drawn, solve

from evaluators.errors import BadInput
from reasoning.core import Context, SeedPath
from reasoning.ledger import Budget, Ledger
from search import BeamSearch
from search.scorers import Likelihood
from search.tree.rounds import width_of


def random_tree(rng, depth, most):
    """A table of different children, some of them ends, and a score for every prefix."""
    table, scores, level = {}, {}, [""]
    for at in range(depth):
        following = []
        for prefix in level:
            marks = rng.sample("abcdefgh", most)
            last = at == depth - 1
            steps = [f"={m}" if last or rng.random() < 0.2 else f"{m}\n" for m in marks]
            table[prefix] = steps
            scores |= {prefix + step: rng.random() for step in steps}
            following += [prefix + step for step in steps if step[0] != "="]
        level = following
    return table, scores


def textbook(table, scores, width, expansions):
    """All that a beam search writes, level by level: of all children the best stay, and a finished
    one keeps its place."""
    beam, places, written = [""], width, []
    while beam:
        draws = [table[p][: expansions * (width if not p else 1)] for p in beam]
        level = [p + step for p, steps in zip(beam, draws, strict=True) for step in steps]
        written += level
        best = sorted(level, key=lambda text: -scores[text])[:places]
        beam = [text for text in best if "=" not in text]
        places -= len(best) - len(beam)
    return written


@pytest.mark.parametrize("seed", range(60))
def test_without_frugality_it_writes_what_a_textbook_beam_writes(seed):
    rng = random.Random(seed)
    width, expansions = rng.randrange(1, 4), rng.randrange(1, 3)
    table, scores = random_tree(rng, rng.randrange(1, 5), width * expansions)
    strategy = BeamSearch(width, expansions, frugal=False, scorer=Table(scores))
    solution, ledger = solve(strategy, Listed(table))
    written = textbook(table, scores, width, expansions)
    assert drawn(solution) == written
    assert len(ledger.rows) == len(written)
    finished = [text for text in written if "=" in text]
    best = max(finished, key=lambda text: scores[text], default=None)
    chosen = None if solution.chosen is None else solution.traces[solution.chosen].text
    assert (chosen, solution.stopped_by) == (best, "done")


EXACT = {"c\n": 1.0, "c\nb\n": 1.0, "c\nb\n=yes": 1.0}
LADDER = {"": ["a\n", "b\n", "c\n", "d\n"], "c\n": ["a\n", "b\n", "c\n"], "c\nb\n": ["=yes"]}


def test_frugal_and_led_by_the_exact_value_it_draws_no_sibling_after_the_good_one():
    strategy = BeamSearch(1, 4, scorer=Table(EXACT), stop="first-accepted")
    solution, ledger = solve(strategy, Listed(LADDER))
    assert drawn(solution) == ["a\n", "b\n", "c\n", "c\na\n", "c\nb\n", "c\nb\n=yes"]
    assert (solution.answer, solution.stopped_by) == ("yes", "accepted")
    assert len(ledger.rows) == 6


@pytest.mark.parametrize("frugal", [True, False])
def test_a_node_has_no_more_children_than_expansions_say(frugal):
    rng = random.Random(3)
    table, scores = random_tree(rng, 4, 8)
    for width in (1, 2, 4):
        strategy = BeamSearch(width, 2, frugal=frugal, scorer=Table(scores))
        tree = solve(strategy, Listed(table))[0].tree
        assert len(tree.root.children) <= 2 * width
        assert all(len(node.children) <= 2 for node in tree.nodes[1:])


def test_with_several_places_it_goes_on_drawing_until_they_are_filled():
    scores = {"a\n": 0.9, "c\n": 0.8, "a\na\n": 0.9, "c\nb\n": 0.9}
    table = {"": ["a\n", "b\n", "c\n", "d\n"], "a\n": ["a\n", "b\n"], "c\n": ["a\n", "b\n"],
             "a\na\n": ["=yes"], "c\nb\n": ["=no"]}  # fmt: skip
    tree = solve(BeamSearch(2, 3, scorer=Table(scores)), Listed(table))[0].tree
    # two places: a and b, then one more for b's; a's first child is good, c's second
    texts = ["".join(tree.texts(node)) for node in tree.nodes[1:]]
    assert texts[:6] == ["a\n", "b\n", "c\n", "a\na\n", "c\na\n", "c\nb\n"]


def test_a_good_finished_trace_keeps_its_place_and_a_poor_one_takes_none():
    table = {"": ["=good", "a\n", "b\n", "=poor"], "a\n": ["=x"], "b\n": ["=y"]}
    scores = {"=good": 0.9, "a\n": 0.8, "b\n": 0.7, "=poor": 0.1}
    narrowed = solve(BeamSearch(2, 2, frugal=False, scorer=Table(scores)), Listed(table))[0]
    assert {"".join(narrowed.tree.texts(n)) for n in narrowed.tree.finished()} == {
        "=good", "=poor", "a\n=x"}  # fmt: skip
    assert [n.closed for n in narrowed.tree.nodes if n.text == "b\n"] == ["pruned"]
    scores["=good"] = 0.2
    both = solve(BeamSearch(2, 2, frugal=False, scorer=Table(scores)), Listed(table))[0]
    assert {"a\n=x", "b\n=y"} <= {"".join(both.tree.texts(n)) for n in both.tree.finished()}


SHORT_OR_LONG = {
    "": [("=s", -0.5), ("aaaa\n", -0.2)],  # -1.5 in 3 tokens, -1.0 in 5
    "aaaa\n": [("bbbb\n", -0.2)],  # -2.0 in 10
    "aaaa\nbbbb\n": [("=l", -0.2)],
}


def test_log_scores_count_per_token_so_that_a_long_trace_is_not_worse_for_being_long():
    # places for one: in sums the short trace (-1.5) loses to the start of the long (-1.0), too,
    # but a start of 10 tokens at the same rate would not
    table = SHORT_OR_LONG | {"": [("=s", -0.5), ("aaaaaaaaa\n", -0.2)]}
    likely = {"scorer": Likelihood(), "frugal": False}
    fair = solve(BeamSearch(1, 2, **likely), Listed(table))[0]
    sums = solve(BeamSearch(1, 2, length=0.0, **likely), Listed(table))[0]
    assert [node.closed for node in fair.tree.nodes[1:3]] == ["finished", ""]
    assert [node.closed for node in sums.tree.nodes[1:3]] == ["finished", "pruned"]


def test_a_mean_likelihood_is_not_divided_again():
    from search.tree.offspring import Rating

    assert Rating.by(Likelihood(), None) == Rating(True, 1.0)
    assert Rating.by(Likelihood(mean=True), None) == Rating(True, 0.0)
    assert Rating.by(Table({}), None) == Rating(False, 0.0)
    assert Rating.by(Likelihood(), 0.6) == Rating(True, 0.6)


def test_it_stops_when_enough_traces_have_finished():
    table = {"": ["=a", "=b", "=c", "=d"]}
    solution, ledger = solve(
        BeamSearch(1, 1, enough=2, scorer=Table({})), Listed(table), Budget(tokens=900)
    )
    assert (len(solution.tree.finished()), solution.stopped_by) == (2, "done")
    assert len(ledger.rows) == 2


def test_under_a_budget_that_pays_two_traces_it_has_finished_one():
    letters = ["a\n", "b\n", "c\n", "d\n"]
    table = {"": letters}
    for x in letters:
        table[x] = letters
        for y in letters:
            table[x + y] = ["=yes"]
    scorer = Table({}, otherwise=0.5)
    budget = Budget(tokens=18)  # a trace has 2 + 2 + 5
    rounds, _ = solve(BeamSearch(4, 4, scorer=scorer), Listed(table), budget)
    wide, _ = solve(BeamSearch(4, 4, frugal=False, rounds=1, scorer=scorer), Listed(table), budget)
    assert rounds.answer == "yes"
    assert wide.tree.depth < 3 or rounds.tree.finished()


def test_the_width_of_a_round_is_what_is_left_to_pay_by_what_was_paid():
    ledger = Ledger(Budget(tokens=100))
    ctx = Context(TASK, Listed({}), ledger, SeedPath(0))

    def spend(tokens):
        ledger.reserve(purpose="sample", model="m", key="k", max_tokens=tokens)

    assert width_of(ctx, 8, []) == 1
    spend(10)
    assert width_of(ctx, 8, [1]) == 2
    spend(20)
    assert width_of(ctx, 8, [1, 2]) == 4
    spend(40)  # 70 for 7 places: 10 each, 30 left
    assert width_of(ctx, 8, [1, 2, 4]) == 3
    spend(25)
    assert width_of(ctx, 8, [1, 2, 4, 3]) == 1
    endless = Context(TASK, Listed({}), Ledger(), SeedPath(0))
    assert width_of(endless, 8, []) == 8


def test_without_a_budget_it_makes_one_round_and_with_rounds_so_many():
    table = {"": ["a\n", "b\n"]}
    scorer = Table({}, otherwise=0.5)
    once = len(solve(BeamSearch(2, 1, scorer=scorer), Listed(table))[0].tree.finished())
    twice = len(solve(BeamSearch(2, 1, rounds=2, scorer=scorer), Listed(table))[0].tree.finished())
    assert (once, twice) == (2, 4)


def test_steps_of_one_state_take_one_place():
    task = Words("words", (PROBLEM,), sorts=True)
    table = {"": ["ab\n", "ba\n", "cd\n"], "ab\n": ["=yes"], "cd\n": ["=no"]}
    scores = {"ab\n": 0.9, "ba\n": 0.9, "cd\n": 0.8}
    strategy = BeamSearch(2, 3, frugal=False, scorer=Table(scores))
    solution, _ = solve(strategy, Listed(table), task=task)
    assert {n.answer for n in solution.tree.finished()} == {"yes", "no"}
    assert [n.closed for n in solution.tree.nodes if n.text == "ba\n"] == ["equal state"] * 2


def test_a_pruned_state_that_is_reached_again_is_continued():
    task = Words("words", (PROBLEM,), sorts=True)
    # first round: b is pruned; second: only b's state comes, as a draw of the prompt's fourth child
    table = {"": ["a\n", "b\n", "b\n", "b\n"], "a\n": ["=no"], "b\n": ["=yes"]}
    scores = {"a\n": 0.9, "b\n": 0.8}
    strategy = BeamSearch(1, 2, frugal=False, rounds=2, scorer=Table(scores))
    solution, _ = solve(strategy, Listed(table), task=task)
    assert "yes" in {n.answer for n in solution.tree.finished()}


def test_what_has_been_followed_to_its_only_end_takes_no_place_in_a_later_round():
    sure, unsure = math.log(0.99) / 4, -1.0
    task = Words("words", (PROBLEM,), sorts=True)
    table = {"": [("a\n", unsure), ("a\n", unsure), ("b\n", unsure)],
             "a\n": [("=no", sure)], "b\n": [("=yes", sure)]}  # fmt: skip
    strategy = BeamSearch(1, 2, rounds=2, scorer=Table({}, otherwise=0.5))
    solution, _ = solve(strategy, Listed(table), task=task)
    assert drawn(solution) == ["a\n", "a\n=no", "a\n", "b\n", "b\n=yes"]
    assert solution.tree.nodes[1].closed == "exhausted"


def test_a_level_without_a_live_candidate_is_drawn_again_but_not_for_ever():
    table = {"": [f"{mark}\n" for mark in "abcdefgh"], "d\n": ["=yes"]}
    alive = Table({"d\n": 1.0, "d\n=yes": 1.0})
    assert solve(BeamSearch(1, 2, scorer=alive), Listed(table))[0].answer == "yes"
    dead, ledger = solve(BeamSearch(1, 2, scorer=Table({})), Listed(table))
    assert drawn(dead)[:5] == ["a\n", "b\n", "c\n", "d\n", "a\n=no"]
    assert len(ledger.rows) == 5
    half = Table({}, otherwise=0.1)  # a low score is not a dead one
    assert len(solve(BeamSearch(1, 2, scorer=half), Listed(table))[0].tree.root.children) == 2


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"expansions": 0}, {"rounds": 0}, {"enough": 0}, {"stop": "soon"}]
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(BadInput):
        BeamSearch(**wrong)


def test_a_log_score_accepts_nothing():
    with pytest.raises(BadInput, match="step-verifier"):
        BeamSearch(scorer="likelihood", stop="first-accepted").prepare(TASK)
