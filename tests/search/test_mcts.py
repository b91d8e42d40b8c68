from math import inf, isfinite, log, sqrt

import pytest
from letters import Speller, Worth, best_word, matching, words
from toy_lab import Scripted, solve, toy

from evaluators.errors import BadInput
from reasoning.ledger import Budget
from search.best_of_n import BestOfN
from search.mcts import MCTS
from search.mcts_rules import puct, uct, widened
from search.mcts_tour import Place, Tour

TASK, PROBLEM = words()


# -- formulas -----------------------------------------------------------------------------


def test_uct_is_the_mean_and_the_root_of_log_n_by_n():
    # 0.5 + 2 sqrt(ln 100 / 25) = 0.5 + 2 * 0.42919...
    assert uct(0.5, 100, 25, 2.0) == pytest.approx(1.358386, abs=1e-6)
    assert uct(0.25, 1, 1, 1.4) == 0.25  # ln 1 = 0


def test_puct_is_the_mean_and_the_prior_times_root_n_by_one_plus_n():
    # 0.5 + 1.25 * 0.2 * sqrt(81) / (1 + 4) = 0.5 + 0.45
    assert puct(0.5, 0.2, 81, 4, 1.25) == pytest.approx(0.95)
    assert puct(0.0, 1.0, 0, 0, 9.0) == 0.0


@pytest.mark.parametrize(
    ("visits", "factor", "power", "draws"),
    [(0, 1, 0.5, 1), (1, 1, 0.5, 1), (3, 1, 0.5, 1), (4, 1, 0.5, 2), (8, 1, 0.5, 2),
     (9, 1, 0.5, 3), (100, 2, 0.25, 6), (1000, 3, 0, 3), (9, 1, 1, 9), (50, 0.01, 0.5, 1)],
)  # fmt: skip
def test_a_node_gets_the_draws_of_progressive_widening(visits, factor, power, draws):
    assert widened(visits, factor, power) == draws


class _Grower:
    """What Tour asks of a Grower when it only selects."""

    def __init__(self, tree):
        self.tree, self.scorer, self.merge = tree, None, True


@pytest.mark.parametrize("rule", ["puct", "uct"])
def test_the_child_that_is_followed_has_the_greatest_bound(rule):
    from reasoning.core import Prompt
    from search.tree import SearchTree

    tree = SearchTree(Prompt(()))
    place = Place(total=10.0)
    table = [(0.6, 30, 7.0), (0.7, 50, 2.0), (0.1, 3, 1.0)]  # mean, visits, times drawn
    for mean, visits, weight in table:
        arm = tree.add(tree.root, "x", visits=visits, value=mean * visits)
        place.arms.append(arm)
        place.weights.append(weight)
    tree.root.visits = 84
    for c in (0.0, 0.2, 1.0, 3.0, 8.0):
        if rule == "puct":
            bounds = [m + c * w / 10 * sqrt(84) / (1 + n) for m, n, w in table]
            named = [puct(m, w / 10, 84, n, c) for m, n, w in table]
        else:
            bounds = [m + c * sqrt(log(84) / n) for m, n, _ in table]
            named = [uct(m, 84, n, c) for m, n, _ in table]
        assert named == pytest.approx(bounds)
        tour = Tour(MCTS(rule=rule, c=c), _Grower(tree))
        followed = tour._follow(tree.root, place, 0.0)
        assert followed.id - 1 == bounds.index(max(bounds))


# -- search -------------------------------------------------------------------------------


def mcts(worth, **settings):
    return MCTS(scorer=Worth(worth) if callable(worth) else worth, **settings)


@pytest.mark.parametrize("how", [{}, {"rule": "uct"}, {"prior": "likelihood"}, {"rollout": 0.5},
                                 {"wave": 2}, {"wave": 5}, {"prior": "uniform"}])  # fmt: skip
def test_it_finds_the_word_that_brute_force_finds(how):
    worth = matching("baabbaba")
    best = best_word("ab", 8, worth)
    model = Speller(8)
    solution, _ = solve(mcts(worth, simulations=90, **how), TASK, model, PROBLEM)
    assert solution.answer == best == "baabbaba"  # a sample finds it once in 256


