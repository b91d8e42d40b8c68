"""Worker processes: none waits for nothing, none is missed, none outlives the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from killed_run import __file__ as KILLED
from toys import Numbers, Script, number

from evaluators.errors import BadInput, LabError
from evaluators.sandbox import WeakSandbox
from reasoning.runlog import read_events
from search import evolve
from search.evolve.lineage import programs_of
from search.evolve.pool import Pool
from search.evolve.worker import Bench

pytestmark = pytest.mark.filterwarnings("ignore::evaluators.sandbox.WeakSandbox")


def run(problem, made=lambda r, rng: r.k, evaluations=12, **options):
    return evolve(problem, Script(made), evaluations=evaluations, islands=2, sandbox="process",
                  progress=False, **options)  # fmt: skip


def verdicts(evolution) -> dict[int, str]:
    return {p.k: p.verdict for p in programs_of(evolution.folder, evolution.problem)}


def test_a_worker_that_dies_is_replaced_and_its_program_is_evaluated(tmp_path: Path) -> None:
    evolution = run(Numbers(tmp_path / "notes", act={5: "die once"}))
    assert set(verdicts(evolution).values()) == {"ok"}
    notes = (tmp_path / "notes").read_text().splitlines()
    assert notes.count("train 5") == 2
    assert evolution.report.replaced == 1 and evolution.snapshot().retried == 1


def test_a_program_whose_workers_die_twice_has_no_score_and_the_others_do(tmp_path: Path) -> None:
    evolution = run(Numbers(tmp_path / "notes", act={5: "die"}))
    found = verdicts(evolution)
    assert found.pop(5) == "sandbox_died"
    assert set(found.values()) == {"ok"}
    program = list(programs_of(evolution.folder, evolution.problem))[5]
    assert program.score is None and "exit status 7" in program.evaluation.reason


def test_a_scorer_that_hangs_is_a_time_out_and_its_worker_is_replaced(tmp_path: Path) -> None:
    evolution = run(Numbers(act={5: "hang"}, patience=1.0), out=tmp_path / "run")
    found = verdicts(evolution)
    assert found.pop(5) == "timeout" and set(found.values()) == {"ok"}
    assert (evolution.snapshot().timeouts, evolution.snapshot().retried) == (1, 0)
    again = run(Numbers(act={5: "hang"}, patience=1.0), out=tmp_path / "run", resume=True)
    assert verdicts(again)[5] == "timeout"  # read from the log, not waited for again
    assert again.snapshot().timeouts == 0


def test_a_scorer_that_raises_makes_the_program_invalid_with_the_reason() -> None:
    evolution = run(Numbers(act={5: "raise"}))
    program = list(programs_of(evolution.folder, evolution.problem))[5]
    assert program.verdict == "invalid" and program.score is None
    assert "ZeroDivisionError: a mistake of the scorer" in program.evaluation.reason
    assert "toys.py" in program.evaluation.reason


def test_a_sandbox_that_dies_is_tried_once_more_and_counted(tmp_path: Path) -> None:
    evolution = run(Numbers(tmp_path / "notes", act={5: "sandbox"}))
    assert verdicts(evolution)[5] == "sandbox_died"
    assert (tmp_path / "notes").read_text().splitlines().count("train 5") == 2
    assert evolution.snapshot().retried == 1


def test_a_program_that_the_audit_catches_has_no_score() -> None:
    evolution = run(Numbers(act={5: "cheat"}))
    assert verdicts(evolution)[5] == "cheating"
    assert evolution.best.k == 12


class Plain(Numbers):
    """Scores whatever the floor is, and counts its audits."""

    audits = 0

    def evaluate(self, source, sandbox, split="train", floor=None):
        return super().evaluate(source, sandbox, split)

    def audit(self, source, sandbox):
        self.audits += 1
        return ""


@pytest.mark.parametrize(
    ("floor", "audit", "cut", "audits"),
    [(50.0, True, True, 0), (2.0, True, False, 1), (None, True, False, 1), (50.0, False, False, 0)],
    ids=["below", "above", "room", "side job"],
)
def test_what_was_not_audited_says_that_it_may_not_enter(
    floor: float | None, audit: bool, cut: bool, audits: int
) -> None:
    bench = Bench(Plain(), "process")
    job = {"id": 1, "source": number(9), "split": "train", "floor": floor, "audit": audit}
    told = json.loads(bench.answer(job))["evaluation"]
    assert (told["score"], told["cut"], bench.problem.audits) == (8.0, cut, audits)


def test_workers_that_only_die_end_the_run() -> None:
    with pytest.raises(LabError, match="died one after the other"):
        run(Numbers(act=dict.fromkeys(range(1, 99), "die")), evaluations=50)


class Unready(Numbers):
    def warm(self) -> None:
        raise ImportError("no such compiler")


def test_workers_that_cannot_start_say_why() -> None:
    with pytest.raises(LabError, match=r"could not start: no such compiler \(ImportError\)"):
        run(Unready())


def test_the_weak_back_end_warns_once_and_is_on_every_record() -> None:
    with pytest.warns(WeakSandbox) as caught:
        evolution = run(Numbers())
    assert len([w for w in caught if w.category is WeakSandbox]) == 1
    rows = [e for e in read_events(evolution.folder) if e["kind"] == "program"]
    assert [row["backend"] for row in rows] == ["process"] * 13


def test_a_sandbox_that_does_not_exist_is_named() -> None:
    with pytest.raises(LabError, match=r"'jail'. Known: bwrap, landlock, process.$"):
        evolve(Numbers(), Script(lambda r, rng: 1), evaluations=3, sandbox="jail", progress=False)


def test_a_problem_that_cannot_travel_is_told() -> None:
    problem = Numbers()
    problem.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match="cannot be sent to worker processes"):
        run(problem)


class Talker(Numbers):
    """Prints to what would be the pipe, and reads what would be the jobs."""

    def evaluate(self, source, sandbox, split="train", floor=None):
        print('{"id": 1, "evaluation": null}', flush=True)
        os.write(1, b"noise\n")
        assert sys.stdin.read() == ""
        return super().evaluate(source, sandbox, split, floor)


def test_a_scorer_may_print_and_read_without_harm() -> None:
    assert set(verdicts(run(Talker())).values()) == {"ok"}


class Huge(Numbers):
    """Its programs are far longer than a pipe holds."""

    start = number(1) + "#" * 60_000  # type: ignore[assignment]


def test_long_programs_pass_through_the_pipes() -> None:
    filler = "#" * 60_000
    evolution = run(Huge(work=0.05), lambda r, rng: number(r.k + 1) + filler, evaluations=20)
    assert list(verdicts(evolution).values()) == ["ok"] * 21


def test_every_worker_has_the_next_job_while_it_works() -> None:
    held: list[int] = []
    submit = Pool.submit

    def watch(self, job, first=False):
        submit(self, job, first)
        held.append(sum(len(seat.jobs) for seat in self._seats))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "submit", watch)
        run(Numbers(work=0.01), evaluations=40)
    assert max(held) == 4  # two workers, two jobs each; the rest of the window waits


def alive(folder: Path) -> list[int]:
    """Processes whose command line or open files name the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [os.readlink(link) for link in (process / "fd").iterdir()]
            command = (process / "cmdline").read_bytes().decode()
        except OSError:
            continue
        if any(str(folder) in text for text in [*links, command]):
            found.append(int(process.name))
    return found


def until(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at /proc")
def test_no_worker_outlives_a_killed_run_even_in_the_middle_of_a_job(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(Path(KILLED).parent)!r}]\n"
        "from pathlib import Path\nfrom toys import *\nfrom search import evolve\n"
        f"evolve(Numbers(Path({str(tmp_path / 'notes')!r}), act={{3: 'hang'}}),"
        f" Script(lambda r, g: r.k), evaluations=50, out={str(tmp_path / 'run')!r},"
        " sandbox='process', progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    notes = tmp_path / "notes"
    assert until(lambda: notes.exists() and "train 3" in notes.read_text())
    assert until(lambda: len(alive(tmp_path)) >= 3)  # the run and its two workers
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert until(lambda: not alive(tmp_path))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at /proc")
def test_a_finished_run_leaves_no_process_and_no_journal(tmp_path: Path) -> None:
    run(Numbers(), out=tmp_path / "run")
    assert not alive(tmp_path)
    assert not (tmp_path / "run" / "answers").exists()
