from dataclasses import dataclass, replace

import numpy as np
import pytest
from letters import Speller, Worth, matching, words
from toy_lab import Scripted, solve, toy

from evaluators.errors import BadInput
from reasoning.core import Completion, Usage
from reasoning.ledger import Budget
from search.ab_mcts import ABMCTS, REFINE
from search.thompson import Beliefs

TASK, PROBLEM = words()


# -- beliefs ------------------------------------------------------------------------------


def test_the_gaussian_posterior_is_that_of_the_textbook():
    beliefs = Beliefs("gaussian", 1)
    for reward in (0.2, 0.6, 1.0):
        beliefs.tell(0, reward)
    mean, kappa, nu, tau2 = beliefs.posterior(0)
    # by hand: n 3, mean .6, sum of squares about it .32; 1*3/4*(0-.6)^2 = .27; (.1+.32+.27)/4
    assert (kappa, nu) == (4, 4)
    assert mean == pytest.approx(1.8 / 4)
    assert tau2 == pytest.approx(0.69 / 4)


def test_the_beta_posterior_counts_parts_of_successes():
    beliefs = Beliefs("beta", 1)
    for reward in (1.0, 0.25, 0.0):
        beliefs.tell(0, reward)
    assert beliefs.posterior(0) == (1.75, 2.25)


@pytest.mark.parametrize("arms", [2, 40])  # one by one, and all together
@pytest.mark.parametrize("kind", ["gaussian", "beta"])
def test_draws_have_the_mean_and_the_spread_of_the_posterior(kind, arms):
    rng, beliefs = np.random.Generator(np.random.Philox(key=1)), Beliefs(kind, arms)
    for reward in (0.9, 0.8, 1.0, 0.7, 0.9, 0.8):
        beliefs.tell(1, reward)
    drawn = np.array([beliefs.draw(rng) for _ in range(4000)])[:, :2]
    if kind == "beta":
        assert drawn.mean(axis=0) == pytest.approx([0.5, 5.6 / 7], abs=0.02)
        # a b / (a + b)^2 / (a + b + 1)
        assert drawn[:, 1].std() == pytest.approx((5.6 * 1.4 / 49 / 8) ** 0.5, abs=0.01)
    else:
        # student's t: variance / weight * nu / (nu - 2)
        mean, kappa, nu, tau2 = beliefs.posterior(1)
        assert mean == pytest.approx(5.1 / 7)
        assert drawn[:, 1].mean() == pytest.approx(mean, abs=0.02)
        assert drawn[:, 1].std() == pytest.approx((tau2 / kappa * nu / (nu - 2)) ** 0.5, abs=0.02)


@pytest.mark.parametrize("kind", ["gaussian", "beta"])
def test_thompson_sampling_converges_to_the_best_arm(kind):
    chances = [0.2, 0.5, 0.8]
    rng, played = np.random.Generator(np.random.Philox(key=7)), []
    beliefs = Beliefs(kind)
    for _ in chances:
        beliefs.add()
    for _ in range(600):
        arm = beliefs.choose(rng)
        beliefs.tell(arm, float(rng.random() < chances[arm]))
        played.append(arm)
    assert played[-200:].count(2) > 180
    assert set(played) == {0, 1, 2}


def test_arms_that_are_added_keep_what_the_others_have_seen():
    beliefs = Beliefs("beta")
    for arm in range(9):
        assert beliefs.add() == arm
        beliefs.tell(arm, float(arm % 2))
    assert [beliefs.posterior(arm) for arm in range(9)] == [(0.5, 1.5), (1.5, 0.5)] * 4 + [
        (0.5, 1.5)
    ]


# -- the tree -----------------------------------------------------------------------------


def ab(worth, **settings):
    return ABMCTS(scorer=Worth(worth, **settings.pop("scored", {})), **settings)


def shared(target):
    """The part of `target` that a word has right before its first wrong letter; 1 while none is."""

    def worth(letters):
        right = 0
        while right < len(letters) and letters[right] == target[right]:
            right += 1
        return 1.0 if right == len(letters) else right / len(target)

    return worth