def test_values_change_the_answer():
    # the same draws; only the worth of the second letter differs
    answers = set()
    for letter in "ab":
        strategy = mcts(lambda w, x=letter: float(w[1:2] in ("", x)), simulations=30)
        solution, _ = solve(strategy, TASK, Speller(3), PROBLEM)
        answers.add(solution.answer[1])
    assert answers == {"a", "b"}


def test_the_best_arm_of_a_bandit_gets_the_most_visits():
    means = {"a": 0.2, "b": 0.5, "c": 0.9, "d": 0.4}
    odds = {"a": 0.4, "b": 0.3, "c": 0.1, "d": 0.2}
    strategy = mcts(lambda w: means[w[0]], simulations=300, widen=2.0, most_visited=True)
    solution, _ = solve(strategy, TASK, Speller(12, odds), PROBLEM)
    tree = solution.tree
    arms = [node for node in tree.children(tree.root) if node.same_as < 0]
    assert max(arms, key=lambda node: node.visits).text == "c\n"
    assert solution.answer is None or solution.answer[0] == "c"


def test_visits_and_values_are_those_of_the_subtree():
    strategy = mcts(lambda w: w.count("b") / 5, simulations=60, merge=False)
    solution, _ = solve(strategy, TASK, Speller(5), PROBLEM)
    tree = solution.tree
    for node in tree.nodes[1:]:
        assert node.visits == 1 + sum(child.visits for child in tree.children(node))
    assert tree.root.visits == 60
    assert tree.root.value == pytest.approx(sum(word_worth(n, tree) for n in tree.nodes[1:]))


def word_worth(node, tree):
    return "".join(tree.texts(node)).count("b") / 5


def test_a_draw_that_equals_a_sibling_adds_to_its_prior():
    strategy = mcts(lambda w: 0.5, simulations=40, widen=4.0)
    model = Speller(6, {"a": 0.75, "b": 0.25})
    solution, ledger = solve(strategy, TASK, model, PROBLEM)
    tree = solution.tree
    arms = [node for node in tree.children(tree.root) if node.same_as < 0]
    assert sorted(node.text for node in arms) == ["a\n", "b\n"]
    drawn = [node.text for node in tree.children(tree.root)]
    for arm in arms:
        share = drawn.count(arm.text) / len(drawn)
        assert arm.note["prior"] == pytest.approx(share, abs=1e-6)
    twice = [node for node in tree.children(tree.root) if node.same_as >= 0]
    assert twice and all(node.closed == "equal state" and not node.children for node in twice)
    discarded = {row.key: row.discarded for row in ledger.rows}
    assert all(discarded[node.key] == "equal state" for node in twice)


def test_the_likelihood_prior_is_the_share_of_probability():
    strategy = mcts(lambda w: 0.5, simulations=40, widen=4.0, prior="likelihood")
    odds = {"a": 0.6, "b": 0.3, "c": 0.1}
    tree = solve(strategy, TASK, Speller(6, odds), PROBLEM)[0].tree
    arms = [node for node in tree.children(tree.root) if node.same_as < 0]
    total = sum(odds[node.text[0]] for node in arms)
    for arm in arms:
        assert arm.note["prior"] == pytest.approx(odds[arm.text[0]] / total, abs=1e-6)


def test_a_node_has_no_more_draws_than_widening_allows():
    settings = {"simulations": 300, "widen": 1.5, "alpha": 0.4, "urgency": 0.0}
    strategy = mcts(lambda w: w.count("a") / 99, **settings)
    tree = solve(strategy, TASK, Speller(99), PROBLEM)[0].tree
    assert tree.root.draws == widened(299, 1.5, 0.4) == 14
    for node in tree.nodes:
        assert node.draws <= widened(node.visits, 1.5, 0.4)


def test_a_node_whose_children_are_all_worth_less_gets_another_draw():
    draws = {}
    for urgency in (0.0, 0.9):
        strategy = mcts(lambda w: 0.5 ** len(w), simulations=12, urgency=urgency)
        draws[urgency] = solve(strategy, TASK, Speller(20), PROBLEM)[0].tree.root.draws
    # 1 at the start; then 0.9^d, 0.81, ... are above what the children are worth, at most 0.5
    assert draws[0.0] == 1 and draws[0.9] >= 7


