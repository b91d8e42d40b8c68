"""Reward models from a policy: a process model of its steps, an outcome model of whole traces.

Process: token classification on the policy's weights, trained by transformers' Trainer on labelled
steps. Outcome: sequence classification with one output, trained by trl's RewardTrainer on pairs by
the pairwise log-sigmoid loss (Ouyang et al. 2022, equation 1). Both start from the policy: from
scratch a small process model stays at the base rate. Results are handed over by saving and loading.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from evaluators.errors import BadInput
from reasoning.models.encode import Encoder
from reasoning.runlog import RunLog
from reasoning.train.both import MuonAdamW
from reasoning.train.labels import Labelled, fingerprint
from reasoning.train.run import follow, last, opened, saved, settings_of

BAD_GOOD = {0: "bad", 1: "good"}


@dataclass(frozen=True)
class ProcessRecipe:
    """How a process model is trained; stored with it.

    A step has about `tokens_per_step` tokens, texts of like length together. The rate rises over
    `warmup` steps and falls over the last `decay` share. Of the labels that follow the first bad
    one of a text, the share `after_error` is learned: they say little new.
    """

    epochs: float = 1.0
    tokens_per_step: int = 3000
    lr: float = 2e-3
    warmup: int = 20
    decay: float = 0.5
    weight_decay: float = 0.01
    optimiser: Literal["muon", "adamw"] = "muon"
    after_error: float = 0.25
    seed: int = 0
    save_every: int = 50


@dataclass(frozen=True)
class OutcomeRecipe:
    """How an outcome model is trained; stored with it. `batch` pairs a step."""

    epochs: float = 1.0
    batch: int = 32
    lr: float = 3e-4
    warmup: int = 20
    weight_decay: float = 0.0
    max_length: int = 1024
    seed: int = 0
    save_every: int = 50


@dataclass(frozen=True)
class Pair:
    """Two traces of one problem; the first is right, the second is not."""

    chosen: str
    rejected: str


class Batches(torch.utils.data.Dataset):
    """Labelled texts as ready batches: ids (rows, length) padded on the right, targets with NaN
    where nothing is learned. Rows of like length stand together; the order is drawn by the seed."""

    def __init__(self, rows: Sequence[Labelled], encoder: Encoder, recipe: ProcessRecipe) -> None:
        rng = np.random.Generator(np.random.Philox(recipe.seed))
        ready = [_targets(row, encoder, recipe.after_error, rng) for row in rows]
        ready = [pair for pair in ready if any(t == t for t in pair[1])]
        if not ready:
            raise BadInput("no text has a labelled step: nothing can be learned from it")
        ready = [ready[i] for i in rng.permutation(len(ready))]
        ready.sort(key=lambda pair: len(pair[0]))
        self.batches: list[dict[str, torch.Tensor]] = []
        part: list[tuple[list[int], list[float]]] = []
        for pair in ready:
            part.append(pair)
            if len(part) * len(pair[0]) >= recipe.tokens_per_step:
                self.batches.append(_padded(part))
                part = []
        if part:
            self.batches.append(_padded(part))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.batches[index]


def pairs(rows: Sequence[Labelled], seed: int = 0, most: int = 4) -> list[Pair]:
    """Right traces against wrong ones of the same problem, at most `most` pairs a problem."""
    by_problem: dict[tuple[str, str], list[Labelled]] = {}
    for row in rows:
        by_problem.setdefault((row.task, row.problem), []).append(row)
    rng = np.random.Generator(np.random.Philox(seed))
    found: list[Pair] = []
    for group in by_problem.values():
        right = [row.text for row in group if row.right]
        wrong = [row.text for row in group if row.right is False]
        both = [Pair(a, b) for a in right for b in wrong]
        found += [both[i] for i in rng.permutation(len(both))[:most]]
    return found


def train_process(
    rows: Sequence[Labelled], policy: str, folder: Path, recipe: ProcessRecipe,
    progress: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Path:  # fmt: skip
    """Train a process model from the policy in the folder `policy`; returns the folder of its
    weights (bf16), which `load_process_model` opens.

    `folder` is a run folder (settings, metrics, checkpoints); the same call goes on from its last
    checkpoint. Raises BadInput for other settings in the same folder and for rows without labels.
    """
    import transformers

    settings = settings_of("reward/process", policy, fingerprint(rows), len(rows), asdict(recipe))
    model, words, encoder = opened(
        policy, transformers.AutoModelForTokenClassification, recipe.seed,
        num_labels=2, id2label=BAD_GOOD,
    )  # fmt: skip
    model.dropout.p = 0.0  # the head reads what the policy knows; noise there only slows it
    data = Batches(rows, encoder, recipe)
    steps = max(1, round(len(data) * recipe.epochs))
    heads = ("score",)
    if recipe.optimiser == "muon":
        optim: Any = MuonAdamW(model, recipe.lr, recipe.weight_decay, heads)
    else:
        optim = torch.optim.AdamW(model.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    rate = torch.optim.lr_scheduler.LambdaLR(optim, _shape(steps, recipe.warmup, recipe.decay))

    class Trainer(transformers.Trainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, **kw: Any
        ) -> Any:
            targets = inputs["targets"]
            logits = model(input_ids=inputs["input_ids"], use_cache=False).logits
            asked = ~targets.isnan()
            loss = binary_cross_entropy_with_logits(
                (logits[..., 1] - logits[..., 0])[asked], targets[asked]
            )
            return (loss, logits) if return_outputs else loss

    with RunLog(folder, settings, resume=(folder / "run.json").exists()) as log:
        trainer = Trainer(
            model=model, args=_arguments(
                transformers.TrainingArguments, folder, steps, recipe,
                per_device_train_batch_size=1, remove_unused_columns=False,
            ),
            train_dataset=data, data_collator=lambda items: items[0], optimizers=(optim, rate),
            callbacks=[follow(log, progress)],
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train(resume_from_checkpoint=last(folder))
        return saved(model, words, folder, settings, log)


def train_outcome(
    rows: Sequence[Pair], policy: str, folder: Path, recipe: OutcomeRecipe,
    progress: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Path:  # fmt: skip
    """Train an outcome model from the policy in the folder `policy` on pairs; returns the folder of
    its weights, a ForSequenceClassification model with one output. Resumes as `train_process`."""
    import datasets
    import transformers
    import trl

    if not rows:
        raise BadInput(
            "no problem has both a right and a wrong trace, so there is no pair to learn from:"
            " sample more traces a problem, or harder problems"
        )
    data = [asdict(pair) for pair in rows]
    settings = settings_of("reward/outcome", policy, _digest(data), len(rows), asdict(recipe))
    model, words, _ = opened(
        policy, transformers.AutoModelForSequenceClassification, recipe.seed, num_labels=1
    )
    model.config.pad_token_id = words.pad_token_id
    steps = max(1, round(len(rows) / recipe.batch * recipe.epochs))
    with RunLog(folder, settings, resume=(folder / "run.json").exists()) as log:
        arguments = _arguments(
            trl.RewardConfig, folder, steps, recipe, max_length=recipe.max_length,
            per_device_train_batch_size=recipe.batch, learning_rate=recipe.lr,
            warmup_steps=recipe.warmup, weight_decay=recipe.weight_decay,
            disable_dropout=True, activation_checkpointing=False,
        )  # fmt: skip
        trainer = trl.RewardTrainer(
            model=model, args=arguments, train_dataset=datasets.Dataset.from_list(data),
            processing_class=words, callbacks=[follow(log, progress)],
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train(resume_from_checkpoint=last(folder))
        return saved(trainer.model, words, folder, settings, log)


# -- inside ---------------------------------------------------------------------------


def _arguments(kind: Any, folder: Path, steps: int, recipe: Any, **more: Any) -> Any:
    """Trainer arguments for this machine: on a CPU no bf16."""
    on_cpu = not torch.cuda.is_available()
    return kind(
        output_dir=str(folder / "checkpoints"), max_steps=steps, seed=recipe.seed,
        max_grad_norm=1.0, use_cpu=on_cpu, bf16=not on_cpu, report_to=[],
        logging_steps=min(10, steps), save_strategy="steps", save_steps=recipe.save_every,
        save_total_limit=1, disable_tqdm=True, dataloader_pin_memory=False, **more,
    )  # fmt: skip


def _shape(steps: int, warmup: int, decay: float) -> Callable[[int], float]:
    """The learning rate's factor at a step: up, level, down to nothing."""
    begin = steps * (1 - decay)
    return lambda step: min(
        1.0, (step + 1) / max(1, warmup), (steps - step) / max(1.0, steps - begin)
    )


def _targets(
    row: Labelled, encoder: Encoder, after_error: float, rng: np.random.Generator
) -> tuple[list[int], list[float]]:
    """Ids, and at the last token of each labelled piece its label (NaN elsewhere)."""
    ids: list[int] = []
    targets: list[float] = []
    failed = False
    for piece, label in zip(row.pieces, row.labels, strict=True):
        part = encoder.after(piece)
        ids += part
        targets += [float("nan")] * len(part)
        if part and label is not None and (not failed or rng.random() < after_error):
            targets[-1] = label
        failed = failed or label == 0.0
    return ids, targets


def _padded(part: Sequence[tuple[list[int], list[float]]]) -> dict[str, torch.Tensor]:
    length = max(len(ids) for ids, _ in part)
    ids = torch.zeros(len(part), length, dtype=torch.long)
    targets = torch.full((len(part), length), float("nan"))
    for row, (some, wanted) in enumerate(part):
        ids[row, : len(some)] = torch.tensor(some)
        targets[row, : len(wanted)] = torch.tensor(wanted)
    return {"input_ids": ids, "targets": targets}


def _digest(rows: Sequence[dict[str, Any]]) -> str:
    from hashlib import blake2b

    text = json.dumps(list(rows), ensure_ascii=False)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
