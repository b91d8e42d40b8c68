from fractions import Fraction
from math import comb, exp

import pytest
from toy_lab import Scripted, Toy, solve, toy

from evaluators.errors import BadInput
from reasoning.core import Step, Trace
from reasoning.ledger import Budget
from search import BestOfN, SelfConsistency
from search.best_of_n import weights
from search.vote import certainty, tally

TASK = toy(30)


def trace(answer, score=None):
    text = "" if answer is None else f"={answer}"
    return Trace((Step(text, 1, "eos"),), "eos", answer, score=score)


def test_equal_answers_are_grouped_and_ties_go_to_the_first_seen():
    traces = [trace("7"), trace("9"), trace(None), trace("9"), trace("7")]
    groups = tally(traces, TASK.problems[0], TASK)
    assert [(g.key, g.members, g.weight) for g in groups] == [("7", (0, 4), 2), ("9", (1, 3), 2)]


def test_a_weighted_vote_by_hand():
    traces = [trace("7", 0.9), trace("9", 0.5), trace("9", 0.5), trace("8", None)]
    groups = tally(traces, TASK.problems[0], TASK, weights(traces, "unit"))
    assert [(g.key, g.weight) for g in groups] == [("9", 1.0), ("7", 0.9), ("8", 0.0)]


def test_log_scores_weigh_as_probabilities():
    traces = [trace("7", -1.0), trace("9", -1.5), trace("9", -1.5), trace("8", -2000.0)]
    groups = tally(traces, TASK.problems[0], TASK, weights(traces, "log"))
    assert groups[0].key == "9"
    assert groups[0].weight == pytest.approx(2 * exp(-0.5))
    assert groups[1].weight == 1.0


def beta_above_half(a: int, b: int) -> float:
    """The mass of Beta(a, b) above 1/2 by term-wise integration of its polynomial."""
    total = Fraction(0)
    for k in range(b):
        power = a + k
        total += Fraction((-1) ** k * comb(b - 1, k), power) * (1 - Fraction(1, 2**power))
    return float(total * Fraction(a * comb(a + b - 1, a)))


@pytest.mark.parametrize(("first", "second"), [(1, 0), (4, 0), (5, 0), (3, 1), (9, 4), (7, 7)])
def test_certainty_is_the_mass_of_the_beta_above_one_half(first, second):
    assert certainty(first, second) == pytest.approx(beta_above_half(first + 1, second + 1))


@pytest.mark.parametrize(("adaptive", "samples"), [(0.95, 4), (0.99, 6), (0.7, 1)])
def test_agreement_stops_after_the_known_number_of_equal_votes(adaptive, samples):
    # certainty(v, 0) = 1 - 2**-(v+1): 1 vote .75, 4 votes .969, 6 votes .992
    solution, ledger = solve(
        SelfConsistency(40, adaptive=adaptive), TASK, Scripted(right=1.0), TASK.problems[0]
    )
    assert (len(ledger.rows), solution.stopped_by) == (samples, "agreed")


def test_an_even_race_goes_on_to_the_end():
    class TwoAnswers(Scripted):
        def _write(self, question, prefix, sampling, seed, granted):
            self.right = float(seed.parts[-1] % 2)
            return super()._write(question, prefix, sampling, seed, granted)

    solution, ledger = solve(
        SelfConsistency(8, adaptive=0.99), TASK, TwoAnswers(), TASK.problems[0]
    )
    assert (len(ledger.rows), solution.stopped_by) == (8, "done")


def test_the_majority_beats_the_single_sample_over_many_problems():
    model, hits = Scripted(right=0.8), {1: 0, 15: 0}
    for n in hits:
        for problem in TASK.problems:
            hits[n] += solve(SelfConsistency(n), TASK, model, problem)[0].answer == problem.answer
    assert hits[15] > hits[1] + 5


def test_likelihood_takes_the_sample_that_is_known_to_be_most_likely():
    for problem in TASK.problems[:8]:
        solution, ledger = solve(BestOfN(10, scorer="likelihood"), TASK, Scripted(0.5), problem)
        best = max(solution.traces, key=lambda t: t.logprob)
        assert solution.traces[solution.chosen].text == best.text
        assert len(ledger.rows) == 10  # what the model reported while writing costs nothing


