"""State is the fold of the log: a killed run, resumed, is the run that was not killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from killed_run import __file__ as KILLED
from toys import FakePool, Numbers, Script, climb, facts, number, value

from evaluators.discovery import load_problem
from evaluators.errors import BadInput
from evaluators.sandbox import Sandbox
from reasoning import runlog
from reasoning.runlog import EVENTS, read_events
from search import evolve


class Killed(BaseException):
    """What ends a session in the middle of a write."""


def session(folder: Path, made, stop_after: int | None = None, notes=None, problem=None, **options):
    """One session that is killed after so many rows, or that goes to the end."""
    whole, rows = runlog._write, [0]

    def write(file: int, raw: memoryview) -> int:
        rows[0] += 1
        if stop_after is not None and rows[0] > stop_after:
            whole(file, raw[: len(raw) // 2])  # a half-written line is left behind
            raise Killed
        return whole(file, raw)

    settings = {"islands": 3, "capacity": 6, "reset": 25, "window": 6, "evaluations": 90}
    proposer = made if isinstance(made, str) or not callable(made) else Script(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runlog, "_write", write)
        patch.setattr(os, "ftruncate", lambda *a: None)
        try:
            run = evolve(problem or Numbers(notes), proposer, progress=False, out=folder,
                         resume=(folder / EVENTS).exists(), **{**settings, **options})  # fmt: skip
            return run.best.k
        except Killed:
            return None


class Late:
    """An asynchronous proposer that answers in another order than it was asked."""

    name, wants = "late", 2

    async def propose(self, request, rng, ctx):
        answer = climb(request, rng)
        for _ in range(int(rng.integers(12))):
            await asyncio.sleep(0)
        return number(answer)

    def fingerprint(self):
        return {"late": 1}


@pytest.mark.parametrize("made", [climb, Late()], ids=["plain", "asynchronous"])
@pytest.mark.parametrize("seed", range(6))
def test_killed_anywhere_and_resumed_it_is_the_run_that_was_not_killed(
    in_process: type[FakePool], tmp_path: Path, seed: int, made
) -> None:
    want = session(tmp_path / "whole", made)
    rng = np.random.default_rng(seed)
    notes = tmp_path / "notes"
    notes.touch()
    folder, sessions = tmp_path / "killed", 0
    while True:
        in_process.seed = 100 * seed + sessions
        before = logged(folder)
        count = len(notes.read_text().splitlines())
        best = session(folder, made, int(rng.integers(2, 60)), notes)
        fresh = notes.read_text().splitlines()[count:]
        assert not before & set(fresh)  # nothing that was logged is evaluated again
        if made is climb:  # proposals that arrive out of order may be evaluated under two floors
            assert len(set(fresh)) == len(fresh)
        sessions += 1
        if best is not None:
            break
    assert sessions > 2
    assert best == want
    assert facts(folder, Numbers()) == facts(tmp_path / "whole", Numbers())


def logged(folder: Path) -> set[str]:
    """The evaluations that a folder's log holds, as lines of the notes."""
    found = set()
    for event in read_events(folder):
        if event["kind"] == "program" and event["evaluation"]:
            found.add(f"train {value(event['source'])}")
    return found


def test_a_finished_run_evaluates_nothing_again(in_process, tmp_path: Path) -> None:
    first = session(tmp_path / "run", climb, notes=tmp_path / "notes")
    lines = (tmp_path / "notes").read_text()
    assert session(tmp_path / "run", climb, notes=tmp_path / "notes") == first
    assert (tmp_path / "notes").read_text() == lines


def test_a_larger_budget_extends_the_run_as_if_it_had_been_given_first(
    in_process, tmp_path: Path
) -> None:
    session(tmp_path / "run", climb, evaluations=40)
    session(tmp_path / "run", climb, evaluations=90)
    session(tmp_path / "whole", climb, evaluations=90)
    assert facts(tmp_path / "run", Numbers()) == facts(tmp_path / "whole", Numbers())


@pytest.mark.parametrize(
    ("change", "told"),
    [({"seed": 1}, "seed: 0 -> 1"), ({"islands": 4}, "population.islands: 3 -> 4"),
     ({"window": 9}, "window: 6 -> 9"), ({"reset": 7}, "population.reset: 25 -> 7")],
    ids=["seed", "islands", "window", "reset"],
)  # fmt: skip
def test_changed_settings_are_refused(in_process, tmp_path: Path, change, told: str) -> None:
    session(tmp_path / "run", climb, evaluations=20)
    with pytest.raises(BadInput, match=told):
        session(tmp_path / "run", climb, **change)


def test_another_proposer_or_problem_is_refused(in_process, tmp_path: Path) -> None:
    session(tmp_path / "run", climb, evaluations=20)
    with pytest.raises(BadInput, match="proposer"):
        session(tmp_path / "run", lambda r, rng: 5)
    with pytest.raises(BadInput, match="data"):
        evolve(Numbers(first=3), Script(climb), out=tmp_path / "run", resume=True, evaluations=20,
               islands=3, capacity=6, reset=25, window=6, progress=False)  # fmt: skip


