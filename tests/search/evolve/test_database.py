"""The database: a pure function of the programs that were committed."""

import numpy as np
import pytest
from toys import Numbers, number

from evaluators.discovery.base import Evaluation
from reasoning.core import SeedPath
from search.evolve.database import FINALISTS, Database, generator
from search.evolve.program import Program
from search.evolve.settings import Population


def program(k: int, score: float | None, islands: int = 4, verdict="ok", **more) -> Program:
    scores = () if score is None else (score,)
    told = Evaluation(verdict, score, scores, behaviour=f"b{k}")
    return Program(k, number(k), k % islands, (), "test", told, **more)


def filled(scores, direction="maximise", **settings) -> Database:
    problem = Numbers()
    problem.direction = direction
    database = Database(problem, Population(**{"islands": 4, "reset": 0, **settings}), seed=0)
    for k, score in enumerate(scores):
        database.commit(program(k, score, len(database.islands)), size=5)
    return database


def test_the_start_is_on_every_island_and_others_on_their_own() -> None:
    database = filled([1.0, 2.0, 3.0])
    found = [[m.program.k for m in island.members] for island in database.islands]
    assert found == [[0], [0, 1], [0, 2], [0]]
    assert database.best.program.k == 2


def test_the_direction_is_turned_once() -> None:
    down = filled([5.0, 3.0, 4.0, 9.0, 1.0], "minimise")
    assert down.best.program.score == 1.0
    assert down.scores() == (1.0, 3.0, 4.0, 5.0)
    assert [p.score for p in down.finalists] == [1.0, 3.0, 4.0, 5.0, 9.0]
    assert down.islands[0].members[-1].program.score == 1.0


@pytest.mark.parametrize(
    "verdict", ["timeout", "memory", "crashed", "forbidden", "exception", "bad_output", "invalid",
                "cheating", "sandbox_died"],
)  # fmt: skip
def test_a_program_that_fails_never_enters_whatever_score_it_claims(verdict: str) -> None:
    database = filled([1.0])
    commit = database.commit(program(1, 99.0, verdict=verdict), size=5)
    assert commit.fate == "no score" and not commit.improved
    assert database.best.program.k == 0 and len(database.islands[1].members) == 1
    assert [p.k for p in database.finalists] == [0]
    assert database.islands[1].failure.k == 1


def test_a_program_that_was_cut_does_not_enter_and_is_no_failure() -> None:
    database = filled([1.0])
    cut = Program(1, "x", 1, (), "test", Evaluation("ok", None, (0.2,), cut=True))
    assert database.commit(cut, 5).fate == "no score"
    assert database.islands[1].failure is None


def test_below_its_floor_a_program_does_not_enter_an_island_that_was_reset_meanwhile() -> None:
    database = filled([0.0, 10, 20, 30, 40, 11, 21, 31, 41], reset=8)
    below = Program(9, "x", 1, (), "test", Evaluation("ok", 99.0, (99.0,), cut=True))
    commit = database.commit(below, 5)
    assert (commit.fate, commit.improved, commit.changes) == ("no score", False, ())
    assert 9 not in [m.program.k for m in database.islands[1].members]
    assert 9 not in [p.k for p in database.finalists]


def test_programs_come_in_order_of_their_numbers() -> None:
    with pytest.raises(RuntimeError, match="committed as number 1"):
        filled([1.0]).commit(program(2, 1.0), 5)


def test_the_floor_is_the_score_that_a_newcomer_must_beat() -> None:
    database = filled([5, 4, 4, 4, 3, 9, 9, 9, 8], capacity=2)
    # island 0 saw 5, 3, 8
    assert database.floor(0) == 5
    assert database.floor(1) == 5  # 5, 4, 9
    assert filled([5, 4], capacity=4).floor(1) is None


