import errno
import json
import subprocess
import sys
import threading

import pytest

from evaluators.errors import BadInput, LabError
from reasoning import runlog
from reasoning.runlog import LogBusy, RunLog, differences, read_events, read_settings

SETTINGS = {"arms": ["a", "b"], "budget": 32}


def kinds(folder):
    return [event["kind"] for event in read_events(folder)]


def test_events_come_back_in_order_and_a_resumed_log_goes_on(tmp_path):
    with RunLog(tmp_path / "x", SETTINGS) as log:
        log.append("cell", text="äß\n√", n=1)
    with RunLog(tmp_path / "x", SETTINGS, resume=True) as log:
        log.append("cell", n=2)
    events = [e for e in read_events(tmp_path / "x") if e["kind"] == "cell"]
    assert events == [{"kind": "cell", "text": "äß\n√", "n": 1}, {"kind": "cell", "n": 2}]
    assert read_settings(tmp_path / "x") == SETTINGS


def test_a_lone_surrogate_survives(tmp_path):
    with RunLog(tmp_path, SETTINGS) as log:
        log.append("cell", text="\ud800")
    assert list(read_events(tmp_path))[-1]["text"] == "\ud800"


def test_a_half_written_last_line_is_dropped(tmp_path):
    with RunLog(tmp_path, SETTINGS) as log:
        log.append("cell", n=1)
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"kind":"cell","n":2')
    assert kinds(tmp_path) == ["opened", "cell"]
    with RunLog(tmp_path, SETTINGS, resume=True) as log:
        log.append("cell", n=3)
    assert [e["n"] for e in read_events(tmp_path) if e["kind"] == "cell"] == [1, 3]


def test_a_half_line_longer_than_a_block_is_dropped(tmp_path):
    with RunLog(tmp_path, SETTINGS) as log:
        log.append("cell", n=1)
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b"x" * 200_000)
    RunLog(tmp_path, SETTINGS, resume=True).close()
    assert kinds(tmp_path) == ["opened", "cell", "opened"]


def test_a_damaged_line_is_named(tmp_path):
    RunLog(tmp_path, SETTINGS).close()
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b"nonsense\n")
    with pytest.raises(BadInput, match="line 2 of"):
        list(read_events(tmp_path))


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    RunLog(tmp_path, SETTINGS).close()
    with pytest.raises(BadInput, match="resume"):
        RunLog(tmp_path, SETTINGS)


def test_changed_settings_are_refused_and_listed(tmp_path):
    RunLog(tmp_path, SETTINGS).close()
    with pytest.raises(BadInput, match=r"budget: 32 -> 64") as caught:
        RunLog(tmp_path, {**SETTINGS, "budget": 64}, resume=True)
    assert "arms" not in str(caught.value)
    RunLog(tmp_path, SETTINGS, resume=True).close()  # the refusal let go of the lock


def test_differences_go_into_the_depth():
    old, new = {"a": {"b": 1, "c": [1]}, "d": 0}, {"a": {"b": 2, "c": [1]}, "e": 0}
    assert differences(old, new) == ["a.b: 1 -> 2", "d: 0 -> null", "e: null -> 0"]


def test_two_writers_are_refused(tmp_path):
    with RunLog(tmp_path, SETTINGS):
        with pytest.raises(LogBusy, match="another run is writing"):
            RunLog(tmp_path, SETTINGS, resume=True)
        code = (
            "import sys; from reasoning.runlog import RunLog\n"
            f"RunLog(sys.argv[1], {SETTINGS!r}, resume=True)"
        )
        other = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
        )
        assert "LogBusy" in other.stderr
    RunLog(tmp_path, SETTINGS, resume=True).close()


def test_a_full_disk_is_a_clear_error_and_loses_nothing_finished(tmp_path, monkeypatch):
    real = runlog._write

    def full(file, raw):
        if b"second" in bytes(raw):
            real(file, raw[:7])  # a part of the line still fits
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, raw)

    monkeypatch.setattr(runlog, "_write", full)
    log = RunLog(tmp_path, SETTINGS)
    log.append("cell", n="first")
    with pytest.raises(LabError, match="No space left on device"):
        log.append("cell", n="second")
    with pytest.raises(LabError, match="No space left"):
        log.append("cell", n="third")
    log.close()
    raw = (tmp_path / "events.jsonl").read_bytes()
    assert raw.endswith(b"\n") and kinds(tmp_path) == ["opened", "cell"]


def test_many_threads_write_whole_lines(tmp_path):
    with RunLog(tmp_path, SETTINGS) as log:
        threads = [
            threading.Thread(target=lambda i=i: [log.append("cell", n=i) for _ in range(50)])
            for i in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert kinds(tmp_path).count("cell") == 400


def test_the_record_names_the_versions(tmp_path):
    RunLog(tmp_path, SETTINGS).close()
    record = json.loads((tmp_path / "run.json").read_text())
    assert {"python", "numpy", "torch"} <= set(record["versions"])


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(BadInput, match="holds no run"):
        read_settings(tmp_path / "none")


@pytest.mark.parametrize("text", ["[]", "{}"])
def test_a_record_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(BadInput, match=r"run.json holds no settings of a run"):
        RunLog(tmp_path, SETTINGS, resume=True)


def test_events_without_a_record_are_not_taken_over(tmp_path):
    RunLog(tmp_path, SETTINGS).close()
    (tmp_path / "run.json").unlink()
    with pytest.raises(BadInput, match=r"events.jsonl but no run.json"):
        RunLog(tmp_path, SETTINGS, resume=True)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match=r"file/run cannot be written: .*name another folder"):
        RunLog(tmp_path / "file" / "run", SETTINGS)
