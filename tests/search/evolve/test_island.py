"""Islands: who enters, who is chosen, with which probability."""

from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from evaluators.discovery.base import Evaluation
from evaluators.errors import BadInput, UnknownName
from search.evolve.island import Island, Member, draw
from search.evolve.program import Program
from search.evolve.settings import Population


def member(k: int, worth: float, size: int = 10, scores=None, behaviour: str | None = None):
    scores = (worth,) if scores is None else scores
    told = Evaluation("ok", worth, scores, behaviour=f"b{k}" if behaviour is None else behaviour)
    return Member(Program(k, f"p{k}", 0, (), "test", told), worth, size)


def island(members, **settings) -> Island:
    made = Island(Population(**settings))
    for m in members:
        made.enter(m)
    return made


def ks(programs) -> list[int]:
    return [p.k for p in programs]


def test_a_full_island_loses_its_lowest_rank() -> None:
    full = island([member(0, 1), member(1, 3), member(2, 2)], capacity=3)
    assert full.enter(member(3, 0.5)) == "weak"
    assert full.enter(member(4, 2.5)) == "entered"
    assert ks(m.program for m in full.members) == [2, 4, 1]
    assert full.floor.worth == 2 and full.best.worth == 3


def test_with_parsimony_length_costs_standing_but_the_best_stays_the_best() -> None:
    long, short, middle = member(0, 10, 50), member(1, 9.5, 10), member(2, 9, 20)
    members = [replace(m, parsimony=0.002) for m in (long, short, middle)]
    made = island(members, capacity=3)
    assert [m.fitness for m in members] == pytest.approx([9.0, 9.31, 8.64])
    assert ks(m.program for m in made.members) == [2, 0, 1]
    assert made.best is members[0]
    assert made.enter(replace(member(3, 9.01, 25), parsimony=0.002)) == "weak"
    assert made.enter(replace(member(4, 9.01, 5), parsimony=0.002)) == "entered"
    costly = replace(member(5, -2, 50), parsimony=0.002)
    assert costly.fitness == pytest.approx(-2.2)


def test_of_equal_scores_the_shorter_then_the_older_ranks_higher() -> None:
    equal = island([member(0, 1, 9), member(1, 1, 5), member(2, 1, 5)], capacity=3)
    assert ks(m.program for m in equal.members) == [0, 2, 1]
    assert equal.enter(member(3, 1, 9)) == "weak"
    assert equal.enter(member(4, 1, 8)) == "entered"


def test_of_the_same_behaviour_the_shorter_stays() -> None:
    made = island([member(0, 1, 9, behaviour="same")], capacity=3)
    assert made.enter(member(1, 1, 9, behaviour="same")) == "duplicate"
    assert made.enter(member(2, 1, 12, behaviour="same")) == "duplicate"
    assert made.enter(member(3, 1, 4, behaviour="same")) == "entered"
    assert ks(m.program for m in made.members) == [3]
    assert len(made.clusters) == 1


def test_without_a_digest_nobody_is_a_twin() -> None:
    made = island([member(0, 1, behaviour=""), member(1, 1, behaviour="")], capacity=3)
    assert len(made.members) == 2


def test_an_island_never_outgrows_its_capacity_and_its_parts_agree() -> None:
    rng = np.random.default_rng(0)
    made = Island(Population(capacity=20))
    best = -1.0
    for k in range(3000):
        worth = float(rng.integers(1000)) / 10
        best = max(best, worth)
        made.enter(member(k, worth, int(rng.integers(5, 9)), behaviour=str(rng.integers(2000))))
        assert len(made.members) == len(made._behaviours) <= 20
        assert sorted(id(m) for c in made.clusters.values() for m in c) == sorted(
            map(id, made.members)
        )
        assert made.members == sorted(made.members, key=lambda m: m.rank)
    assert made.best.worth == best


# -- choice of parents -----------------------------------------------------------------


def weights(values) -> np.ndarray:
    e = np.exp(np.array(values) - max(values))
    return e / e.sum()


def in_order_probability(order, p) -> float:
    """Of drawing this order one after the other without replacement, by weights `p`."""
    left, total = 1.0, 1.0
    for at in order:
        total *= p[at] / left
        left -= p[at]
    return total


def test_the_clusters_softmax_by_hand() -> None:
    made = island([member(0, 10), member(1, 8), member(2, 4)], temperature=0.5, period=100)
    # three programs entered: T = 0.5 (1 - 3/100) = 0.485; best 10, median 8, unit 2
    assert made.temperature == pytest.approx(0.485)
    assert made.cluster_weights() == pytest.approx([0.0, -1 / 0.485, -3 / 0.485])