def test_a_wave_spreads_its_selections():
    # without the virtual loss all eight selections of a wave would take the same path
    strategy = mcts(lambda w: 0.5, simulations=64, wave=8, merge=False, alpha=0.5, c=1.0)
    model = Speller(20, dict.fromkeys("abcdefgh", 0.125))
    tree = solve(strategy, TASK, model, PROBLEM)[0].tree
    last = tree.nodes[-8:]
    assert len({node.parent for node in last}) > 4


def test_the_tree_does_not_depend_on_when_answers_come():
    class Late(Speller):
        async def generate(self, prompt, sampling, ledger, seed):
            import asyncio

            for _ in range(sum(map(ord, seed.text)) % 5):
                await asyncio.sleep(0)
            return await super().generate(prompt, sampling, ledger, seed)

    strategy = mcts(lambda w: w.count("b") / 7, simulations=80, wave=8, rollout=0.3)
    trees = [solve(strategy, TASK, m, PROBLEM)[0].tree for m in (Speller(7), Late(7))]
    rows = [[(n.parent, n.text, n.visits, n.value) for n in tree.nodes] for tree in trees]
    assert rows[0] == rows[1]


# -- look-ahead ---------------------------------------------------------------------------


def test_what_a_rollout_wrote_is_scored_and_may_be_the_answer():
    worth = Worth(lambda w: float(w == "bbb") if len(w) == 3 else 0.5)
    strategy = MCTS(scorer=worth, rollout=1.0, simulations=12)
    solution, ledger = solve(strategy, TASK, Speller(3), PROBLEM)
    tree = solution.tree
    assert solution.answer == "bbb"
    ends = [node for node in tree.nodes if node.over]
    assert ends and all(node.score is not None for node in ends)
    assert {trace.answer for trace in solution.traces} >= {node.answer for node in ends}
    paid = {row.key for row in ledger.rows if row.discarded is None}
    assert {node.key for node in ends} <= paid


def test_with_values_from_rollouts_alone_partial_traces_are_not_scored():
    worth = Worth(lambda w: w.count("b") / 6, partial=False)
    strategy = MCTS(scorer=worth, rollout=1.0, simulations=20)
    strategy.prepare(TASK)
    solution, _ = solve(strategy, TASK, Speller(6), PROBLEM)
    ends = [node for node in solution.tree.nodes if node.over]
    assert worth.asked == len(ends)
    assert all(n.score is None for n in solution.tree.nodes if not n.over)
    with pytest.raises(BadInput, match="finished traces only"):
        MCTS(scorer=worth, rollout=0.9).prepare(TASK)


def test_the_value_mixes_the_score_and_the_rollout():
    strategy = mcts(lambda w: 1.0 if len(w) == 2 else 0.2, simulations=1, rollout=0.25)
    tree = solve(strategy, TASK, Speller(2), PROBLEM)[0].tree
    assert [node.depth for node in tree.nodes] == [0, 1, 2]
    assert tree[1].value == pytest.approx(0.75 * 0.2 + 0.25 * 1.0)
    assert tree.root.value == tree[1].value


def test_a_trace_without_an_answer_is_worth_nothing():
    class Mute(Speller):
        async def generate(self, prompt, sampling, ledger, seed):
            [made] = await super().generate(prompt, sampling, ledger, seed)
            from dataclasses import replace

            return [replace(made, text=made.text.replace(".", "!"))]

    solution, _ = solve(mcts(lambda w: 1.0, simulations=9), TASK, Mute(1), PROBLEM)
    assert solution.answer is None
    assert {node.closed for node in solution.tree.nodes[1:]} == {"no answer"}
    assert solution.tree.root.mean == 0


# -- ends ---------------------------------------------------------------------------------


def test_nothing_is_asked_after_an_end_and_no_state_twice():
    model = Speller(4)  # asserts that it is not asked past the end
    strategy = mcts(lambda w: w.count("a") / 4, simulations=120)
    tree = solve(strategy, TASK, model, PROBLEM)[0].tree
    states = [tuple(tree.texts(node)) for node in tree.nodes if node.children]
    assert len(states) == len(set(states))
    assert len(model.asked) == len(tree) - 1


