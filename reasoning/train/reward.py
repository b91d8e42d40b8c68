"""Outcome models from a policy: one number for a whole trace, trained on pairs.

Sequence classification with one output on the policy's weights, by trl's RewardTrainer and the
pairwise log-sigmoid loss (Ouyang et al. 2022, equation 1). Process models: `process.py`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.errors import BadInput
from reasoning.data.pairs import PreferencePair
from reasoning.models.encode import Encoder
from reasoning.models.weights import quiet
from reasoning.runlog import RunLog
from reasoning.train.labels import Labelled
from reasoning.train.process import LIKELIHOOD, ProcessRecipe, train_process
from reasoning.train.run import arguments, follow, go_on, opened, saved, settings_of

__all__ = [
    "LIKELIHOOD",
    "OutcomeRecipe",
    "Pair",
    "ProcessRecipe",
    "pairs",
    "preferred",
    "train_outcome",
    "train_process",
]


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


def preferred(preferences: Sequence[PreferencePair], encoder: Encoder) -> list[Pair]:
    """Preferences as whole texts, question and trace: what an outcome model reads, and what it is
    asked about a sampled trace."""
    found = []
    for one in preferences:
        question = encoder.text(one.prompt) + one.prefix
        found.append(Pair(question + one.chosen.text, question + one.rejected.text))
    return found


def train_outcome(
    rows: Sequence[Pair], policy: str, folder: Path, recipe: OutcomeRecipe,
    progress: Callable[[dict[str, Any]], None] = lambda row: None,
    stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """Train an outcome model from the policy in the folder `policy` on pairs; returns the folder of
    its weights, a ForSequenceClassification model with one output. Resumes and stops as
    `train_process`."""
    import datasets
    import transformers
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

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
        asked = arguments(
            RewardConfig, folder, steps, recipe, max_length=recipe.max_length,
            per_device_train_batch_size=recipe.batch, learning_rate=recipe.lr,
            warmup_steps=recipe.warmup, weight_decay=recipe.weight_decay,
            disable_dropout=True, activation_checkpointing=False,
        )  # fmt: skip
        trainer = RewardTrainer(
            model=model, args=asked, train_dataset=datasets.Dataset.from_list(data),
            processing_class=words, callbacks=[follow(log, progress, stop=stop)],
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        with quiet():
            go_on(trainer, folder)
        return saved(trainer.model, words, folder, settings, log, policy=policy)


def _digest(rows: Sequence[dict[str, Any]]) -> str:
    text = json.dumps(list(rows), ensure_ascii=False)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
