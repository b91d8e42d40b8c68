"""Students distilled in several ways at equal compute of their own, side by side (lab 07)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.intervals import Interval, accuracy_interval, paired_bootstrap
from evaluators.tasks.base import Format, Task
from labs.recipes.measure import hits
from labs.trainings import InTurn, training
from reasoning.core import LanguageModel, SeedPath
from reasoning.data.rows import TraceRow
from reasoning.prompts import PromptStyle
from search.table import Table

SEEDED = " · seed "
"""Between an arm's name and its seed, in the name of a run."""


@dataclass(frozen=True)
class Arm:
    """A way to make a student: the training method, the rows it learns from, how the student is
    asked afterwards, and settings of the recipe beside those that all arms share."""

    method: str
    rows: Sequence[TraceRow]
    format: Format = "chain"
    settings: Mapping[str, Any] | None = None


def arms_of(
    answers: Sequence[TraceRow], traces: Sequence[TraceRow], teacher: str
) -> dict[str, Arm]:
    """The four ways of the lab: answers only, the teacher's traces, its token distributions on
    them, and its token distributions on traces of which the student writes more and more itself."""
    told = {"teacher": teacher}
    return {
        "answers only": Arm("sft", answers, "direct"),
        "data": Arm("sft", traces),
        "logits": Arm("logits", traces, settings=told),
        "on-policy": Arm("on-policy", traces, settings=told),
    }


def distilling(
    arms: Mapping[str, Arm], student: Any, folder: str | Path, *, flops: float,
    seeds: Sequence[int] = (0,), **settings: Any,
) -> InTurn:  # fmt: skip
    """One training an arm and seed, in turn, seed by seed, each ending when the student has spent
    `flops`. Runs are named `data · seed 0`."""
    runs = {}
    for seed in seeds:
        for at, (name, arm) in enumerate(arms.items()):
            asked = {"steps": 100_000, "flops": flops, "seed": seed, **settings}
            place = Path(folder) / f"{at}-{seed}"
            run = f"{name}{SEEDED}{seed}"
            runs[run] = training(
                arm.method, student, arm.rows, place, run, **{**asked, **(arm.settings or {})}
            )
    return InTurn(runs)


@dataclass(frozen=True)
class Outcome:
    """One arm on the test problems: greedy accuracy over seeds and problems, with a 95 % interval
    over problems, the accuracy of each seed, the mean difference to the first arm on the same
    problems, and the tokens of an answer."""

    name: str
    format: Format
    accuracy: Interval
    each: tuple[float, ...]
    gain: Interval | None
    tokens: float


def outcomes(
    students: Mapping[str, LanguageModel], arms: Mapping[str, Arm], task: Task, seed: int = 0
) -> list[Outcome]:
    """All students (by the names of their runs) on the same problems, greedily; the first arm is
    what the others are compared with. An arm without a student is left out."""
    found: list[Outcome] = []
    first: np.ndarray | None = None
    for name, arm in arms.items():
        mine = [model for run, model in students.items() if run.split(SEEDED)[0] == name]
        if not mine:
            continue
        pairs = [hits(model, task, PromptStyle(arm.format)) for model in mine]
        right = np.concatenate([one for one, _ in pairs], axis=1).astype(float)
        rng = np.random.Generator(np.random.Philox(key=SeedPath(seed, ("distilled", name)).key))
        problems = np.repeat(np.arange(len(right)), right.shape[1]).tolist()
        gain = None if first is None else paired_bootstrap(right.mean(1), first, rng)
        if first is None:
            first = right.mean(1)
        found.append(
            Outcome(
                name, arm.format, accuracy_interval(right.ravel().tolist(), rng, problems),
                tuple(right.mean(0).tolist()), gain,
                float(np.mean([tokens.mean() for _, tokens in pairs])),
            )
        )  # fmt: skip
    return found


def outcome_table(found: Sequence[Outcome]) -> Table:
    """A line an arm."""
    head = ("student", "asked", "accuracy", "each seed", f"minus {found[0].name}", "tokens")
    lines = [
        (o.name, o.format, _told(o.accuracy), " ".join(f"{x:.2f}" for x in o.each),
         "-" if o.gain is None else _told(o.gain, "+"), f"{o.tokens:.0f}")
        for o in found
    ]  # fmt: skip
    return Table(head, lines, "greedy, 95 % intervals over problems; seeds are averaged")


def _told(interval: Interval, sign: str = "") -> str:
    return f"{interval.value:{sign}.2f} ({interval.low:{sign}.2f} to {interval.high:{sign}.2f})"
