"""This project on the work of `work.py`: python run_ours.py COUNT TURNS STAMPS [WORKERS] [FOLDER].

The strongest sandbox there is; one call a candidate; a proposer that answers at once. STAMPS gets a
line for every evaluation; FOLDER is the run folder (else a temporary one), taken up again where it
holds a run. With TURNS 0 evaluating is instant too: the score is read off the source, nothing is
run. Prints a line `RSS count megabytes` of this process at 2,000, 10,000 and every 20,000 commits.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from work import program, stamp

from evaluators.discovery.base import DiscoveryProblem, Evaluation, Split
from search import evolve
from search.evolve.program import Proposal, Request

MARKS = (100, 1_000, 2_000, 9_000, 10_000, 20_000)


class Work(DiscoveryProblem):
    """The program's own value is its score; without work, the number in its last line."""

    name, function, direction = "work", "work", "maximise"
    description = "One millisecond of work."
    skeleton = f"@evolve\n{program(0, 1)}"
    preload = ()  # the work imports nothing

    def __init__(self, turns: int, stamps: str) -> None:
        self.turns, self.stamps = turns, stamps

    @property
    def start(self) -> str:
        return program(0, self.turns)

    def instances(self, split: Split) -> Sequence[str]:
        return ["one"]

    def fingerprint(self) -> dict[str, Any]:
        return {"problem": self.name, "turns": self.turns}

    def evaluate(
        self, source: str, sandbox: Any, split: Split = "train", floor: float | None = None
    ) -> Evaluation:
        if self.turns == 0:
            value, verdict, cpu = float(source.split("return ")[1].split(" ")[0]), "ok", 0.0
        else:
            outcome = sandbox.call(source, self.function, [1])
            value, verdict, cpu = outcome.value, outcome.verdict, outcome.cpu
        if split == "train":
            stamp(self.stamps, source if self.turns == 0 else "")
        if verdict != "ok":
            return Evaluation(verdict)
        return Evaluation("ok", value, (value,), behaviour=repr(value), cpu=cpu)


class Instant:
    """Proposes program k at once, whatever its parents."""

    name, wants = "instant", 2

    def __init__(self, turns: int) -> None:
        self.turns = turns

    def propose(self, request: Request, rng: Any, ctx: Any) -> Proposal:
        return Proposal(program(request.k, self.turns))


def resident() -> float:
    """Megabytes of this process in memory now."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main() -> None:
    """Run to the end; print what was found."""
    count, turns, stamps = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    workers = int(sys.argv[4]) if len(sys.argv) > 4 else 2
    folder = sys.argv[5] if len(sys.argv) > 5 else None
    run = evolve(
        Work(turns, stamps), Instant(turns), evaluations=count, workers=workers, out=folder,
        resume=folder is not None and Path(folder, "run.json").exists(), wait=False,
    )  # fmt: skip
    marks = [mark for mark in MARKS if mark <= count]
    while not run.done():
        time.sleep(0.02)
        while marks and run.snapshot().committed >= marks[0]:
            print(f"RSS {marks.pop(0)} {resident():.1f}", flush=True)
    run.wait()
    best = run.best
    assert best is not None
    print(f"BEST {best.k} {best.score!r} {run.snapshot().committed}", flush=True)


if __name__ == "__main__":
    main()