def test_a_node_that_brings_nothing_new_loses_its_value():
    strategy = mcts(lambda w: 1.0, simulations=40)
    tree = solve(strategy, TASK, Speller(3, {"a": 1.0}), PROBLEM)[0].tree
    deep = next(node for node in tree.nodes if node.depth == 2)
    assert deep.visits > 10 and deep.mean < 0.3


def test_equal_states_elsewhere_are_not_followed_again():
    task, problem = words(same=True)
    strategy = mcts(lambda w: w.count("a") / 6, simulations=80)
    tree = solve(strategy, task, Speller(6), problem)[0].tree
    grown = ["".join(sorted("".join(tree.texts(n)))) for n in tree.nodes if n.children]
    assert len(grown) == len(set(grown))


def test_it_stops_at_the_first_accepted_trace():
    strategy = mcts(lambda w: 1.0, stop="first-accepted")
    solution, ledger = solve(strategy, TASK, Speller(3), PROBLEM, Budget(tokens=500))
    assert (solution.stopped_by, solution.answer is not None) == ("accepted", True)
    assert ledger.spent.tokens < 60


@pytest.mark.parametrize("tokens", [0, 1, 5, 17, 60, 333])
def test_it_spends_what_the_budget_allows_and_answers_with_what_there_is(tokens):
    model = Speller(5)
    strategy = mcts(lambda w: w.count("a") / 5, rollout=0.5)
    solution, ledger = solve(strategy, TASK, model, PROBLEM, Budget(tokens=tokens))
    assert solution.stopped_by == "budget"
    assert ledger.spent.tokens == model.completion <= tokens
    assert (solution.answer is not None) == (tokens >= 17)
    known = solution.tree.nodes[1:]
    assert all(node.visits >= 1 for node in known if node.closed != "budget")


def test_log_scores_are_brought_to_unit_by_the_least_and_the_greatest():
    worth = Worth(lambda w: -10.0 * w.count("a") - 1, scale="log")
    strategy = MCTS(scorer=worth, simulations=60)
    solution, _ = solve(strategy, TASK, Speller(6), PROBLEM)
    assert solution.answer == "bbbbbb"


def test_a_scorer_that_cannot_tell_is_neutral():
    strategy = mcts(lambda w: None if len(w) < 4 else float(w[0] == "b"), simulations=60)
    solution, _ = solve(strategy, TASK, Speller(4), PROBLEM)
    assert solution.answer[0] == "b"


def test_it_beats_best_of_n_where_steps_can_be_judged():
    task = toy(20, 7)
    hits = [0, 0]
    for problem in task.problems:
        for arm, strategy in enumerate((MCTS(), BestOfN())):
            answer = solve(strategy, task, Scripted(0.5), problem, Budget(tokens=200))[0].answer
            hits[arm] += answer == problem.answer
    assert hits[0] >= hits[1] + 5


@pytest.mark.parametrize("possible", ["bb", "none is"])
def test_a_log_score_of_minus_infinity_spoils_no_mean(possible):
    worth = Worth(lambda w: -1.0 if possible.startswith(w) else -inf, scale="log")
    solution, _ = solve(mcts(worth), TASK, Speller(2), PROBLEM, Budget(tokens=200))
    assert all(isfinite(node.value) for node in solution.tree)


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"simulations": 0}, "simulations"), ({"rule": "ucb"}, "rule"), ({"prior": "flat"}, "prior"),
     ({"alpha": 1.5}, "alpha"), ({"widen": 0}, "widen"), ({"rollout": 2}, "rollout"),
     ({"wave": 0}, "wave"), ({"stop": "late"}, "first-accepted"), ({"temperature": 0}, "above 0"),
     ({"c": -1}, "c must")],
)  # fmt: skip
def test_wrong_settings_are_refused_by_name(settings, says):
    with pytest.raises(BadInput, match=says):
        MCTS(**settings)


def test_without_budget_or_number_it_is_refused():
    with pytest.raises(BadInput, match="never ends"):
        solve(mcts(lambda w: 1.0), TASK, Speller(3), PROBLEM)
    with pytest.raises(BadInput, match="accepts none"):
        MCTS(scorer="likelihood", stop="first-accepted").prepare(TASK)
