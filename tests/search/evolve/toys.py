"""A toy problem whose programs are numbers, and proposers that are scripts.

A program is `def f(): return N`; on instance i it scores N - i, down from 100 where N is more. The
trusted side reads N out of the source itself, so a test needs no sandbox, and notes every
evaluation in a file.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

from evaluators.discovery.base import Check, DiscoveryProblem, Evaluation, Split
from search.evolve.lineage import programs_of
from search.evolve.program import Proposal, Request

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def number(n: int | str) -> str:
    """The program that stands for `n`."""
    return f"def f():\n    return {n}\n"


def value(source: str) -> int:
    """The number of a program."""
    found = re.search(r"return (-?\d+)", source)
    assert found, source
    return int(found[1])


class Numbers(DiscoveryProblem):
    """The closer to 100 the better. What the trusted side does for some programs in training can be
    set: `act[n]` is one of die, die once, hang, raise, fail, cheat, sandbox."""

    name, function, direction = "numbers", "f", "maximise"
    skeleton, description = number(0), "give a number"
    splits: Mapping[str, int] = {"train": 3, "validation": 2, "held-out": 2}

    def __init__(
        self,
        notes: Path | None = None,
        act: Mapping[int, str] | None = None,
        first: int = 0,
        work: float = 0.0,
        patience: float = 60.0,
        slow: Callable[[int], float] | None = None,
    ) -> None:
        self.notes, self.act, self.first = notes, dict(act or {}), first
        self.work, self.patience, self.slow = work, patience, slow

    @property
    def start(self) -> str:
        return number(self.first)

    def instances(self, split: Split) -> Sequence[str]:
        return [f"{split}/{i}" for i in range(self.splits[split])]

    def evaluate(
        self, source: str, sandbox: Any, split: Split = "train", floor: float | None = None
    ) -> Evaluation:
        n = value(source)
        if self.notes is not None:
            with self.notes.open("a") as file:
                file.write(f"{split} {n}\n")
        time.sleep(self.work + (self.slow(n) if self.slow else 0))
        what = self.act.get(n, "") if split == "train" else ""
        if what == "die":
            os._exit(7)
        if what == "die once" and not _twice(self.notes, f"{split} {n}"):
            os._exit(7)
        if what == "hang":
            time.sleep(3600)
        if what == "raise":
            raise ZeroDivisionError("a mistake of the scorer")
        if what == "fail":
            return Evaluation("exception", reason="it failed", behaviour=str(n))
        if what == "sandbox":
            return Evaluation("sandbox_died", reason="no luck")
        shift = {"train": 0, "validation": 1, "held-out": 2}[split]
        scores = tuple(100.0 - abs(100 - n) - i - shift for i in range(self.splits[split]))
        score = sum(scores) / len(scores)
        if floor is not None and self.better(floor, score):
            return Evaluation("ok", None, scores[:1], "cut", behaviour="", cut=True)
        return Evaluation("ok", score, scores, behaviour=str(abs(100 - n)))

    def audit(self, source: str, sandbox: Any) -> str:
        return "it looked" if self.act.get(value(source)) == "cheat" else ""

    def artefact(self, source: str, sandbox: Any) -> Any:
        return {"number": value(source)}

    def verify(self, artefact: Any) -> Check:
        n = artefact["number"]
        if not isinstance(n, int):
            return Check(False, None, "no number")
        return Check(True, 100.0 - abs(100 - n) - 1.0)

    def fingerprint(self) -> Mapping[str, Any]:
        return {"first": self.first}


def _twice(notes: Path | None, line: str) -> bool:
    assert notes is not None
    return notes.read_text().splitlines().count(line) > 1


class Script:
    """Proposes what `made` says for (k, attempt, parents' numbers, rng)."""

    name, wants = "script", 2

    def __init__(self, made: Callable[..., Any], wants: int = 2) -> None:
        self.made, self.wants = made, wants
        self.requests: list[Request] = []

    def propose(self, request: Request, rng: np.random.Generator, ctx: Any) -> Any:
        self.requests.append(request)
        answer = self.made(request, rng)
        return number(answer) if isinstance(answer, int) else answer

    def fingerprint(self) -> Mapping[str, Any]:
        return {"script": getattr(self.made, "__name__", "")}


def climb(request: Request, rng: np.random.Generator) -> int:
    """A step of -5 … 6 from the best parent."""
    best = request.parents[-1]
    assert best.source is not None
    return value(best.source) + int(rng.integers(-5, 7))


def wander(request: Request, rng: np.random.Generator) -> int:
    """A long way from the best parent: hardly ever known before."""
    best = request.parents[-1]
    assert best.source is not None
    return value(best.source) + int(rng.integers(-5000, 5000))


def none(request: Request, rng: np.random.Generator) -> Proposal:
    """No program."""
    return Proposal(None, reason="nothing to say")


class FakePool:
    """Evaluates in this process, and answers in an order that a seed decides, never that of
    submission: the latest as well as the first may come next. `pause` is asked before each answer
    (a number of turns of the loop to let pass)."""

    seed = 0
    sandbox: Any = None

    def __init__(self, problem: Any, count: int, sandbox: Any, failed: Any, folder: Path) -> None:
        self.problem, self.failed = problem, failed
        self.cpu, self.replaced, self.backend = 0.0, 0, "fake"
        self.held: list[Any] = []
        self.rng = np.random.default_rng(self.seed)
        self.closed = False

    def start(self) -> None:
        pass

    def submit(self, job: Any, first: bool = False) -> None:
        self.held.append(job)
        asyncio.get_running_loop().call_soon(self.tick, int(self.rng.integers(4)))

    def tick(self, turns: int) -> None:
        if self.closed:
            return
        if turns:
            asyncio.get_running_loop().call_soon(self.tick, turns - 1)
            return
        job = self.held.pop(int(self.rng.integers(len(self.held))))
        try:
            job.done(self.answer(job))
        except BaseException as error:
            self.failed(error)

    def answer(self, job: Any) -> dict[str, Any]:
        if job.artefact:
            return {"artefact": self.problem.artefact(job.source, self.sandbox), "cpu": 0.0}
        try:
            evaluation = self.problem.evaluate(job.source, self.sandbox, job.split, job.floor)
        except ValueError as error:
            return {"broken": str(error), "retried": False, "cpu": 0.0}
        if job.audit and evaluation.score is not None:
            reason = self.problem.audit(job.source, self.sandbox)
            evaluation = Evaluation("cheating", reason=reason) if reason else evaluation
        return {"evaluation": evaluation.to_row(), "retried": False, "cpu": 0.0}

    def close(self) -> None:
        self.closed = True


def facts(folder: Path, problem: DiscoveryProblem) -> list[tuple[Any, ...]]:
    """What must be the same in two runs: the committed programs, without what was measured."""
    return [
        (p.k, p.source, p.island, p.parents, p.origin, p.verdict, p.score, p.duplicate_of,
         p.evaluation.scores if p.evaluation else None)
        for p in programs_of(folder, problem)
    ]  # fmt: skip
