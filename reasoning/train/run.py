"""What every training method shares: a model opened for training, a run log that follows a trainer,
its last checkpoint, and the result with the record of how it was made.

Stages hand over by saving and loading: a copy of a model that a trainer has touched may compute
with the original's weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from reasoning.models.encode import Encoder
from reasoning.models.weights import located, quiet, weights_id
from reasoning.runlog import RunLog, versions

RECORD = "training.json"
"""The file beside trained weights that tells recipe, data, parent, versions and curve."""


def settings_of(
    method: str, policy: str, data: str, rows: int, recipe: dict[str, Any]
) -> dict[str, Any]:
    """What decides a training run: method, recipe, the parent's weights, the data's hash."""
    parent = {"place": Path(policy).name, "weights": weights_id(policy, None)}
    return {"method": method, "recipe": recipe, "parent": parent,
            "data": {"hash": data, "rows": rows}}  # fmt: skip


def opened(policy: str, kind: Any, seed: int, **head: Any) -> tuple[Any, Any, Encoder]:
    """The policy's weights under a new head (drawn by the seed), its tokenizer, and an encoder."""
    import transformers

    source = located(policy, policy, None)
    random_state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    with quiet():
        transformers.logging.set_verbosity_error()  # a new head is meant: no report of it
        words = transformers.AutoTokenizer.from_pretrained(**source)
        model = kind.from_pretrained(**source, dtype=torch.float32, **head)
        transformers.logging.set_verbosity_warning()
    torch.random.set_rng_state(random_state)
    dialect = getattr(model.config, "reasonlab_dialect", "plain")
    return model, words, Encoder(words, "compact" if dialect == "compact" else "plain", policy)


def follow(log: RunLog, progress: Callable[[dict[str, Any]], None]) -> Any:
    """A callback that writes the trainer's metrics to the run log."""
    from transformers import TrainerCallback

    class Follow(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kw: Any) -> None:
            row = {"step": state.global_step, "of": state.max_steps}
            row |= {k: v for k, v in (logs or {}).items() if isinstance(v, (int, float))}
            log.append("metrics", **row)
            progress(row)

    return Follow()


def last(folder: Path) -> str | None:
    """The latest checkpoint of the run."""
    found = sorted((folder / "checkpoints").glob("checkpoint-*"), key=lambda p: int(p.name[11:]))
    whole = [path for path in found if (path / "trainer_state.json").is_file()]
    return str(whole[-1]) if whole else None


def saved(model: Any, words: Any, folder: Path, settings: dict[str, Any], log: RunLog) -> Path:
    """Weights in bf16, tokenizer, and the record of how they were made."""
    place = folder / "model"
    with quiet():
        model.to(torch.bfloat16).save_pretrained(place)
    words.save_pretrained(place)
    curve = [
        {k: v for k, v in event.items() if k != "kind"}
        for event in log.events()
        if event["kind"] == "metrics" and "loss" in event
    ]
    told = {**settings, "versions": versions(), "curve": curve[:: max(1, len(curve) // 60)]}
    (place / RECORD).write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    return place


def arguments(kind: Any, folder: Path, steps: int, recipe: Any, **more: Any) -> Any:
    """Trainer arguments for this machine: on a CPU no bf16."""
    on_cpu = not torch.cuda.is_available()
    return kind(
        output_dir=str(folder / "checkpoints"), max_steps=steps, seed=recipe.seed,
        max_grad_norm=1.0, use_cpu=on_cpu, bf16=not on_cpu, report_to=[],
        logging_steps=min(10, steps), save_strategy="steps", save_steps=recipe.save_every,
        save_total_limit=1, disable_tqdm=True, dataloader_pin_memory=False, **more,
    )  # fmt: skip


def shape(steps: int, warmup: int, decay: float) -> Callable[[int], float]:
    """The learning rate's factor at a step: up, level, down to nothing."""
    begin = steps * (1 - decay)
    return lambda step: min(
        1.0, (step + 1) / max(1, warmup), (steps - step) / max(1.0, steps - begin)
    )