def test_an_existing_run_is_not_overwritten(in_process, tmp_path: Path) -> None:
    evolve(Numbers(), Script(climb), out=tmp_path / "run", evaluations=5, progress=False)
    with pytest.raises(BadInput, match="already holds a run"):
        evolve(Numbers(), Script(climb), out=tmp_path / "run", evaluations=5, progress=False)


def test_the_recorded_window_holds_when_the_number_of_workers_changes(
    in_process, tmp_path: Path
) -> None:
    options = {"out": tmp_path / "run", "progress": False}
    evolve(Numbers(), Script(climb), evaluations=30, workers=2, **options)
    evolve(Numbers(), Script(climb), evaluations=60, workers=5, resume=True, **options)
    whole = evolve(Numbers(), Script(climb), evaluations=60, window=8, progress=False)
    assert facts(tmp_path / "run", Numbers()) == facts(whole.folder, Numbers())


def test_a_damaged_line_is_named_and_not_skipped(in_process, tmp_path: Path) -> None:
    session(tmp_path / "run", climb, evaluations=20)
    events = tmp_path / "run" / EVENTS
    lines = events.read_text().splitlines(keepends=True)
    events.write_text("".join([*lines[:9], lines[9][:20] + "\n", *lines[10:]]))
    with pytest.raises(BadInput, match=r"line 10 of .* is damaged"):
        session(tmp_path / "run", climb)


def test_a_row_of_another_version_is_told(in_process, tmp_path: Path) -> None:
    session(tmp_path / "run", climb, evaluations=20)
    events = tmp_path / "run" / EVENTS
    rows = [json.loads(line) for line in events.read_text().splitlines()]
    next(r for r in rows if r["kind"] == "program").pop("island")
    events.write_text("".join(json.dumps(r) + "\n" for r in rows))
    with pytest.raises(BadInput, match="logged program cannot be read"):
        session(tmp_path / "run", climb)


def test_stopped_and_started_again_it_goes_on(in_process) -> None:
    options = {"islands": 3, "window": 6, "progress": False}
    run = evolve(Numbers(work=0.002), Script(climb), evaluations=150, wait=False, **options)
    while run.snapshot().committed < 20:
        time.sleep(0.01)
    assert not run.done()
    run.stop()
    assert run.wait(10).done()
    stopped = run.snapshot()
    assert stopped.stopped_by == "stopped" and stopped.committed < 150
    assert run.best is not None
    assert run.start().wait(20).snapshot().committed == 151
    assert run.snapshot().earlier >= stopped.committed
    whole = evolve(Numbers(), Script(climb), evaluations=150, **options)
    assert facts(run.folder, Numbers()) == facts(whole.folder, Numbers())


def test_a_temporary_folder_goes_with_the_run(in_process) -> None:
    run = evolve(Numbers(), Script(climb), evaluations=5, progress=False)
    folder = run.folder
    assert (folder / EVENTS).exists()
    del run
    assert not folder.exists()


@pytest.mark.filterwarnings("ignore::evaluators.sandbox.WeakSandbox")
def test_mutate_killed_again_and_again_is_mutate_in_one(
    in_process: type[FakePool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = load_problem("cap-set:3")
    with Sandbox("process") as sandbox:
        monkeypatch.setattr(in_process, "sandbox", sandbox)
        want = session(tmp_path / "whole", "mutate", problem=problem)
        sessions = 0
        while session(tmp_path / "killed", "mutate", 25, problem=problem) is None:
            sessions += 1
            in_process.seed = sessions
        assert sessions > 2
        assert session(tmp_path / "killed", "mutate", problem=problem) == want
    assert facts(tmp_path / "killed", problem) == facts(tmp_path / "whole", problem)


@pytest.mark.filterwarnings("ignore::evaluators.sandbox.WeakSandbox")
def test_killed_for_real_again_and_again(tmp_path: Path) -> None:
    def start(folder: Path, notes: Path) -> subprocess.Popen:
        notes.touch()
        argv = [sys.executable, KILLED, str(folder), str(notes), "400"]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    whole = start(tmp_path / "whole", tmp_path / "notes")
    want = whole.communicate(timeout=120)[0]
    folder, notes = tmp_path / "killed", tmp_path / "noted"
    rng = np.random.default_rng(0)
    kills = 0
    while True:
        before = logged(folder)
        count = len(notes.read_text().splitlines()) if notes.exists() else 0
        process = start(folder, notes)
        goal = len(before) + int(rng.integers(60, 150))
        while process.poll() is None and len(logged(folder)) < goal:
            time.sleep(0.02)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        printed = process.communicate()[0]
        time.sleep(0.1)  # its workers end when their input does
        fresh = notes.read_text().splitlines()[count:]
        assert not before & set(fresh)
        if process.returncode == 0:
            break
    assert kills >= 2
    assert printed == want
    assert facts(folder, Numbers()) == facts(tmp_path / "whole", Numbers())
    noted = [line for line in notes.read_text().splitlines() if line.startswith("train")]
    again = len(noted) - len(set(noted))
    assert again <= 2 * kills  # what the two workers were at when they were killed
