"""Rewards from a process of their own, with a time limit: what a model writes cannot hang or kill
the training run.

One persistent process answers one trace at a time. A trace that takes too long costs the process
its life; the next one meets a fresh process. What could not be judged has no reward: it is counted,
never taken for a 0.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, LabError
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.data.rows import question
from reasoning.train.rewards import REWARDS, Reward

START_SECONDS = 120.0  # imports on a loaded machine


@dataclass(frozen=True)
class Asked:
    """One trace to judge: the index of its task, its problem, text, and why it ended."""

    task: int
    problem: Problem
    text: str
    finish: str


@dataclass(frozen=True)
class Judged:
    """What a trace earned, and what the checks say that no reward need agree with: `right`
    (ended by itself and passes the task's verifier), `sound` (no step is rejected either), its
    answer. `reward` is None where the judge failed; `error` says why."""

    reward: float | None
    right: bool | None = None
    sound: bool | None = None
    answer: str | None = None
    error: str | None = None


class JudgeBroken(LabError):
    """The judge's process cannot be started, or judges nothing at all."""


class Judge:
    """A judge of the traces of `tasks` by `reward` (a name of REWARDS, a function out of a module,
    or None where a model will rate them). `seconds` is the time that one trace may take.

    `starts` counts processes, `failed` traces that could not be judged. A context manager.
    """

    def __init__(
        self, tasks: Sequence[Task], reward: str | Reward | None, seconds: float = 10.0
    ) -> None:
        self.seconds, self.starts, self.failed = seconds, 0, 0
        self._process: subprocess.Popen[str] | None = None
        function = REWARDS[reward] if isinstance(reward, str) else reward
        self._judges = _pickled(tasks, function)

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def judge(self, traces: Sequence[Asked]) -> list[Judged]:
        """What each trace earned, in order. Raises JudgeBroken where not one could be judged."""
        found = []
        try:
            for trace in traces:
                found.append(self._judged(trace))
        except BaseException:
            self._kill()  # an interrupted call leaves its reply in the pipe
            raise
        errors = [one.error for one in found if one.error is not None]
        self.failed += len(errors)
        if errors and len(errors) == len(found):
            raise JudgeBroken(
                f"the judge failed on all {len(found)} traces, so nothing can be learned from them;"
                f" the first: {errors[0]}"
            )
        return found

    def close(self) -> None:
        """End the process; a later call starts another."""
        self._kill()

    def _judged(self, trace: Asked) -> Judged:
        process = self._running()
        asked = {"task": trace.task, "problem": question(trace.problem), "text": trace.text,
                 "finish": trace.finish}  # fmt: skip
        try:
            line, late = _ask(process, json.dumps(asked), self.seconds)
        except BrokenPipeError:
            line, late = "", False
        if not line:
            self._kill()
            if late:
                return Judged(None, error=f"judging took more than {self.seconds:g} s")
            return Judged(None, error="the judge's process died")
        return Judged(**{"reward": None, **json.loads(line)})

    def _running(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._kill()
        program = Path(__file__).with_name("judge_child.py")
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", str(program)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            encoding="utf-8", errors="surrogatepass",
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8:surrogatepass"},
            start_new_session=True,  # Ctrl-C belongs to the caller
        )  # fmt: skip
        self.starts += 1
        first = json.dumps({"path": [p or os.getcwd() for p in sys.path], "judges": self._judges,
                            "seconds": self.seconds})  # fmt: skip
        try:
            line, _late = _ask(process, first, START_SECONDS)
        except BrokenPipeError:
            line = ""
        told = json.loads(line) if line else {"ready": False, "reason": "it died at its start"}
        if not told["ready"]:
            self._kill()
            raise JudgeBroken(
                f"the judge cannot be started in a process of its own: {told['reason']}"
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
                continue  # an unsent question to a dead process


def _ask(process: subprocess.Popen[str], line: str, seconds: float) -> tuple[str, bool]:
    """The reply to one line (empty if the process died) and whether it was killed for being
    late."""
    assert process.stdin is not None and process.stdout is not None
    late = threading.Event()

    def kill() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        process.stdin.write(line + "\n")
        process.stdin.flush()
        reply = process.stdout.readline()
    finally:
        timer.cancel()
    return (reply if reply.endswith("\n") else ""), late.is_set()


def named(thing: Any) -> str:
    """The name of a function or class; of another object that of its class."""
    return getattr(thing, "__qualname__", None) or type(thing).__qualname__


def _pickled(tasks: Sequence[Task], reward: Callable[..., Any] | None) -> str:
    """Tasks (without their problems) and reward for the judge's process. Raises BadInput for what
    another process could not import."""
    bare = tuple(replace(task, problems=()) for task in tasks)
    for thing in (*map(type, bare), *(() if reward is None else (reward,))):
        if thing.__module__ == "__main__" or "<locals>" in named(thing):
            raise BadInput(
                f"{named(thing)} judges in another process, which cannot import it: put it at"
                " the top of a module (a file beside the notebook) and import it from there"
            )
    try:
        return base64.b64encode(pickle.dumps((bare, reward))).decode()
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise BadInput(
            f"the tasks' judges cannot be handed to another process: {error}; define task and"
            " reward at the top of a module"
        ) from error
