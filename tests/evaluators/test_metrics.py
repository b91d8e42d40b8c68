"""Every expectation against all subsets, written out, and against values done by hand."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from evaluators.errors import BadInput
from evaluators.metrics import maj_at_k, pass_at_k, weighted_best_of_n


def brute_votes(answers, correct, weights, k):
    """Mean over all k-subsets of the mean correctness of the heaviest answers' groups."""
    share = {
        a: np.mean([c for b, c in zip(answers, correct, strict=True) if b == a])
        for a in set(answers)
    }
    total = 0.0
    for subset in combinations(range(len(answers)), k):
        tally = {}
        for i in subset:
            if answers[i] not in (None, ""):
                tally[answers[i]] = tally.get(answers[i], 0) + weights[i]
        best = max(tally.values(), default=0)
        winners = [a for a, w in tally.items() if w == best and w > 0]
        total += np.mean([share[a] for a in winners]) if winners else 0.0
    return total / comb(len(answers), k)


def brute_best(answers, correct, scores, k):
    total = 0.0
    for subset in combinations(range(len(answers)), k):
        scored = [i for i in subset if answers[i] is not None and scores[i] is not None]
        top = max((scores[i] for i in scored), default=None)
        tied = [correct[i] for i in scored if scores[i] == top]
        total += np.mean(tied) if tied else 0.0
    return total / comb(len(answers), k)


def random_samples(rng, n):
    answers = [None if rng.random() < 0.15 else f"a{rng.integers(0, 4)}" for _ in range(n)]
    correct = [float(a is not None and rng.random() < 0.4) for a in answers]
    return answers, correct


@pytest.mark.parametrize(("n", "c", "k"), [(5, 2, 3), (6, 0, 2), (6, 6, 1), (8, 3, 8), (9, 1, 4)])
def test_pass_at_k_equals_the_share_of_subsets_with_a_right_sample(n, c, k):
    hits = [any(i < c for i in subset) for subset in combinations(range(n), k)]
    assert pass_at_k(n, c, k) == pytest.approx(np.mean(hits), abs=1e-12)


def test_pass_at_k_by_hand():
    assert pass_at_k(4, 1, 2) == pytest.approx(0.5)  # 1 - C(3,2)/C(4,2)
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)


def test_pass_at_k_takes_arrays_and_keeps_their_shape():
    values = pass_at_k(np.array([[10], [20]]), np.array([[3], [0]]), [1, 5])
    assert values.shape == (2, 2)
    assert values[1].tolist() == [0.0, 0.0]
    assert values[0, 1] == pytest.approx(1 - comb(7, 5) / comb(10, 5))


def test_pass_at_k_of_many_samples_does_not_overflow():
    assert pass_at_k(5000, 2500, 1000) == pytest.approx(1.0)


def test_the_estimator_is_unbiased_where_the_plug_in_form_gives_747_for_a_true_806():
    n, k = 21, 8
    p = 1 - (1 - 0.806) ** (1 / k)
    chance = np.array([comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)])
    right = np.arange(n + 1)
    assert chance @ pass_at_k(n, right, k) == pytest.approx(0.806, abs=1e-12)
    assert chance @ (1 - (1 - right / n) ** k) == pytest.approx(0.747, abs=5e-4)


@pytest.mark.parametrize(("n", "c", "k"), [(3, 4, 1), (3, -1, 1), (3, 1, 4), (3, 1, 0)])
def test_pass_at_k_refuses_counts_that_cannot_be(n, c, k):
    with pytest.raises(BadInput):
        pass_at_k(n, c, k)


def test_pass_at_k_refuses_shares_in_place_of_counts():
    with pytest.raises(BadInput, match="integer"):
        pass_at_k(10, 0.3, 2)


@pytest.mark.parametrize("seed", range(12))
def test_maj_at_k_equals_all_subsets(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 10))
    answers, correct = random_samples(rng, n)
    for k in range(1, n + 1):
        exact = maj_at_k(answers, correct, k)
        assert exact.error == 0
        assert exact.value == pytest.approx(brute_votes(answers, correct, [1] * n, k), abs=1e-12)


def test_maj_at_k_by_hand():
    # Of the three pairs of a, a, b: (a,a) is right, (a,b) twice a tie worth one half.
    assert maj_at_k(["a", "a", "b"], [1, 1, 0], 2).value == pytest.approx(2 / 3)


def test_an_empty_answer_casts_no_vote():
    assert maj_at_k([None, None, "", "a"], [0, 0, 0, 1], 4).value == 1.0
    assert maj_at_k([None, None, "", "a"], [0, 0, 0, 1], 1).value == 0.25


