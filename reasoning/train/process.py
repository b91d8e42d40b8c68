"""Process models from a policy: the ratings of steps, trained on labelled steps.

Two heads: token classification on the policy's weights, or the policy's own likelihood of a step
made to mean that it is good (`reasoning/models/process.py`). Both start from the policy: from
scratch a small process model stays at the base rate. Trained by transformers' Trainer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from evaluators.errors import BadInput
from reasoning.models.encode import Encoder
from reasoning.models.weights import quiet
from reasoning.runlog import RunLog
from reasoning.train.both import MuonAdamW
from reasoning.train.deepen import deepened
from reasoning.train.labels import Labelled, fingerprint
from reasoning.train.run import arguments, follow, go_on, opened, saved, settings_of, shape

BAD_GOOD = {0: "bad", 1: "good"}


@dataclass(frozen=True)
class ProcessRecipe:
    """How a process model is trained; stored with it.

    A step has about `tokens_per_step` tokens, texts of like length together. The rate rises over
    `warmup` steps and falls over the last `decay` share. Of the labels that follow the first bad
    one of a text, the share `after_error` is learned: they say little new. `layers` are added on
    top of the policy's (Qwen3 only), each old layer keeps its `inner` strongest feed-forward units
    (None: all): see `deepen.py`. `head` is what rates a step: a classifier of two classes at its
    last token, or its log-probability with a learned shift and slope.
    """

    epochs: float = 1.0
    tokens_per_step: int = 3000
    lr: float = 2e-3
    warmup: int = 20
    decay: float = 0.5
    weight_decay: float = 0.01
    optimiser: Literal["muon", "adamw"] = "muon"
    after_error: float = 0.25
    head: Literal["classes", "likelihood"] = "classes"
    layers: int = 0
    inner: int | None = None
    seed: int = 0
    save_every: int = 50


LIKELIHOOD = ProcessRecipe(head="likelihood", lr=3e-4, weight_decay=0.0, after_error=0.0)
"""The recipe of the likelihood head: small steps, because the policy is nearly right at first."""


class Batches(torch.utils.data.Dataset):
    """Labelled texts as ready batches: ids (rows, length) padded on the right, for each token the
    number of its labelled piece (0: none), and the labels of the pieces in their order. Texts are
    shuffled by the seed, then those of like length within a pool of 16 batches stand together."""

    def __init__(self, rows: Sequence[Labelled], encoder: Encoder, recipe: ProcessRecipe) -> None:
        rng = np.random.Generator(np.random.Philox(recipe.seed))
        ready = [_targets(row, encoder, recipe.after_error, rng) for row in rows]
        ready = [row for row in ready if row[2]]
        if not ready:
            raise BadInput("no text has a labelled step: nothing can be learned from it")
        ready = [ready[i] for i in rng.permutation(len(ready))]
        pool = 16 * recipe.tokens_per_step // max(1, sum(len(r[0]) for r in ready) // len(ready))
        self.batches: list[dict[str, torch.Tensor]] = []
        for at in range(0, len(ready), pool):
            part: list[tuple[list[int], list[int], list[float]]] = []
            for row in sorted(ready[at : at + pool], key=lambda row: len(row[0])):
                part.append(row)
                if len(part) * len(row[0]) >= recipe.tokens_per_step:
                    self.batches.append(_padded(part))
                    part = []
            if part:
                self.batches.append(_padded(part))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.batches[index]


def train_process(
    rows: Sequence[Labelled], policy: str, folder: Path, recipe: ProcessRecipe,
    progress: Callable[[dict[str, Any]], None] = lambda row: None,
    stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """Train a process model from the policy in the folder `policy`; returns the folder of its
    weights (bf16), which `load_process_model` opens.

    `folder` is a run folder (settings, metrics, checkpoints); the same call goes on from its last
    checkpoint. When `stop` is set it ends after the step, keeps a checkpoint and saves the weights
    it has. Raises BadInput for other settings in the same folder and for rows without labels.
    """
    import transformers

    settings = settings_of("reward/process", policy, fingerprint(rows), len(rows), asdict(recipe))
    model, words, encoder = _for_steps(policy, recipe)
    data = Batches(rows, encoder, recipe)
    steps = max(1, round(len(data) * recipe.epochs))
    heads = ("score", "lm_head")
    if recipe.optimiser == "muon":
        optim: Any = MuonAdamW(model, recipe.lr, recipe.weight_decay, heads)
    else:
        optim = torch.optim.AdamW(model.parameters(), recipe.lr, weight_decay=recipe.weight_decay)
    rate = torch.optim.lr_scheduler.LambdaLR(optim, shape(steps, recipe.warmup, recipe.decay))

    class Trainer(transformers.Trainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, **kw: Any
        ) -> Any:
            told = _class_odds if recipe.head == "classes" else _likelihood_odds
            odds = told(model, inputs["input_ids"], inputs["pieces"])
            loss = binary_cross_entropy_with_logits(odds, inputs["labels"])
            return (loss, odds) if return_outputs else loss

    with RunLog(folder, settings, resume=(folder / "run.json").exists()) as log:
        trainer = Trainer(
            model=model, args=arguments(
                transformers.TrainingArguments, folder, steps, recipe,
                per_device_train_batch_size=1, remove_unused_columns=False,
            ),
            train_dataset=data, data_collator=lambda items: items[0], optimizers=(optim, rate),
            callbacks=[follow(log, progress, stop=stop)],
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        with quiet():
            go_on(trainer, folder)
        if recipe.head == "likelihood":
            model.config.reasonlab_rating = [float(x) for x in _rating(model).detach()]
            del model.rating
        return saved(model, words, folder, settings, log, policy=policy)


# -- inside ---------------------------------------------------------------------------


def _for_steps(policy: str, recipe: ProcessRecipe) -> tuple[Any, Any, Encoder]:
    """The policy's weights with what rates a step on them."""
    import transformers

    if recipe.head == "classes":
        made = opened(policy, transformers.AutoModelForTokenClassification, recipe.seed,
                      num_labels=2, id2label=BAD_GOOD)  # fmt: skip
    else:
        made = opened(policy, transformers.AutoModelForCausalLM, recipe.seed)
    model, words, encoder = made
    if recipe.layers or recipe.inner:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            model = deepened(model, recipe.layers, recipe.inner)
    if recipe.head == "classes":
        model.dropout.p = 0.0  # the head reads what the policy knows; noise there only slows it
    else:
        model.rating = torch.nn.Parameter(torch.zeros(2))
    return model, words, encoder


