"""Interrupted or killed, a run loses nothing finished, and asks nothing again that was answered."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from interrupted_run import BUDGET, KILLS, PROBLEMS, arguments
from toy_lab import ARMS, Scripted, logged, toy

from reasoning import logged as logged_model
from reasoning.runlog import RunLog, read_events
from search import Report, compare

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}


@pytest.fixture(scope="module")
def unbroken():
    return compare(list(ARMS), toy(PROBLEMS), Scripted(), [BUDGET]).facts()


def program(folder: Path, how: str) -> list[str]:
    return [sys.executable, str(HERE / "interrupted_run.py"), str(folder), how]


def wait_for_responses(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(logged(folder / "run")) < count:
        assert time.monotonic() < deadline, "the run did not start"
        time.sleep(0.02)


def finish(folder: Path, unbroken) -> None:
    """Resume, and check that only what is missing is asked."""
    before = logged(folder / "run")
    settled = {c.place for c in Report.load(folder / "run").cells}
    size = (folder / "asked").stat().st_size
    report = compare(**arguments(folder, delay=0.0))
    assert report.facts() == unbroken
    assert Report.load(folder / "run").facts() == unbroken
    asked = (folder / "asked").read_bytes()[size:].decode().splitlines()
    assert asked, "it was interrupted before it had finished"
    assert not before & set(asked), "a logged response was asked again"
    assert len(asked) == len(set(asked))
    assert before and settled < {c.place for c in report.cells}


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
@pytest.mark.parametrize("how", ["script", "thread", "coroutine"])
def test_ctrl_c_loses_nothing_finished(tmp_path, how, unbroken):
    run = subprocess.Popen(program(tmp_path, how), env=ENVIRONMENT, stderr=subprocess.PIPE)
    wait_for_responses(tmp_path, 60)
    asked = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert time.monotonic() - asked < 5
    assert b"KeyboardInterrupt" in errors and run.returncode != 0
    assert b"never retrieved" not in errors and b"LabError" not in errors
    finish(tmp_path, unbroken)


def test_a_notebook_cell_is_interrupted_and_resumed_in_the_next(tmp_path, unbroken):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    first = (
        f"import sys; sys.path[:0] = [{str(HERE)!r}, {str(HERE.parents[1])!r}]\n"
        "from pathlib import Path\n"
        "from interrupted_run import *\n"
        f"place = Path({str(tmp_path)!r})\n"
        "compare(**arguments(place, delay=0.02))"
    )
    second = "report = compare(**{**arguments(place), 'strategies': list(ARMS)[:1], 'out': None})"
    third = "report.facts()[0]['answer'], len(report.cells)"
    cells = [nbformat.v4.new_code_cell(source) for source in (first, second, third)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(notebook, timeout=60, allow_errors=True)

    def interrupt():
        wait_for_responses(tmp_path, 30)
        os.kill(client.km.provisioner.pid, signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    client.execute()
    watcher.join()
    assert notebook.cells[0].outputs[-1].ename == "KeyboardInterrupt"
    assert f", {PROBLEMS})" in notebook.cells[2].outputs[-1].data["text/plain"]
    finish(tmp_path, unbroken)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_20_random_moments_it_reports_the_same_and_asks_nothing_twice(tmp_path, unbroken):
    done = subprocess.run(
        program(tmp_path, "killed"), env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(KILLS), "0"]
    finish(tmp_path, unbroken)


def test_calls_in_flight_when_it_stops_are_given_time_to_be_logged(tmp_path, monkeypatch):
    class Uneven(Scripted):
        async def generate(self, prompt, sampling, ledger, seed):
            self.delay = 0.02 * (1 + int(seed.parts[0][-1]) % 4)
            return await super().generate(prompt, sampling, ledger, seed)

    monkeypatch.setattr(logged_model, "GRACE", 5.0)
    model = Uneven(asked=tmp_path / "asked")
    running = compare("self-consistency(temperature=0.5)", toy(30), model, [64],
                      out=tmp_path / "run", concurrency=5, wait=False)  # fmt: skip
    wait_for_responses(tmp_path, 5)
    running.stop()
    running.result(10)
    asked = set((tmp_path / "asked").read_text().splitlines())
    assert asked == logged(tmp_path / "run")


def test_a_second_writer_is_refused_while_a_run_is_on(tmp_path):
    from reasoning.runlog import LogBusy

    running = compare(list(ARMS), toy(30), Scripted(delay=0.01), [64], out=tmp_path / "run",
                      wait=False)  # fmt: skip
    wait_for_responses(tmp_path, 3)
    with pytest.raises(LogBusy):
        compare(list(ARMS), toy(30), Scripted(), [64], out=tmp_path / "run", resume=True)
    assert len(Report.load(tmp_path / "run").cells) < 90  # reading needs no lock
    running.stop()
    running.result(10)


def test_a_full_disk_stops_the_run_and_loses_nothing_finished(tmp_path, monkeypatch, unbroken):
    import errno

    from evaluators.errors import LabError
    from reasoning import runlog

    real, room = runlog._write, [60_000]

    def little_room(file, raw):
        if room[0] < len(raw):
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= len(raw)
        return real(file, raw)

    monkeypatch.setattr(runlog, "_write", little_room)
    with pytest.raises(LabError, match="No space left on device"):
        compare(**arguments(tmp_path, delay=0.0))
    monkeypatch.setattr(runlog, "_write", real)
    finish(tmp_path, unbroken)


def test_a_run_of_another_program_version_says_so_in_its_log(tmp_path):
    RunLog(tmp_path, {}).close()
    assert "python" in next(iter(read_events(tmp_path)))["versions"]