@pytest.mark.parametrize(("a", "b"), [(1000.0, 0.0), (1e-6, 5.0), (3.0, -1e4)])
def test_neither_unit_nor_offset_of_the_score_matters(a: float, b: float) -> None:
    base = island([member(k, w) for k, w in enumerate((1.0, 2.5, 4.0, 7.0))])
    other = island([member(k, a * w + b) for k, w in enumerate((1.0, 2.5, 4.0, 7.0))])
    assert other.cluster_weights() == pytest.approx(base.cluster_weights(), rel=1e-4)


def test_clusters_of_the_same_worth_are_equally_likely() -> None:
    made = island([member(k, 1.0, scores=(float(k), 2.0 - k)) for k in range(4)])
    assert made.cluster_weights().tolist() == [0, 0, 0, 0]


def test_the_temperature_falls_to_nothing_and_rises_again() -> None:
    made = Island(Population(temperature=2.0, period=4, capacity=50))
    seen = []
    for k in range(9):
        seen.append(made.temperature)
        made.enter(member(k, k))
    assert seen == pytest.approx([2.0, 1.5, 1.0, 0.5, 2.0, 1.5, 1.0, 0.5, 2.0])


def test_draws_without_replacement_have_the_probabilities_of_drawing_one_by_one() -> None:
    logits = np.array([0.0, -0.7, -1.1, -2.0])
    rng, n = np.random.default_rng(1), 20_000
    counts = Counter(tuple(draw(logits, rng)[:2]) for _ in range(n))
    p = weights(logits)
    chi = 0.0
    for order in permutations(range(4), 2):
        want = n * in_order_probability(order, p)
        chi += (counts[order] - want) ** 2 / want
    assert chi < 31.3  # 99.9 % of chi-square with 11 degrees of freedom


def test_parents_by_cluster_match_brute_force_and_are_all_different() -> None:
    # cluster A (worth 4) has two programs of sizes 10 and 20, B (worth 2) and C (worth 1) one each
    made = island(
        [member(0, 4, 10, (4.0,)), member(1, 4, 20, (4.0,)), member(2, 2, 10), member(3, 1, 10)],
        temperature=1.0, period=1_000_000,
    )  # fmt: skip
    p = weights(made.cluster_weights())
    inside = weights([0.0, -10 / (20 + 1e-6)])
    want = Counter()
    for first, second in permutations(range(3), 2):
        chance = in_order_probability((first, second), p)
        for a, share in ((0, inside[0]), (1, inside[1])):
            if 0 in (first, second):
                other = (first + second) + 1
                want[tuple(sorted((a, other)))] += chance * share
        if 0 not in (first, second):
            want[(2, 3)] += chance
    assert sum(want.values()) == pytest.approx(1.0)
    rng, n = np.random.default_rng(2), 20_000
    counts = Counter(tuple(sorted(ks(made.parents(2, rng)))) for _ in range(n))
    assert set(counts) == set(want)
    chi = sum((counts[pair] - n * share) ** 2 / (n * share) for pair, share in want.items())
    assert chi < 18.5  # 99.9 % of chi-square with 4 degrees of freedom


@pytest.mark.parametrize("selection", ["clusters", "tournament"])
def test_parents_are_different_and_come_worst_first(selection: str) -> None:
    made = island([member(k, k % 3, 5 + k, (float(k % 3),)) for k in range(9)], selection=selection)
    rng = np.random.default_rng(0)
    for count in range(1, 9):
        for _ in range(50):
            chosen = made.parents(count, rng)
            assert len(set(ks(chosen))) == count
            assert [p.score for p in chosen] == sorted(p.score for p in chosen)


def test_where_there_are_fewer_programs_all_are_parents() -> None:
    made = island([member(0, 1), member(1, 2)])
    assert ks(made.parents(5, np.random.default_rng(0))) == [0, 1]


def test_a_tournament_of_two_prefers_the_better_as_by_hand() -> None:
    made = island([member(k, k) for k in range(3)], selection="tournament", tournament=2)
    # the best of two uniform draws of three: 1/9, 3/9, 5/9
    rng, n = np.random.default_rng(3), 9000
    counts = Counter(made.parents(1, rng)[0].k for _ in range(n))
    chi = sum((counts[k] - n * w / 9) ** 2 / (n * w / 9) for k, w in enumerate((1, 3, 5)))
    assert chi < 13.8  # 99.9 % of chi-square with 2 degrees of freedom


@pytest.mark.parametrize(
    "wrong",
    [{"islands": 0}, {"capacity": 1}, {"temperature": 0.0}, {"period": 0}, {"reset": -1},
     {"attempts": 0}, {"islands": 2.5}],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(wrong: dict) -> None:
    with pytest.raises(BadInput):
        Population(**wrong)


def test_a_wrong_name_is_told_with_the_right_ones() -> None:
    with pytest.raises(UnknownName, match="capacity"):
        Population.of({"capazity": 3})
    with pytest.raises(UnknownName, match="tournament"):
        Population(selection="lottery")  # type: ignore[arg-type]
