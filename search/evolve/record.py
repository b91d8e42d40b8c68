"""Programs as rows of the run log, and the reading of a log.

A row `program` is written when its result is there, so rows are out of order by at most the window;
what follows from the order (who is the duplicate of whom, who entered) is not written but worked
out again by committing the rows in the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evaluators.discovery.base import Evaluation
from evaluators.errors import BadInput
from search.evolve.program import Program
from search.evolve.seen import Seen

KIND = "program"
COSTS = ("tokens", "prompt", "completion", "calls", "dollars")


@dataclass(frozen=True)
class Record:
    """A program with what the log keeps beside it: the `key` and `size` of its syntax, seconds of
    the run when its result was there, whether the evaluation was begun twice."""

    program: Program
    key: int
    size: int
    seconds: float
    retried: bool = False
    backend: str = ""

    def to_row(self) -> dict[str, Any]:
        """JSON values, for `RunLog.append(KIND, …)`."""
        p = self.program
        return {
            "k": p.k, "island": p.island, "parents": p.parents, "origin": p.origin,
            "source": p.source, "key": f"{self.key:016x}", "size": self.size,
            "evaluation": vars(p.evaluation) if p.evaluation else None, "reason": p.reason,
            "lost": p.lost, "cost": p.cost, "prompt": p.prompt, "response": p.response,
            "seconds": round(self.seconds, 3), "retried": self.retried, "backend": self.backend,
        }  # fmt: skip

    @staticmethod
    def from_row(row: Mapping[str, Any]) -> Record:
        """The inverse. Raises BadInput for a row that no version like this one wrote."""
        try:
            told = row["evaluation"]
            program = Program(
                row["k"], row["source"], row["island"], tuple(row["parents"]), row["origin"],
                None if told is None else Evaluation.from_row(told), row["reason"],
                prompt=row["prompt"], response=row["response"], lost=row["lost"], cost=row["cost"],
            )  # fmt: skip
            return Record(program, int(row["key"], 16), row["size"], row["seconds"],
                          row["retried"], row["backend"])  # fmt: skip
        except (TypeError, KeyError, ValueError) as error:
            raise BadInput(
                f"a logged program cannot be read ({error!r}): read it with the version that wrote"
                " it (run.json names it), or run again into another folder"
            ) from error


def in_order(events: Iterable[Mapping[str, Any]]) -> Iterator[Record]:
    """The programs of a log in the order of their numbers, up to the first that is missing."""
    ahead: dict[int, Mapping[str, Any]] = {}
    number = 0
    for event in events:
        if event["kind"] != KIND:
            continue
        ahead.setdefault(event["k"], event)
        while number in ahead:
            yield Record.from_row(ahead.pop(number))
            number += 1


@dataclass(frozen=True)
class Past:
    """What an earlier session left: how many programs are there without a gap (`count`) and their
    keys (`seen`), the records beyond (`ahead`), the sum of all costs, the seconds of the run."""

    count: int
    ahead: Mapping[int, Record]
    seen: Seen
    cost: Mapping[str, float]
    seconds: float

    @staticmethod
    def of(events: Iterable[Mapping[str, Any]]) -> Past:
        """Read a log. Costs include those of calls that were lost with their session."""
        ahead: dict[int, Record] = {}
        seen = Seen()
        cost: dict[str, float] = dict.fromkeys(COSTS, 0.0)
        lost: dict[str, float] = {}
        settled: set[str] = set()
        count, seconds = 0, 0.0
        for event in events:
            if event["kind"] == "lost":
                lost[event["scope"]] = lost.get(event["scope"], 0.0) + event["dollars"]
            if event["kind"] != KIND:
                continue
            record = Record.from_row(event)
            k = record.program.k
            if k < count or k in ahead:
                continue
            seconds = max(seconds, record.seconds)
            for name, value in record.program.cost.items():
                cost[name] += value
            if record.program.cost:
                settled.add(scope(k))
            ahead[k] = record
            while count in ahead:
                done = ahead.pop(count)
                if done.program.source is not None:
                    seen.add(done.key, count)
                count += 1
        cost["dollars"] += sum(dollars for at, dollars in lost.items() if at not in settled)
        return Past(count, ahead, seen, cost, seconds)


def scope(k: int) -> str:
    """The log's name for the model calls of a proposal."""
    return f"program/{k}"
