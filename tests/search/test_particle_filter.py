import math
from collections import Counter
from fractions import Fraction

import pytest
from scripted_steps import Listed, Table, drawn, solve

from evaluators.errors import BadInput
from reasoning.core import Completion, SeedPath, Usage
from reasoning.ledger import Budget
from search import ParticleFilter
from search.particle_filter import effective, normalised, systematic, uniform


def test_systematic_resampling_of_a_case_worked_by_hand():
    # cumulated: .1 .3 .6 1; points (u + i) / 4
    weights = [0.1, 0.2, 0.3, 0.4]
    assert systematic(weights, 4, 0.0) == [0, 1, 2, 3]  # 0 .25 .5 .75
    assert systematic(weights, 4, 0.5) == [1, 2, 3, 3]  # .125 .375 .625 .875
    assert systematic(weights, 4, 0.9) == [1, 2, 3, 3]  # .225 .475 .725 .975
    assert systematic([0.0, 1.0, 0.0], 3, 0.99) == [1, 1, 1]
    assert systematic([0.5, 0.5], 4, 0.0) == [0, 0, 1, 1]


@pytest.mark.parametrize("shares", [(1, 2, 3, 4), (5, 0, 2), (1,), (7, 1, 1, 1), (3, 3, 3)])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_systematic_resampling_is_unbiased_and_within_one_of_the_expectation(shares, n):
    # Exact: the counts are constant for u between neighbouring multiples of 1 / total, so the mean
    # over one u from each stretch is the expectation over all u in [0, 1).
    total = sum(shares)
    weights = [share / total for share in shares]
    mean = [Fraction(0)] * len(shares)
    for k in range(total):
        picks = systematic(weights, n, (k + 0.5) / total)
        assert picks == sorted(picks) and len(picks) == n
        for i, share in enumerate(shares):
            wanted = n * share / total
            assert math.floor(wanted) <= picks.count(i) <= math.ceil(wanted)
            mean[i] += Fraction(picks.count(i), total)
    assert mean == [Fraction(n * share, total) for share in shares]


def test_effective_sample_size_and_weights_of_known_cases():
    assert effective([0.25] * 4) == 4
    assert effective([1.0, 0.0, 0.0]) == 1
    assert effective([0.5, 0.25, 0.25]) == pytest.approx(8 / 3)
    assert normalised([math.log(1), math.log(3), -math.inf]) == pytest.approx([0.25, 0.75, 0])
    assert normalised([-math.inf, -math.inf]) == [0, 0]
    assert normalised([-2000.0, -2000.0]) == [0.5, 0.5]


def test_the_number_of_a_seed_path_is_its_own():
    numbers = {uniform(SeedPath(seed, ("p", step))) for seed in range(4) for step in range(4)}
    assert len(numbers) == 16 and all(0 <= u < 1 for u in numbers)
    assert uniform(SeedPath(1, ("p",))) == uniform(SeedPath(1, ("p",)))


def test_the_heavy_particles_take_the_places_of_the_light_and_part_with_their_next_draw():
    table = {"": ["a\n", "b\n"], "a\n": ["c\n", "d\n"], "a\nc\n": ["=yes"], "a\nd\n": ["=no"]}
    scores = {"a\n": 1.0, "b\n": 0.0, "a\nc\n": 1.0, "a\nd\n": 1.0, "a\nc\n=yes": 1.0}
    solution, ledger = solve(ParticleFilter(2, scorer=Table(scores)), Listed(table))
    assert drawn(solution) == ["a\n", "b\n", "a\nc\n", "a\nd\n", "a\nc\n=yes", "a\nd\n=no"]
    assert solution.tree.nodes[2].closed == "not resampled"
    assert solution.answer == "yes"
    assert len(ledger.rows) == 6