def test_it_finds_the_word_that_best_of_n_would_need_many_samples_for():
    found = []
    for seed in range(5):
        strategy = ab(shared("baabbaba"), answers=60, stop="first-accepted")
        solution, _ = solve(strategy, TASK, Speller(8), PROBLEM, seed=seed)
        found.append(solution.answer == "baabbaba")
    assert sum(found) >= 4  # a sample finds it once in 256


def test_every_node_is_a_whole_answer_and_a_child_keeps_the_beginning_of_its_parents():
    worth = matching("bbbbbb")
    solution, _ = solve(ab(worth, answers=40), TASK, Speller(6), PROBLEM)
    tree = solution.tree
    deep = [node for node in tree.nodes[1:] if node.parent]
    assert deep and all(node.whole and len(node.answer) == 6 for node in tree.nodes[1:])
    for node in deep:
        parent = tree[node.parent]
        good = len(parent.answer) - len(parent.answer.lstrip("b"))  # cut before the first 'a'
        if good < 6:
            assert node.text.startswith(parent.text[: 2 * good])
        assert tree.trace(node).text == node.text
    assert solution.answer == "bbbbbb"


def test_only_what_a_refinement_wrote_is_charged_to_it():
    model = Speller(6)
    solution, ledger = solve(ab(matching("bbbbbb"), answers=30), TASK, model, PROBLEM)
    tree = solution.tree
    assert sum(node.tokens for node in tree.nodes) == model.completion == ledger.spent.tokens
    deep = [node for node in tree.nodes if node.parent > 0]
    assert any(node.tokens < len(node.text) for node in deep)


def test_without_partial_scores_the_cut_is_drawn():
    strategy = ab(lambda w: w.count("b") / 8, answers=60, scored={"partial": False})
    tree = solve(strategy, TASK, Speller(8), PROBLEM)[0].tree
    kept = {len(node.text) + 1 - node.tokens for node in tree.nodes if node.parent > 0}
    assert len(kept) > 3


def test_good_answers_are_refined_and_bad_ones_left():
    worth = {"a": 0.05, "b": 0.95}
    strategy = ab(lambda w: worth[w[0]], answers=120, scored={"partial": False})
    tree = solve(strategy, TASK, Speller(12), PROBLEM)[0].tree
    roots = tree.children(tree.root)
    refined = dict.fromkeys("ab", 0)
    for node in tree.nodes[1:]:
        if node.parent:
            refined[tree[node.parent].answer[0]] += 1
    assert refined["b"] > 5 * refined["a"] and len(roots) < 100


def test_scores_are_told_to_the_whole_path():
    tree = solve(ab(lambda w: w.count("b") / 5, answers=50), TASK, Speller(5), PROBLEM)[0].tree
    for node in tree.nodes:
        below = [n for n in tree.nodes[1:] if node in list(tree.ancestors(n))]
        assert node.visits == len(below)
        assert node.value == pytest.approx(sum(n.score for n in below))


def test_the_first_samples_are_those_of_best_of_n():
    from search.best_of_n import BestOfN

    ours = solve(ab(lambda w: 0.0, answers=30), TASK, Speller(5), PROBLEM)[0].tree
    theirs = solve(BestOfN(30, scorer=Worth(lambda w: 0.0)), TASK, Speller(5), PROBLEM)[0].traces
    fresh = [node.text for node in ours.nodes[1:] if node.parent == 0]
    assert fresh == [trace.text for trace in theirs[: len(fresh)]]


def test_a_log_score_counts_as_a_probability():
    strategy = ab(lambda w: -float(w.count("a")), answers=30, scored={"scale": "log"})
    solution, _ = solve(strategy, TASK, Speller(5), PROBLEM)
    tree = solution.tree
    assert solution.answer == max((n.answer for n in tree.nodes[1:]), key=lambda w: w.count("b"))
    leaves = [node for node in tree.nodes[1:] if not node.children]
    assert all(node.value == pytest.approx(np.exp(node.score)) for node in leaves)


