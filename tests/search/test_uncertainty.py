from math import exp, log

import pytest
from told import PROBLEM, WORDS, Told
from toy_lab import Scripted, solve, toy

from evaluators.errors import BadInput
from reasoning.ledger import Budget
from search import Uncertainty
from search.strategies import parse, refuse_unfit

TASK = toy(40, length=6)

# Four steps of two tokens each. Their uncertainties: .5, .2, 1, .1
LINE = [("a\n", [-0.5, -0.5]), ("b\n", [-0.1, -0.3]), ("c\n", [-1.0, -1.0]), ("=3", [-0.1, -0.1])]


def line(messages, prefix, seed):
    text, logprobs = LINE[prefix.count("\n")]
    return text, "eos" if "=" in text else "boundary", logprobs


def test_momentum_and_uncertain_steps_are_those_computed_by_hand():
    # alpha .5, gamma .8. M: .25, .225, then exp(1) = 2.718 > exp(.225)/.8 = 1.565: drawn again.
    # M = .6125; the last: exp(.1) = 1.105 < exp(.6125)/.8 = 2.306.
    how = Uncertainty(candidates=3, alpha=0.5, gamma=0.8)
    solution, ledger = solve(how, WORDS, Told(line), PROBLEM)
    path = solution.tree.path(solution.tree[solution.tree.chosen])
    assert [step.note["uncertainty"] for step in path] == pytest.approx([0.5, 0.2, 1.0, 0.1])
    momentum = [step.note["momentum"] for step in path]
    assert momentum == pytest.approx([0.25, 0.225, 0.6125, 0.35625])
    assert [bool(step.note.get("uncertain")) for step in path] == [False, False, True, False]
    assert len(ledger.rows) == 4 + 2 and ledger.spent.tokens == 12
    assert (solution.answer, solution.stopped_by) == ("3", "done")


def test_the_first_step_is_never_drawn_again():
    how = Uncertainty(candidates=3, alpha=0.5, gamma=1.0)
    solution, _ = solve(how, WORDS, Told(line), PROBLEM)
    assert len(solution.tree.children(solution.tree.root)) == 1


@pytest.mark.parametrize("gamma", [1.0, 0.9, 0.6, 0.3])
def test_a_step_on_the_border_is_certain(gamma):
    # With alpha 0 the momentum is the uncertainty of the step before; the second is exactly on it.
    steps = [("a\n", [-0.25]), ("=3", [-(0.25 + log(1 / gamma)) + 1e-9])]

    def say(messages, prefix, seed):
        return steps[bool(prefix)][0], "eos" if prefix else "boundary", steps[bool(prefix)][1]

    _, ledger = solve(Uncertainty(alpha=0.0, gamma=gamma), WORDS, Told(say), PROBLEM)
    assert len(ledger.rows) == 2
    assert exp(0.25) / gamma == pytest.approx(exp(0.25 + log(1 / gamma)))


def test_the_candidate_of_the_highest_score_goes_on_and_the_others_are_discarded():
    def say(messages, prefix, seed):
        if prefix == "a\n":
            return f"{seed[-1]}\n", "boundary", [-2.0 + seed[-1] / 10]  # the last is the likeliest
        return ("=3", "eos", [0.0]) if prefix else ("a\n", "boundary", [-0.1])

    solution, ledger = solve(Uncertainty(candidates=3), WORDS, Told(say), PROBLEM)
    assert solution.traces[solution.chosen].text == "a\n2\n=3"
    assert [node.closed for node in solution.tree.nodes[2:4]] == ["not chosen"] * 2
    assert [row.discarded for row in ledger.rows] == [None, *["not chosen"] * 2, None, None]


def test_a_smaller_gamma_draws_less():
    spent = []
    for gamma in (1.0, 0.6, 0.3, 0.01):
        runs = [solve(Uncertainty(gamma=gamma), TASK, Scripted(0.6), p) for p in TASK.problems]
        spent.append(sum(ledger.spent.tokens for _, ledger in runs))
    assert spent == sorted(spent, reverse=True) and spent[0] > spent[-1]
    plain = sum(sum(len(str(v)) + 1 for v in _sums(s)) for s, _ in runs)
    assert spent[-1] == plain  # one draw a step


def _sums(solution):
    return [step.text.strip() for step in solution.traces[0].steps]


def test_it_beats_one_trace_where_wrong_steps_are_unlikely_ones():
    model, right = Scripted(0.7), [0, 0]
    for problem in TASK.problems:
        for arm, how in enumerate((Uncertainty(gamma=0.01), Uncertainty())):
            right[arm] += solve(how, TASK, model, problem)[0].answer == problem.answer
    assert right[1] >= right[0] + 10


class Counting:
    """Costs a token for each trace it reads."""

    knows, scale, needs, partial, charged = "nothing", "unit", frozenset(), True, True

    async def score(self, problem, traces, ctx):
        for trace in traces:
            ctx.ledger.reserve_reading(
                purpose="score", model="c", key="c/" + trace.seed, tokens=1
            ).settle(_usage())
        return [0.5] * len(traces)


def _usage():
    from reasoning.core import Usage

    return Usage()


def test_only_candidates_of_uncertain_steps_are_scored():
    how = Uncertainty(candidates=3, alpha=0.5, gamma=0.8, scorer=Counting())
    _, ledger = solve(how, WORDS, Told(line), PROBLEM)
    assert (ledger.spent.completion, ledger.spent.scored) == (12, 3)


def test_several_traces_vote_and_their_draws_differ():
    def say(messages, prefix, seed):
        return f"={(7, 3, 3)[seed[-1]]}", "eos", 2

    solution, ledger = solve(Uncertainty(3), WORDS, Told(say), PROBLEM)
    assert (solution.answer, len(solution.traces)) == ("3", 3)
    assert len({row.key for row in ledger.rows}) == 3


def test_the_budget_ends_it_with_what_there_is():
    solution, ledger = solve(Uncertainty(None), TASK, Scripted(0.7), TASK.problems[0], Budget(90))
    assert ledger.spent.tokens == 90 and solution.stopped_by == "budget"
    assert solution.answer is not None
    kept = sum(row.completion for row in ledger.rows if row.discarded is None)
    useful = {n.id for n, on in zip(solution.tree.nodes, solution.tree.useful(), strict=True) if on}
    assert kept == sum(solution.tree[i].tokens for i in useful)
    cut, _ = solve(Uncertainty(), TASK, Scripted(0.7), TASK.problems[0], Budget(5))
    assert (cut.answer, cut.stopped_by) == (None, "budget")


@pytest.mark.parametrize(
    "text",
    ["n=0", "candidates=1", "alpha=1.0", "gamma=0", "gamma=1.1", "merge=true", "temperature=0"],
)
def test_settings_that_make_no_sense_are_refused(text):
    with pytest.raises(BadInput, match="uncertainty"):
        parse(f"uncertainty({text})")


def test_a_model_without_log_probabilities_is_refused_before_the_first_call():
    with pytest.raises(BadInput, match="log-probabilities"):
        refuse_unfit(Uncertainty(), TASK, Scripted(can=("continue",)))
