"""What every training method shares: a model opened for training, a run log that follows a trainer,
its last checkpoint, and the result with the record of how it was made.

Stages hand over by saving and loading: a copy of a model that a trainer has touched may compute
with the original's weights.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from evaluators.errors import BadInput
from reasoning.models.encode import Encoder
from reasoning.models.weights import located, quiet, weights_id
from reasoning.runlog import RunLog, versions
from reasoning.train.recipe import Recipe
from reasoning.train.spent import Spent

RECORD = "training.json"
"""The file beside trained weights that tells recipe, data, parent, versions and curve."""
SPENT = "spent.json"

# it notes at import every kernel that it could fetch and did not; trl and peft import it
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

Progress = Callable[[dict[str, Any]], None]


def unheard(row: dict[str, Any]) -> None:
    """The progress of a run that nobody follows."""


def settings_of(
    method: str, policy: str, data: str, rows: int, recipe: dict[str, Any]
) -> dict[str, Any]:
    """What decides a training run: method, recipe, the parent's weights, the data's hash."""
    parent = {"place": Path(policy).name, "weights": weights_id(policy, None)}
    return {"method": method, "recipe": recipe, "parent": parent,
            "data": {"hash": data, "rows": rows}}  # fmt: skip


def opened(policy: str, kind: Any, seed: int, **head: Any) -> tuple[Any, Any, Encoder]:
    """The policy's weights under a new head (drawn by the seed), its tokenizer, and an encoder;
    `head` are arguments of `from_pretrained`, float32 where they say nothing else."""
    import transformers

    source = located(policy, policy, None)
    random_state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    with quiet():
        transformers.logging.set_verbosity_error()  # a new head is meant: no report of it
        words = transformers.AutoTokenizer.from_pretrained(**source)
        model = kind.from_pretrained(**source, **{"dtype": torch.float32, **head})
        transformers.logging.set_verbosity_warning()
    torch.random.set_rng_state(random_state)
    dialect = getattr(model.config, "reasonlab_dialect", "plain")
    return model, words, Encoder(words, "compact" if dialect == "compact" else "plain", policy)


def processes() -> int:
    """How many processes train together: 1, or as `accelerate launch` says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Whether this process writes the run's files; the others of `accelerate launch` do not."""
    return int(os.environ.get("RANK", "0")) == 0


def agreed(wish: bool) -> bool:
    """Whether any of the processes wishes so: all end at the same step. They wait for each other
    here."""
    if processes() == 1:
        return wish
    from accelerate import PartialState

    asked = torch.tensor(int(wish), device=PartialState().device)
    torch.distributed.all_reduce(asked, torch.distributed.ReduceOp.MAX)
    return bool(asked)


def summed(count: int) -> int:
    """The sum of a count over all processes. They wait for each other here."""
    if processes() == 1:
        return count
    from accelerate import PartialState

    total = torch.tensor(count, device=PartialState().device)
    torch.distributed.all_reduce(total, torch.distributed.ReduceOp.SUM)
    return int(total)


class Unwritten:
    """The run log of a process that does not lead: keeps nothing."""

    def append(self, kind: str, **data: Any) -> None:
        """Nothing is kept."""

    def events(self) -> list[dict[str, Any]]:
        """None."""
        return []


@contextmanager
def logged(folder: Path, settings: dict[str, Any]) -> Iterator[Any]:
    """The run's log, opened or gone on with: a RunLog in the process that leads. Raises BadInput
    where the folder holds a run of other settings."""
    if not leads():
        yield Unwritten()
        return
    with RunLog(folder, settings, resume=(folder / "run.json").exists()) as log:
        yield log


def follow(
    log: Any, progress: Progress, *, spent: Spent | None = None, cap: float | None = None,
    stop: threading.Event | None = None,
) -> Any:  # fmt: skip
    """A callback that writes the trainer's metrics to the run log, with what the student has spent;
    it ends the run at `cap` FLOPs or when `stop` is set, and keeps a checkpoint then."""
    from transformers import TrainerCallback

    class Follow(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kw: Any) -> None:
            if not state.is_world_process_zero:
                return
            row = {"step": state.global_step, "of": state.max_steps}
            row |= {k: v for k, v in (logs or {}).items() if isinstance(v, (int, float))}
            if spent is not None:
                row["flops"] = spent.flops
            log.append("metrics", **row)
            progress(row)

        def on_step_end(self, args: Any, state: Any, control: Any, **kw: Any) -> Any:
            full = spent is not None and cap is not None and spent.flops >= cap
            if agreed(full or (stop is not None and stop.is_set())):
                control.should_log = control.should_save = control.should_training_stop = True
            return control

        def on_save(self, args: Any, state: Any, control: Any, **kw: Any) -> None:
            if spent is not None and state.is_world_process_zero:
                folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
                draft = folder / f"{SPENT}.new"
                draft.write_text(json.dumps(spent.told()), "utf-8")
                os.replace(draft, folder / SPENT)

    return Follow()


def last(folder: Path, spent: Spent | None = None) -> str | None:
    """The latest whole checkpoint of the run; what had been spent by then is put into `spent`."""
    found = sorted((folder / "checkpoints").glob("checkpoint-*"), key=lambda p: int(p.name[11:]))
    needed = ["trainer_state.json"] + ([SPENT] if spent is not None else [])
    whole = [path for path in found if all((path / name).is_file() for name in needed)]
    if not whole:
        return None
    if spent is not None:
        spent.restore(json.loads((whole[-1] / SPENT).read_text("utf-8")))
    return str(whole[-1])