@dataclass
class Instructed(Speller):
    """Reads turns: spells one more 'b' than the answer it is shown has."""

    def __post_init__(self):
        super().__init__(4)

    dialect = "plain"

    async def generate(self, prompt, sampling, ledger, seed):
        if len(prompt.messages) == 1:
            return await super().generate(prompt, sampling, ledger, seed)
        assert [m.role for m in prompt.messages] == ["user", "assistant", "user"]
        assert prompt.messages[2].content == REFINE and not prompt.prefix
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens
        )
        if grant.empty:
            return [Completion("", "budget", Usage())]
        text = prompt.messages[1].content.replace("a", "b", 1)
        grant.settle(Usage(0, 0, len(text)))
        return [Completion(text, "eos", Usage(0, 0, len(text)))]


def test_an_instruction_model_is_shown_its_answer_and_asked_to_refine_it():
    strategy = ab(lambda w: w.count("b") / 4, answers=25)
    solution, _ = solve(strategy, TASK, Instructed(), PROBLEM)
    assert solution.answer == "bbbb"


@pytest.mark.parametrize("tokens", [0, 3, 9, 40, 200])
@pytest.mark.parametrize("wave", [1, 4])
def test_it_spends_no_more_than_the_budget(tokens, wave):
    model = Speller(4)
    strategy = ab(matching("bbbb"), wave=wave)
    solution, ledger = solve(strategy, TASK, model, PROBLEM, Budget(tokens=tokens))
    assert ledger.spent.tokens == model.completion <= tokens
    assert solution.stopped_by == "budget"
    assert (solution.answer is not None) == (tokens >= 9)


def test_repeating_a_run_gives_the_same_tree_and_waves_are_in_order():
    class Late(Speller):
        async def generate(self, prompt, sampling, ledger, seed):
            import asyncio

            for _ in range(sum(map(ord, seed.text)) % 5):
                await asyncio.sleep(0)
            return await super().generate(prompt, sampling, ledger, seed)

    strategy = ab(lambda w: w.count("b") / 6, answers=40, wave=4)
    trees = [solve(strategy, TASK, model, PROBLEM)[0].tree for model in (Speller(6), Late(6))]
    rows = [[(n.parent, n.text, n.value) for n in tree.nodes] for tree in trees]
    assert rows[0] == rows[1]


def test_an_answer_that_was_cut_is_no_answer():
    strategy = replace(ab(lambda w: 1.0, answers=3), max_tokens=4)
    solution, ledger = solve(strategy, TASK, Speller(6), PROBLEM)
    assert solution.answer is None
    assert {row.discarded for row in ledger.rows} == {"length"}


def test_it_beats_best_of_n_where_steps_can_be_judged():
    from search.best_of_n import BestOfN

    task, hits = toy(20, 7), [0, 0]
    for problem in task.problems:
        for arm, strategy in enumerate((ABMCTS(), BestOfN(scorer="step-verifier"))):
            answer = solve(strategy, task, Scripted(0.6), problem, Budget(tokens=200))[0].answer
            hits[arm] += answer == problem.answer
    assert hits[0] >= hits[1] + 4


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"answers": 0}, "answers"), ({"beliefs": "normal"}, "beliefs"), ({"by": "hand"}, "by must"),
     ({"refine": " "}, "some text"), ({"wave": 0}, "wave"), ({"stop": "late"}, "first-accepted"),
     ({"temperature": 0}, "above 0")],
)  # fmt: skip
def test_wrong_settings_are_refused_by_name(settings, says):
    with pytest.raises(BadInput, match=says):
        ABMCTS(**settings)


@pytest.mark.parametrize(
    ("strategy", "says"),
    [(ABMCTS(), "never ends"), (ABMCTS(answers=2, by="prompt"), "by=prefix"),
     (ABMCTS(answers=2, scorer="likelihood"), "cannot rate")],
    ids=["endless", "compact", "likelihood"],
)  # fmt: skip
def test_what_cannot_work_is_refused_before_any_call(strategy, says):
    model = Scripted()
    with pytest.raises(BadInput, match=says):
        solve(strategy, toy(1), model, toy(1).problems[0])
    assert model.calls == 0
