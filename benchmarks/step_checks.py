"""Is checking every step worth more than checking the end? And where does compute not help?

Step resampling against best-of-N with a final verifier that knows as much; both stop at the first
accepted trace. Compared at equal cap and at equal mean tokens, on expressions (both judges could
compute the answer: oracle) and on countdown (both can only check). Then arms without a judge at
growing budgets. Prints tables; nothing here is timed.

    python benchmarks/step_checks.py [--problems 200] [--seeds 2] [--out runs/step-checks]
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

from evaluators import load_task
from evaluators.metrics import paired_bootstrap
from reasoning import load_model
from search import BestOfN, ChainOfThought, SelfConsistency, StepResample, compare
from search.equal_tokens import at_equal_tokens
from search.report import Report

CAPS = (64, 128, 256, 512, 1024)
SETTINGS = {"expressions ops=8": ("expressions", {"ops": 8}), "countdown": ("countdown", {})}


def checks(out: Path, problems: int, seeds: int, model_name: str) -> None:
    """Step resampling against best-of-N, both settings."""
    model = load_model(model_name)
    for label, (name, options) in SETTINGS.items():
        task = load_task(name, n=problems, **options)
        arms = [BestOfN(stop="first-accepted"), StepResample()]
        report = compare(
            arms, task, model, budgets=CAPS, seeds=range(seeds), out=out / label.replace(" ", "-"),
            resume=True,
        )  # fmt: skip
        print(f"\n## {label}\n\n{report.table()}")
        print("\nAt equal cap (step-resample minus best-of-n):")
        best, step = report.arms
        for row in report.differences(best):
            d = row.difference
            print(f"  cap {row.budget}: {d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})")
        print("At equal mean tokens:")
        for equal in at_equal_tokens(report, step, best):
            print(f"  cap {equal.budget}: {equal}")


def no_gain(out: Path, problems: int, seeds: int, model_name: str) -> None:
    """Arms without a judge on countdown: what each doubling of the budget adds."""
    task = load_task("countdown", n=problems)
    arms = [ChainOfThought(), SelfConsistency(), BestOfN(scorer="likelihood")]
    report = compare(
        arms, task, load_model(model_name), budgets=CAPS, seeds=range(seeds),
        out=out / "no-judge", resume=True,
    )  # fmt: skip
    print(f"\n## countdown, no judge\n\n{report.table()}")
    print("\nWhat the next budget adds, then the last over the first:")
    for arm in report.arms:
        ends = (report.budgets[0], report.budgets[-1])
        for low, high in [*pairwise(report.budgets), ends]:
            d = gain(report, arm, low, high)
            print(f"  {arm}, {low} to {high}: {d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})")


def gain(report: Report, arm: str, low: str, high: str):
    """Accuracy at `high` minus at `low`, paired by problem and seed."""
    a, b = report.select(arm, high), report.select(arm, low)
    names = [cell.problem for cell in a]
    more, less = ([float(c.correct) for c in cells] for cells in (a, b))
    return paired_bootstrap(more, less, np.random.default_rng(0), names)


def main() -> None:
    """Run both studies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--out", type=Path, default=Path("runs/step-checks"))
    chosen = parser.parse_args()
    checks(chosen.out, chosen.problems, chosen.seeds, chosen.model)
    no_gain(chosen.out, chosen.problems, chosen.seeds, chosen.model)


if __name__ == "__main__":
    main()
