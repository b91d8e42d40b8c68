"""EvolveReport: what a run came to, as numbers and as a text table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluators.discovery.base import SPLITS, Evaluation
from evaluators.intervals import Interval, bootstrap_interval, paired_bootstrap
from search.evolve.measured import Key
from search.evolve.program import Program
from search.evolve.progress import Snapshot

if TYPE_CHECKING:
    from search.evolve.evolution import Evolution


@dataclass(frozen=True)
class Standing:
    """A baseline on the held-out instances, and how much the best program is better there on the
    same instances (paired bootstrap, 95 %; positive: better, whichever way the problem goes)."""

    name: str
    held_out: Interval
    gain: Interval | None


@dataclass(frozen=True)
class EvolveReport:
    """Counts, times and scores of a run.

    `snapshot` has the verdicts, duplicates, fresh time-outs and retries. `cpu` is processor seconds
    of this session: of this process while it ran, and of the workers' trusted sides; the programs'
    own is `programs_cpu`. `replaced` workers died or exceeded the problem's patience. `unscored`
    says why the best program has no score on a split, or `baseline/NAME` none held out.
    """

    problem: str
    direction: str
    snapshot: Snapshot
    best: Program | None
    held_out: Interval | None
    baselines: tuple[Standing, ...]
    cpu: float
    programs_cpu: float
    replaced: int
    backend: str
    unscored: Mapping[str, str]

    def __str__(self) -> str:
        return "\n".join([*self._scores(), "", *self._counts()])

    def _scores(self) -> list[str]:
        if self.best is None:
            return [f"{self.problem}: no program has a score"]
        p, why = self.best, self.unscored
        lines = [
            f"{self.problem} ({self.direction}), best program {p.k}",
            f"  training    {_number(p.score)}",
            f"  validation  {_number(p.validation)}{_brackets(why.get('validation'))}",
            f"  held out    {_interval(self.held_out)}{_brackets(why.get('held-out'))}",
        ]
        for standing in self.baselines:
            gain = f", best is better by {_interval(standing.gain)}" if standing.gain else ""
            lines.append(f"  {standing.name}: held out {_interval(standing.held_out)}{gain}")
        for who in sorted(why.keys() - set(SPLITS)):
            lines.append(f"  {who.removeprefix('baseline/')}: held out -{_brackets(why[who])}")
        return lines

    def _counts(self) -> list[str]:
        s = self.snapshot
        verdicts = ", ".join(f"{n} {name}" for name, n in sorted(s.verdicts.items()))
        lines = [
            f"{s.committed} programs ({verdicts})",
            f"{s.per_second:,.0f} programs/s, {s.seconds:.1f} s, ended by {s.stopped_by or '-'};"
            f" processor {self.cpu:.1f} s beside the programs' own {self.programs_cpu:.1f} s;"
            f" sandbox {self.backend or '-'}",
        ]
        if s.timeouts or s.retried or self.replaced:
            lines.append(f"{s.timeouts} fresh time-outs, {s.retried} evaluations begun twice,"
                         f" {self.replaced} workers replaced")  # fmt: skip
        if s.tokens or s.dollars:
            lines.append(f"{s.tokens:,} tokens, ${s.dollars:.4f}")
        return lines


def report_of(run: Evolution) -> EvolveReport:
    """The report of a run as it stands."""
    found, best, problem = run.measured(), run.best, run.problem
    mine = found.get((str(best.k), "held-out")) if best else None
    standings = []
    for (who, split), evaluation in found.items():
        if split == "held-out" and who.startswith("baseline/") and evaluation.scores:
            name = who.removeprefix("baseline/")
            gain = _gain(mine, evaluation, problem.direction)
            standings.append(Standing(name, _mean(evaluation.scores), gain))
    held_out = _mean(mine.scores) if mine and mine.scores else None
    return EvolveReport(
        problem.name, problem.direction, run.snapshot(), best, held_out, tuple(standings),
        *run.spent(), _unscored(found, best),
    )  # fmt: skip


def _unscored(found: Mapping[Key, Evaluation], best: Program | None) -> dict[str, str]:
    told = {}
    for (who, split), evaluation in found.items():
        mine = best is not None and who == str(best.k)
        if evaluation.score is None and (mine or who.startswith("baseline/")):
            told[split if mine else who] = evaluation.reason or evaluation.verdict
    return told


def _mean(scores: Sequence[float]) -> Interval:
    return bootstrap_interval(scores, np.random.default_rng(0))


def _gain(mine: Evaluation | None, other: Evaluation, direction: str) -> Interval | None:
    if mine is None or len(mine.scores) != len(other.scores):
        return None
    ours, theirs = (mine.scores, other.scores) if direction == "maximise" else (
        other.scores, mine.scores)  # fmt: skip
    return paired_bootstrap(ours, theirs, np.random.default_rng(0))


def _brackets(text: str | None) -> str:
    return f" ({text})" if text else ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def _interval(value: Interval | None) -> str:
    if value is None:
        return "-"
    return f"{value.value:.5g} [{value.low:.5g}, {value.high:.5g}]"
