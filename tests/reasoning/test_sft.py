"""Fine-tuning on traces: the loss that is meant, counted compute, and runs that repeat."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent))

from toy_traces import FORCED, RNG, ROWS, metrics, row, same, untaught

from evaluators.errors import BadInput
from reasoning.data.rows import Piece, TraceRow
from reasoning.data.tokens import UNLEARNED, tokenised
from reasoning.train.order import Grouped
from reasoning.train.run import opened
from reasoning.train.sft import SFTRecipe, examples, train_sft

SMALL = SFTRecipe(batch=8, epochs=2.0, lr=1e-3, save_every=3)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return untaught(tmp_path_factory.mktemp("policy"))


def by_hand(policy: str, rows: list[TraceRow]) -> tuple[float, int]:
    """Mean negative log-likelihood of the model's own tokens, one row and one token at a time."""
    model, _, encoder = opened(policy, transformers.AutoModelForCausalLM, 0)
    total, count = 0.0, 0
    for one in rows:
        tokens = tokenised(one, encoder)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([tokens.ids])).logits[0]
        for at in range(1, len(tokens.ids)):
            if tokens.learn[at]:
                total -= float(logits[at - 1].log_softmax(-1)[tokens.ids[at]])
                count += 1
    return total / count, count


@pytest.mark.parametrize("options", [
    {}, {"accumulate": 2}, {"accumulate": 4}, {"checkpointing": True}, {"packing": True},
    {"packing": True, "accumulate": 2},
], ids=["plain", "accumulate2", "accumulate4", "checkpointing", "packing", "packing2"])  # fmt: skip
def test_the_loss_is_the_mean_over_the_models_own_tokens(policy, tmp_path, options):
    rows = [*FORCED, *ROWS[:6]]
    recipe = SFTRecipe(batch=8, steps=1, lr=1e-6, **options)
    place = train_sft(rows, policy, tmp_path, recipe)
    want, count = by_hand(policy, rows)
    assert metrics(tmp_path)[0] == pytest.approx(want, rel=1e-5)
    spent = json.loads((place / "training.json").read_text())["spent"]
    read = sum(len(tokenised(one, opened(policy, transformers.AutoModelForCausalLM, 0)[2]).ids)
               for one in rows)  # fmt: skip
    assert spent["learned"] == read > count
    passes = 4 if recipe.checkpointing else 3
    assert spent["flops"] == pytest.approx(read * passes * spent["forward"])


def test_a_forced_piece_is_read_and_not_learned(policy):
    _, words, encoder = opened(policy, transformers.AutoModelForCausalLM, 0)
    made = examples(FORCED[:1], encoder, 64)[0]
    learned = [i for i in made["labels"] if i != UNLEARNED]
    assert words.decode(learned) == "1+1++2\n" + words.eos_token
    assert "6+6" in words.decode(made["input_ids"])


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_accumulation_does_not_change_what_is_learned(policy, tmp_path, optimiser):
    recipe = replace(SMALL, optimiser=optimiser)
    train_sft(ROWS, policy, tmp_path / "a", recipe)
    train_sft(ROWS, policy, tmp_path / "b", replace(recipe, accumulate=4))
    assert metrics(tmp_path / "b") == pytest.approx(metrics(tmp_path / "a"), rel=1e-3)


def test_a_stopped_run_goes_on_to_the_same_weights(policy, tmp_path):
    class Killed(Exception):
        pass

    def kill(row):
        raise Killed

    recipe = replace(SMALL, steps=13, optimiser="muon")  # 5 steps an epoch: into the third
    whole = train_sft(ROWS, policy, tmp_path / "a", recipe)
    with pytest.raises(Killed):
        train_sft(ROWS, policy, tmp_path / "b", recipe, kill)
    again = train_sft(ROWS, policy, tmp_path / "b", recipe)
    assert same(whole, again)
    spent = [json.loads((p / "training.json").read_text())["spent"] for p in (whole, again)]
    assert spent[0] == spent[1]
    assert same(whole, train_sft(ROWS, policy, tmp_path / "b", recipe, kill))  # no further step


