"""Pool: worker programs that evaluate candidates, each with one job ahead so that none waits.

Lives on an event loop; answers arrive as calls of `done` there. A worker that dies is replaced and
its job begun once more elsewhere; one that exceeds the problem's patience is killed and replaced,
and its job is a time-out. The candidate is never scored for what happened to its worker.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evaluators.discovery.base import DiscoveryProblem, Evaluation, Split
from evaluators.errors import LabError
from evaluators.sandbox import WeakSandbox
from search.evolve.journal import FOLDER, discard, key_of, recover
from search.evolve.process import WorkerProcess, ship

AHEAD = 2
"""Jobs that a worker holds: the one it works on and the next."""

_WEAK = "the back-end 'process' does not isolate: the programs can read and write what you can"
_TICK = 0.5  # seconds between two looks at the clock
_START = 60.0  # seconds that a worker may take to start, beside the problem's patience
_DEATHS = 5  # workers that die one after the other without an answer: the fault is not the jobs'


@dataclass
class Job:
    """A candidate to be evaluated on a split, or (`artefact`) to be run for what it makes. `done`
    gets the answer: `evaluation` (a row), `retried`, `cpu`, or `broken` (see `Bench.answer`)."""

    source: str
    done: Callable[[dict[str, Any]], None]
    split: Split = "train"
    floor: float | None = None
    audit: bool = False
    artefact: bool = False
    deaths: int = field(default=0, init=False)

    def to_row(self, number: int) -> dict[str, Any]:
        return {
            "id": number, "source": self.source, "split": self.split, "floor": self.floor,
            "audit": self.audit, "artefact": self.artefact,
        }  # fmt: skip


class _Seat:
    """A worker's place: its process, its jobs in order, when it began the first of them."""

    def __init__(self, process: WorkerProcess) -> None:
        self.process, self.ready = process, False
        self.jobs: deque[tuple[int, Job]] = deque()
        self.began = time.monotonic()


class Pool:
    """`count` workers for a problem. `failed` is told of what concerns every job; `folder` is where
    the workers' journals are, of which those of a killed session are taken over."""

    def __init__(
        self,
        problem: DiscoveryProblem,
        count: int,
        sandbox: str | None,
        failed: Callable[[BaseException], None],
        folder: Path,
    ) -> None:
        self.problem, self.backend = problem, ""
        self.cpu = 0.0
        self.replaced = 0
        self._count, self._failed = count, failed
        self._left = recover(folder)
        self._folder, self._header = folder, ship(problem, sandbox, folder / FOLDER)
        self._waiting: deque[Job] = deque()
        self._seats: list[_Seat] = []
        self._number = self._deaths = 0
        self._closed = False
        self._clock: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start the workers, on the running event loop."""
        self._seats = [self._seat() for _ in range(self._count)]
        self._tick()

    def submit(self, job: Job, first: bool = False) -> None:
        """Evaluate a candidate, before all that waits if it is to be `first`."""
        answer = self._left.pop(key_of(job.to_row(0)), None) if self._left else None
        if answer is not None:
            asyncio.get_running_loop().call_soon(self._guarded, job.done, answer)
            return
        (self._waiting.appendleft if first else self._waiting.append)(job)
        self._deal()

    def close(self) -> None:
        """End the workers at once; jobs without an answer get none."""
        self._closed = True
        if self._clock is not None:
            self._clock.cancel()
        for seat in self._seats:
            seat.process.kill()
        self._seats.clear()
        self._waiting.clear()
        discard(self._folder)

    # -- inside -----------------------------------------------------------------------

    def _seat(self) -> _Seat:
        seat: _Seat
        process = WorkerProcess(
            self._header,
            lambda answer: self._guarded(self._answered, seat, answer),
            lambda reason: self._guarded(self._died, seat, reason),
        )
        seat = _Seat(process)
        return seat

    def _guarded(self, act: Callable[..., None], *arguments: Any) -> None:
        """An error in a call-back must not vanish in the event loop."""
        if self._closed:
            return
        try:
            act(*arguments)
        except BaseException as error:
            self._failed(error)

    def _deal(self) -> None:
        while self._waiting:
            seat = min(self._seats, key=lambda s: len(s.jobs), default=None)
            if seat is None or len(seat.jobs) >= AHEAD:
                return
            self._give(seat, self._waiting.popleft())

    def _give(self, seat: _Seat, job: Job) -> None:
        self._number += 1
        if not seat.jobs:
            seat.began = time.monotonic()
        seat.jobs.append((self._number, job))
        seat.process.send(job.to_row(self._number))

    def _answered(self, seat: _Seat, answer: dict[str, Any]) -> None:
        if "failed" in answer:
            raise LabError(
                f"a worker for {self.problem.name} could not start: {answer['failed']}"
                + (f" ({answer['kind']})" if answer["kind"] else "")
            )
        seat.began = time.monotonic()
        if "ready" in answer:
            seat.ready = True
            if not self.backend and answer["ready"] == "process":
                warnings.warn(_WEAK, WeakSandbox, stacklevel=2)
            self.backend = answer["ready"]
            return
        self._deaths = 0
        number, job = seat.jobs.popleft()
        if number != answer["id"]:
            raise RuntimeError(f"a worker answered job {answer['id']}, not {number}")
        self.cpu += answer["cpu"]
        answer["retried"] = answer["retried"] or job.deaths > 0
        self._deal()
        job.done(answer)

    def _died(self, seat: _Seat, reason: str) -> None:
        """Replace a dead worker; the job it was at is begun again once, those behind it at once."""
        self._deaths += 1
        if self._deaths >= _DEATHS:
            raise LabError(
                f"{self._deaths} workers for {self.problem.name} died one after the other"
                f" ({reason}); what they wrote to standard error says why"
            )
        jobs = [job for _, job in seat.jobs]
        self._replace(seat)
        lost = None
        if jobs and seat.ready:
            jobs[0].deaths += 1
            if jobs[0].deaths > 1:
                lost = jobs.pop(0)
        self._waiting.extendleft(reversed(jobs))
        self._deal()
        if lost is not None:
            why = f"its worker died twice: {reason}"
            lost.done(_without_worker(Evaluation("sandbox_died", reason=why), retried=True))

    def _replace(self, seat: _Seat) -> None:
        seat.process.kill()
        self.replaced += 1
        self._seats[self._seats.index(seat)] = self._seat()

    def _tick(self) -> None:
        self._clock = asyncio.get_running_loop().call_later(_TICK, self._guarded, self._look)

    def _look(self) -> None:
        patience = self.problem.patience
        for seat in list(self._seats):
            allowed = patience if seat.ready else patience + _START
            if seat.jobs and time.monotonic() - seat.began > allowed:
                self._overdue(seat)
        self._tick()

    def _overdue(self, seat: _Seat) -> None:
        patience = self.problem.patience
        if not seat.ready:
            raise LabError(
                f"a worker for {self.problem.name} did not start in {_START + patience:g} s"
            )
        (_, job), *rest = seat.jobs
        self._replace(seat)
        self._waiting.extendleft(reversed([job for _, job in rest]))
        self._deal()
        why = f"its evaluation did not end within {patience:g} s (the problem's patience)"
        job.done(_without_worker(Evaluation("timeout", reason=why), retried=job.deaths > 0))


def _without_worker(evaluation: Evaluation, retried: bool) -> dict[str, Any]:
    return {"evaluation": asdict(evaluation), "retried": retried, "cpu": 0.0}
