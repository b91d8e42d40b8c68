"""DPO: the loss from trl is the formula worked out on raw logits, and training prefers."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from evaluators import load_task
from evaluators.errors import BadInput
from reasoning.data.pairs import PreferencePair, Side, read, save
from reasoning.data.rows import Piece
from reasoning.models import embedded_folder, load_model
from reasoning.prompts import PromptStyle, build
from reasoning.runlog import read_events
from reasoning.train.preference import DPORecipe, collated, examples, fallen, train_dpo
from reasoning.train.run import opened
from tests.reasoning.architectures import random_model

TASK = load_task("expressions", "train", 8, ops=2)
WEAK = embedded_folder("tiny-student")


def pair(at: int, chosen: str, rejected: str, forced: str = "") -> PreferencePair:
    prompt = build(TASK, TASK.problems[at], PromptStyle("direct"), "compact")
    before = (Piece(forced, "forced"),) if forced else ()
    return PreferencePair(
        f"p{at}", prompt.messages,
        Side((*before, Piece(chosen)), "eos"), Side((*before, Piece(rejected)), "eos"),
    )  # fmt: skip


PAIRS = [pair(at, "7", "8") for at in range(8)]


@pytest.fixture(scope="module")
def encoder():
    return opened(WEAK, __import__("transformers").AutoModelForCausalLM, 0)[2]


def test_forced_text_is_read_on_both_sides_and_counts_for_neither(encoder):
    (plain,) = examples([pair(0, "7", "8")], encoder, 99)
    (forced,) = examples([pair(0, "7", "8", forced="12")], encoder, 99)
    added = len(forced["chosen"]) - len(plain["chosen"])
    assert added > 0 and sum(forced["chosen_learn"]) == sum(plain["chosen_learn"]) == 2
    assert sum(forced["rejected_learn"]) == 2


def test_a_batch_is_the_chosen_sides_then_the_rejected_ones():
    rows = [
        {"chosen": [5, 6, 7], "chosen_learn": [0, 1, 1],
         "rejected": [5, 8], "rejected_learn": [0, 1]},
        {"chosen": [9, 4], "chosen_learn": [0, 1],
         "rejected": [9, 3, 2, 1], "rejected_learn": [0, 1, 0, 1]},
    ]  # fmt: skip
    batch = collated(rows, pad=0)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 0], [9, 4, 0, 0], [5, 8, 0, 0], [9, 3, 2, 1]]
    assert batch["attention_mask"].sum(1).tolist() == [3, 2, 2, 4]
    assert batch["completion_mask"].tolist() == [
        [0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 1],
    ]  # fmt: skip


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    """trl's trainer over two random models."""
    import datasets
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    from reasoning.models.tiny import tokenizer

    class Bare(DPOTrainer):
        def _prepare_dataset(self, dataset, *_):
            return dataset

    folder = tmp_path_factory.mktemp("dpo")
    return Bare(
        model=random_model("qwen3", 1), ref_model=random_model("qwen3", 2),
        args=DPOConfig(str(folder), use_cpu=True, bf16=False, report_to=[], max_length=None,
                       activation_checkpointing=False, beta=0.3, remove_unused_columns=False),
        train_dataset=datasets.Dataset.from_list([{"chosen": [1]}]),
        data_collator=lambda rows: {"rows": rows}, processing_class=tokenizer.build(),
    )  # fmt: skip