def test_a_run_killed_after_its_last_step_is_finished_by_the_same_call(policy, tmp_path):
    place = train_sft(ROWS, policy, tmp_path, SMALL)
    whole = json.loads((place / "training.json").read_text())
    (place / "training.json").unlink()  # as if it was killed while the weights were written
    again = json.loads((train_sft(ROWS, policy, tmp_path, SMALL) / "training.json").read_text())
    assert again["finished"] and again["spent"] == whole["spent"]


def test_stop_keeps_a_checkpoint_and_the_same_call_goes_on(policy, tmp_path):
    asked = threading.Event()
    asked.set()
    place = train_sft(ROWS, policy, tmp_path / "a", SMALL, stop=asked)
    record = json.loads((place / "training.json").read_text())
    assert not record["finished"]
    assert [p.name for p in (tmp_path / "a" / "checkpoints").iterdir()] == ["checkpoint-1"]
    again = train_sft(ROWS, policy, tmp_path / "a", SMALL)
    assert same(again, train_sft(ROWS, policy, tmp_path / "b", SMALL))


def test_a_cap_of_compute_ends_the_run(policy, tmp_path):
    free = train_sft(ROWS, policy, tmp_path / "a", replace(SMALL, steps=10))
    told = json.loads((free / "training.json").read_text())["spent"]
    cap = told["flops"] / 2
    place = train_sft(ROWS, policy, tmp_path / "b", replace(SMALL, steps=10, flops=cap))
    spent = json.loads((place / "training.json").read_text())["spent"]["flops"]
    assert cap <= spent < cap + 8 * 30 * told["learning"]
    assert same(place, train_sft(ROWS, policy, tmp_path / "b", replace(SMALL, steps=10, flops=cap)))


def test_the_record_tells_recipe_parent_and_curve(policy, tmp_path):
    place = train_sft(ROWS, policy, tmp_path, SMALL)
    record = json.loads((place / "training.json").read_text())
    assert record["method"] == "sft" and record["recipe"] == asdict(SMALL)
    assert (place / record["parent"]["path"]).resolve() == Path(policy).resolve()
    assert record["data"]["rows"] == len(ROWS) and record["curve"][-1]["loss"] > 0


def test_rows_that_teach_nothing_and_rows_too_long_are_refused(policy, tmp_path):
    _, _, encoder = opened(policy, transformers.AutoModelForCausalLM, 0)
    with pytest.raises(BadInput, match="no traces"):
        examples([], encoder, 64)
    with pytest.raises(BadInput, match="nothing to learn"):
        examples([row(1, Piece("2", "tool"))], encoder, 64)
    with pytest.raises(BadInput, match="max_length=3"):
        examples(ROWS, encoder, 3)


def test_other_settings_in_the_same_folder_are_refused(policy, tmp_path):
    train_sft(ROWS[:8], policy, tmp_path, replace(SMALL, steps=1))
    with pytest.raises(BadInput, match="other settings"):
        train_sft(ROWS[:8], policy, tmp_path, replace(SMALL, steps=2))


def test_an_epoch_visits_whole_batches_of_equal_length_in_random_order():
    lengths = RNG.integers(1, 100, 333).tolist()
    epoch = 0
    order = Grouped(lengths, 8, 5, lambda: epoch)
    first = list(order)
    assert first == list(order) and len(first) == len(order) == 328
    assert len(set(first)) == 328
    batches = [[lengths[i] for i in first[k : k + 8]] for k in range(0, 328, 8)]
    means = [float(np.mean(b)) for b in batches[:16]]
    assert means != sorted(means) and means != sorted(means, reverse=True)
    padded = sum(max(b) * 8 for b in batches)
    assert padded < 1.2 * sum(map(sum, batches))
    epoch = 1
    assert list(order) != first
    assert sorted(Grouped(lengths[:5], 8, 5, lambda: 0)) == [0, 1, 2, 3, 4]
