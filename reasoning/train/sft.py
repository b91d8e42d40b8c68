"""Supervised fine-tuning on traces, by trl's SFTTrainer: data distillation, where a teacher wrote
them (Kim and Rush 2016, section 3.2), and the training step of rejection sampling and STaR."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from reasoning.data.rows import TraceRow, fingerprint
from reasoning.data.tokens import tokenised
from reasoning.models.encode import Encoder
from reasoning.models.weights import quiet
from reasoning.train.adapter import prepared, whole
from reasoning.train.methods import trained
from reasoning.train.recipe import Recipe
from reasoning.train.run import (
    Progress,
    arguments,
    asked_of,
    finished,
    follow,
    go_on,
    logged,
    optimiser,
    pace,
    saved,
    settings_of,
    unheard,
)


@dataclass(frozen=True)
class SFTRecipe(Recipe):
    """How a model is fine-tuned on traces. The loss is the cross-entropy of the model's own tokens
    (forced text and a tool's words are read only), its mean over all such tokens of a step.
    `packing` lays the rows of a pass end to end, each seeing itself alone, in place of padding:
    the same loss; it pays where the attention skips what it masks (flash attention on a GPU)."""

    lr: float = 2e-3
    packing: bool = False


def sft(
    policy: Any, rows: Sequence[TraceRow], *, out: str | Path | None = None,
    progress: Progress | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Fine-tune `policy` (a model or its name) on traces and open the result as a local model.

    `settings` change `SFTRecipe`; `out` is the run folder (None: a temporary one), where the same
    call goes on after an interruption. Raises BadInput and UnknownName.
    """
    return trained("sft", policy, rows, out, progress, **settings)


def train_sft(
    rows: Sequence[TraceRow], policy: str, folder: Path, recipe: SFTRecipe,
    progress: Progress = unheard, stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """Fine-tune the policy in the folder `policy` on rows; returns its weights' folder (bf16).

    `folder` is a run folder (settings, metrics, checkpoints); the same call goes on from its last
    checkpoint. When `stop` is set the run ends after the step, keeps a checkpoint and saves the
    weights it has. Raises BadInput for no rows and for other settings in the same folder.
    """
    import datasets
    import torch
    import transformers
    from trl.trainer.sft_config import SFTConfig

    from reasoning.train.learner import Learner

    settings = settings_of("sft", policy, fingerprint(rows), len(rows), asdict(recipe))
    with logged(folder, settings) as log:
        if place := finished(folder):
            return place
        model, words, encoder, spent = prepared(policy, recipe)
        data = examples(rows, encoder, recipe.max_length)
        steps = recipe.planned(len(data))
        optim = optimiser(model, recipe)
        rate = torch.optim.lr_scheduler.LambdaLR(optim, pace(recipe, steps, spent))
        trainer = Learner(
            spent=spent, batch=recipe.batch, model=model,
            args=arguments(
                SFTConfig, folder, steps, recipe, max_length=None, packing=False,
                padding_free=recipe.packing, **asked_of(recipe),
            ),
            train_dataset=datasets.Dataset.from_list(data), processing_class=words,
            optimizers=(optim, rate),
            callbacks=[follow(log, progress, spent=spent, cap=recipe.flops, stop=stop)],
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        with quiet():
            go_on(trainer, folder, spent, recipe.flops)
        made = whole(trainer.model, folder, policy, recipe)
        ended = trainer.state.global_step >= steps or spent.reached(recipe.flops)
        return saved(made, words, folder, settings, log, policy=policy, spent=spent, finished=ended)


def examples(
    rows: Sequence[TraceRow], encoder: Encoder, max_length: int
) -> list[dict[str, list[int]]]:
    """Rows as `input_ids` and `labels`. A row that is longer than `max_length`, or has nothing to
    learn, is refused: a cut trace teaches to stop anywhere. Raises BadInput."""
    if not rows:
        raise BadInput("there are no traces to learn from: collect some, or select fewer away")
    made = []
    for row in rows:
        tokens = tokenised(row, encoder)
        if len(tokens.ids) > max_length:
            raise BadInput(
                f"trace {row.id} has {len(tokens.ids)} tokens, more than max_length={max_length}:"
                " raise it, or select shorter traces"
            )
        if not any(tokens.learn):
            raise BadInput(f"trace {row.id} has no token of a model's: nothing to learn from it")
        made.append({"input_ids": list(tokens.ids), "labels": tokens.labels})
    return made