def test_maj_at_1_is_the_mean_accuracy():
    answers, correct = random_samples(np.random.default_rng(5), 60)
    assert maj_at_k(answers, correct, 1).value == pytest.approx(np.mean(correct))


def test_maj_at_k_does_not_depend_on_the_order_of_samples():
    answers, correct = ["a", "b", "c", "b", "a"], [1, 0, 0, 0, 1]
    turned = maj_at_k(answers[::-1], correct[::-1], 4).value
    assert maj_at_k(answers, correct, 4).value == pytest.approx(turned)


def test_drawn_majority_agrees_with_the_exact_sum_within_its_stated_error(monkeypatch):
    answers, correct = random_samples(np.random.default_rng(3), 40)
    exact = maj_at_k(answers, correct, 7)
    monkeypatch.setattr("evaluators.metrics.EXACT_VOTE_SAMPLES", 0)
    drawn = maj_at_k(answers, correct, 7, rng=np.random.default_rng(1))
    assert 0 < drawn.error < 0.01
    assert abs(drawn.value - exact.value) < 4 * drawn.error


def test_a_drawn_majority_without_a_generator_is_refused():
    with pytest.raises(BadInput, match="rng"):
        maj_at_k(["a"] * 400, [1] * 400, 7)


@pytest.mark.parametrize("seed", range(12))
def test_best_by_score_equals_all_subsets_with_ties_and_unscored_samples(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 10))
    answers, correct = random_samples(rng, n)
    scores = [None if rng.random() < 0.2 else float(rng.integers(-2, 2)) for _ in range(n)]
    for k in range(1, n + 1):
        value = weighted_best_of_n(answers, correct, scores, k).value
        assert value == pytest.approx(brute_best(answers, correct, scores, k), abs=1e-12)


def test_best_by_score_by_hand():
    # 3 samples; the best is wrong. k=2: it is in two of three pairs; the pair without it is right.
    chosen = weighted_best_of_n(["a", "a", "b"], [1, 1, 0], [0.1, 0.2, 0.9], 2)
    assert chosen.value == pytest.approx(1 / 3)


def test_best_by_score_of_a_perfect_judge_is_pass_at_k():
    correct = [1, 0, 0, 1, 0, 0, 0, 0]
    for k in (1, 3, 8):
        best = weighted_best_of_n([str(i) for i in range(8)], correct, correct, k)
        assert best.value == pytest.approx(pass_at_k(8, 2, k))


@pytest.mark.parametrize("seed", range(8))
def test_weighted_vote_equals_all_subsets(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 9))
    answers, correct = random_samples(rng, n)
    weights = [int(w) for w in rng.integers(0, 4, n)]
    for k in range(1, n + 1):
        vote = weighted_best_of_n(answers, correct, weights, k, rule="vote")
        assert vote.value == pytest.approx(brute_votes(answers, correct, weights, k), abs=1e-12)


def test_a_vote_with_equal_weights_is_the_majority():
    answers, correct = random_samples(np.random.default_rng(11), 10)
    vote = weighted_best_of_n(answers, correct, [0.3] * 10, 5, rule="vote")
    assert vote.value == pytest.approx(maj_at_k(answers, correct, 5).value)


def test_weights_that_tie_up_to_rounding_tie():
    vote = weighted_best_of_n(["a", "a", "b"], [1, 1, 0], [0.1, 0.2, 0.3], 3, rule="vote")
    assert vote.value == pytest.approx(0.5)


def test_drawn_weighted_vote_states_its_error_and_is_near_the_exact_value(monkeypatch):
    rng = np.random.default_rng(2)
    answers, correct = random_samples(rng, 14)
    weights = rng.random(14).tolist()
    exact = weighted_best_of_n(answers, correct, weights, 6, rule="vote")
    monkeypatch.setattr("evaluators.metrics.EXACT_SUBSETS", 0)
    drawn = weighted_best_of_n(answers, correct, weights, 6, "vote", np.random.default_rng(4))
    assert exact.error == 0 < drawn.error
    assert abs(drawn.value - exact.value) < 4 * drawn.error


@pytest.mark.parametrize("scores", [[-1.0, 0.2], [float("inf"), 0.2]])
def test_a_weighted_vote_refuses_weights_that_are_none(scores):
    with pytest.raises(BadInput):
        weighted_best_of_n(["a", "b"], [1, 0], scores, 1, rule="vote")


def test_an_unknown_rule_is_named():
    with pytest.raises(BadInput, match="median"):
        weighted_best_of_n(["a"], [1], [1.0], 1, rule="median")  # type: ignore[arg-type]