def test_length_normalising_prefers_the_mean():
    long, short = ("12\n13\n14\n=14", -1.0, 10), ("=14", -0.8, 2)
    traces = [
        Trace((Step(text, tokens, "eos", logprob),), "eos", "14") for text, logprob, tokens in
        (long, short)
    ]  # fmt: skip

    async def rate(name):
        from search.scorers import resolve

        return await resolve(name, TASK).score(TASK.problems[0], traces, None)

    import asyncio

    assert asyncio.run(rate("likelihood")) == [-1.0, -0.8]
    assert asyncio.run(rate("mean-likelihood")) == [-0.1, -0.4]


def test_the_verifier_chooses_the_right_sample_where_there_is_one():
    for problem in TASK.problems:
        solution, _ = solve(BestOfN(6), TASK, Scripted(0.4), problem)
        there = any(trace.answer == problem.answer for trace in solution.traces)
        assert (solution.answer == problem.answer) == there


def test_the_first_accepted_ends_the_search_and_the_rest_of_its_wave_is_discarded():
    solution, ledger = solve(
        BestOfN(20, stop="first-accepted", width=5), TASK, Scripted(0.8), TASK.problems[1]
    )
    assert solution.stopped_by == "accepted"
    assert len(ledger.rows) % 5 == 0
    after = len(ledger.rows) - 1 - solution.chosen
    reasons = [row.discarded for row in ledger.rows]
    assert reasons[solution.chosen + 1 :] == ["after the first accepted"] * after
    assert all(t.answer != TASK.problems[1].answer for t in solution.traces[: solution.chosen])


def test_vote_as_a_scorer_is_self_consistency():
    for problem in TASK.problems[:10]:
        budget = Budget(tokens=150)
        voted, _ = solve(BestOfN(scorer="vote"), TASK, Scripted(), problem, budget)
        agreed, _ = solve(SelfConsistency(), TASK, Scripted(), problem, budget)
        assert voted.answer == agreed.answer


def test_a_reading_model_is_charged_and_what_it_cannot_read_has_no_score():
    from search.scorers import Likelihood

    reader = Scripted()
    strategy = BestOfN(scorer=Likelihood(model=reader))
    solution, ledger = solve(strategy, TASK, Scripted(), TASK.problems[0], Budget(tokens=60))
    assert ledger.spent.scored == reader.read > 0
    assert ledger.spent.tokens <= 60
    assert solution.answer is not None
    assert ledger.spent.completion + ledger.spent.scored == ledger.spent.tokens


def test_a_reading_model_is_paid_before_the_next_sample():
    from search.scorers import Likelihood

    strategy = BestOfN(scorer=Likelihood(model=Scripted()), max_tokens=13)
    solution, ledger = solve(strategy, TASK, Scripted(), TASK.problems[0], Budget(tokens=60))
    assert [row.purpose for row in ledger.rows][:4] == ["sample", "score"] * 2
    assert sum(trace.score is not None for trace in solution.traces) >= 2


def test_a_vote_without_a_voter_has_no_winner():
    class Keyless(Toy):
        def answer_key(self, problem, text):
            return None

    strategy, problem = BestOfN(4, vote=True), TASK.problems[0]
    solution, _ = solve(strategy, Keyless("keyless", (problem,)), Scripted(), problem)
    assert (solution.answer, solution.chosen) == (None, None)


@pytest.mark.parametrize("scores", [[1.0], [float("nan")] * 4])
def test_a_scorer_that_leaves_traces_out_is_named(scores):
    class Mine:
        knows, scale, needs = "nothing", "unit", frozenset()

        async def score(self, problem, traces, ctx):
            return scores

    with pytest.raises(BadInput, match="scorer Mine must give a number or None for each of 4"):
        solve(BestOfN(4, scorer=Mine()), TASK, Scripted(), TASK.problems[0])
