"""Low-rank adapters: what they add, what they cost, and weights that load like any others."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent))

from toy_traces import ROWS, metrics, same, untaught

from evaluators.errors import BadInput
from reasoning.models import load_model
from reasoning.train.adapter import laid, merged, prepared, trainable
from reasoning.train.recipe import Recipe
from reasoning.train.run import opened
from reasoning.train.sft import SFTRecipe, train_sft

LORA = SFTRecipe(adapter="lora", rank=4, alpha=8.0, batch=8, steps=21, lr=1e-2, save_every=5)
IDS = torch.arange(20)[None] + 5


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return untaught(tmp_path_factory.mktemp("policy"))


def logits(place: str | Path) -> torch.Tensor:
    with torch.no_grad():
        return opened(str(place), transformers.AutoModelForCausalLM, 0)[0](IDS).logits


@pytest.mark.parametrize("rank", [1, 4])
def test_adapters_of_rank_r_add_r_weights_for_every_row_and_column(policy, rank):
    model, _, _ = opened(policy, transformers.AutoModelForCausalLM, 0)
    linear = [m for n, m in model.named_modules()
              if isinstance(m, torch.nn.Linear) and n != "lm_head"]  # fmt: skip
    want = sum(rank * (m.in_features + m.out_features) for m in linear)
    before = model(IDS).logits
    model = laid(model, replace(LORA, rank=rank))
    assert trainable(model) == want
    assert torch.equal(model(IDS).logits, before)  # B is zero


def test_the_seed_draws_the_adapters(policy):
    drawn = [
        next(p for n, p in prepared(policy, replace(LORA, seed=seed))[0].named_parameters()
             if "lora_A" in n)
        for seed in (0, 0, 1)
    ]  # fmt: skip
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_the_adapter_and_the_whole_weights_are_the_same_model(policy, tmp_path):
    place = train_sft(ROWS, policy, tmp_path, replace(LORA, steps=10))
    with torch.no_grad():
        apart = merged(policy, tmp_path / "adapter")(IDS).logits
    assert torch.allclose(logits(place), apart, atol=0.05)  # whole weights are saved in bf16
    assert not torch.allclose(logits(place), logits(policy), atol=0.5)
    assert vars(load_model(f"hf:{place}"))["path"] == "fused"
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (4, 8.0)


@pytest.mark.parametrize("adapter", ["lora", "qlora"])
def test_adapters_learn_and_a_killed_run_goes_on_to_the_same_weights(policy, tmp_path, adapter):
    class Killed(Exception):
        pass

    def kill(row):
        if row["step"] >= 20:
            raise Killed

    if adapter == "qlora":
        pytest.importorskip("bitsandbytes")
    recipe = replace(LORA, adapter=adapter)
    whole = train_sft(ROWS, policy, tmp_path / "a", recipe)
    losses = metrics(tmp_path / "a")
    assert losses[-1] < losses[0] - 0.3
    with pytest.raises(Killed):
        train_sft(ROWS, policy, tmp_path / "b", recipe, kill)
    assert same(whole, train_sft(ROWS, policy, tmp_path / "b", recipe))


def test_only_four_products_a_weight_are_counted_under_adapters(policy):
    counted = {
        name: prepared(policy, replace(LORA, **options))[3]
        for name, options in {
            "full": {"adapter": "none"},
            "lora": {},
            "again": {"checkpointing": True},
        }.items()
    }
    forward = counted["full"].forward
    assert [counted[n].learning / forward for n in counted] == [3, 2, 3]


def test_packed_weights_count_every_weight(policy):
    pytest.importorskip("bitsandbytes")
    packed = prepared(policy, replace(LORA, adapter="qlora"))[3]
    assert packed.forward == prepared(policy, LORA)[3].forward


def test_checkpointing_under_adapters_learns_the_same(policy, tmp_path):
    for name, on in (("a", False), ("b", True)):
        train_sft(ROWS, policy, tmp_path / name, replace(LORA, steps=3, checkpointing=on))
    assert metrics(tmp_path / "b") == pytest.approx(metrics(tmp_path / "a"), rel=1e-5)


def test_a_folder_without_an_adapter_is_refused(policy, tmp_path):
    with pytest.raises(BadInput, match="holds no adapter"):
        merged(policy, tmp_path)
    with pytest.raises(BadInput, match="adamw"):
        Recipe(adapter="lora", optimiser="muon")
