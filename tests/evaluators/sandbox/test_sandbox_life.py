"""What a Sandbox leaves behind: no process, no descriptor, nothing in a forked copy's way."""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evaluators.sandbox import Limits, Sandbox

GOOD = "def f(x):\n    return x + 1\n"
ENDLESS = "def f(x):\n    while True: pass\n"
OPEN = """
import os
def f():
    found = []
    for fd in range(3, 4000):
        try: os.fstat(fd); found.append(fd)
        except OSError: pass
    return found
"""
ROOMY = Limits(wall=20.0)
ROOT = Path(__file__).resolve().parents[3]


def table() -> dict[int, tuple[int, str]]:
    """Parent and start time by process id; zombies count."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found[int(entry.name)] = (int(fields[1]), fields[19])
    return found


def below(pid: int) -> set[tuple[int, str]]:
    """Process id and start time of every process under `pid`."""
    rows = table()
    found, new = set(), {pid}
    while new:
        new = {child for child, (parent, _) in rows.items() if parent in new}
        found |= {(child, rows[child][1]) for child in new}
    return found


def living(processes: set[tuple[int, str]]) -> set[tuple[int, str]]:
    rows = table()
    return {(pid, start) for pid, start in processes if rows.get(pid, (0, ""))[1] == start}


def gone(processes: set[tuple[int, str]], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while living(processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not living(processes)


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def descriptors_of(pid: int) -> int | None:
    """None where only root may look: the interpreter lets nobody inspect it."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return None


def script(backend: str, *lines: str) -> subprocess.Popen[str]:
    """A process of its own that opens a Sandbox `s`, calls it once and goes on with `lines`."""
    text = "\n".join(
        ["import os, sys, threading, time", "from evaluators.sandbox import Limits, Sandbox",
         f"s = Sandbox({backend!r}, Limits(wall=600, cpu=600))",
         f"assert s.call({GOOD!r}, 'f', [1]).value == 2", *lines]
    )  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        start_new_session=True,
    )  # fmt: skip


def test_close_leaves_no_process_and_no_descriptor(backend) -> None:
    before = descriptors()
    for _ in range(2):
        sandbox = Sandbox(backend, ROOMY)
        for x in range(5):
            assert sandbox.call(GOOD, "f", [x]).ok
        assert sandbox.call(ENDLESS, "f", [1], Limits(wall=0.3)).verdict == "timeout"
        mine = below(sandbox._held[0].process.pid) | {
            p for p in below(os.getpid()) if p[0] == sandbox._held[0].process.pid
        }
        assert mine
        sandbox.close()
        assert gone(mine)
    assert descriptors() == before


def test_calls_leave_no_process_and_no_descriptor_behind(sandbox) -> None:
    assert sandbox.call(GOOD, "f", [1]).ok
    pid = sandbox._held[0].process.pid
    before = descriptors(), len(below(pid)), descriptors_of(pid)
    for x in range(20):
        sandbox.call(GOOD if x % 2 else "import os\nos._exit(1)", "f", [x])
    with sandbox.session(GOOD) as session:
        session.call("f", [1])
    assert (descriptors(), len(below(pid)), descriptors_of(pid)) == before


