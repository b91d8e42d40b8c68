"""Cell: what one arm made of one problem at one budget and seed, as plain data for log and report.

A cell is `done` or `error`. An error is a problem whose calls or verifier failed: it is counted
beside the accuracy, never scored 0, and run again when the run is resumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from evaluators.errors import BadInput
from evaluators.verdict import Verdict
from reasoning.core import SeedPath, Solution, Step, Trace
from reasoning.ledger import Budget, Ledger, Row


@dataclass(frozen=True)
class Cell:
    """One settled run of one problem.

    Tokens are sums over its ledger: `completion` generated, `scored` read by scorers, `discarded`
    those of them whose result was not used (by reason), `lost` reserved by calls that failed.
    `seconds` is wall time and `cached` depends on what else ran: both are measured, not facts.
    """

    arm: str
    budget: str
    seed: int
    problem: str
    state: str = "done"
    correct: bool = False
    answer: str | None = None
    reason: str = ""
    stopped_by: str = ""
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    scored: int = 0
    discarded: Mapping[str, int] | None = None
    lost: int = 0
    calls: int = 0
    flops: float = 0.0
    dollars: float = 0.0
    seconds: float = 0.0
    chosen: int | None = None
    traces: tuple[Trace, ...] = ()

    @property
    def place(self) -> tuple[str, str, int, str]:
        """Where the cell stands in its run: arm, budget, seed, problem."""
        return self.arm, self.budget, self.seed, self.problem

    @property
    def tokens(self) -> int:
        """What counts against the budget: generated, read by scorers, and lost."""
        return self.completion + self.scored + self.lost

    @property
    def wasted(self) -> int:
        """Generated tokens whose result was not used."""
        return sum((self.discarded or {}).values())

    def to_row(self) -> dict[str, Any]:
        """JSON values; `from_row` reads them."""
        return {**vars(self), "traces": [_dump(trace) for trace in self.traces]}

    @staticmethod
    def from_row(row: Mapping[str, Any]) -> Cell:
        """A cell from its JSON values; keys of a log event beside them are left out. Raises
        BadInput for values that are no cell of this version."""
        names = {f.name for f in fields(Cell)}
        known = {key: value for key, value in row.items() if key in names}
        try:
            return Cell(**{**known, "traces": tuple(_trace(t) for t in row.get("traces", ()))})
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise BadInput(
                f"a logged cell cannot be read ({error}): read it with the version that wrote it"
                " (run.json names it), or run again into another folder"
            ) from error

    def as_charge(self) -> Row:
        """The cell as one ledger row of its run."""
        return Row(
            "cell", "", scope(*self.place), self.prompt, self.cached, self.completion, self.scored,
            self.calls, self.flops, self.dollars, self.seconds, self.tokens,
        )  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """What is the same when the run is repeated or resumed: not times, nor what was cached."""
        measured = ("cached", "seconds", "dollars", "traces")
        row = {key: value for key, value in vars(self).items() if key not in measured}
        row["traces"] = [(t.text, t.finish, t.answer, t.tokens) for t in self.traces]
        return row


def scope(arm: str, budget: str, seed: int, problem: str) -> str:
    """The log's name for a cell: injective in its four parts."""
    return SeedPath(seed, (arm, budget, problem)).text


def budget_label(budget: Budget) -> str:
    """`"128"` for tokens alone, `"tokens=128,calls=4"` otherwise, `"unlimited"` without a cap."""
    caps = {name: cap for name, cap in asdict(budget).items() if cap is not None}
    if set(caps) == {"tokens"}:
        return str(budget.tokens)
    return ",".join(f"{name}={cap}" for name, cap in caps.items()) or "unlimited"


def settled(
    place: tuple[str, str, int, str], solution: Solution, verdict: Verdict, ledger: Ledger,
    seconds: float,
) -> Cell:  # fmt: skip
    """The cell of a problem that was worked on to the end."""
    traces = list(solution.traces)
    if solution.chosen is not None and traces[solution.chosen].verdict is None:
        traces[solution.chosen] = replace(traces[solution.chosen], verdict=verdict)
    return Cell(
        *place, state="done", correct=verdict.passed is True, answer=solution.answer,
        reason=verdict.reason, stopped_by=solution.stopped_by, seconds=seconds,
        chosen=solution.chosen, traces=tuple(traces), **_spent(ledger),
    )  # fmt: skip


def failed(
    place: tuple[str, str, int, str], error: BaseException, ledger: Ledger, seconds: float
) -> Cell:
    """The cell of a problem whose calls or verifier failed."""
    return Cell(*place, state="error", reason=str(error), seconds=seconds, **_spent(ledger))


def _spent(ledger: Ledger) -> dict[str, Any]:
    discarded: dict[str, int] = {}
    for row in ledger.rows:
        if row.discarded is not None and row.lost is None:
            discarded[row.discarded] = discarded.get(row.discarded, 0) + row.completion
    kept = [row for row in ledger.rows if row.lost is None]
    total = ledger.spent
    return {
        "prompt": sum(row.prompt for row in kept),
        "cached": sum(row.cached for row in kept),
        "completion": sum(row.completion for row in kept),
        "scored": sum(row.scored for row in kept),
        "lost": sum(row.tokens for row in ledger.rows if row.lost is not None),
        "discarded": discarded,
        "calls": total.calls,
        "flops": total.flops,
        "dollars": total.dollars,
    }


def _dump(trace: Trace) -> dict[str, Any]:
    return {**vars(trace), "verdict": _values(trace.verdict),
            "steps": [{**vars(s), "verdict": _values(s.verdict)} for s in trace.steps]}  # fmt: skip


def _values(verdict: Verdict | None) -> dict[str, Any] | None:
    return None if verdict is None else vars(verdict)


def _trace(row: Mapping[str, Any]) -> Trace:
    return Trace(**{**row, "steps": tuple(_step(s) for s in row["steps"]),
                    "verdict": _verdict(row["verdict"])})  # fmt: skip


def _step(row: Mapping[str, Any]) -> Step:
    return Step(**{**row, "verdict": _verdict(row["verdict"])})


def _verdict(row: Mapping[str, Any] | None) -> Verdict | None:
    return None if row is None else Verdict(**row)
