"""What does practice with a verifier do to tiny-weak? STaR and GRPO at equal FLOPs of its own.

It practises one task, countdown with 4 numbers, as chains; no teacher. Then fresh test problems of
that task and of tasks that it did not practise: accuracy of one sample, pass@16, greedy accuracy.
Prints a table and the lift over the policy before, and writes all of it as JSON. An interrupted
command goes on with what is left.

    python benchmarks/practice.py [--seeds 3] [--tflops 4] [--only GRPO] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from students import (
    Exam,
    Result,
    clocked,
    examined,
    interval,
    keep,
    made,
    shown,
    spent_in,
    values_of,
)

from evaluators import load_task
from evaluators.intervals import Interval
from reasoning.models import embedded_folder
from reasoning.prompts import PromptStyle
from reasoning.train.methods import METHODS, recipe_of
from reasoning.train.practice import Practice

POLICY = "tiny-weak"
TASK, OPTIONS = "countdown", {"numbers": 4}
PROBLEMS, FRESH = 6000, 2_027
EXAMS = tuple(
    Exam(task, options, problems=300, seed=FRESH, samples=16)
    for task, options in (
        (TASK, tuple(OPTIONS.items())),
        ("countdown", (("numbers", 3),)),
        ("countdown", (("numbers", 5),)),
        ("expressions", (("ops", (2, 4)),)),
        ("chain-sum", (("terms", 2), ("digits", 3))),
    )
)
"""The first is practised, the others are not."""


@dataclass(frozen=True)
class Arm:
    """A training method and the settings of its recipe."""

    method: str
    settings: Mapping[str, Any]


ARMS: dict[str, Arm] = {
    "STaR": Arm(
        "star",
        {"rounds": 3, "problems": PROBLEMS, "k": 8, "keep": 4, "optimiser": "adamw", "lr": 1e-3,
         "batch": 32, "warmup": 0.05, "steps": 100_000},
    ),
    "GRPO": Arm(
        "grpo",
        {"batch": 16, "samples": 16, "lr": 4e-4, "warmup": 0.05, "decay": 0.3, "max_tokens": 40,
         "probe_every": 0,
         "steps": 100_000},
    ),
}  # fmt: skip


def practised(name: str, seed: int, cap: float, out: Path) -> Result:
    """The policy after practice, examined."""
    arm = ARMS[name]
    settings = {"save_every": 1_000_000, **arm.settings, "flops": cap * 1e12, "seed": seed}

    def make(folder: Path) -> Result:
        task = load_task(TASK, "train", PROBLEMS, seed=200 + seed, **OPTIONS)
        practice = Practice(((task, 1.0),), PromptStyle("chain"))
        train = METHODS[arm.method].train()
        recipe = recipe_of(arm.method, settings)
        place, seconds = clocked(
            lambda: train(practice, embedded_folder(POLICY), folder, recipe, heard(name, seed))
        )
        flops, _ = spent_in(place)
        return examined(
            f"hf:{place}", name, seed, "chain", EXAMS, student=flops, seconds=seconds
        )  # fmt: skip

    asked = {"policy": POLICY, "arm": asdict(arm), "recipe": settings, "task": [TASK, OPTIONS],
             "problems": PROBLEMS, "exams": [asdict(exam) for exam in EXAMS]}  # fmt: skip
    return made(out / name / f"seed-{seed}", asked, make)


def before(out: Path) -> Result:
    """The policy as it was."""
    asked = {"policy": POLICY, "exams": [asdict(exam) for exam in EXAMS]}
    return made(out / "before", asked, lambda _: examined(POLICY, "before", 0, "chain", EXAMS))


def heard(name: str, seed: int) -> Callable[[dict[str, Any]], None]:
    """Progress on standard error: a round, or one step in twenty."""

    def hear(row: dict[str, Any]) -> None:
        if "step" not in row or row["step"] % 20 == 0:
            told = {k: round(v, 4) for k, v in row.items() if isinstance(v, (int, float))}
            kept = ("round", "step", "loss", "reward", "right", "sampled", "flops")
            print(f"  {name} {seed}", {k: told[k] for k in kept if k in told}, file=sys.stderr)

    return hear


def ratio(after: np.ndarray, start: np.ndarray) -> Interval:
    """The ratio of two means over the same problems, with its 95 % interval (bootstrap over
    problems; the same draw for both)."""
    rng = np.random.default_rng(0)
    one, other = after.mean(axis=1), start.mean(axis=1)
    draws = rng.integers(0, len(one), (10_000, len(one)))
    found = one[draws].mean(axis=1) / other[draws].mean(axis=1)
    low, high = np.quantile(found, [0.025, 0.975])
    return Interval(float(one.mean() / other.mean()), float(low), float(high))


def table(rows: Mapping[str, Sequence[Result]]) -> str:
    """A line for each exam and policy, intervals over problems; costs are means over seeds."""
    heads = ["task", "policy", "one sample", "seeds", "pass@16", "greedy"]
    lines = [heads, ["---"] * len(heads)]
    for at, exam in enumerate(EXAMS):
        for name, some in rows.items():
            single, solved, greedy = (
                values_of(some, exam.label, what) for what in ("single", "solved", "greedy")
            )
            each = single.mean(axis=0)
            lines.append([
                exam.label + (" (practised)" if at == 0 else ""), name, shown(interval(single)),
                f"{each.min():.3f}-{each.max():.3f}", shown(interval(solved)),
                shown(interval(greedy)),
            ])  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Both methods and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tflops", type=float, default=4.0, help="cap on each run's own")
    parser.add_argument("--only", default="", help="methods whose name has one of a,b,… in it")
    parser.add_argument("--out", type=Path, default=Path("runs/practice"))
    parser.add_argument("--json", type=Path, help="where all results go (default: in --out)")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    names = [name for name in ARMS if any(part in name for part in chosen.only.split(","))]
    rows: dict[str, list[Result]] = {"before": [before(chosen.out)]}
    for name in names:
        rows[name] = [
            practised(name, seed, chosen.tflops, chosen.out) for seed in range(chosen.seeds)
        ]
    print(f"{chosen.tflops} TFLOP a run, {chosen.seeds} seeds\n")
    print(table(rows) + "\n")
    start = values_of(rows["before"], EXAMS[0].label, "single")
    for name in names:
        after = values_of(rows[name], EXAMS[0].label, "single")
        found = ratio(after, start)
        costs = [f"{r.student:.2f} TFLOP in {r.seconds:.0f} processor s" for r in rows[name]]
        print(f"- {name}: one sample {found.value:.2f} times as often right"
              f" ({found.low:.2f} to {found.high:.2f}); {', '.join(costs)}")  # fmt: skip
    results = [result for some in rows.values() for result in some]
    minutes = sum(r.seconds + float(r.told["exam_seconds"]) for r in results) / 60
    file = chosen.json or chosen.out / "practice.json"
    keep(results, chosen.tflops, file)
    print(f"\n{minutes:.1f} processor-minutes; results: {file.name}")


if __name__ == "__main__":
    main()
