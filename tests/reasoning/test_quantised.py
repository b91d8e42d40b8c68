"""Packed weights: what they take, what they cost, and that they load like any others."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from evaluators import load_task
from evaluators.errors import BadInput
from reasoning import quantise
from reasoning.models import embedded_folder, load_model
from reasoning.models.quantise import stored
from reasoning.train.adapter import prepared
from reasoning.train.practice import Practice
from reasoning.train.quantised import QuantiseRecipe, cost, train_quantise
from reasoning.train.recipe import Recipe

pytest.importorskip("bitsandbytes")
TINY = str(embedded_folder("tiny"))
IDS = torch.arange(20)[None] + 5


@pytest.mark.parametrize("weights", ["int8", "nf4"])
def test_the_result_is_the_model_that_packs_while_it_loads(tmp_path, weights):
    torch.set_num_threads(1)
    task = load_task("expressions", "test", 8, ops=2)
    seen = []
    recipe = QuantiseRecipe(weights, problems=8)
    place = train_quantise(Practice.of(task), TINY, tmp_path, recipe, seen.append)
    with torch.no_grad():
        made, want = (
            vars(model)["torch_model"](IDS).logits
            for model in (load_model(f"hf:{place}"), load_model("tiny", weights=weights))
        )
    assert torch.equal(made, want)
    record = json.loads((place / "training.json").read_text())
    assert record["method"] == "quantise" and record["recipe"]["weights"] == weights
    told = record["accuracy"]
    assert told["problems"] == 8 and told["before"]["value"] >= 0.75  # tiny: ops=2 nearly always
    difference = told["after"]["value"] - told["before"]["value"]
    assert told["difference"]["value"] == pytest.approx(difference)
    assert record["bytes"]["after"] < record["bytes"]["before"]
    assert [row["accuracy"] for row in seen] == [told["before"]["value"], told["after"]["value"]]
    again = train_quantise(Practice.of(task), TINY, tmp_path, recipe, seen.append)
    assert again == place and len(seen) == 2  # nothing is measured a second time
    with pytest.raises(BadInput, match="packed already"):
        train_quantise(Practice.of(task), str(place), tmp_path / "b", recipe)
    with pytest.raises(BadInput, match="packed weights"):
        prepared(str(place), Recipe())


def test_the_call_opens_what_it_made(tmp_path):
    task = load_task("expressions", "test", 2, ops=1)
    made = quantise("tiny", task, out=tmp_path, weights="nf4", problems=2)
    assert stored(vars(made)["torch_model"])


def test_the_cost_is_paired_by_problem():
    told = cost([True] * 60 + [False] * 40, [True] * 50 + [False] * 50)
    assert (told["before"]["value"], told["after"]["value"]) == (0.6, 0.5)
    assert told["difference"]["value"] == pytest.approx(-0.1)
    assert -0.17 < told["difference"]["low"] < -0.1 < told["difference"]["high"] < -0.03
    same = cost([True, False], [True, False])["difference"]
    assert (same["value"], same["low"], same["high"]) == (0, 0, 0)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(BadInput, match="int8 or nf4"):
        replace(QuantiseRecipe(), weights="int2")
    with pytest.raises(BadInput, match="problems"):
        QuantiseRecipe(problems=0)
