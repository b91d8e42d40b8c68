"""The worker is killed when it must be, and can be called from anywhere."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evaluators import math_worker
from evaluators.math_worker import MathWorker, WorkerBroken, compare_math, nesting

ROOT = Path(__file__).parents[2]
ENDLESS = r"9^{9^{9^9}}"  # sympy multiplies it out, or tries to


@pytest.fixture(scope="module")
def worker():
    worker = MathWorker(seconds=1.0)
    yield worker
    worker.close()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_compares(worker):
    assert worker.compare("x+1", "1+x").equal
    assert worker.compare("x+1", "2+x").outcome == "different"
    assert worker.compare("x+(", "x").outcome == "unparsed"


def test_a_tower_of_powers_is_a_timeout_and_the_next_call_works():
    worker = MathWorker(seconds=0.7)
    worker.compare("x", "y")
    start = time.monotonic()
    assert worker.compare(ENDLESS, "1").outcome in ("timeout", "memory")
    assert time.monotonic() - start < 5
    assert worker.compare("x+1", "1+x").equal
    assert worker.starts == 2
    worker.close()


def test_the_plain_tower_of_the_issue_does_not_hang(worker):
    start = time.monotonic()
    assert not worker.compare("9^9^9^9", "1").equal
    assert time.monotonic() - start < 5


def test_one_worker_serves_many_calls(worker):
    worker.compare("x", "y")
    before = worker.starts
    for n in range(20):
        assert worker.compare(f"x+{n}", f"{n}+x").equal
    assert worker.starts == before


def test_memory_is_capped():
    worker = MathWorker(seconds=20, memory_mb=600)
    assert not worker.compare(r"10^{10^{10}}+x", r"x+10^{10^{10}}+1").equal
    worker.close()


def test_threads_take_turns(worker):
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: worker.compare(f"x+{n}", f"{n % 5}+x").equal, range(40))
    assert list(found) == [n < 5 for n in range(40)]


def test_async_code_waits_without_blocking_the_loop(worker):
    async def both():
        ticks = 0

        async def tick():
            nonlocal ticks
            for _ in range(5):
                await asyncio.sleep(0.01)
                ticks += 1

        verdict, _ = await asyncio.gather(asyncio.to_thread(worker.compare, "a+b", "b+a"), tick())
        return verdict.equal, ticks

    assert asyncio.run(both()) == (True, 5)


def test_a_call_off_the_main_thread_times_out_too(worker):
    found = []
    thread = threading.Thread(target=lambda: found.append(worker.compare(ENDLESS, "1").outcome))
    thread.start()
    thread.join(20)
    assert found and found[0] in ("timeout", "memory")


@pytest.mark.parametrize(
    "text", ["1" * 5000, "(" * 60 + "x" + ")" * 60, "{" * 30 + "x"], ids=["long", "deep", "open"]
)
def test_large_or_deep_text_is_not_even_sent(text):
    worker = MathWorker()
    assert worker.compare(text, "1").outcome == "refused"
    assert worker.starts == 0


def test_nesting_counts_brackets_inside_one_another():
    assert nesting("(a)(b)") == 1
    assert nesting("({[x]})") == 3
    assert nesting(")))") == 0


def test_an_interrupted_call_does_not_leave_its_reply_to_the_next(worker, monkeypatch):
    def interrupted(process, seconds):
        raise KeyboardInterrupt

    worker.compare("x", "y")
    with monkeypatch.context() as patch:
        patch.setattr(math_worker, "_read_line", interrupted)
        with pytest.raises(KeyboardInterrupt):
            worker.compare("x", "x+0")
    assert worker.compare("x", "y").outcome == "different"


def test_closing_leaves_no_process_behind():
    worker = MathWorker()
    worker.compare("x", "y")
    pid = worker._process.pid
    assert alive(pid)
    worker.close()
    assert not alive(pid)


def test_leaving_python_ends_the_worker():
    program = (
        "from evaluators import math_worker as m; m.compare_math('x', 'y'); "
        "print(m._shared._process.pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert not alive(int(done.stdout))


def test_killing_python_ends_the_worker_as_well():
    program = (
        "import os, signal; from evaluators import math_worker as m; m.compare_math('x', 'y'); "
        "print(m._shared._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    pid, limit = int(done.stdout), time.monotonic() + 10
    while alive(pid) and not zombie(pid) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not alive(pid) or zombie(pid)


def zombie(pid):
    """Ended, but not yet collected by whatever adopts orphans here."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" in status.read_text()


def test_a_worker_without_math_verify_names_the_remedy(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(math_worker, "PYTHON_OPTIONS", ("-P", "-S"))  # no installed packages
    with pytest.raises(WorkerBroken, match="pip install"):
        MathWorker().compare("x", "y")


def test_settled_verdicts_are_remembered_and_timeouts_are_not(monkeypatch):
    class Counting:
        calls = 0

        def compare(self, gold, answer, tolerance=None):
            self.calls += 1
            outcome = "timeout" if gold == "slow" else "equal"
            return math_worker.MathVerdict(outcome, "scripted")

    counting = Counting()
    monkeypatch.setattr(math_worker, "_shared", counting)
    for _ in range(3):
        assert compare_math("remembered", "yes").equal
        assert not compare_math("slow", "no").equal
    assert counting.calls == 4


def test_a_decimal_is_compared_within_its_last_digit(worker):
    assert worker.compare(r"2\pi", "6.283185", tolerance=1e-6).equal
    assert not worker.compare(r"2\pi", "6.283187", tolerance=1e-6).equal


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('touch DIR/pwned')", "\\__import__{os}", "lambda: 0", "exec(1)",
     r"\operatorname{__import__}(os)", "x.__class__", r"\text{__import__('os')}"],
)  # fmt: skip
def test_text_that_looks_like_code_is_compared_and_not_run(worker, tmp_path, text):
    verdict = worker.compare(text.replace("DIR", str(tmp_path)), "1")
    assert not verdict.equal
    assert list(tmp_path.iterdir()) == []


def test_the_worker_process_refuses_to_compile_text():
    """The reader that sympy uses for numbers is ours, and nothing else may turn text into code."""
    program = (
        "import runpy, sys; child = runpy.run_path(sys.argv[1]); import math_verify, sympy; "
        "child['read_without_eval'](); child['refuse_compiling'](); "
        "assert sympy.Number('12') == 12 and sympy.Number('0.5') == 0.5\n"
        "for text in '1+1', 'x':\n"
        "    try: eval(text)\n"
        "    except PermissionError: continue\n"
        "    raise SystemExit('eval worked')\n"
        "try: sympy.sympify('1+1')\n"
        "except sympy.SympifyError: pass\n"
        "else: raise SystemExit('sympify worked')"
    )
    child = ROOT / "evaluators" / "math_child.py"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(child)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