def test_nothing_below_the_floor_could_have_entered() -> None:
    rng = np.random.default_rng(0)
    database = filled([0.0], capacity=5)
    for k in range(1, 400):
        score = float(rng.integers(100))
        floor = database.floor(k % 4)
        fate = database.commit(program(k, score), 5).fate
        if floor is not None and score < floor:
            assert fate == "weak"
        if floor is None:
            assert fate == "entered"


def test_a_reset_keeps_the_better_half_and_seeds_the_others_from_it() -> None:
    scores = [0.0, 10, 20, 30, 40, 11, 21, 31, 41]  # after 8 commits: best 40, 11, 21, 31 (k 4…7)
    database = filled(scores[:8], reset=8)
    assert database.scores() == (40, 11, 21, 31)
    database.commit(program(8, 41), 5)
    kept = {0: 41.0, 3: 31.0}
    for at, island in enumerate(database.islands):
        if at in kept:
            assert len(island.members) > 1 and island.best.worth == kept[at]
        else:
            assert [m.worth for m in island.members] in ([41.0], [31.0])
            assert island.registered == 1 and island.failure is None
    again = filled(scores, reset=8)
    assert again.scores() == database.scores()  # the draw is of the seed


def test_an_odd_number_of_islands_keeps_the_larger_half() -> None:
    database = filled([0.0, 3, 2, 1, 5, 6, 7, 8, 9, 4], islands=5, reset=9)
    restarted = [len(island.members) == 1 for island in database.islands]
    assert sum(restarted) == 2


def test_one_island_is_never_reset() -> None:
    database = filled([0.0, 1, 2, 3], islands=1, reset=1)
    assert len(database.islands[0].members) == 4


def test_finalists_are_the_best_with_different_behaviour() -> None:
    database = filled([0.0])
    rng = np.random.default_rng(1)
    scores = rng.permutation(200) + 1.0
    for k, score in enumerate(scores, 1):
        score = int(score) // 2 * 2.0  # every program has a twin, on whichever island
        told = Evaluation("ok", score, (score,), behaviour=f"b{score}")
        database.commit(Program(k, "x", k % 4, (), "t", told), 5)
    assert len(database.finalists) == FINALISTS
    behaviours = [p.evaluation.behaviour for p in database.finalists]
    assert len(set(behaviours)) == FINALISTS
    assert [p.score for p in database.finalists] == [200.0 - 2 * i for i in range(FINALISTS)]


def test_a_commit_says_which_islands_best_changed() -> None:
    database = filled([1.0])
    assert database.commit(program(1, 0.5), 5).changes == ()
    changes = database.commit(program(2, 3.0), 5).changes
    assert [(island, p.k) for island, p in changes] == [(2, 2)]


def test_prompts_are_not_kept_in_memory() -> None:
    database = filled([1.0])
    database.commit(program(1, 3.0, prompt="p" * 1000, response="r" * 1000), 5)
    database.commit(program(2, None, verdict="crashed", prompt="p" * 1000), 5)
    kept = [m.program for island in database.islands for m in island.members]
    kept += [island.failure for island in database.islands if island.failure]
    assert all(p.prompt == p.response == "" for p in [*kept, *database.finalists])


def test_a_generator_is_of_its_path_alone() -> None:
    assert generator(1, 2).random() == generator(1, 2).random()
    draws = {generator(s, k).random() for s in range(20) for k in range(20)}
    assert len(draws) == 400
    low, high = SeedPath(1, ("evolve", 2)).key
    plain = np.random.Generator(np.random.Philox(key=low | high << 64))
    assert generator(1, 2).integers(0, 1000, 50).tolist() == plain.integers(0, 1000, 50).tolist()


def test_a_duplicate_is_counted_and_nothing_else() -> None:
    database = filled([1.0])
    commit = database.commit(program(1, 9.0, duplicate_of=0), 5)
    assert (commit.fate, commit.improved, commit.changes) == ("duplicate", False, ())
    assert database.commits == 2 and database.best.program.k == 0