@pytest.mark.parametrize("loss", ["sigmoid", "hinge", "ipo", "robust"])
def test_the_loss_is_the_formula_on_the_log_probabilities_of_what_counts(trainer, loss):
    generator = torch.Generator().manual_seed(4)
    rows = [
        {side: torch.randint(2, 90, (n,), generator=generator).tolist() for side, n in sizes}
        | {f"{side}_learn": [0, 0, 1, 0, *[1] * (n - 4)] for side, n in sizes}
        for sizes in ([("chosen", 7), ("rejected", 9)], [("chosen", 8), ("rejected", 6)])
    ]
    batch = collated(rows, pad=1)
    trainer.loss_types, trainer.label_smoothing = [loss], 0.1 if loss == "robust" else 0.0

    def logp(model, row, side):
        told = model(torch.tensor([row[side]])).logits[0].log_softmax(-1)
        on = [t for t, learn in enumerate(row[f"{side}_learn"]) if learn]
        return sum(told[t - 1, row[side][t]].item() for t in on), len(on)

    total = 0.0
    for row in rows:
        ours, theirs = trainer.model, random_model("qwen3", 2)
        good, n = logp(ours, row, "chosen")
        bad, m = logp(ours, row, "rejected")
        good, bad = good - logp(theirs, row, "chosen")[0], bad - logp(theirs, row, "rejected")[0]
        odds = 0.3 * (good - bad)
        sigmoid = lambda x: 1 / (1 + math.exp(-x))  # noqa: E731
        total += {
            "sigmoid": -math.log(sigmoid(odds)),
            "hinge": max(0.0, 1 - odds),
            "ipo": (good / n - bad / m - 1 / 0.6) ** 2,
            "robust": (-0.9 * math.log(sigmoid(odds)) + 0.1 * math.log(sigmoid(-odds))) / 0.8,
        }[loss]
    trainer.model.train()
    with torch.no_grad():
        found = trainer.compute_loss(trainer.model, batch).item()
    assert found == pytest.approx(total / 2, rel=1e-4)


def test_training_makes_the_chosen_side_likelier_against_the_rejected(tmp_path, encoder):
    recipe = DPORecipe(steps=6, batch=8, lr=1e-3, decay=0.1)
    place = train_dpo(PAIRS, WEAK, tmp_path, recipe)
    rows = [e for e in read_events(tmp_path) if e["kind"] == "metrics"]
    assert [row["rewards/margins"] for row in rows if "rewards/margins" in row][-1] > 0.1
    record = json.loads((place / "training.json").read_text())
    tokens = sum(
        len(row[s]) for row in examples(PAIRS, encoder, 99) for s in ("chosen", "rejected")
    )
    assert record["spent"]["learned"] == record["spent"]["read"] == 6 * tokens
    assert record["finished"] and load_model(f"hf:{place}").dialect == "compact"


def test_no_pairs_and_pairs_too_long_are_refused(encoder):
    with pytest.raises(BadInput, match="no pairs"):
        examples([], encoder, 99)
    with pytest.raises(BadInput, match=r"p0 has .* max_length=4"):
        examples(PAIRS, encoder, 4)


def test_dropout_that_would_not_be_done_is_refused():
    for settings in ({"dropout": 0.1}, {"dropout": 0.1, "adapter": "lora"}):
        with pytest.raises(BadInput, match="dropout must be 0"):
            DPORecipe(**settings)  # type: ignore[arg-type]


def test_flipped_preferences_are_for_the_robust_loss():
    assert DPORecipe(loss="robust", flipped=0.2).flipped == 0.2
    with pytest.raises(BadInput, match="flipped"):
        DPORecipe(flipped=0.2)


def test_a_fall_of_the_chosen_side_is_told():
    assert fallen({"rewards/chosen": -0.5}) is None and fallen({"loss": 1.0}) is None
    assert "less likely" in str(fallen({"rewards/chosen": -2.0}))


def test_pairs_survive_their_file(tmp_path):
    some = [*PAIRS, replace(pair(1, "a", "b", forced="f"), origin="person")]
    save(some, tmp_path / "pairs.jsonl")
    assert read(tmp_path / "pairs.jsonl") == some


def test_an_adapter_switched_off_is_the_reference(tmp_path):
    recipe = DPORecipe(steps=2, batch=4, lr=1e-2, adapter="lora", decay=0.1)
    train_dpo(PAIRS, WEAK, tmp_path, recipe)
    margins = [e["rewards/margins"] for e in read_events(tmp_path) if "rewards/margins" in e]
    assert margins[0] == pytest.approx(0, abs=1e-5) and margins[1] > 0.01
