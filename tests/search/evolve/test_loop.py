"""The loop with scripted proposers and an evaluator that answers in any order."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from pathlib import Path

import pytest
from toys import FakePool, Numbers, Script, climb, facts, none, number, value

from evaluators.errors import BadInput, LabError, UnknownName
from reasoning import runlog
from reasoning.runlog import read_events
from search import evolve
from search.evolve import session, streak
from search.evolve.lineage import programs_of
from search.evolve.program import Proposal
from search.evolve.settings import EvolveSettings, evolve_from

pytestmark = pytest.mark.usefixtures("in_process")

SMALL = {"islands": 3, "capacity": 6, "reset": 40}


def run(problem=None, made=climb, evaluations=120, **options):
    return evolve(problem or Numbers(), Script(made) if callable(made) else made,
                  evaluations=evaluations, progress=False, **{**SMALL, **options})  # fmt: skip


def programs(evolution) -> list:
    return list(programs_of(evolution.folder, evolution.problem))


def test_it_gets_better() -> None:
    evolution = run(evaluations=400)
    assert evolution.best.score > 50
    assert evolution.snapshot().stopped_by == "evaluations"


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_results_come_makes_no_difference(
    in_process: type[FakePool], seed: int
) -> None:
    in_process.seed = 0
    want = run(window=7)
    in_process.seed = seed + 1
    got = run(window=7)
    assert facts(got.folder, got.problem) == facts(want.folder, want.problem)
    rows = [e["k"] for e in read_events(got.folder) if e["kind"] == "program"]
    assert rows != sorted(rows)  # they did come out of order


@pytest.mark.parametrize("window", [1, 3, 8])
def test_proposal_k_sees_the_programs_up_to_k_minus_the_window(window: int) -> None:
    latest: list[int] = []  # the newest program in the database when proposal k was made

    def fresh(request, rng):
        assert request.k == len(latest) + 1
        latest.append(evolution_database().commits - 1)
        return 1000 + request.k

    made: list = []
    original = session.Database

    def evolution_database():
        return made[-1]

    def catch(*arguments):
        made.append(original(*arguments))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "Database", catch)
        run(made=fresh, evaluations=40, window=window)
    assert latest == [max(0, k - window) for k in range(1, 41)]


def test_parents_are_of_the_island_and_come_best_last() -> None:
    script = Script(climb, wants=3)
    evolution = run(made=script)
    by_k = {p.k: p for p in programs(evolution)}
    for request in script.requests:
        assert request.island == request.k % 3
        scores = [p.score for p in request.parents]
        assert scores == sorted(scores)
        assert len({p.k for p in request.parents}) == len(request.parents) <= 3
        assert all(p.k <= max(0, request.k - 8) for p in request.parents)
        made = by_k[request.k]
        assert made.parents == tuple(p.k for p in request.parents)


def test_the_same_seed_repeats_and_another_does_not() -> None:
    first, again, other = run(seed=4), run(seed=4), run(seed=5)
    assert facts(first.folder, first.problem) == facts(again.folder, again.problem)
    assert facts(first.folder, first.problem) != facts(other.folder, other.problem)


def test_a_window_of_one_waits_for_every_result() -> None:
    script = Script(climb, wants=1)
    run(made=script, evaluations=30, window=1, islands=1, reset=0)
    assert {r.k for r in script.requests} == set(range(1, 31))
    assert all(r.parents[0].k < r.k for r in script.requests)
    assert any(r.parents[0].k == r.k - 1 for r in script.requests)


# -- duplicates ------------------------------------------------------------------------


def test_known_syntax_is_asked_again_then_recorded_and_never_evaluated(tmp_path: Path) -> None:
    attempts = Counter()

    def stubborn(request, rng):
        attempts[request.k] += 1
        return 5 if request.k != 3 or request.attempt < 2 else 6

    evolution = run(Numbers(tmp_path / "notes"), stubborn, evaluations=6, attempts=4, window=2)
    assert attempts == {1: 1, 2: 4, 3: 3, 4: 4, 5: 4, 6: 4}
    told = {p.k: (p.verdict, p.duplicate_of) for p in programs(evolution)}
    assert told[2] == ("duplicate", 1) and told[6] == ("duplicate", 1)
    assert told[3][0] == "ok"
    train = [w for w in (tmp_path / "notes").read_text().split("\n") if w.startswith("train")]
    assert sorted(train) == ["train 0", "train 5", "train 6"]


def test_another_layout_is_the_same_program() -> None:
    def layouts(request, rng):
        return f"def f():\n    # try {request.k}\n    return 7\n"

    verdicts = run(made=layouts, evaluations=5).snapshot().verdicts
    assert verdicts == {"ok": 2, "duplicate": 4}


def test_the_same_behaviour_on_an_island_is_a_duplicate_with_a_score() -> None:
    evolution = run(made=lambda r, rng: {1: 90, 2: 110}[r.k], evaluations=2, islands=1)
    last = programs(evolution)[2]  # 90 and 110 are as far from 100
    assert (last.verdict, last.duplicate_of, last.score) == ("duplicate", 1, 89.0)


class Slow:
    """An asynchronous proposer: waits the more turns, the smaller its number."""

    name, wants = "slow", 1

    def __init__(self, made) -> None:
        self.made = made

    async def propose(self, request, rng, ctx):
        for _ in range(40 - 7 * (request.k % 5)):
            await asyncio.sleep(0)
        return number(self.made(request.k))

    def fingerprint(self):
        return {"slow": 1}


def test_in_flight_identical_sources_are_evaluated_once_whoever_comes_first(
    tmp_path: Path,
) -> None:
    evolution = run(Numbers(tmp_path / "notes"), Slow(lambda k: k // 8), evaluations=64, window=9)
    told = programs(evolution)
    train = [w for w in (tmp_path / "notes").read_text().split("\n") if w.startswith("train")]
    assert sorted(train) == sorted(f"train {n}" for n in range(9))
    firsts = {value(p.source): p.k for p in reversed(told)}
    for p in told:
        if p.k != firsts[value(p.source)]:
            assert p.duplicate_of == firsts[value(p.source)]


@pytest.mark.parametrize("seed", range(4))
def test_an_asynchronous_proposer_gives_the_same_run_however_long_it_takes(
    in_process: type[FakePool], seed: int
) -> None:
    want = run(made=Slow(lambda k: k * 7 % 41), evaluations=80)
    in_process.seed = seed + 1
    got = run(made=Slow(lambda k: k * 7 % 41), evaluations=80)
    assert facts(got.folder, got.problem) == facts(want.folder, want.problem)


# -- failure is a state ----------------------------------------------------------------


def test_failures_are_counted_and_never_enter_or_become_parents() -> None:
    act = dict.fromkeys(range(20, 40), "fail") | dict.fromkeys(range(40, 60), "cheat")
    script = Script(lambda r, rng: r.k)
    evolution = run(Numbers(act=act), script, evaluations=100, reset=0)
    verdicts = evolution.snapshot().verdicts
    assert (verdicts["exception"], verdicts["cheating"]) == (20, 20)
    parents = {p.k for r in script.requests for p in r.parents}
    assert parents and not parents & set(range(20, 60))
    assert all(p.score is None for p in programs(evolution) if 20 <= p.k < 60)
    assert any(r.failure is not None and r.failure.k in range(20, 40) for r in script.requests)


@pytest.mark.parametrize("parents", [(99,), (-1,), ("0",), (1,)], ids=str)
def test_parents_that_are_no_earlier_programs_are_refused(parents) -> None:
    with pytest.raises(BadInput, match="parents must be numbers of earlier programs"):
        run(made=lambda r, rng: Proposal(number(5), parents), evaluations=1)


def test_a_proposer_without_a_program_says_why() -> None:
    evolution = run(made=none, evaluations=5)
    assert evolution.snapshot().verdicts == {"ok": 1, "no source": 5}
    assert programs(evolution)[3].reason == "nothing to say"
    assert evolution.best.k == 0


def test_a_start_that_fails_ends_it_at_once() -> None:
    with pytest.raises(LabError, match="starting program of numbers has no score: it failed"):
        run(Numbers(act={0: "fail"}))


@pytest.mark.parametrize("answer", [17.5, None, Proposal(5)], ids=["float", "none", "source"])  # type: ignore[arg-type]
def test_an_answer_that_is_no_proposal_is_told(answer) -> None:
    with pytest.raises(BadInput, match="script"):
        run(made=lambda r, rng: answer)


def test_a_mistake_in_a_proposer_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        run(made=lambda r, rng: 1 // (r.k - 20))


def test_early_end_never_cuts_what_would_have_entered() -> None:
    def score(folder, problem):
        return {p.k: (p.score, p.evaluation.cut) for p in programs_of(folder, problem)
                if p.evaluation}  # fmt: skip

    class Patient(Numbers):
        def evaluate(self, source, sandbox, split="train", floor=None):
            return super().evaluate(source, sandbox, split, None)

    options = {"reset": 0, "capacity": 3, "evaluations": 300}
    hasty, patient = run(**options), run(Patient(), **options)
    assert any(cut for _, cut in score(hasty.folder, hasty.problem).values())
    assert [f[:5] for f in facts(hasty.folder, hasty.problem)] == [
        f[:5] for f in facts(patient.folder, patient.problem)
    ]
    assert hasty.best.k == patient.best.k


# -- the end ---------------------------------------------------------------------------


def test_without_an_end_it_is_refused() -> None:
    with pytest.raises(BadInput, match="set one of evaluations, tokens, dollars, seconds"):
        run(evaluations=None)
    with pytest.raises(BadInput, match="never end"):
        run(evaluations=None, tokens=100)
    with pytest.raises(BadInput, match="evaluations must be more than 0"):
        run(evaluations=0)


@pytest.mark.parametrize(
    ("options", "told"),
    [({"evaluations": 2.5}, "evaluations must be a whole number, not 2.5"),
     ({"evaluations": True}, "evaluations must be a whole number"),
     ({"seconds": "60"}, "seconds must be a number, not '60'"), ({"seed": "x"}, "seed must be"),
     ({"model": "tiny"}, r"model must be a language model, load_model\(…\), not 'tiny'"),
     ({"resume": True}, "nothing to resume without a run folder")],
    ids=["half", "truth", "text", "seed", "model", "resume"],
)  # fmt: skip
def test_wrong_settings_are_refused_before_anything_runs(options, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        run(**options)


def test_a_misspelt_argument_is_told_with_what_was_meant() -> None:
    with pytest.raises(UnknownName, match=r"argument of evolve 'worker'. Did you mean 'workers'"):
        run(worker=3)
    with pytest.raises(UnknownName, match="setting of the population 'workers'"):
        evolve_from(EvolveSettings(evaluations=3, population={"workers": 3}))


@pytest.mark.parametrize(("flag", "count"), [(None, 5), (2, 2)])
def test_islands_may_be_named_with_the_population_and_their_own_flag_wins(flag, count) -> None:
    settings = EvolveSettings(
        "cap-set:3", evaluations=1, islands=flag, population={"islands": 5}, workers=1
    )
    run = evolve_from(settings, progress=False, wait=False)
    run.stop()
    assert run.plan.population.islands == count
    run.wait(20)


def test_a_scorer_that_fails_beside_the_search_is_told_at_once() -> None:
    class NoValidation(Numbers):
        def evaluate(self, source, sandbox, split="train", floor=None):
            if split == "validation":
                raise ValueError("no such instance")
            return super().evaluate(source, sandbox, split, floor)

    with pytest.raises(LabError, match=r"failed on the validation instances.* no such instance"):
        evolve(NoValidation(), Script(climb), evaluations=20, progress=False, **SMALL)


def test_evaluations_count_proposals() -> None:
    evolution = run(evaluations=17)
    assert len(programs(evolution)) == 18
    snapshot = evolution.snapshot()
    assert (snapshot.committed, snapshot.total, snapshot.ended) == (18, 17, True)


def test_seconds_end_it_and_what_is_in_flight_is_finished() -> None:
    evolution = run(evaluations=None, seconds=0.3)
    snapshot = evolution.snapshot()
    assert snapshot.stopped_by == "seconds"
    assert snapshot.committed == snapshot.proposed + 1 == len(programs(evolution))


@pytest.mark.parametrize("made", [lambda r, rng: 0, none], ids=["known", "nothing"])
def test_a_proposer_that_has_run_dry_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made
) -> None:
    monkeypatch.setattr(streak, "DRY", 60)

    def dries(request, rng):
        return request.k if request.k < 10 else made(request, rng)

    options = {"made": dries, "evaluations": None, "seconds": 60.0}
    evolution = run(out=tmp_path / "run", **options)
    assert evolution.snapshot().stopped_by == "nothing new"
    assert evolution.snapshot().committed == 10 + 60 + 8 - 1  # what was in flight too
    again = run(out=tmp_path / "run", resume=True, **options).snapshot()
    assert (again.stopped_by, again.earlier, again.committed) == ("nothing new", 77, 77)


def test_endless_duplicates_do_not_block_the_loop() -> None:
    evolution = evolve(Numbers(), Script(lambda r, rng: 0), seconds=0.3, progress=False, **SMALL)
    assert evolution.snapshot().stopped_by == "seconds"
    assert evolution.snapshot().duplicates > 100


def test_a_full_disk_ends_it_with_what_was_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = runlog._write

    def full(file: int, raw: memoryview) -> int:
        if b'"k":50,' in bytes(raw):
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(file, raw)

    monkeypatch.setattr(runlog, "_write", full)
    with pytest.raises(LabError, match="No space left"):
        run(out=tmp_path / "run")
    monkeypatch.setattr(runlog, "_write", whole)
    resumed, want = run(out=tmp_path / "run", resume=True), run()
    assert resumed.snapshot().earlier >= 40
    assert facts(resumed.folder, resumed.problem) == facts(want.folder, want.problem)


def test_a_failure_while_the_finalists_are_measured_is_raised(
    in_process: type[FakePool], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = in_process.answer

    def fail(self, job):
        if job.split == "validation":
            raise LabError("no worker is left")
        return answer(self, job)

    monkeypatch.setattr(in_process, "answer", fail)
    evolution = run(made=none, wait=False)
    with pytest.raises(LabError, match="no worker is left"):
        evolution.wait(20)
    assert evolution.snapshot().stopped_by == "no worker is left"


def test_the_islands_stay_bounded() -> None:
    evolution = run(evaluations=2000, made=lambda r, rng: r.k * 3, capacity=5)
    database = evolution._state.database
    assert all(len(island.members) <= 5 for island in database.islands)
    assert evolution.snapshot().committed == 2001


def test_history_and_best_tell_the_same() -> None:
    evolution = run(evaluations=300)
    steps = evolution.history
    bests = [s for s in steps if s.best]
    scores = [s.score for s in bests]
    assert scores == sorted(scores) and len(set(scores)) == len(scores)
    assert bests[-1].score == evolution._state.database.best.program.score
    for island in range(3):
        own = [s for s in steps if s.island == island]
        assert own[-1].score == evolution.snapshot().islands[island]
    assert bests[-1].held_out == evolution.snapshot().held_out is not None


def test_the_watcher_hears_of_the_end_and_not_too_often() -> None:
    seen = []
    evolution = evolve(Numbers(), Script(climb), evaluations=200, progress=seen.append, **SMALL)
    assert seen[-1].ended and not any(s.ended for s in seen[:-1])
    assert len(seen) <= 2 + evolution.snapshot().seconds / 0.2


def test_the_validated_choice_is_the_best_on_validation() -> None:
    class Twisted(Numbers):
        """On validation the programs beyond 60 are worse the higher they are."""

        def evaluate(self, source, sandbox, split="train", floor=None):
            n = value(source)
            told = super().evaluate(source, sandbox, split, floor)
            if split == "validation" and n > 60:
                return super().evaluate(number(60 - 2 * (n - 60)), sandbox, split, floor)
            return told

    evolution = run(Twisted(), lambda r, rng: r.k, evaluations=90, reset=0, islands=1, capacity=90)
    known = {int(who): e.score for (who, split), e in evolution.measured().items()
             if split == "validation" and who.isdigit()}  # fmt: skip
    finalists = [p.k for p in evolution._state.database.finalists]
    assert finalists == list(range(90, 74, -1))
    assert evolution.best.k == max(finalists, key=lambda k: known[k]) == 75
    assert evolution.best.validation == known[75]
    assert evolution.best.held_out is not None
