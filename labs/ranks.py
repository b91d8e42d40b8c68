"""Runs of one fine-tuning by adapters of several ranks and by all weights, and what they reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs.trainings import InTurn, training

if TYPE_CHECKING:
    from evaluators.intervals import Interval
    from evaluators.tasks.base import Task
    from reasoning.data.rows import TraceRow

FULL = "all weights"


@dataclass(frozen=True)
class Reached:
    """Where a run ended: weights trained, nats a held-out token, greedy accuracy."""

    trained: int
    loss: float
    accuracy: Interval


def by_rank(
    policy: str, rows: Sequence[TraceRow], ranks: Sequence[int], folder: Path, steps: int,
    **settings: Any,
) -> InTurn:  # fmt: skip
    """Fine-tuning of the policy with all weights and with LoRA of each rank (alpha twice the rank,
    at three times the rate), one after the other, the same rows in the same order."""
    common = {"steps": steps, "save_every": max(steps, 1), **settings}
    rate = common.pop("lr", 2e-3)
    runs = {FULL: training("sft", policy, rows, folder / "full", FULL, lr=rate, **common)}
    for rank in ranks:
        name = f"rank {rank}"
        runs[name] = training(
            "sft", policy, rows, folder / f"rank-{rank}", name, lr=3 * rate,
            adapter="lora", rank=rank, alpha=2.0 * rank, **common,
        )  # fmt: skip
    return InTurn(runs)


def reached(places: Mapping[str, Path], rows: Sequence[TraceRow], task: Task) -> dict[str, Reached]:
    """The end of each run, by name: loss on held-out `rows`, greedy accuracy on `task`."""
    return {name: _reached(place, rows, task) for name, place in places.items()}


def held_out(place: Path | str, rows: Sequence[TraceRow]) -> float:
    """Mean cross-entropy (nats) of the model's own tokens in rows."""
    import torch
    import transformers

    from reasoning.data.tokens import UNLEARNED
    from reasoning.train.run import opened
    from reasoning.train.sft import examples

    model, _, encoder = opened(str(place), transformers.AutoModelForCausalLM, 0)
    total, count = 0.0, 0
    for example in examples(rows, encoder, 4096):
        labels = torch.tensor(example["labels"][1:])
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([example["input_ids"][:-1]])).logits[0]
        wanted = labels != UNLEARNED
        total += float(
            torch.nn.functional.cross_entropy(logits[wanted], labels[wanted], reduction="sum")
        )
        count += int(wanted.sum())
    return total / count


def _reached(place: Path, rows: Sequence[TraceRow], task: Task) -> Reached:
    import json

    from evaluators.intervals import wilson_interval
    from labs.recipes.measure import hits
    from reasoning.models import load_model
    from reasoning.models.weights import multiplied
    from reasoning.prompts import PromptStyle

    model: Any = load_model(f"hf:{place}")
    right, _ = hits(model, task, PromptStyle("chain"))
    record = json.loads((place / "training.json").read_text("utf-8"))
    recipe = record["recipe"]
    trained = multiplied(model.torch_model)
    if recipe["adapter"] != "none":
        from reasoning.train.estimate import shape_of

        trained = shape_of(model.torch_model.config).adapters(recipe["rank"])
    return Reached(
        trained, held_out(place, rows), wilson_interval(int(right.sum()), right.size)
    )  # fmt: skip
