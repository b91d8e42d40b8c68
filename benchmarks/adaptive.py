"""Does it pay to spend by predicted difficulty? Adaptive against the same for every problem.

A plan is fitted on training expressions of 2 to 14 operations, then followed on test problems at
several means; the same strategies at equal caps, these means among them, are what it is compared
with, at equal mean tokens (interpolated in the logarithm of the tokens where an arm stops early),
problems resampled in pairs. No arm knows anything but the model. Prints tables; nothing is timed.

    python benchmarks/adaptive.py [--train 240] [--probes 0] [--problems 500] [--out runs/adaptive]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from evaluators import load_task
from evaluators.metrics import Interval
from reasoning import load_model
from search import Adaptive, Report, compare, fit_adaptive
from search.plan import Plan

OPS = (2, 14)
CAPS = (40, 80, 160, 320)
MOST = 640
MEANS = (60, 80, 120)
UNIFORM = ("self-consistency", "self-consistency(adaptive=0.9)")


def measured(report: Report, arm: str, budget: str, problems: list[str]) -> np.ndarray:
    """(2, problems): right and tokens of each problem, seeds averaged."""
    found: dict[str, list[tuple[float, float]]] = {p: [] for p in problems}
    for cell in report.select(arm, budget):
        found[cell.problem].append((float(cell.correct), float(cell.tokens)))
    return np.array([np.mean(found[p], axis=0) for p in problems]).T


def difference(mine: np.ndarray, others: np.ndarray) -> tuple[float, Interval]:
    """The baseline's accuracy at the arm's mean tokens, and the arm's less that.

    `mine` is (2, problems), `others` (caps, 2, problems).
    """
    rng = np.random.default_rng(0)

    def gap(pick: np.ndarray) -> tuple[float, float]:
        at = np.log(others[:, 1, pick].mean(axis=1))
        there = np.interp(np.log(mine[1, pick].mean()), at, others[:, 0, pick].mean(axis=1))
        return float(there), float(mine[0, pick].mean() - there)

    count = mine.shape[1]
    there, value = gap(np.arange(count))
    drawn = [gap(rng.integers(count, size=count))[1] for _ in range(4000)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return there, Interval(value, float(low), float(high))


def plan_of(file: Path, train: int, probes: int, model_name: str) -> Plan:
    """The plan in the file, fitted and saved where there is none."""
    if not file.exists():
        task = load_task("expressions", split="train", n=train, seed=77, ops=OPS)
        budgets = (*CAPS, MOST)
        fit = fit_adaptive(task, load_model(model_name), UNIFORM, budgets, probes=probes)
        file.parent.mkdir(parents=True, exist_ok=True)
        fit.save(str(file))
    return Plan.load(file)


def main() -> None:
    """Fit, follow, compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", type=int, default=240)
    parser.add_argument("--probes", type=int, default=0)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--out", type=Path, default=Path("runs/adaptive"))
    given = parser.parse_args()
    plan = plan_of(given.out / "plan.json", given.train, given.probes, given.model)
    model = load_model(given.model)
    task = load_task("expressions", n=given.problems, ops=OPS)
    names = [problem.id for problem in task.problems]
    arms = {f"adaptive(mean={mean})": Adaptive(plan, mean) for mean in MEANS}
    ours = compare(arms, task, model, [MOST], out=given.out / "ours", resume=True)
    means = {round(ours.row(arm, MOST).tokens) for arm in ours.arms}
    same = compare(
        UNIFORM, task, model, sorted({*CAPS, *means}), out=given.out / "same", resume=True
    )
    print(f"{ours.table()}\n\n{same.table()}\n\nAt equal mean tokens:")
    for arm in ours.arms:
        mine = measured(ours, arm, ours.budgets[0], names)
        for other in same.arms:
            others = np.array([measured(same, other, cap, names) for cap in same.budgets])
            there, gap = difference(mine, others)
            print(
                f"  {arm} at {mine[1].mean():.0f} tokens {mine[0].mean():.3f}, {other} {there:.3f}:"
                f" {gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
            )


if __name__ == "__main__":
    main()
