"""Reward models really train: a few steps on a small policy, resumed exactly, with a record."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from evaluators.errors import BadInput
from reasoning.ledger import Ledger
from reasoning.models.process import load_process_model
from reasoning.models.tiny import shape, tokenizer
from reasoning.train.deepen import deepened
from reasoning.train.labels import Labelled
from reasoning.train.reward import (
    OutcomeRecipe,
    Pair,
    ProcessRecipe,
    pairs,
    train_outcome,
    train_process,
)
from reasoning.train.run import shape as rate

ROWS = [
    Labelled("toy", f"p/{n}", (f"{n}?", f"{n + 1}\n", f"{n + 2}\n" if right else "wait\n"),
             (None, 1.0, float(right)), right)
    for n in range(10, 90) for right in (True, False)
]  # fmt: skip
SMALL = ProcessRecipe(tokens_per_step=200, lr=3e-3, warmup=1, save_every=2, optimiser="muon")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small policy that has learned nothing."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    words, folder = tokenizer.build(), tmp_path_factory.mktemp("policy")
    shape.build("student", len(words)).save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)


def told(place: Path, rows: list[Labelled]) -> list[list[float]]:
    """The ratings of the steps by the trained model."""
    rated = asyncio.run(load_process_model(str(place)).rate([r.pieces for r in rows], Ledger()))
    return [row[1:] for row in rated if row is not None]


@pytest.mark.parametrize("head", ["classes", "likelihood"])
def test_a_process_model_learns_which_steps_are_good(policy, tmp_path, head):
    place = train_process(ROWS, policy, tmp_path, replace(SMALL, head=head, epochs=3.0))
    rated = told(place, ROWS[:40])
    assert sum(a[1] > b[1] for a, b in zip(rated[::2], rated[1::2], strict=True)) >= 19
    if head == "classes":
        assert rated[0][1] > 0.8 > 0.3 > rated[1][1] and rated[1][0] > 0.7
    record = json.loads((place / "training.json").read_text())
    assert record["recipe"] == asdict(replace(SMALL, head=head, epochs=3.0))
    assert record["data"]["rows"] == len(ROWS) and record["parent"]["weights"]
    assert record["curve"][-1]["loss"] > 0


def test_a_stopped_run_goes_on_to_the_same_weights(policy, tmp_path):
    class Stop(Exception):
        pass

    def stop(row):
        raise Stop

    recipe = replace(SMALL, tokens_per_step=120, head="likelihood")
    whole = train_process(ROWS, policy, tmp_path / "a", recipe)
    with pytest.raises(Stop):
        train_process(ROWS, policy, tmp_path / "b", recipe, stop)
    assert list((tmp_path / "b" / "checkpoints").iterdir())
    again = train_process(ROWS, policy, tmp_path / "b", recipe)
    assert told(again, ROWS[:8]) == told(whole, ROWS[:8])


def test_other_settings_in_the_same_folder_are_refused(policy, tmp_path):
    recipe = replace(SMALL, epochs=0.2)
    train_process(ROWS, policy, tmp_path, recipe)
    with pytest.raises(BadInput, match="other settings"):
        train_process(ROWS, policy, tmp_path, replace(recipe, lr=1e-4))


def test_without_labels_nothing_is_trained(policy, tmp_path):
    with pytest.raises(BadInput, match="labelled step"):
        train_process([Labelled("t", "p", ("1?", "2\n"), (None, None))], policy, tmp_path, SMALL)


def test_pairs_are_right_against_wrong_of_one_problem():
    one = [Labelled("t", "p", (f"{i}",), (None,), right) for i, right in
           enumerate([True, False, False, None])]  # fmt: skip
    other = [Labelled("t", "q", ("9",), (None,), True)]
    assert set(pairs([*one, *other])) == {Pair("0", "1"), Pair("0", "2")}
    assert len(pairs(one, most=1)) == 1


def test_an_outcome_model_learns_to_prefer_right_traces(policy, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    some = [Pair(f"{n}?{n + 1}\n{n + 2}", f"{n}?{n + 1}\nwait") for n in range(10, 90)]
    recipe = OutcomeRecipe(batch=8, lr=3e-3, warmup=1, epochs=2.0)
    place = train_outcome(some, policy, tmp_path, recipe)
    model = AutoModelForSequenceClassification.from_pretrained(place, dtype=torch.float32).eval()
    words = AutoTokenizer.from_pretrained(place)
    assert model.config.num_labels == 1

    def score(text):
        ids = torch.tensor([words.encode(text + words.eos_token, add_special_tokens=False)])
        with torch.no_grad():
            return float(model(input_ids=ids).logits[0, 0])

    assert sum(score(pair.chosen) > score(pair.rejected) for pair in some[:20]) >= 18


def test_without_a_pair_the_advice_is_more_samples(policy, tmp_path):
    with pytest.raises(BadInput, match="sample more"):
        train_outcome([], policy, tmp_path, OutcomeRecipe())


def test_added_layers_change_nothing_at_first():
    torch.manual_seed(1)
    model = shape.build("student", 50).eval()
    ids = torch.arange(2, 20)[None]
    deeper = deepened(model, 2).eval()
    with torch.no_grad():
        assert torch.equal(deeper(ids).logits, model(ids).logits)
    assert deeper.config.num_hidden_layers == model.config.num_hidden_layers + 2


def test_the_strongest_units_stay_when_some_are_taken_away():
    torch.manual_seed(1)
    model = shape.build("student", 50).eval()
    with torch.no_grad():
        for layer in model.model.layers:
            layer.mlp.down_proj.weight[:, ::2] = 0.0  # every other unit has no say
    ids = torch.arange(2, 20)[None]
    with torch.no_grad():
        kept = deepened(model, 0, model.config.intermediate_size // 2).eval()(ids).logits
        assert torch.allclose(kept, model(ids).logits, atol=1e-5)


def test_the_rate_rises_stays_and_falls():
    factor = rate(100, 10, 0.5)
    assert [factor(s) for s in (0, 9, 30, 75)] == pytest.approx([0.1, 1.0, 1.0, 0.5])
