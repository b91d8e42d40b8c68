"""The estimator of memory and time against shapes known by hand and small models measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import peft
import pytest
import torch
import transformers

from evaluators.errors import BadInput
from reasoning.models import embedded_folder
from reasoning.models.quantise import settings, stored_bytes
from reasoning.train.estimate import (
    PACKED,
    Setting,
    Shape,
    layer_bytes,
    memory,
    operations,
    shape_of,
    typical,
)
from reasoning.train.kept import held_bytes, kept_bytes, state_bytes
from reasoning.train.recipe import Recipe
from reasoning.train.run import optimiser
from reasoning.train.spent import Spent

LLAMA_7B = Shape(32, 4096, 32, 32, 128, 11008, 32_000)
QWEN_06B = Shape(28, 1024, 16, 8, 128, 3072, 151_936, tied=True, normed=True)
ROWS, LENGTH = 4, 96


def config(kind: str, layers: int, width: int = 64) -> Any:
    made = {"qwen3": transformers.Qwen3Config, "llama": transformers.LlamaConfig}[kind]
    return made(
        num_hidden_layers=layers, hidden_size=width, num_attention_heads=4, num_key_value_heads=2,
        head_dim=16, intermediate_size=192, vocab_size=386, tie_word_embeddings=kind == "qwen3",
    )  # fmt: skip


def model(kind: str, layers: int, how: Setting | None = None) -> Any:
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(config(kind, layers))
    if how is not None and how.adapter != "none":
        lora = peft.LoraConfig(r=how.rank, target_modules="all-linear", task_type="CAUSAL_LM")
        made = peft.get_peft_model(made, lora)
    return made


def test_parameters_of_published_models():
    assert LLAMA_7B.parameters == 6_738_415_616  # Touvron et al. 2023, table 2: 6.7 B
    assert QWEN_06B.parameters == 596_049_920  # the card of Qwen3-0.6B


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_the_shape_of_a_config_counts_the_models_parameters(kind):
    made = model(kind, 2)
    assert shape_of(made.config).parameters == made.num_parameters()
    lora = model(kind, 2, Setting("lora", rank=3))
    assert shape_of(made.config).adapters(3) == lora.num_parameters(only_trainable=True)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("adapter", ["none", "lora"])
@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_a_layers_activations_are_what_autograd_keeps(kind, adapter, half):
    how = Setting(adapter, rank=4, half=half, rows=ROWS, length=LENGTH)
    ids = torch.randint(5, 300, (ROWS, LENGTH))
    two, three = (kept_bytes(model(kind, layers, how), ids, half) for layers in (2, 3))
    want = layer_bytes(shape_of(config(kind, 1)), how) * how.tokens
    assert three - two == pytest.approx(want, rel=0.01)


def test_layers_computed_again_keep_their_input():
    how = Setting(half=False, rows=ROWS, length=LENGTH, checkpointing=True)
    ids, kept = torch.randint(5, 300, (ROWS, LENGTH)), []
    for layers in (2, 3):
        made = model("qwen3", layers)
        made.gradient_checkpointing_enable()
        kept.append(kept_bytes(made, ids))
    assert kept[1] - kept[0] == 4 * 64 * how.tokens
    shape = shape_of(config("qwen3", 3))
    layer = layer_bytes(shape, how) * how.tokens
    assert memory(shape, how).activations == 3 * 4 * 64 * how.tokens + layer


@pytest.mark.parametrize("how", [
    Setting(half=False), Setting(half=False, optimiser="muon"), Setting("lora", half=False),
], ids=["adamw", "muon", "lora"])  # fmt: skip
def test_weights_gradients_and_optimiser_are_what_a_step_holds(how):
    made = model("qwen3", 2, how)
    recipe = Recipe(adapter=how.adapter, optimiser=how.optimiser, rank=how.rank)
    optim = optimiser(made, recipe)
    made(input_ids=torch.randint(5, 300, (2, 8))).logits.sum().backward()
    optim.step()
    want = memory(shape_of(config("qwen3", 2)), how)
    assert held_bytes(made.parameters()) == want.weights
    assert held_bytes(p.grad for p in made.parameters()) == want.gradients
    assert state_bytes(optim) == want.optimiser


def test_packed_weights_take_what_bitsandbytes_stores():
    pytest.importorskip("bitsandbytes")
    place = str(embedded_folder("tiny"))
    made = transformers.AutoModelForCausalLM.from_pretrained(
        place, dtype=torch.float32,
        **settings("nf4", transformers.AutoConfig.from_pretrained(place), torch.device("cpu")),
    )  # fmt: skip
    shape = shape_of(made.config)
    loose = shape.layers * shape.feed * shape.width  # a width that the CPU's kernel cannot pack
    packed = PACKED * (shape.linear - loose) + 4 * (loose + shape.other)
    assert stored_bytes(made) == pytest.approx(packed, rel=0.02)
    seven = memory(LLAMA_7B, Setting("qlora", rank=1)).weights / 2**30
    assert seven == pytest.approx((6_476_005_376 * 0.5625 + 2 * 262_410_240) / 2**30, rel=0.01)


def test_operations_are_those_that_a_run_counts():
    made = model("qwen3", 2)
    shape = shape_of(made.config)
    for how in (Setting(), Setting(checkpointing=True), Setting("lora")):
        recipe = Recipe(adapter=how.adapter, checkpointing=how.checkpointing)
        told = Spent.of(made, recipe).learning
        scores = (3 + how.checkpointing) * 2 * shape.layers * shape.queries * how.length
        assert operations(shape, how) == pytest.approx(told + scores)


@pytest.mark.parametrize("wanted", [1e6, 1.1e8, 5e8, 1.5e9, 7e9, 13e9, 70e9])
def test_a_usual_shape_has_about_the_weights_asked_for(wanted):
    assert typical(wanted).parameters == pytest.approx(wanted, rel=0.12)


def test_more_of_anything_takes_more_memory():
    base = Setting(rows=2, length=512)
    total = memory(QWEN_06B, base).total
    assert memory(QWEN_06B, replace(base, rows=4)).total > total
    assert memory(QWEN_06B, replace(base, checkpointing=True)).total < total
    lora = memory(QWEN_06B, replace(base, adapter="lora"))
    assert memory(QWEN_06B, replace(base, adapter="qlora")).weights < lora.weights < total
    assert memory(QWEN_06B, replace(base, adapter="lora", rank=64)).total > lora.total


def test_shapes_that_cannot_be_are_refused():
    with pytest.raises(BadInput, match="layers"):
        Shape(0, 1, 1, 1, 1, 1, 1)
    with pytest.raises(BadInput, match="params"):
        typical(10)
    with pytest.raises(BadInput, match="does not tell"):
        shape_of(transformers.GPT2Config())
