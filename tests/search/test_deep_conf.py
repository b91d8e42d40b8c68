import numpy as np
import pytest
from told import PROBLEM, WORDS, Told
from toy_lab import Scripted, solve, toy

from evaluators.errors import BadInput
from reasoning.ledger import Budget
from search import DeepConf, SelfConsistency
from search.deep_conf import MEASURES, confidence, groups, threshold
from search.strategies import parse

TASK = toy(40, length=6)
PEAKED = [-1.0, -2.0, -3.0, -6.0]


def test_groups_are_all_windows_in_a_row():
    assert groups(PEAKED, 2).tolist() == [-1.5, -2.5, -4.5]
    assert groups(PEAKED, 4).tolist() == groups(PEAKED, 9).tolist() == [-3.0]
    rng = np.random.default_rng(0)
    values = -rng.random(57)
    brute = [values[i : i + 13].mean() for i in range(57 - 13 + 1)]
    assert groups(values.tolist(), 13) == pytest.approx(brute)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [("mean", -3.0), ("lowest", -4.5), ("tail", -4.5), ("bottom", -4.5)],
)
def test_measures_are_those_computed_by_hand(measure, expected):
    assert confidence(PEAKED, measure, 2) == expected


def test_bottom_is_the_mean_of_the_lowest_tenth_of_the_groups_rounded_up():
    values = [-float(i) for i in range(12)]  # groups of 2: -.5, -1.5, …, -10.5: 11 of them
    assert confidence(values, "bottom", 2) == (-10.5 - 9.5) / 2
    assert confidence(values, "lowest", 2) == -10.5
    assert confidence(values, "tail", 3) == -10.0


def test_the_threshold_is_what_the_kept_share_reaches():
    assert threshold([-4.0, -1.0, -3.0, -2.0, -5.0], 0.5) == -3.0
    assert threshold([-4.0, -2.0], 0.75) == -3.5  # linear between them
    assert threshold([-4.0, -2.0], 1.0) == -4.0


ANSWERS = [("=5", -2.0), ("=5", -1.9), ("=5", -1.8), ("=3", -0.1), ("=3", -0.2), ("7", 0.0)]


def unsure_majority(messages, prefix, seed):
    text, logprob = ANSWERS[seed[0]]
    return text, "eos", [logprob] * 3


def test_the_confident_minority_wins_when_the_unsure_are_filtered_out():
    model = Told(unsure_majority)
    assert solve(SelfConsistency(6), WORDS, model, PROBLEM)[0].answer == "5"
    solution, _ = solve(DeepConf(6, keep=0.4), WORDS, model, PROBLEM)
    assert (solution.answer, solution.chosen, solution.stopped_by) == ("3", 3, "done")
    assert [t.score for t in solution.traces] == pytest.approx([-2, -1.9, -1.8, -0.1, -0.2, 0])


def test_votes_weigh_their_confidence_as_a_probability():
    # exp(-2) + exp(-1.9) + exp(-1.8) = .450 against exp(-.1) + exp(-.2) = 1.724
    assert solve(DeepConf(6, keep=1.0), WORDS, Told(unsure_majority), PROBLEM)[0].answer == "3"


def test_offline_it_draws_the_samples_of_self_consistency():
    one, first = solve(DeepConf(), TASK, Scripted(0.7), TASK.problems[0], Budget(200))
    two, second = solve(SelfConsistency(), TASK, Scripted(0.7), TASK.problems[0], Budget(200))
    assert [t.text for t in one.traces] == [t.text for t in two.traces]
    assert [row.key for row in first.rows] == [row.key for row in second.rows]


def test_it_beats_self_consistency_where_wrong_traces_are_unlikely_ones():
    right = [0, 0]
    for problem in TASK.problems:
        for arm, how in enumerate((SelfConsistency(8), DeepConf(8, keep=0.25, window=4))):
            right[arm] += solve(how, TASK, Scripted(0.7), problem)[0].answer == problem.answer
    assert right[1] >= right[0] + 8


