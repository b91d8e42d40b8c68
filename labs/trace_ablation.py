"""The ablation "filter or not, how many a problem": one policy, one set of traces, several
selections of it, one training each at equal student FLOPs, all measured on the same problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.errors import BadInput, LabError
from evaluators.intervals import Interval, accuracy_interval, paired_bootstrap
from evaluators.tasks.base import Task
from labs.figures import COLOURS
from labs.trainings import InTurn, training
from reasoning.core import LanguageModel, SeedPath
from reasoning.data.collect import collect_traces
from reasoning.data.rows import TraceRow
from reasoning.data.select import Selected, question_of, select
from search.plot import Chart
from search.table import Table

ARMS: dict[str, dict[str, Any]] = {
    "no filter": {"verdict": "any", "ended": False, "prefer": "random"},
    "right answer": {"prefer": "random"},
    "right answer, sound steps": {"sound": True, "prefer": "random"},
}
"""Ways to filter, as rules of `select`."""

BEFORE = "before"
"""The policy that was not trained, among the outcomes."""


def arms_of(each: Sequence[int | None], filters: Mapping[str, Any] = ARMS) -> dict[str, Any]:
    """Every filter with every number of traces a problem (None: all that are different)."""
    return {
        f"{name}, {'all' if most is None else most} a problem": {**rules, "each": most}
        for name, rules in filters.items()
        for most in each
    }


@dataclass(frozen=True)
class Selections:
    """What each arm keeps of the same traces."""

    kept: Mapping[str, Selected]

    def table(self) -> Table:
        """Traces, problems, and how many of the traces are right, arm by arm."""
        lines = []
        for name, rows in self.kept.items():
            problems = len({question_of(row) for row in rows})
            right = sum(row.correct for row in rows)
            lines.append((name, len(rows), problems, f"{right / max(1, len(rows)):.2f}"))
        return Table(("selection", "traces", "problems", "right"), lines)


def selections(
    rows: Sequence[TraceRow], arms: Mapping[str, Mapping[str, Any]], seed: int = 0
) -> Selections:
    """The arms' selections. Raises BadInput for an arm that keeps nothing."""
    kept = {name: select(rows, seed=seed, **rules) for name, rules in arms.items()}
    for name, chosen in kept.items():
        if not len(chosen):
            raise BadInput(f"selection {name!r} keeps no trace: collect more traces")
    return Selections(kept)


def trainings(
    chosen: Selections, policy: Any, folder: str | Path, *, flops: float, seed: int = 0,
    **settings: Any,
) -> InTurn:  # fmt: skip
    """One fine-tuning of the policy for each selection, in turn, each ending at `flops`."""
    place = Path(folder)
    return InTurn(
        {
            name: training("sft", policy, list(rows), place / f"{at}-{seed}", name,
                           steps=100_000, flops=flops, seed=seed, **settings)
            for at, (name, rows) in enumerate(chosen.kept.items())
        }
    )  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """One arm measured: the share of right samples, and its difference to the policy before (None
    for that itself), with 95 % intervals over problems; the mean tokens of a sample."""

    name: str
    accuracy: Interval
    gain: Interval | None
    tokens: float


def measured(
    models: Mapping[str, Sequence[LanguageModel]], task: Task, *, samples: int = 2, seed: int = 1,
    temperature: float = 1.0,
) -> list[Outcome]:  # fmt: skip
    """Every arm (one model a training seed) on the same problems from the same seeds. The arm
    BEFORE, where it is there, comes first and is what the others are compared with. Raises LabError
    for a problem that was not answered."""
    found: list[Outcome] = []
    before: np.ndarray | None = None
    for name in sorted(models, key=lambda arm: arm != BEFORE):
        rows: list[TraceRow] = []
        for student in models[name]:
            made = collect_traces(
                task, student, k=samples, seed=seed, temperature=temperature, progress=False
            )
            if made.errors:
                problem, reason = next(iter(made.errors.items()))
                raise LabError(f"{name}: problem {problem} was not answered: {reason}")
            rows += made
        rng = np.random.Generator(np.random.Philox(key=SeedPath(seed, ("ablation", name)).key))
        asked = [row.problem["id"] for row in rows]
        accuracy = accuracy_interval([row.correct for row in rows], rng, asked)
        rates = {p.id: [0, 0] for p in task.problems}
        for row in rows:
            rates[row.problem["id"]][0] += row.correct
            rates[row.problem["id"]][1] += 1
        shares = np.array([right / max(1, n) for right, n in rates.values()])
        if name == BEFORE:
            before = shares
        gain = None
        if before is not None and name != BEFORE:
            gain = paired_bootstrap(shares, before, rng)
        found.append(Outcome(name, accuracy, gain, float(np.mean([row.n_tokens for row in rows]))))
    return found


def outcome_table(outcomes: Sequence[Outcome]) -> Table:
    """Accuracy and gain of every arm."""
    lines = [(o.name, _told(o.accuracy), "-" if o.gain is None else _told(o.gain, "+"),
              f"{o.tokens:.0f}") for o in outcomes]  # fmt: skip
    head = ("traces learned from", "right samples", "minus before", "tokens a sample")
    return Table(head, lines, "95 % intervals over problems; training seeds are averaged")


def outcome_chart(outcomes: Sequence[Outcome]) -> Chart:
    """Accuracy of every arm with its interval; a line where the policy stood before."""
    figure = Chart(figsize=(7.6, 0.9 + 0.42 * len(outcomes)), layout="constrained")
    axes = figure.subplots()
    shown = [o for o in outcomes if o.name != BEFORE]
    for at, o in enumerate(shown):
        a = o.accuracy
        error = [[max(0.0, a.value - a.low)], [max(0.0, a.high - a.value)]]
        axes.errorbar([a.value], [at], xerr=error, fmt="o", color=COLOURS[at % len(COLOURS)],
                      capsize=3)  # fmt: skip
    for o in outcomes:
        if o.name == BEFORE:
            axes.axvspan(o.accuracy.low, o.accuracy.high, color="#999999", alpha=0.25)
            axes.axvline(o.accuracy.value, color="#666666", label="before")
            axes.legend(fontsize="small")
    axes.set_yticks(range(len(shown)), [o.name for o in shown])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("right samples on held-out problems, 95 % interval")
    axes.grid(alpha=0.3, axis="x")
    return figure


def _told(value: Interval, sign: str = "") -> str:
    return f"{value.value:{sign}.2f} ({value.low:{sign}.2f} to {value.high:{sign}.2f})"
