"""`reasonlab traces ablate`: does filtering pay, and how many traces a problem."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluators.errors import BadInput

DESCRIPTION = (
    "Sample traces of a task by a model, select them in several ways, fine-tune a policy on each"
    " selection at equal student FLOPs, and measure all on the same held-out problems."
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser("reasonlab traces ablate", description=DESCRIPTION)
    made.add_argument("--task", default="expressions(ops=2..4)")
    made.add_argument("--model", default="tiny-weak", help="who writes the traces")
    made.add_argument("--policy", default="tiny-weak", help="who learns from them")
    made.add_argument("--problems", type=int, default=200, help="training problems")
    made.add_argument("--samples", type=int, default=8, help="traces a problem")
    made.add_argument("--each", default="1,all", help="traces kept a problem, by commas")
    made.add_argument("--flops", type=float, default=3e11, help="student FLOPs of one training")
    made.add_argument("--lr", type=float, default=5e-4)
    made.add_argument("--batch", type=int, default=32)
    made.add_argument("--seeds", default="0", help="training seeds, by commas")
    made.add_argument("--test", type=int, default=200, help="held-out problems")
    made.add_argument("--out", type=Path, default=Path("runs/trace-ablation"))
    return made


def run(argv: list[str]) -> int:
    """The command; the same one goes on where it stopped."""
    given = parser().parse_args(argv)
    try:
        each = [None if part.strip() == "all" else int(part) for part in given.each.split(",")]
        seeds = [int(part) for part in given.seeds.split(",")]
    except ValueError as error:
        raise BadInput(f"--each and --seeds take whole numbers by commas: {error}") from error
    if min(given.problems, given.samples, given.test) < 1:
        raise BadInput("--problems, --samples and --test must be 1 or more")
    try:
        return _run(given, each, seeds)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("the same command goes on where it stopped") from stop


def _run(given: argparse.Namespace, each: list[int | None], seeds: list[int]) -> int:
    from evaluators.tasks import load_task
    from labs.trace_ablation import (
        BEFORE,
        arms_of,
        measured,
        outcome_chart,
        outcome_table,
        selections,
        trainings,
    )
    from labs.training_data import named
    from reasoning.data.collect import collect_traces
    from reasoning.models import load_model

    name, options = named(given.task)
    train = load_task(name, "train", given.problems, **options)
    test = load_task(name, "test", given.test, **options)
    rows = collect_traces(train, load_model(given.model), k=given.samples, out=given.out / "traces")
    print(repr(rows).strip("<>"), flush=True)
    chosen = selections(rows, arms_of(each))
    print(chosen.table(), end="\n\n", flush=True)
    models = {BEFORE: [load_model(given.policy)]}
    for seed in seeds:
        runs = trainings(chosen, given.policy, given.out, flops=given.flops, seed=seed,
                         lr=given.lr, batch=given.batch)  # fmt: skip
        try:
            places = runs.start().wait()
        except KeyboardInterrupt:
            runs.stop()
            runs.wait()
            raise
        for arm, place in places.items():
            models.setdefault(arm, []).append(load_model(f"hf:{place}"))
        print(f"seed {seed}: {len(places)} trained", flush=True)
    outcomes = measured(models, test)
    print(outcome_table(outcomes))
    chart = given.out / "ablation.png"
    outcome_chart(outcomes).savefig(chart, dpi=110)
    print(f"chart: {chart}")
    return 0