def test_an_even_cloud_is_not_resampled_and_an_uneven_one_is():
    table = {"": ["a\n", "b\n"], "a\n": ["=yes"], "b\n": ["=no"]}
    for score, resampled in ((0.5, False), (0.01, True)):  # effective: 1.8 and 1.02 of 2
        scorer = Table({"a\n": 1.0, "b\n": score, "a\n=yes": 1.0, "b\n=no": score})
        tree = solve(ParticleFilter(2, ess=0.75, tau=1.0, scorer=scorer), Listed(table))[0].tree
        assert (tree.nodes[2].closed == "not resampled") is resampled
    always = solve(ParticleFilter(2, ess=1.0, scorer=Table({}, otherwise=0.5)), Listed(table))[0]
    assert not any(node.closed == "not resampled" for node in always.tree)  # all weigh the same


def test_finished_particles_are_the_models_traces_weighted_by_their_value():
    # The model writes a or b evenly, twice. P(trace) is 1/4 each; the values of the whole traces
    # are 1, 1/2, 1/4, 0, so that their shares are 4/7, 2/7, 1/7, 0, whatever the values between.
    class Coin(Listed):
        def entry(self, prefix, seed):
            if len(prefix) < 4:
                return "a\n" if uniform(seed) < 0.5 else "b\n"
            return "=" + prefix.replace("\n", "")

    between = {"a\n": 0.9, "b\n": 0.2, "a\na\n": 0.9, "a\nb\n": 0.4, "b\na\n": 0.3, "b\nb\n": 0.1}
    ends = {"a\na\n=aa": 1.0, "a\nb\n=ab": 0.5, "b\na\n=ba": 0.25, "b\nb\n=bb": 0.0}
    share = Counter()
    for seed in range(2):
        strategy = ParticleFilter(1000, tau=1.0, scorer=Table(between | ends))
        tree = solve(strategy, Coin({}), seed=seed)[0].tree
        for node in tree.finished():
            share[node.answer] += node.note.get("weight", 0.0) / 2000
    assert sum(share.values()) == pytest.approx(1)
    for answer, wanted in (("aa", 4 / 7), ("ab", 2 / 7), ("ba", 1 / 7), ("bb", 0)):
        assert share[answer] == pytest.approx(wanted, abs=0.04)


def test_the_vote_counts_weights():
    # one heavy trace says yes, two light ones say no
    table = {"": ["=yes", "=no", "=no"]}
    scorer = Table({"=yes": 0.9, "=no": 0.2})
    vote = ParticleFilter(3, choose="vote", tau=1.0, scorer=scorer)
    assert solve(vote, Listed(table))[0].answer == "yes"
    scorer = Table({"=yes": 0.9, "=no": 0.6})
    vote = ParticleFilter(3, choose="vote", tau=1.0, scorer=scorer)
    assert solve(vote, Listed(table))[0].answer == "no"
    best = ParticleFilter(3, scorer=scorer)
    assert solve(best, Listed(table))[0].answer == "yes"


def test_when_all_weights_are_0_the_step_is_drawn_again_so_many_times():
    table = {"": ["a\n", "b\n", "c\n"], "c\n": ["=yes"]}
    scorer = Table({"c\n": 1.0, "c\n=yes": 1.0})
    solution, ledger = solve(ParticleFilter(1, retries=2, scorer=scorer), Listed(table))
    assert solution.answer == "yes" and len(ledger.rows) == 4
    solution, ledger = solve(ParticleFilter(1, retries=1, scorer=scorer), Listed(table))
    assert solution.answer is None and len(ledger.rows) == 2


def test_tau_sharpens_and_flattens():
    table = {"": ["a\n", "b\n"], "a\n": ["=yes"], "b\n": ["=no"]}
    scorer = Table({"a\n": 0.8, "b\n": 0.4, "a\n=yes": 0.8, "b\n=no": 0.4})
    closed = {}
    for tau in (0.1, 1.0):  # weights 256 : 1 and 2 : 1
        tree = solve(ParticleFilter(2, ess=0.75, tau=tau, scorer=scorer), Listed(table))[0].tree
        closed[tau] = tree.nodes[2].closed
    assert closed == {0.1: "not resampled", 1.0: ""}


