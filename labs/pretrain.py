"""`reasonlab pretrain NAME`: train an embedded model; the same command resumes."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, UnknownName


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab pretrain",
        description="Train an embedded model on one thread. A run that was stopped"
        " goes on from its last checkpoint when the same command is given again.",
    )
    made.add_argument("name", help="tiny, tiny-weak, tiny-student or tiny-tools")
    made.add_argument("--out", type=Path, help="folder of the run (runs/pretrain-NAME)")
    made.add_argument("--seed", type=int, help="another seed than the plan's")
    made.add_argument("--steps", type=int, help="another length than the plan's")
    made.add_argument("--measure", action="store_true", help="then measure it and write its card")
    made.add_argument("--problems", type=int, default=200, help="problems a measurement (200)")
    return made


def report(row: Mapping[str, Any]) -> None:
    """One line of progress."""
    print(
        f"step {row['step']:5d} · loss {row['loss']:.4f} · rate {row['lr']:.5f}"
        f" · {row['seconds']:.0f} s",
        flush=True,
    )


def save_curve(curve: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Write the curve as `curve.csv` and `curve.png`; returns the picture's path."""
    from matplotlib.figure import Figure

    with (folder / "curve.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(curve[0]))
        writer.writeheader()
        writer.writerows(curve)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([r["step"] for r in curve], [r["loss"] for r in curve])
    axes.set(xlabel="step", ylabel="loss (nats a token)", yscale="log")
    axes.grid(alpha=0.3)
    figure.savefig(folder / "curve.png", dpi=120)
    return folder / "curve.png"


def run(argv: list[str]) -> int:
    """The command: train, save weights and curve, measure if asked."""
    options = parser().parse_args(argv)
    if options.steps is not None and options.steps < 1:
        raise BadInput(f"--steps must be 1 or more, not {options.steps}")
    from labs.recipes.tiny import PLANS, train

    if options.name not in PLANS:
        raise UnknownName("embedded model", options.name, PLANS)
    folder: Path = options.out or Path("runs") / f"pretrain-{options.name}"
    try:
        weights = train(
            options.name, folder, seed=options.seed, steps=options.steps, progress=report
        )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("the same command goes on from the last checkpoint") from stop
    # Read back, because a resumed run reports its last part only.
    curve = json.loads((weights / "training.json").read_text("utf-8"))["curve"]
    print(f"curve: {save_curve(curve, folder)}")
    print(f"weights: {weights} (load them with hf:{weights})")
    if options.measure:
        from labs.recipes import card, measure, measure_tools
        from reasoning.models import load_model

        made = measure_tools if PLANS[options.name].mixture == "tools" else measure
        parts = made.measure(load_model(f"hf:{weights}"), options.problems, print)
        card.write(options.name, weights, parts)
        print((weights / "README.md").read_text())
    return 0
