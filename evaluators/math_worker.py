"""math-verify in a process that can be killed, for callers in a cell, a thread or async code.

One persistent worker answers one pair at a time. A call that takes too long kills the worker, and
the next call starts a fresh one (about a second). No signal is handled and no sympy imported in
the calling process. In async code: `await asyncio.to_thread(compare_math, gold, answer)`.
"""

from __future__ import annotations

import atexit
import itertools
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from evaluators.errors import LabError

MAX_CHARS = 400
"""Longer expressions are not sent."""

MAX_NESTING = 24
"""Nor are expressions with more brackets inside one another than this."""

SECONDS = 4.0
START_SECONDS = 120.0  # imports on a loaded machine
MEMORY_MB = 2048
PYTHON_OPTIONS = ("-P",)  # this folder's modules must not pass for the standard library's

Outcome = Literal["equal", "different", "unparsed", "timeout", "memory", "refused", "error"]
_SETTLED = ("equal", "different", "unparsed", "refused")


class WorkerBroken(LabError):
    """The worker process cannot be started, so no answer can be judged."""


@dataclass(frozen=True)
class MathVerdict:
    """What the worker found: `outcome` is `equal` or why not, `reason` one sentence."""

    outcome: Outcome
    reason: str

    @property
    def equal(self) -> bool:
        return self.outcome == "equal"


class MathWorker:
    """A worker process and the lock that gives it one question at a time.

    `seconds` is wall time for one comparison, `memory_mb` caps the worker's address space.
    """

    def __init__(self, seconds: float = SECONDS, memory_mb: int = MEMORY_MB) -> None:
        self.seconds = seconds
        self.memory_mb = memory_mb
        self.starts = 0
        self._ids = itertools.count()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def compare(self, gold: str, answer: str, tolerance: float | None = None) -> MathVerdict:
        """Whether two LaTeX or plain expressions are equal; `gold` is the reference.

        With `tolerance` one of them is a decimal and they are equal within it. Never raises for
        what the texts contain; raises WorkerBroken where math-verify cannot be started.
        """
        for text in (gold, answer):
            if len(text) > MAX_CHARS or nesting(text) > MAX_NESTING:
                return MathVerdict("refused", "the expression is longer or deeper than is compared")
        with self._lock:
            try:
                return self._ask({"gold": gold, "answer": answer, "tolerance": tolerance})
            except BaseException:
                # An interrupted call leaves its reply in the pipe: that worker must not be reused.
                self._kill()
                raise

    def close(self) -> None:
        """End the worker process; a later call starts another."""
        with self._lock:
            self._kill()

    def _ask(self, request: dict[str, Any]) -> MathVerdict:
        process = self._running()
        request["id"] = next(self._ids)
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line, late = _read_line(process, self.seconds)
        except BrokenPipeError:
            line, late = "", False
        if not line:
            self._kill()
            if late:
                return MathVerdict("timeout", f"the comparison took more than {self.seconds:g} s")
            return MathVerdict("error", "the worker died while it compared")
        reply = json.loads(line)
        if reply["verdict"] == "memory":
            self._kill()
        return MathVerdict(reply["verdict"], reply["reason"])

    def _running(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._kill()
        program = Path(__file__).with_name("math_child.py")
        self._process = process = subprocess.Popen(
            [sys.executable, *PYTHON_OPTIONS, str(program), str(self.memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,  # Ctrl-C belongs to the caller
        )
        self.starts += 1
        line, _late = _read_line(process, START_SECONDS)
        greeting = json.loads(line) if line else {"ready": False, "reason": "it died at its start"}
        if not greeting["ready"]:
            self._kill()
            raise WorkerBroken(
                f"math-verify cannot be started in a worker process: {greeting['reason']}. "
                "Remedy: pip install 'math-verify[antlr4_13_2]'"
            )
        return process

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # an unsent question to a dead worker


def _read_line(process: subprocess.Popen[str], seconds: float) -> tuple[str, bool]:
    """One line (empty if the process died) and whether it was killed for being late."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
    finally:
        timer.cancel()
    return (line if line.endswith("\n") else ""), late.is_set()


def nesting(text: str) -> int:
    """The greatest number of brackets inside one another."""
    depth = deepest = 0
    for sign in text:
        if sign in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in ")]}" and depth:
            depth -= 1
    return deepest


_shared = MathWorker()


def compare_math(gold: str, answer: str, tolerance: float | None = None) -> MathVerdict:
    """`MathWorker.compare` on the worker that the whole process shares, remembering its verdicts
    (not time-outs: those may be another load's fault)."""
    try:
        return _remembered(gold, answer, tolerance)
    except _Unsettled as unsettled:
        return unsettled.verdict


class _Unsettled(Exception):
    """Carries a verdict past the cache."""

    def __init__(self, verdict: MathVerdict) -> None:
        self.verdict = verdict


@lru_cache(maxsize=4096)
def _remembered(gold: str, answer: str, tolerance: float | None) -> MathVerdict:
    verdict = _shared.compare(gold, answer, tolerance)
    if verdict.outcome not in _SETTLED:
        raise _Unsettled(verdict)
    return verdict


def close_shared() -> None:
    """End the shared worker (also done at exit); a later comparison starts another."""
    _shared.close()


def _forget_after_fork() -> None:
    # The worker, its pipes and perhaps a held lock belong to the parent of the fork.
    global _shared
    _shared = MathWorker()


atexit.register(close_shared)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