def test_log_scores_weigh_as_probabilities():
    table = {"": ["a\n", "b\n"], "a\n": ["=yes"], "b\n": ["=no"]}
    logs = {"a\n": 0.0, "b\n": -30.0, "a\n=yes": 0.0, "b\n=no": -30.0}
    tree = solve(ParticleFilter(2, scorer=Table(logs, scale="log")), Listed(table))[0].tree
    assert tree.nodes[2].closed == "not resampled"


def test_an_unscored_particle_keeps_its_weight():
    class Silent(Table):
        async def score(self, problem, traces, ctx):
            return [None] * len(traces)

    solution, _ = solve(ParticleFilter(3, scorer=Silent({})), Listed({"": ["=yes"]}))
    assert (solution.answer, solution.stopped_by) == ("yes", "done")


def test_under_a_budget_that_pays_two_traces_one_is_finished():
    table = {"": ["a\n"], "a\n": ["b\n"], "a\nb\n": ["=yes"]}
    scorer = Table({}, otherwise=0.5)
    solution, ledger = solve(ParticleFilter(8, scorer=scorer), Listed(table), Budget(tokens=18))
    assert (solution.answer, solution.stopped_by) == ("yes", "budget")
    assert ledger.spent.tokens == 18


@pytest.mark.parametrize(
    "wrong", [{"particles": 0}, {"ess": 2.0}, {"tau": 0.0}, {"retries": -1}, {"merge": True}]
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(BadInput):
        ParticleFilter(**wrong)


def test_a_particle_of_weight_0_draws_nothing_more_and_leaves_the_others_their_weights():
    # One of four scores 0: the effective number is 3, above half, so that nothing is resampled.
    table = {"": ["a\n", "b\n", "c\n", "d\n"], "a\n": ["=yes"], "b\n": ["=no"], "c\n": ["=no"]}
    scores = {"d\n": 0.0}
    model = Listed(table)
    solution, ledger = solve(
        ParticleFilter(4, scorer=Table(scores, otherwise=1.0), choose="vote"), model
    )
    assert "d\n" not in [prefix for prefix, _ in model.asked]
    weights = [node.note["weight"] for node in solution.tree.finished()]
    assert weights == pytest.approx([4 / 3] * 3)
    assert solution.answer == "no" and len(ledger.rows) == 7


def test_a_particle_of_weight_0_is_not_picked_where_weights_sum_to_a_little_less_than_1():
    assert systematic([1 - 1e-9, 0.0], 1, 1 - 1e-12) == [0]


class Dear(Listed):
    """Reads as many tokens as stand, at 2 flops each."""

    async def generate(self, prompt, sampling, ledger, seed):
        if len(self.asked) > 50:
            raise AssertionError("asked again and again for what cannot be paid")
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens,
            prompt_tokens=5 * len(prompt.prefix), flops_per_token=2.0,
        )  # fmt: skip
        self.asked.append((prompt.prefix, seed.text))
        if grant.empty:
            return [Completion("", "budget", Usage())]
        text = self.entry(prompt.prefix, seed)[: grant.max_tokens]
        grant.settle(Usage(5 * len(prompt.prefix), 0, len(text)))
        return [Completion(text, "boundary", Usage(5 * len(prompt.prefix), 0, len(text)))]


def test_particles_whose_next_step_no_cap_on_flops_pays_end_the_search():
    # 2 tokens at 2 flops leave 16: less than reading the step (10 tokens) before the next one.
    model = Dear({"": ["a\n"]})
    solution, ledger = solve(ParticleFilter(1, scorer=Table({}, 1.0)), model, Budget(flops=20))
    assert solution.answer is None and ledger.spent.flops <= 20 and len(model.asked) < 20
