"""Verdicts, limits and sessions, on each strong back-end; each bad candidate is followed by a good
one that must still score."""

from __future__ import annotations

import asyncio
import threading
import warnings

import numpy as np
import pytest

from evaluators.errors import BadInput, UnknownName
from evaluators.sandbox import Limits, NoSandbox, Sandbox, WeakSandbox
from evaluators.sandbox.ablation import without_seccomp
from evaluators.sandbox.interpreter import Interpreter, SandboxDied

GOOD = "def f(x):\n    return x + 1\n"
ROOMY = Limits(wall=20.0)


def src(*lines: str) -> str:
    return "\n".join(lines) + "\n"


# name: (source, verdict, part of the reason, line)
ENDINGS = {
    "loops": (src("def f(x):", " while True: pass"), "timeout", "0.4 s of processor time", None),
    "catches the signal": (
        src("import signal", "signal.signal(signal.SIGXCPU, signal.SIG_IGN)", "def f(x):",
            " while True: pass"), "timeout", "processor time", None),
    "hoards": (src("def f(x):", " return len('x' * 10**9)"), "memory", "MemoryError", 2),
    "hoards arrays": (
        src("import numpy", "def f(x):", "  return numpy.ones(10**9).sum()"), "memory",
        "allocate", 3),
    "raises": (src("def g():", " return 1 / 0", "def f(x):", " return g()"),
               "exception", "ZeroDivisionError: division by zero", 2),
    "raises at once": (src("", "import nowhere"), "exception", "No module named 'nowhere'", 2),
    "asserts": (src("def f(x):", "  assert x == 2, 'two'"), "exception", "AssertionError: two", 2),
    "is no Python": (src("def f(x):", "  return (1"), "exception", "SyntaxError", 2),
    "holds a null": ("def f(x):\0 return 1", "exception", "null", None),
    "is not there": (src("def g(x): return x"), "exception", "no function 'f'", None),
    "is no function": (src("f = 3"), "exception", "no function 'f'", None),
    "takes no argument": (src("def f(): return 1"), "exception", "TypeError", None),
    "exits": (src("import sys", "def f(x):", "  sys.exit(0)"), "crashed", "SystemExit: 0", 3),
    "exits at once": (src("import os", "os._exit(0)"), "crashed", "without an answer", None),
    "exits with a number": (src("import os", "os._exit(7)"), "crashed", "status 7", None),
    "segfaults": (src("import ctypes", "def f(x): ctypes.string_at(0)"), "crashed", "SEGV", None),
    "aborts": (src("import os", "def f(x): os.abort()"), "crashed", "SIG", None),
    "recurses": (src("def f(x): return f(x)"), "exception", "RecursionError", 1),
    "recurses for long": (
        src("import sys", "sys.setrecursionlimit(10**9)", "def f(x): return [f([x])]"),
        ("crashed", "memory", "timeout"), "", None),
    "raises what cannot be read": (
        src("class E(Exception):", " def __str__(self): raise SystemExit", "def f(x): raise E"),
        "exception", "E: (its message", 3),
    "interrupts": (src("def f(x): raise KeyboardInterrupt"), "exception", "KeyboardInterrupt", 1),
    "answers an object": (src("def f(x): return f"), "bad_output", "'function' cannot cross", None),
    "answers too much": (src("def f(x): return 'x' * 2**20"), "bad_output", "limit is 1048576",
                         None),
    "closes the channel": (src("import os", "def f(x): os.close(3)"), "crashed", "answer", None),
    "writes nonsense": (src("import os", "def f(x): os.write(3, b'nonsense')"), "bad_output", "",
                        None),
    "writes half an answer": (
        src("import os", "def f(x):", "  os.write(3, b'R\\0\\0\\1\\0...')", "  os._exit(0)"),
        "crashed", "without an answer", None),
    "answers twice": (
        src("import os, sys", "def f(x):", "  c = sys.modules['evaluators.sandbox.child']",
            "  c._send(b'R', c.encode(1))", "  return 2"), "bad_output", "", None),
    "claims a verdict that is not its to claim": (
        src("import os, sys", "def f(x):", "  c = sys.modules['evaluators.sandbox.child']",
            "  c._send(b'E', c.encode(['ok', '', 1, 0]))", "  os._exit(0)"), "bad_output", "",
        None),
    "answers and crashes": (
        src("import os, sys", "def f(x):", "  c = sys.modules['evaluators.sandbox.child']",
            "  c._send(b'R', c.encode(1))", "  os._exit(1)"), "crashed", "status 1", None),
    "floods the channel": (
        src("import os", "def f(x):", "  while True: os.write(3, b'P\\0\\0\\0\\0' * 10000)"),
        "bad_output", "more output", None),
    "forks": (src("import os", "def f(x): return os.fork()"), "forbidden", "call clone", 2),
    "starts a thread": (
        src("import threading", "def f(x): threading.Thread(target=f).start()"), "forbidden",
        "no threads", 2),
    "opens a socket": (src("import socket", "def f(x): socket.socket()"), "forbidden",
                       "system call socket", 2),
    "awaits": (src("import asyncio", "def f(x): asyncio.run(asyncio.sleep(0))"), "forbidden",
               "neither asyncio", 2),
    "starts processes": (src("import multiprocessing as m", "def f(x): m.Pool(2)"), "forbidden",
                         "nor multiprocessing", 2),
    "starts a program": (src("import subprocess", "def f(x): subprocess.run(['ls'])"), "forbidden",
                         "processes", 2),
    "kills its parent": (src("import os", "def f(x): os.kill(os.getppid(), 9)"), "forbidden",
                         "system call kill", 2),
    "writes a file": (src("def f(x): open('/tmp/x', 'w')"), "forbidden", "files to write", 1),
    "traces": (src("import ctypes", "def f(x): ctypes.CDLL(None).ptrace(0, 0, 0, 0)"), "forbidden",
               "no honest program", None),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
def test_each_ending_has_its_verdict_and_the_next_candidate_scores(sandbox, name) -> None:
    source, verdict, reason, line = ENDINGS[name]
    outcome = sandbox.call(source, "f", [1], Limits(wall=20.0, cpu=0.4, memory_mb=256))
    assert outcome.verdict in (verdict if isinstance(verdict, tuple) else (verdict,)), outcome
    assert reason in outcome.reason and (line is None or outcome.line == line), outcome
    assert outcome.value is None and outcome.backend == sandbox.backend
    assert sandbox.call(GOOD, "f", [1]).value == 2


def test_sleeping_past_the_deadline_is_a_time_out(sandbox) -> None:
    outcome = sandbox.call(src("import time", "def f(x): time.sleep(60)"), "f", [1], Limits(wall=1))
    assert outcome.verdict == "timeout" and "within 1 s" in outcome.reason and outcome.cpu < 1
    assert 1 <= outcome.wall < 20
    assert sandbox.call(GOOD, "f", [1]).value == 2


def test_values_and_arguments_cross_both_ways(sandbox) -> None:
    table = np.arange(12.0).reshape(3, 4)
    values = [1, "é", (2, [3.5, None]), {"a": {1, 2}}, table, float("inf"), b"x"]
    outcome = sandbox.call("def f(*xs): return xs", "f", values)
    assert outcome.ok and outcome.value[:4] == (1, "é", (2, [3.5, None]), {"a": {1, 2}})
    assert np.array_equal(outcome.value[4], table) and outcome.value[5:] == (float("inf"), b"x")


def test_arguments_larger_than_any_buffer_cross(sandbox) -> None:
    rows = np.arange(3_000_000)
    outcome = sandbox.call("def f(rows): return int(rows.sum()), rows[:100_000]", "f", [rows])
    assert outcome.value[0] == int(rows.sum()) and len(outcome.value[1]) == 100_000


def test_arguments_that_cannot_cross_are_the_callers_error(sandbox) -> None:
    with pytest.raises(BadInput, match="'object' cannot cross"):
        sandbox.call(GOOD, "f", [object()])
    assert sandbox.call(GOOD, "f", [1]).value == 2


def test_what_it_prints_is_kept_up_to_the_limit(sandbox) -> None:
    both = src("import sys", "def f(x):", "  print('out'); print('err', file=sys.stderr)",
               "  print('tail', end='')")  # fmt: skip
    assert sandbox.call(both, "f", [1]).printed == "out\nerr\ntail"
    flood = src("def f(x):", "  for k in range(10**4): print('é' * 7)", "  return 5")
    outcome = sandbox.call(flood, "f", [1], Limits(wall=20, cpu=10, printed_bytes=1000))
    assert outcome.value == 5 and 980 <= len(outcome.printed.encode()) <= 1002
    late = src("def f(x):", "  print('before')", "  while True: pass")
    assert sandbox.call(late, "f", [1], Limits(wall=20, cpu=0.3)).printed == "before\n"


def test_memory_is_limited_beyond_the_interpreters_own(sandbox) -> None:
    hundred = src("def f(x):", "  return len(bytearray(100 << 20))")
    assert sandbox.call(hundred, "f", [1], Limits(wall=20, memory_mb=150)).ok
    assert sandbox.call(hundred, "f", [1], Limits(wall=20, memory_mb=90)).verdict == "memory"
    assert sandbox.call(hundred, "f", [1], ROOMY).memory_mb > 100


def test_descriptors_and_source_are_limited(sandbox) -> None:
    opens = src("def f(n):", "  return len([open('/dev/null') for _ in range(n)])")
    assert sandbox.call(opens, "f", [20], ROOMY).value == 20
    assert "Too many open files" in sandbox.call(opens, "f", [40], ROOMY).reason
    long = GOOD + "#" * 65536
    outcome = sandbox.call(long, "f", [1])
    assert outcome.verdict == "exception" and "the limit is 65536" in outcome.reason
    assert sandbox.call("x = '\ud800'", "f", [1]).verdict == "exception"


def test_limits_must_be_positive() -> None:
    with pytest.raises(ValueError, match="wall"):
        Limits(wall=0)


def test_nothing_of_one_call_is_left_for_the_next(sandbox) -> None:
    vandal = src("import builtins, sys, math, numpy, random", "numpy.random.seed(7)",
                 "random.seed(7)", "numpy.sum = None", "math.floor = None", "sys.modules.clear()",
                 "builtins.abs = lambda x: 99", "seen = 1", "def f(x): return abs(x)")  # fmt: skip
    honest = src("import math, numpy, random", "def f(x):",
                 "  return abs(x), math.floor(2.5), int(numpy.sum([1, 2])), 'seen' in globals()",
                 "def g():", "  return random.random(), numpy.random.random()")  # fmt: skip
    draws = sandbox.call(honest, "g").value
    assert sandbox.call(vandal, "f", [-1]).value == 99
    assert sandbox.call(honest, "f", [-1]).value == (1, 2, 3, False)
    assert sandbox.call(honest, "g").value == draws


def test_unseeded_draws_and_the_order_of_sets_are_the_same_in_every_interpreter(backend) -> None:
    source = src(
        "import random, numpy",
        "def f():",
        "  return random.random(), numpy.random.random(), list({'a', 'b', 'c', 'd'})",
    )
    answers = []
    for _ in range(2):
        with Sandbox(backend, ROOMY) as sandbox:
            answers.append(sandbox.call(source, "f").value)
    assert answers[0] is not None and answers[0] == answers[1]


def test_a_session_keeps_the_modules_state_from_call_to_call(sandbox) -> None:
    counter = src("n = 0", "def add(x):", "  global n", "  n += x", "  return n", "def get():",
                  "  return n")  # fmt: skip
    with sandbox.session(counter) as session:
        assert [session.call("add", [x]).value for x in (1, 2, 3)] == [1, 3, 6]
        assert session.call("add", ["x"]).verdict == "exception"
        assert session.call("nothing").verdict == "exception"
        assert session.call("get").value == 6 and session.ended is None
    assert session.ended is not None and session.ended.cpu > 0
    with sandbox.session(counter) as session:
        assert session.call("get").value == 0
    assert sandbox.call(counter, "get").value == 0


def test_a_session_whose_child_has_ended_repeats_its_ending(sandbox) -> None:
    source = src("import os, time", "def f(x):", "  if x == 1: os._exit(3)",
                 "  if x == 2: time.sleep(60)", "  return x")  # fmt: skip
    for deed, verdict in ((1, "crashed"), (2, "timeout")):
        with sandbox.session(source, Limits(wall=1.0)) as session:
            assert session.call("f", [0]).ok
            ending = session.call("f", [deed])
            assert ending.verdict == verdict and session.call("f", [0]) is ending
    assert sandbox.call(GOOD, "f", [1]).value == 2


def test_a_session_ends_with_its_block_and_with_its_sandbox(backend) -> None:
    with Sandbox(backend, ROOMY) as sandbox:
        with sandbox.session(GOOD) as session:
            assert session.call("f", [1]).value == 2
        with pytest.raises(BadInput, match="session is over"):
            session.call("f", [1])
        with sandbox.session(GOOD) as session:
            assert session.call("f", [1]).value == 2
            sandbox.close()
            assert session.call("f", [1]).verdict == "sandbox_died"
        assert sandbox.call(GOOD, "f", [1]).value == 2


def test_a_session_can_ask_back_in_the_middle_of_a_call(sandbox) -> None:
    source = src("from evaluators.sandbox.child import ask", "def f(x):",
                 "  (y,) = ask(['want', x])", "  return x * y")  # fmt: skip
    with sandbox.session(source) as session:
        assert session.call("f", [6]).value == ["want", 6]
        assert session.call("", [7]).value == 42
        assert session.call("f", [2]).value == ["want", 2]


def test_processor_time_is_limited_over_a_whole_session_and_to_the_hundredth(sandbox) -> None:
    source = src("import time", "def f(s):", "  end = time.process_time() + s",
                 "  while time.process_time() < end: pass")  # fmt: skip
    with sandbox.session(source, Limits(wall=60.0, cpu=0.5)) as session:
        verdicts = [session.call("f", [0.2]).verdict for _ in range(4)]
    assert verdicts == ["ok", "ok", "timeout", "timeout"]
    assert session.ended is not None and 0.495 < session.ended.cpu < 0.6


def test_one_candidate_at_a_time(sandbox) -> None:
    with sandbox.session(GOOD) as session:
        with pytest.raises(BadInput, match="session open"):
            sandbox.call(GOOD, "f", [1])
        assert session.call("f", [1]).value == 2
    assert sandbox.call(GOOD, "f", [1]).value == 2


def test_several_sandboxes_work_side_by_side_from_threads(backend) -> None:
    answers: dict[int, list] = {}

    def work(k: int) -> None:
        with Sandbox(backend, ROOMY) as mine:
            answers[k] = [mine.call(GOOD, "f", [x]).value for x in range(10)]

    threads = [threading.Thread(target=work, args=[k]) for k in range(3)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert answers == {k: list(range(1, 11)) for k in range(3)}


def test_a_sandbox_outlives_the_thread_that_used_it_first(backend) -> None:
    with Sandbox(backend, ROOMY) as sandbox:
        thread = threading.Thread(target=sandbox.call, args=[GOOD, "f", [1]])
        thread.start()
        thread.join(60)
        first = sandbox._held[0]
        assert sandbox.call(GOOD, "f", [1]).value == 2 and sandbox._held[0] is first


def test_it_works_while_an_event_loop_runs(sandbox) -> None:
    async def cell() -> int:
        return sandbox.call(GOOD, "f", [1]).value

    assert asyncio.run(cell()) == 2


def test_an_interpreter_that_dies_is_replaced_and_the_call_repeated(backend) -> None:
    with Sandbox(backend, ROOMY) as sandbox:
        assert sandbox.call(GOOD, "f", [1]).ok
        sandbox._held[0]._kill_all()
        assert sandbox.call(GOOD, "f", [1]).value == 2


def test_a_sandbox_that_keeps_dying_is_said_and_not_scored(backend, monkeypatch) -> None:
    fork = Interpreter.fork

    def dying(self, limits):
        channel = fork(self, limits)
        self._kill_all()
        return channel

    with Sandbox(backend, ROOMY) as sandbox:
        monkeypatch.setattr(Interpreter, "fork", dying)
        outcome = sandbox.call(src("import time", "def f(x): time.sleep(9)"), "f", [1])
        assert outcome.verdict == "sandbox_died" and outcome.value is None and outcome.reason
        monkeypatch.undo()
        assert sandbox.call(GOOD, "f", [1]).value == 2


def test_a_system_without_room_for_a_process_is_no_fault_of_the_candidate(
    backend, monkeypatch
) -> None:
    def refused(self, limits):
        raise SandboxDied("the system refuses one more process")

    with Sandbox(backend, ROOMY) as sandbox:
        monkeypatch.setattr(Interpreter, "fork", refused)
        outcome = sandbox.call(GOOD, "f", [1])
        assert outcome.verdict == "sandbox_died" and "one more process" in outcome.reason


def test_the_weak_back_end_is_taken_only_by_name_warns_and_is_stamped(monkeypatch) -> None:
    with pytest.warns(WeakSandbox, match="does not isolate"):
        sandbox = Sandbox("process", ROOMY)
    with sandbox:
        assert sandbox.call(GOOD, "f", [1]).backend == "process"
        reads = "def f(path): return len(open(path).read())"
        assert sandbox.call(reads, "f", [__file__]).value > 0  # which is why it warns
    monkeypatch.setenv("REASONLAB_SANDBOX", "process")
    with pytest.warns(WeakSandbox):
        assert Sandbox().backend == "process"


def test_a_strong_back_end_does_not_warn(backend) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Sandbox(backend).backend == backend


def test_an_unknown_back_end_is_named() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'landlock'"):
        Sandbox("landlok")


def test_a_module_that_cannot_be_preloaded_is_named(backend) -> None:
    with (
        Sandbox(backend, ROOMY, preload=("nowhere_to_be_found",)) as sandbox,
        pytest.raises(NoSandbox, match="nowhere_to_be_found"),
    ):
        sandbox.call(GOOD, "f", [1])


def test_trusted_source_runs_ahead_of_the_preloaded_modules(backend) -> None:
    before = src("import sys, types", "sys.modules['stand_in'] = types.ModuleType('stand_in')",
                 "sys.modules['stand_in'].x = 5")  # fmt: skip
    with Sandbox(backend, ROOMY, preload=("stand_in",), before=before) as sandbox:
        assert sandbox.call("import stand_in\ndef f(): return stand_in.x", "f").value == 5
    with (
        Sandbox(backend, ROOMY, before="1 / 0") as sandbox,
        pytest.raises(NoSandbox, match="division by zero"),
    ):
        sandbox.call(GOOD, "f", [1])


def test_without_numpy_preloaded_arrays_cross_all_the_same(backend) -> None:
    with Sandbox(backend, ROOMY, preload=()) as sandbox:
        assert sandbox.call("def f(x): return x * 2", "f", [np.arange(3)]).value.tolist() == [
            0,
            2,
            4,
        ]


def test_an_ablation_bears_its_name_and_lets_forbidden_calls_through(backend) -> None:
    with without_seccomp(backend, ROOMY) as sandbox:
        forks = src("import os", "def f():", "  pid = os.fork()", "  if not pid: os._exit(0)",
                    "  return os.waitpid(pid, 0)[1]")  # fmt: skip
        outcome = sandbox.call(forks, "f")
        assert sandbox.backend == outcome.backend == f"{backend}-without-seccomp"
        assert outcome.value == 0 or "temporarily unavailable" in outcome.reason
        opens = src("import socket", "def f(): return socket.socketpair()[0].fileno() > 0")
        assert sandbox.call(opens, "f").value is True
