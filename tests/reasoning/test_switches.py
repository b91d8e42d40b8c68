"""The switches of `load_model`: what they change, what they leave alone, what they refuse."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from architectures import random_model, saved

from evaluators.errors import BadInput
from reasoning import Ledger, Message, Prompt, Sampling, SeedPath, load_model
from reasoning.core import Completion
from reasoning.models import quantise
from reasoning.models.quantise import stored_bytes, unpackable

ASKED = Prompt((Message("user", "(3+4)*2-5<think>"),))


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def drawn(model: Any, n: int = 6, **sampling: Any) -> list[Completion]:
    ledger = Ledger()
    call = model.generate(ASKED, Sampling(n=n, max_tokens=40, **sampling), ledger, SeedPath(4))
    found = asyncio.run(call)
    assert ledger.spent.tokens == sum(c.usage.completion for c in found)
    assert model.counters.completion == ledger.spent.tokens
    return found


def bits(completions: list[Completion]) -> list[tuple[Any, ...]]:
    return [(c.token_ids, c.logprobs, c.text, c.finish) for c in completions]


@pytest.fixture(scope="module")
def plain() -> list[Completion]:
    model: Any = load_model("tiny")
    return drawn(model)


# -- the same bits on the fused path -----------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"prefix_cache": False},
        {"draft": "tiny-weak"},
        {"draft": "tiny-student", "draft_tokens": 2},
        {"draft": "ngram", "draft_tokens": 3},
        {"draft": "tiny-weak", "prefix_cache": False},
    ],
    ids=str,
)
def test_the_fused_path_draws_the_same_bits(
    options: dict[str, Any], plain: list[Completion]
) -> None:
    model: Any = load_model("tiny", **options)
    found = drawn(model)
    assert model.path == "fused" and bits(found) == bits(plain)
    cached = [c.usage.cached for c in found]
    assert any(c.usage.cached for c in plain)
    assert cached == [0 if "prefix_cache" in options else c.usage.cached for c in plain]
    if "draft" in options:
        assert model.speculation.handed == model.counters.completion
        assert model.speculation.proposed > 0
    else:
        assert model.speculation is None


def test_a_guided_answer_is_the_same_with_a_draft() -> None:
    found = [
        bits(drawn(load_model("tiny", **options), regex="[0-9]{2,9}"))
        for options in ({}, {"draft": "tiny-weak"})
    ]
    assert found[0] == found[1]


def test_a_draft_changes_no_fingerprint_where_it_changes_no_bits() -> None:
    assert load_model("tiny", draft="ngram").fingerprint() == load_model("tiny").fingerprint()
    batched = load_model("tiny", decode="batched").fingerprint()
    drafted = load_model("tiny", decode="batched", draft="ngram", draft_tokens=2).fingerprint()
    assert drafted == {**batched, "draft": "ngram by 2"}
    small = load_model("tiny-student").fingerprint()["weights"]
    drafted = load_model("tiny", decode="batched", draft="tiny-student").fingerprint()
    assert drafted == {**batched, "draft": f"tiny-student {small} by 4"}


def test_without_a_prefix_cache_nothing_is_found_in_the_batched_loop_either(
    plain: list[Completion],
) -> None:
    model: Any = load_model("tiny", decode="batched", prefix_cache=False)
    for _ in range(2):
        call = model.generate(ASKED, Sampling(n=4, max_tokens=40), Ledger(), SeedPath(4))
        found = asyncio.run(call)
        assert [c.token_ids for c in found] == [c.token_ids for c in plain[:4]]
        assert [c.usage.cached for c in found] == [0] * 4
    assert model.counters.cached == 0


def test_a_search_over_steps_is_the_same_search_with_a_draft() -> None:
    from evaluators import load_task
    from search import compare

    task = load_task("expressions", split="test", n=5, ops=(3, 5))
    traces, spent = [], []
    for options in ({}, {"draft": "tiny-weak"}, {"draft": "ngram", "prefix_cache": False}):
        model: Any = load_model("tiny", **options)
        report = compare(["step-resample", "best-of-n"], task, model, [96])
        cells = [c for arm in ("step-resample", "best-of-n") for c in report.select(arm, 96)]
        traces.append([[(s.text, s.source) for t in c.traces for s in t.steps] for c in cells])
        spent.append(model.counters.completion)
        total = sum(row.tokens * len(task) for row in report.rows())
        assert round(total) == model.counters.completion
    assert traces[0] == traces[1] == traces[2]
    assert spent[0] == spent[1] == spent[2]


# -- drafts that do not fit ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draft": "tinny"}, "option draft must be ngram, an embedded model or hf:PATH-or-NAME"),
        ({"draft": "openai:x@http://127.0.0.1:9/v1"}, "option draft must be ngram"),
        ({"draft_tokens": 3}, "option draft_tokens is for a draft"),
        ({"draft": "ngram", "draft_tokens": 0}, "draft_tokens must be a whole number of 1 or more"),
        ({"prefix_cache": "no"}, "option prefix_cache must be True or False"),
        ({"weights": "int4"}, "option weights must be one of float, int8, nf4"),
        ({"weights": "int8", "decode": "fused"}, "its weights are kept in fewer bits"),
        ({"attention": "sparse"}, "option attention must be one of eager, sdpa"),
        (
            {"attention": "eager", "decode": "fused"},
            "attention=eager was asked for, it has its own",
        ),
        ({"attention": "flash_attention_2"}, "cannot be loaded: FlashAttention2"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as error:
        load_model("tiny", **options)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_draft_of_another_tokenizer_is_refused(tmp_path: Path) -> None:
    other = saved(tmp_path, "llama")
    with pytest.raises(BadInput, match="has another tokenizer than tiny: take a draft of the same"):
        load_model("tiny", draft=other)


def test_a_model_for_generate_takes_no_draft(tmp_path: Path) -> None:
    name = saved(tmp_path, "mamba")
    with pytest.warns(match="by generate"), pytest.raises(BadInput, match="takes no draft here"):
        load_model(name, draft="ngram")


def test_two_saved_models_of_one_tokenizer_work_together(tmp_path: Path) -> None:
    large, small = saved(tmp_path / "l", "llama"), saved(tmp_path / "s", "qwen3")
    alone: Any = load_model(large)
    both: Any = load_model(large, draft=small, draft_tokens=3)
    assert [c.token_ids for c in drawn(both)] == [c.token_ids for c in drawn(alone)]
    assert both.speculation.computed > 0


# -- attention -----------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_implementations_of_attention_agree_up_to_rounding(
    attention: str, plain: list[Completion]
) -> None:
    model: Any = load_model("tiny", attention=attention)
    assert model.torch_model.config._attn_implementation == attention
    assert model.fingerprint()["attention"] == attention and model.path == "batched"
    for got, want in zip(drawn(model), plain, strict=True):
        assert got.token_ids == want.token_ids
        assert got.logprobs == pytest.approx(want.logprobs, abs=1e-3)


# -- weights in fewer bits -----------------------------------------------------------------------


def test_without_the_package_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantise, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match="needs bitsandbytes: run `pip install bitsandbytes`"):
        load_model("tiny", weights="nf4")


def test_stored_bytes_count_tied_weights_once() -> None:
    tied = random_model("qwen3")  # float32, vocabulary 97, width 32, inner 48, 4 and 2 heads of 8
    layer = 32 * 32 + 2 * 32 * 16 + 32 * 32 + 3 * 32 * 48 + 2 * 32 + 2 * 8
    assert stored_bytes(tied) == 4 * (97 * 32 + 2 * layer + 32) + 2 * 4 * 4  # and rotary tables


def test_int8_weights_are_rounded_by_row_and_take_a_quarter(plain: list[Completion]) -> None:
    pytest.importorskip("bitsandbytes")
    whole: Any = load_model("tiny")
    model: Any = load_model("tiny", weights="int8")
    assert model.path == "batched" and "fewer bits" in model.note
    assert model.flops_per_token == whole.flops_per_token
    linear = scales = 0
    layers = dict(model.torch_model.named_modules())
    for name, source in whole.torch_model.named_modules():
        if type(source) is torch.nn.Linear and name != "lm_head":
            packed, weight = layers[name].weight, source.weight
            scale = weight.abs().amax(dim=1, keepdim=True) / 127
            got = packed.data.float() * scale
            assert packed.dtype == torch.int8
            assert float(((got - weight).abs() / scale).max()) < 0.52  # half a unit, float16 scales
            linear, scales = linear + weight.numel(), scales + weight.shape[0]
    assert stored_bytes(model.torch_model) == (
        stored_bytes(whole.torch_model) - 4 * linear + linear + 4 * scales
    )
    found = drawn(model)
    assert sum(a.token_ids == b.token_ids for a, b in zip(found, plain, strict=True)) >= 4


def test_nf4_weights_are_near_and_what_does_not_pack_stays_float() -> None:
    pytest.importorskip("bitsandbytes")
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn.modules import Linear4bit

    whole: Any = load_model("tiny")
    loose = unpackable(whole.torch_model, cpu=True)
    # rows of 352 are five and a half blocks of 64; the head is tied to the embedding
    assert loose == [f"model.layers.{i}.mlp.down_proj" for i in range(4)] + ["lm_head"]
    assert unpackable(whole.torch_model, cpu=False) == ["lm_head"]

    config = whole.torch_model.config
    place = Path(__file__).parents[2] / "reasoning/models/tiny/tiny"
    import transformers

    options = quantise.settings("nf4", config, torch.device("cpu"))
    packed = transformers.AutoModelForCausalLM.from_pretrained(place, **options)
    sources = dict(whole.torch_model.named_modules())
    count = 0
    for name, layer in packed.named_modules():
        if isinstance(layer, Linear4bit):
            weight = sources[name].weight
            stored: Any = layer.weight
            got = dequantize_4bit(stored.data, stored.quant_state).float()
            block = weight.reshape(-1, 64).abs().amax(dim=1, keepdim=True)
            error = (got - weight).reshape(-1, 64).abs() / block
            assert float(error.max()) < 0.154  # half the widest gap of two levels is 0.152
            count += 1
        elif type(layer) is torch.nn.Linear:
            assert name in loose and torch.equal(layer.weight.float(), sources[name].weight)
    assert count == 4 * 6
    model: Any = load_model("tiny", weights="nf4")
    assert "still in float: 4 down_proj" in model.note
    assert model.flops_per_token == whole.flops_per_token
    assert len(drawn(model)) == 6


def test_layers_of_gpt2_that_do_not_pack_stay_float(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    from transformers import GPT2Config, GPT2LMHeadModel

    whole: Any = load_model("tiny")
    words = len(whole.tokenizer)
    config = GPT2Config(
        vocab_size=words, n_layer=1, n_head=4, n_embd=32, n_positions=64, n_inner=64
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    whole.tokenizer.save_pretrained(tmp_path)
    model: Any = load_model(f"hf:{tmp_path}", weights="nf4")
    # rows of 32 are half a block of 64; only the second layer of the MLP has rows of 64
    assert "still in float: 1 c_attn, 1 c_proj, 1 c_fc" in model.note
    ids = torch.arange(5)[None]
    assert model.torch_model(input_ids=ids).logits.isfinite().all()


def test_a_draft_proposes_to_packed_weights_too() -> None:
    pytest.importorskip("bitsandbytes")
    alone: Any = load_model("tiny", weights="int8")
    both: Any = load_model("tiny", weights="int8", draft="tiny-weak")
    assert [c.token_ids for c in drawn(both)] == [c.token_ids for c in drawn(alone)]
    assert both.speculation.rate > 0.5