def finished(folder: Path) -> Path | None:
    """The weights of a run that came to its end, so that the same call trains no further step; None
    where it was stopped or never ended. Ask inside `logged`, which refuses other settings."""
    record = folder / "model" / RECORD
    if record.is_file() and json.loads(record.read_text("utf-8")).get("finished"):
        return record.parent
    return None


def go_on(
    trainer: Any, folder: Path, spent: Spent | None = None, cap: float | None = None
) -> None:  # fmt: skip
    """Train from the last checkpoint of the run to its end (`max_steps`, or `cap` FLOPs); where
    that is the end, only load it: a trainer by itself would take one step more."""
    place = last(folder, spent)
    if place is not None:
        state = json.loads((Path(place) / "trainer_state.json").read_text("utf-8"))
        full = spent is not None and cap is not None and spent.flops >= cap
        if full or state["global_step"] >= trainer.args.max_steps:
            trainer._load_from_checkpoint(place)
            trainer.state.global_step = state["global_step"]  # or the run seems not to have ended
            return
    trainer.train(resume_from_checkpoint=place)


def saved(
    model: Any, words: Any, folder: Path, settings: dict[str, Any], log: RunLog,
    *, policy: str | None = None, spent: Spent | None = None, **told: Any,
) -> Path:  # fmt: skip
    """Weights in bf16, tokenizer, and the record of how they were made: settings, versions, the
    path from here to the parent (`policy`), what was spent, the curve, and what else is `told`.
    The process that leads writes, the others wait for it."""
    place = folder / "model"
    if not leads():
        agreed(False)
        return place
    with quiet():
        model.to(torch.bfloat16).save_pretrained(place)
    words.save_pretrained(place)
    recorded(place, settings, log, policy=policy, spent=spent, **told)
    agreed(False)
    return place


def recorded(
    place: Path, settings: dict[str, Any], log: Any,
    *, policy: str | None = None, spent: Spent | None = None, **told: Any,
) -> None:  # fmt: skip
    """Write the record of how the weights in `place` were made (see `saved`)."""
    curve = [
        {k: v for k, v in event.items() if k != "kind"}
        for event in log.events()
        if event["kind"] == "metrics" and "loss" in event
    ]
    record = {**settings, "versions": versions(), "curve": curve[:: max(1, len(curve) // 60)]}
    if policy is not None and Path(policy).is_dir():
        record["parent"] = {**settings["parent"], "path": os.path.relpath(policy, place)}
    if spent is not None:
        record["spent"] = spent.told()
    (place / RECORD).write_text(json.dumps({**record, **told}, indent=1) + "\n", "utf-8")


def arguments(kind: Any, folder: Path, steps: int, recipe: Any, **more: Any) -> Any:
    """Trainer arguments for this machine: on a CPU no bf16. `more` overrides them."""
    on_cpu = not torch.cuda.is_available()
    asked = {
        "output_dir": str(folder / "checkpoints"), "max_steps": steps, "seed": recipe.seed,
        "max_grad_norm": 1.0, "use_cpu": on_cpu, "bf16": not on_cpu, "report_to": [],
        "logging_steps": min(10, steps), "save_strategy": "steps", "save_total_limit": 1,
        "save_steps": recipe.save_every, "disable_tqdm": True, "dataloader_pin_memory": False,
    }  # fmt: skip
    return kind(**{**asked, **more})


def asked_of(recipe: Recipe) -> dict[str, Any]:
    """Trainer arguments that follow from a recipe, beside those of `arguments`. The processes of
    `accelerate launch` share a batch; raises BadInput where they cannot."""
    shares = recipe.accumulate * processes()
    if recipe.batch % shares:
        raise BadInput(
            f"recipe: batch ({recipe.batch}) must be a multiple of {shares}: passes times processes"
        )
    on_cpu = not torch.cuda.is_available()
    half = recipe.precision == "bfloat16" or (recipe.precision == "auto" and not on_cpu)
    return {
        "per_device_train_batch_size": recipe.batch // shares,
        "gradient_accumulation_steps": recipe.accumulate,
        "learning_rate": recipe.lr, "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.clip, "bf16": half,
        "activation_checkpointing": recipe.checkpointing, "ddp_find_unused_parameters": False,
    }  # fmt: skip


def shape(steps: int, warmup: int, decay: float) -> Callable[[int], float]:
    """The learning rate's factor at a step: up, level, down to nothing."""
    begin = steps * (1 - decay)
    return lambda step: min(
        1.0, (step + 1) / max(1, warmup), (steps - step) / max(1.0, steps - begin)
    )


def pace(recipe: Recipe, steps: int, spent: Spent) -> Callable[[int], float]:
    """`shape` over the run's share that is done: of the steps, or of the FLOPs where they are what
    ends it."""
    rise = max(1e-9, recipe.warmup)
    fall = max(1e-9, recipe.decay)

    def factor(step: int) -> float:
        share = step / steps
        if recipe.flops is not None:
            share = max(share, spent.flops / recipe.flops)
        return max(0.0, min(1.0, (share + 1 / steps) / rise, (1 - share) / fall))

    return factor


def optimiser(model: Any, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's: AdamW (betas 0.9, 0.95), or Muon for hidden matrices, AdamW for the rest."""
    if recipe.optimiser == "muon":
        from reasoning.train.both import MuonAdamW

        return MuonAdamW(model, recipe.lr, recipe.weight_decay, ("lm_head",))
    wanted = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW(wanted, recipe.lr, betas=(0.9, 0.95), weight_decay=recipe.weight_decay)
