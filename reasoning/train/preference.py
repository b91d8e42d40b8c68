"""Direct preference optimisation on pairs, by trl's DPOTrainer (Rafailov et al. 2023, equation 7).

The reference is the policy as it began, opened a second time. Text that is no model's (forced, a
tool's) is read on both sides and counts for neither.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from evaluators.errors import BadInput
from reasoning.data.pairs import PreferencePair, fingerprint
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
    opened,
    optimiser,
    pace,
    saved,
    settings_of,
    summed,
    unheard,
)

FALLEN = -1.0
"""A reward of the chosen traces below this (in units of beta times nats) is told: see `fallen`."""


@dataclass(frozen=True)
class DPORecipe(Recipe):
    """How a model learns from preferences. A step takes `batch` pairs. A trace's implied reward is
    `beta` times the log of how much likelier it has become. The `loss` is sigmoid (DPO), hinge
    (Zhao et al. 2023), ipo (Azar et al. 2023, equation 17) or robust (Chowdhury et al. 2024,
    equation 12). The share `flipped` of the preferences is taken to be wrong, for robust."""

    lr: float = 1e-4
    decay: float = 0.9
    beta: float = 0.1
    loss: Literal["sigmoid", "hinge", "ipo", "robust"] = "sigmoid"
    flipped: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, ok, want in (
            ("beta", self.beta > 0, "above 0"),
            ("dropout", not self.dropout, "0: it would change what is compared with the start"),
            (
                "loss",
                self.loss in ("sigmoid", "hinge", "ipo", "robust"),
                "sigmoid, hinge, ipo or robust",
            ),
            ("flipped", 0 <= self.flipped < 0.5, "in [0, 0.5)"),
            ("flipped", self.flipped == 0 or self.loss == "robust", "0 unless loss is robust"),
        ):
            if not ok:
                raise BadInput(f"recipe: {name} must be {want}, not {getattr(self, name)!r}")


def dpo(
    policy: Any, pairs: Sequence[PreferencePair], *, out: str | Path | None = None,
    progress: Progress | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Learn from preferences and open the result as a local model.

    `settings` change `DPORecipe`; `out` is the run folder (None: a temporary one), where the same
    call goes on after an interruption. Raises BadInput and UnknownName.
    """
    return trained("dpo", policy, pairs, out, progress, **settings)


def train_dpo(
    pairs: Sequence[PreferencePair], policy: str, folder: Path, recipe: DPORecipe,
    progress: Progress = unheard, stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """Train the policy in the folder `policy` on pairs; returns the weights' folder. Resumes, stops
    and ends as `train_sft` does. Raises BadInput for no pairs and for one that is too long."""
    import datasets
    import torch
    import transformers
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    class Trainer(DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kw: Any) -> Any:
            tokens = summed(int(inputs["attention_mask"].sum()))
            spent.learn(tokens)
            spent.look(tokens)
            return super().compute_loss(model, inputs, *args, **kw)

        def create_model_card(self, *args: Any, **kw: Any) -> None:
            pass

    def heard(row: dict[str, Any]) -> None:
        sentence = fallen(row)
        if sentence:
            log.append("alarm", step=row["step"], says=sentence)
        progress(row)

    settings = settings_of("dpo", policy, fingerprint(pairs), len(pairs), asdict(recipe))
    with logged(folder, settings) as log:
        if place := finished(folder):
            return place
        model, words, encoder, spent = prepared(policy, recipe)
        start = None  # an adapter is switched off to see it
        if recipe.adapter == "none":
            start, _, _ = opened(policy, transformers.AutoModelForCausalLM, recipe.seed)
        data = examples(pairs, encoder, recipe.max_length)
        steps = recipe.planned(len(data))
        optim = optimiser(model, recipe)
        rate = torch.optim.lr_scheduler.LambdaLR(optim, pace(recipe, steps, spent))
        pad = words.pad_token_id if words.pad_token_id is not None else words.eos_token_id
        trainer = Trainer(
            model=model, ref_model=start, processing_class=words, optimizers=(optim, rate),
            args=arguments(
                DPOConfig, folder, steps, recipe, beta=recipe.beta, loss_type=[recipe.loss],
                label_smoothing=recipe.flipped, max_length=None, remove_unused_columns=False,
                logging_steps=max(1, steps // 50),
                **asked_of(recipe),
            ),
            train_dataset=datasets.Dataset.from_list(data),
            data_collator=lambda rows: collated(rows, pad),
            callbacks=[follow(log, heard, spent=spent, cap=recipe.flops, stop=stop)],
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        with quiet():
            go_on(trainer, folder, spent, recipe.flops)
        ended = trainer.state.global_step >= steps or spent.reached(recipe.flops)
        made = whole(trainer.model, folder, policy, recipe)
        return saved(made, words, folder, settings, log, policy=policy, spent=spent, finished=ended)


def fallen(row: dict[str, Any]) -> str | None:
    """A sentence where the chosen traces have become far less likely than they were at the start:
    the margin may grow while both sides fall (Pal et al. 2024, "Smaug", section 3)."""
    chosen = row.get("rewards/chosen")
    if chosen is None or chosen > FALLEN:
        return None
    return (
        f"the chosen traces' reward is {chosen:.2f}: they are less likely than at the start, though"
        " preferred to the rejected ones. A smaller rate, a larger beta or fewer steps help"
    )


def examples(
    pairs: Sequence[PreferencePair], encoder: Encoder, max_length: int
) -> list[dict[str, list[int]]]:
    """Pairs as ids and masks of what counts, `chosen`, `chosen_learn`, `rejected`,
    `rejected_learn`, prompts included. Raises BadInput."""
    if not pairs:
        raise BadInput(
            "there are no pairs to learn from: no problem has both a right and a wrong trace?"
            " Sample more traces a problem, or problems of middling difficulty"
        )
    made = []
    for pair in pairs:
        row: dict[str, list[int]] = {}
        for side, tokens in zip(("chosen", "rejected"), pair.tokens(encoder), strict=True):
            if len(tokens.ids) > max_length:
                raise BadInput(
                    f"the {side} trace of pair {pair.id} has {len(tokens.ids)} tokens, more than"
                    f" max_length={max_length}: raise it, or leave the pair out"
                )
            row |= {side: list(tokens.ids), f"{side}_learn": [int(on) for on in tokens.learn]}
        made.append(row)
    return made


def collated(rows: Sequence[dict[str, list[int]]], pad: int) -> dict[str, Any]:
    """A batch as DPOTrainer takes it: the chosen sides, then the rejected ones, padded on the
    right; `completion_mask` is on at the tokens that count."""
    import torch

    ids = [row[side] for side in ("chosen", "rejected") for row in rows]
    learn = [row[side] for side in ("chosen_learn", "rejected_learn") for row in rows]
    width = max(map(len, ids))
    batch = {name: torch.zeros(len(ids), width, dtype=torch.long)
             for name in ("input_ids", "attention_mask", "completion_mask")}  # fmt: skip
    batch["input_ids"] += pad
    for at, (one, mask) in enumerate(zip(ids, learn, strict=True)):
        batch["input_ids"][at, : len(one)] = torch.tensor(one)
        batch["attention_mask"][at, : len(one)] = 1
        batch["completion_mask"][at, : len(one)] = torch.tensor(mask)
    return batch