def _rating(model: Any) -> torch.Tensor:
    """Shift and slope: they begin where a likely step is good, and move ten times as fast as the
    weights."""
    return torch.tensor([3.0, 1.0]) + 10.0 * model.rating


def _class_odds(model: Any, ids: torch.Tensor, pieces: torch.Tensor) -> torch.Tensor:
    """Log-odds of "good" at the last token of each labelled piece, in their order."""
    logits = model(input_ids=ids, use_cache=False).logits
    after = torch.nn.functional.pad(pieces[:, 1:], (0, 1))
    last = (pieces > 0) & (pieces != after)
    return (logits[..., 1] - logits[..., 0])[last]


def _likelihood_odds(model: Any, ids: torch.Tensor, pieces: torch.Tensor) -> torch.Tensor:
    """Shift plus slope times the log-probability of each labelled piece, in their order."""
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    asked = pieces[:, 1:] > 0
    told = torch.log_softmax(model.lm_head(hidden[asked]), dim=-1)
    told = told.gather(1, ids[:, 1:][asked][:, None])[:, 0]
    sums = told.new_zeros(int(pieces.max()) + 1).index_add(0, pieces[:, 1:][asked], told)[1:]
    shift, slope = _rating(model)
    return shift + slope * sums


def _targets(
    row: Labelled, encoder: Encoder, after_error: float, rng: np.random.Generator
) -> tuple[list[int], list[int], list[float]]:
    """Ids; for each the number (from 1) of the labelled piece it belongs to, 0 for none; labels."""
    ids: list[int] = []
    places: list[int] = []
    labels: list[float] = []
    failed = False
    for piece, label in zip(row.pieces, row.labels, strict=True):
        part = encoder.after(piece)
        ids += part
        learned = bool(part) and label is not None and (not failed or rng.random() < after_error)
        if learned and label is not None:
            labels.append(label)
        places += [len(labels) if learned else 0] * len(part)
        failed = failed or label == 0.0
    return ids, places, labels


def _padded(part: Sequence[tuple[list[int], list[int], list[float]]]) -> dict[str, torch.Tensor]:
    length = max(len(ids) for ids, *_ in part)
    ids = torch.zeros(len(part), length, dtype=torch.long)
    pieces = torch.zeros(len(part), length, dtype=torch.long)
    labels: list[float] = []
    for row, (some, places, known) in enumerate(part):
        ids[row, : len(some)] = torch.tensor(some)
        at = torch.tensor(places)
        pieces[row, : len(some)] = torch.where(at > 0, at + len(labels), 0)
        labels += known
    return {"input_ids": ids, "pieces": pieces, "labels": torch.tensor(labels)}