def test_the_threshold_of_the_warmup_stops_a_later_trace_at_the_first_low_window():
    # Sample 0: -.4 a token, sample 1: -.6; kept are both: the threshold is -.6. Of sample 2 the
    # second step falls below it, of sample 3 only a window across two steps: (-.1 -.1 -1.3 -1.3)/4.
    later = {
        2: ([-0.1] * 4, [-0.9] * 4, [-0.1] * 4),
        3: ([-0.1] * 4, [-1.3] * 2 + [-0.1] * 2, [-0.1] * 4),
        4: ([-0.5] * 4, [-0.6] * 4, [-0.5] * 4),
    }

    def say(messages, prefix, seed):
        if len(seed) == 1:
            return "=9" if seed[0] else "=5", "eos", [-0.4 - 0.2 * seed[0]] * 4
        number, step = seed
        text = ("a\n", "b\n", "=3")[step]
        return text, "eos" if step == 2 else "boundary", later[number][step]

    model = Told(say)
    how = DeepConf(5, keep=1.0, window=4, online=True, warmup=2, width=3)
    solution, ledger = solve(how, WORDS, model, PROBLEM)
    assert [len(t.steps) for t in solution.traces] == [1, 1, 2, 2, 3]
    assert [t.answer for t in solution.traces] == ["5", "9", None, None, "3"]
    assert ledger.spent.tokens == 2 * 4 + (8 + 8 + 12)
    assert sum(r.completion for r in ledger.rows if r.discarded == "low confidence") == 16
    lowest = [t.score for t in solution.traces]
    assert lowest == pytest.approx([-0.4, -0.6, -0.9, -0.7, -0.6])
    keys = [key for _, _, key in model.asked]  # side by side, in the order of the samples
    assert keys == [(0,), (1,), (2, 0), (3, 0), (4, 0), (2, 1), (3, 1), (4, 1), (4, 2)]


def test_a_trace_that_ends_below_the_threshold_does_not_vote():
    def say(messages, prefix, seed):
        return ("=3", "eos", [-0.5] * 4) if len(seed) == 1 else ("=8", "eos", [-2.0] * 4)

    how = DeepConf(6, keep=1.0, window=4, online=True, warmup=2, consensus=1.0)
    solution, ledger = solve(how, WORDS, Told(say), PROBLEM)
    assert solution.answer == "3" and solution.stopped_by == "agreed"
    mixed = [("=3", -0.5), ("=4", -0.5)]

    def split(messages, prefix, seed):
        if len(seed) > 1:
            return "=8", "eos", [-2.0] * 4
        return mixed[seed[0]][0], "eos", [mixed[seed[0]][1]] * 4

    solution, ledger = solve(how, WORDS, Told(split), PROBLEM)
    assert (solution.answer, solution.stopped_by, len(solution.traces)) == ("3", "done", 6)
    assert sum(r.discarded == "low confidence" for r in ledger.rows) == 4


def test_agreement_ends_it_before_the_budget():
    def say(messages, prefix, seed):
        return "=3", "eos", [-0.1] * 4

    solution, ledger = solve(DeepConf(online=True, warmup=3), WORDS, Told(say), PROBLEM, Budget(99))
    assert (solution.stopped_by, len(ledger.rows)) == ("agreed", 3)


def test_stopping_saves_tokens_and_does_not_lose_to_the_same_samples_voted():
    spent, right = [0, 0], [0, 0]
    arms = (SelfConsistency(16), DeepConf(16, keep=0.25, window=4, online=True, warmup=4))
    for problem in TASK.problems:
        for arm, how in enumerate(arms):
            solution, ledger = solve(how, TASK, Scripted(0.7), problem)
            spent[arm] += ledger.spent.tokens
            right[arm] += solution.answer == problem.answer
    assert spent[1] < 0.75 * spent[0] and right[1] >= right[0]


@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("tokens", [0, 3, 17, 60, 200])
def test_it_never_spends_more_than_the_budget_and_all_of_it_is_told(online, tokens):
    how = DeepConf(keep=0.5, window=4, online=online, warmup=3, consensus=1.0)
    model = Scripted(0.6)
    solution, ledger = solve(how, TASK, model, TASK.problems[1], Budget(tokens))
    assert ledger.spent.tokens == model.completion <= tokens
    assert sum(t.tokens for t in solution.traces) == ledger.spent.tokens
    if not online:
        assert ledger.spent.tokens == tokens


def test_it_ends_when_the_leading_answer_has_the_share_of_the_weight():
    # Votes weigh exp(-.1) for 3 and exp(-2) for 5: 3 has .870 of one each, .930 of two against one
    def say(messages, prefix, seed):
        return ("=5", "eos", [-2.0] * 4) if seed[0] == 0 else ("=3", "eos", [-0.1] * 4)

    how = DeepConf(online=True, warmup=2, keep=1.0, window=4, width=1, consensus=0.9)
    solution, _ = solve(how, WORDS, Told(say), PROBLEM, Budget(99))
    assert (solution.answer, solution.stopped_by, len(solution.traces)) == ("3", "agreed", 3)
    assert set(MEASURES) == {"mean", "lowest", "bottom", "tail"}


@pytest.mark.parametrize(
    "text",
    ["n=0", "keep=0", "keep=1.5", "window=0", "measure=median", "consensus=0", "temperature=0",
     "online=true,measure=tail"],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(text):
    with pytest.raises(BadInput, match="deep-conf"):
        parse(f"deep-conf({text})")
