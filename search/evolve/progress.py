"""Progress of an evolution: counts, the course of the best scores, snapshots for watchers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from search.evolve.database import Commit, Database
from search.evolve.measured import Measured
from search.evolve.program import Program
from search.evolve.record import Record

INTERVAL = 0.2
"""Least seconds between two snapshots for a watcher."""


@dataclass(frozen=True)
class Step:
    """An island's best score changed to `score` with commit `k`, after so many `seconds` of the
    run; `best` marks a new best of all islands, which may have a `held_out` score."""

    k: int
    island: int
    score: float
    seconds: float
    best: bool = False
    held_out: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """Where a run stands. `committed` programs are in the database (the starting program among
    them), of `total` where a number is the budget; `proposed` have been begun. `verdicts` counts
    committed programs. `per_second` counts those of this session; `earlier` were there before.
    `timeouts` are fresh ones, the only verdicts that another run might not repeat; `retried`
    evaluations were begun twice. `islands` are the best scores. `stopped_by` says why it ended.
    """

    committed: int = 0
    total: int | None = None
    proposed: int = 0
    evaluated: int = 0
    duplicates: int = 0
    verdicts: Mapping[str, int] = field(default_factory=dict)
    best: Program | None = None
    held_out: float | None = None
    islands: tuple[float | None, ...] = ()
    seconds: float = 0.0
    earlier: int = 0
    timeouts: int = 0
    retried: int = 0
    tokens: int = 0
    dollars: float = 0.0
    ended: bool = False
    stopped_by: str = ""

    @property
    def per_second(self) -> float:
        fresh = self.committed - self.earlier
        return fresh / self.seconds if self.seconds > 0 else 0.0

    def __str__(self) -> str:
        of = f"/{self.total + 1}" if self.total is not None else ""
        text = f"{self.committed}{of} programs, {self.per_second:,.0f}/s"
        if self.best is not None and self.best.score is not None:
            text += f", best {self.best.score:.5g}"
            if self.held_out is not None:
                text += f" (held out {self.held_out:.5g})"
        if self.dollars:
            text += f", ${self.dollars:.2f}"
        if self.ended:
            return f"{text}, {self.seconds:.0f} s, ended by {self.stopped_by}"
        return text


Watcher = Callable[[Snapshot], None]


class Meter:
    """Counts what is committed and tells a watcher, at most every INTERVAL seconds."""

    def __init__(self, total: int | None, watcher: Watcher | None) -> None:
        self.verdicts: Counter[str] = Counter()
        self.history: list[Step] = []
        self.proposed = self.timeouts = self.retried = self.earlier = self.evaluated = 0
        self.spent: Callable[[], tuple[int, float]] = lambda: (0, 0.0)
        self.before = self.programs_cpu = 0.0
        self._total, self._watcher = total, watcher
        self._began = self._told = time.monotonic()
        self._lasted: float | None = None
        self._stopped_by = ""
        self._database: Database | None = None
        self._measured: Measured | None = None

    def attach(self, database: Database, measured: Measured) -> None:
        """Whose state the snapshots show."""
        self._database, self._measured = database, measured

    @property
    def seconds(self) -> float:
        """Seconds of this session."""
        return self._lasted if self._lasted is not None else time.monotonic() - self._began

    def add(self, record: Record, program: Program, commit: Commit, earlier: bool) -> None:
        """Count a commit; `earlier`: of a session before this one."""
        verdict = program.verdict
        self.verdicts[verdict] += 1
        if program.evaluation is not None:
            self.evaluated += 1
            self.programs_cpu += 0.0 if earlier else program.evaluation.cpu
        self.retried += record.retried
        self.earlier += earlier
        self.timeouts += verdict == "timeout" and not earlier
        new = commit.improved
        for island, best in commit.changes:
            if best.score is not None:
                self.history.append(Step(program.k, island, best.score, record.seconds, new))
                new = False
        if self._watcher is not None and time.monotonic() - self._told >= INTERVAL:
            self._told = time.monotonic()
            self._watcher(self.snapshot())

    def close(self, stopped_by: str, seconds: float) -> None:
        """The session has ended, after so many seconds."""
        self._lasted, self._stopped_by = seconds, stopped_by

    def finish(self, stopped_by: str) -> None:
        """Tell the last state."""
        self.close(stopped_by, self.seconds)
        if self._watcher is not None:
            self._watcher(self.snapshot())

    def course(self) -> list[Step]:
        """The history with the held-out scores that are known by now."""
        found = self._measured.found if self._measured else {}
        steps = []
        for step in list(self.history):
            known = found.get((str(step.k), "held-out")) if step.best else None
            steps.append(replace(step, held_out=known.score) if known else step)
        return steps

    def snapshot(self) -> Snapshot:
        """The state now; cheap, and may be asked from any thread."""
        db, measured = self._database, self._measured
        if db is None or measured is None:
            ended = self._lasted is not None
            return Snapshot(total=self._total, ended=ended, stopped_by=self._stopped_by)
        best = measured.told(db.best.program) if db.best else None
        tokens, dollars = self.spent()
        counts = dict(self.verdicts)
        return Snapshot(
            db.commits, self._total, self.proposed, self.evaluated, counts.get("duplicate", 0),
            counts, best, best.held_out if best else None, db.scores(),
            self.seconds, self.earlier, self.timeouts, self.retried, tokens, dollars,
            self._lasted is not None, self._stopped_by,
        )  # fmt: skip