def test_a_program_with_very_many_open_files_has_a_sandbox_all_the_same(backend) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip(f"no more than {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with Sandbox(backend, ROOMY) as sandbox:
            assert sandbox.call(GOOD, "f", [1]).value == 2
            assert sandbox.call(ENDLESS, "f", [1], Limits(wall=20, cpu=0.1)).verdict == "timeout"
            assert sandbox.call(OPEN, "f").value == [3]
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("kind", ["as", "nofile", "cpu", "nproc"])
def test_limits_that_the_program_itself_is_under_are_kept(backend, kind) -> None:
    values = {"as": 3 << 30, "nofile": 64, "cpu": 500, "nproc": 2000}
    number = getattr(resource, f"RLIMIT_{kind.upper()}")
    process = script(
        backend,
        "import resource",
        "s.close()",
        f"resource.setrlimit({number}, ({values[kind]}, {values[kind]}))",
        f"print(s.call({GOOD!r}, 'f', [1], Limits(wall=60, memory_mb=10**6, descriptors=10**4)))",
        "s.close()",
    )
    out, _ = process.communicate(timeout=120)
    assert "verdict='ok', value=2" in out


def test_a_forgotten_sandbox_ends_its_interpreter(backend) -> None:
    sandbox = Sandbox(backend, ROOMY)
    assert sandbox.call(GOOD, "f", [1]).ok
    pid = sandbox._held[0].process.pid
    mine = {p for p in below(os.getpid()) if p[0] == pid} | below(pid)
    del sandbox
    gc.collect()
    assert gone(mine)


@pytest.mark.parametrize("end", ["pass", "sys.exit(3)", "raise ValueError"])
def test_the_end_of_the_program_ends_the_interpreter(backend, end) -> None:
    process = script(backend, "print('ready', flush=True)", "sys.stdin.readline()", end)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    inner = below(process.pid)
    process.wait(30)
    assert gone(inner)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in a call"])
def test_killing_the_program_ends_the_interpreter_and_its_child(backend, busy) -> None:
    lines = ["print('ready', flush=True)", "time.sleep(600)"]
    if busy:
        call = f"threading.Thread(target=s.call, args=[{ENDLESS!r}, 'f', [1]], daemon=True).start()"
        lines = [call, *lines]
    process = script(backend, *lines)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    least = (3 if busy else 2) if backend == "bwrap" else (2 if busy else 1)
    deadline = time.monotonic() + 30
    while len(inner := below(process.pid)) < least and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(inner) >= least
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert gone(inner)


def test_killing_the_program_ends_the_interpreter_though_a_forked_copy_lives(backend) -> None:
    process = script(
        backend, "pid = os.fork()", "if not pid: time.sleep(600)", "print(pid, flush=True)",
        "time.sleep(600)",
    )  # fmt: skip
    assert process.stdout is not None
    copy = int(process.stdout.readline())
    inner = {p for p in below(process.pid) if p[0] != copy}
    assert inner
    try:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert gone(inner)
    finally:
        os.kill(copy, signal.SIGKILL)


def test_a_forked_copy_starts_its_own_and_leaves_its_parents_alone(backend) -> None:
    process = script(
        backend,
        "first = s._held[0].process.pid",
        "pid = os.fork()",
        "if not pid:",
        f"    ok = s.call({GOOD!r}, 'f', [2]).value == 3 and s._held[0].process.pid != first",
        "    s.close()",
        "    os._exit(0 if ok else 1)",
        "status = os.waitpid(pid, 0)[1]",
        f"same = s.call({GOOD!r}, 'f', [4]).value == 5 and s._held[0].process.pid == first",
        "s.close()",
        "import json; print(json.dumps([status, same]))",
    )
    out, _ = process.communicate(timeout=120)
    assert json.loads(out) == [0, True]


def test_the_interpreter_is_not_told_of_the_programs_environment_and_files(backend) -> None:
    source = (
        "import os, sys\n"
        "def f(hidden):\n"
        "    names = sorted(os.environ)\n"
        "    try: open(hidden).read(); seen = True\n"
        "    except OSError: seen = False\n"
        "    return names, seen, os.getuid(), sys.path\n"
    )
    os.environ["HIDDEN_KEY"] = "x"
    try:
        with Sandbox(backend, ROOMY) as sandbox:
            outcome = sandbox.call(source, "f", [str(Path(__file__))])
            assert sandbox.call(OPEN, "f").value == [3]
    finally:
        del os.environ["HIDDEN_KEY"]
    names, seen, uid, path = outcome.value
    assert "HIDDEN_KEY" not in names and "PATH" not in names and "HOME" not in names
    assert not seen
    assert uid != 0 and str(ROOT) not in path and "" not in path


def test_a_candidate_cannot_load_this_project(sandbox) -> None:
    for name in ("evaluators.discovery", "search", "reasoning", "labs"):
        outcome = sandbox.call(f"import {name}\ndef f(): return 1", "f")
        assert outcome.verdict == "exception" and "No module" in outcome.reason
