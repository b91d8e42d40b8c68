"""What `load_model` takes, what it refuses, and how a model's prompts and path are chosen."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from transformers import PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).parent))

from architectures import byte_tokenizer, saved

import reasoning
from evaluators.errors import BadInput, UnknownName
from reasoning import Ledger, Message, Prompt, Sampling, SeedPath, load_model
from reasoning.models.encode import Encoder

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}"
    "<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved(tmp_path_factory.mktemp("llama"), "llama")


def test_importing_the_package_loads_no_framework() -> None:
    code = (
        "import sys, reasoning.models\n"
        "heavy = {'torch', 'transformers', 'numba', 'numpy', 'trl', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["tny", "hf", "hf:", "recorded:", "openai:", "", "hf:PATH:"])
def test_a_wrong_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises((UnknownName, BadInput)) as error:
        load_model(name)
    if not name.startswith("hf:P"):
        assert isinstance(error.value, UnknownName)
        for known in (
            "tiny",
            "tiny-weak",
            "tiny-student",
            "hf:PATH-or-NAME",
            "openai:MODEL@URL",
            "recorded:FILE",
        ):
            assert known in str(error.value)


def test_a_model_of_ones_own_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine:
        def __init__(self, size: int = 1) -> None:
            self.size = size

    monkeypatch.setitem(reasoning.MODELS, "mine", Mine)  # type: ignore[arg-type]
    assert load_model("mine").size == 1  # type: ignore[attr-defined]
    assert load_model("mine", size=3).size == 3  # type: ignore[attr-defined]
    with pytest.raises(UnknownName, match="mine"):
        load_model("mime")


def test_a_missing_folder_says_so_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    for place in (str(tmp_path / "none"), "./none", "a/b/c", "~/none-such"):
        with pytest.raises(BadInput, match="there is no folder"):
            load_model(f"hf:{place}")
    with pytest.raises(BadInput, match=r"config\.json is missing"):
        load_model(f"hf:{tmp_path}")
    assert time.monotonic() - began < 10


def test_a_hub_name_without_a_network_gives_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(BadInput, match="hub cannot be reached: run `hf download no/such"):
        load_model("hf:no/such")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BadInput, match="HF_HUB_OFFLINE is set"):
        load_model("hf:no/such")
    assert time.monotonic() - began < 10


def test_an_embedded_model_that_is_not_there_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import reasoning.models as models

    monkeypatch.setattr(models, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(BadInput, match="run `reasonlab pretrain tiny-weak`"):
        load_model("tiny-weak")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devise": "cpu"}, "unknown option devise; it takes device, dtype"),
        ({"device": "gpu"}, "option device must be auto, cpu"),
        ({"device": "cuda:x"}, "option device must be auto, cpu"),
        ({"dtype": "float8"}, "option dtype must be one of auto, float32"),
        ({"decode": "fast"}, "option decode must be one of auto, fused"),
        ({"dialect": "terse"}, "option dialect must be one of compact, plain"),
        ({"max_rows": 0}, "option max_rows must be a whole number of 1 or more"),
        ({"max_rows": "4"}, "option max_rows must be a whole number of 1 or more"),
        ({"decode": "fused"}, "cannot be decoded by fused"),
    ],
    ids=str,
)
def test_a_wrong_option_is_named(folder: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as error:
        load_model(folder, **options)
    assert message in str(error.value)


def test_weights_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    name = saved(tmp_path, "llama")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="cannot be loaded"):
        load_model(name)


# -- which path ----------------------------------------------------------------------------


def test_an_architecture_without_keys_and_values_goes_through_generate(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="decoded by generate, not in the batched loop"):
        model: Any = load_model(saved(tmp_path, "mamba"))
    assert model.path == "generate" and "no past_key_values" in model.note
    assert model.fingerprint()["note"] == model.note and "generate" in repr(model)
    ask = Prompt((Message("user", "go"),))
    call = model.generate(ask, Sampling(max_tokens=9, temperature=0.0), Ledger(), SeedPath(0))
    (drawn,) = asyncio.run(call)
    import torch

    ids = torch.tensor([model.encode(ask)])
    made = model.torch_model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=9, do_sample=False
    )
    assert made[0, ids.shape[1] :].tolist() == list(drawn.token_ids)
    with pytest.raises(BadInput, match="cannot be decoded by batched: its forward pass"):
        load_model(f"hf:{tmp_path}", decode="batched")
    model.close()


def test_a_supported_architecture_is_decoded_by_the_loop(folder: str) -> None:
    model: Any = load_model(folder)
    assert (model.path, model.dialect) == ("batched", "plain")
    assert model.note.startswith("not fused: ")
    model.close()


def test_a_large_model_is_not_fused(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from reasoning.models.decoding import route

    monkeypatch.setattr(route, "FUSED_PARAMETERS", 10)
    with pytest.raises(BadInput, match="parameters, the fused path is for small models"):
        load_model(folder, decode="fused")


def test_the_card_of_an_embedded_model_chooses_the_dialect(tmp_path: Path) -> None:
    name = saved(tmp_path, "qwen3", initializer_range=0.1)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"reasonlab_dialect": "compact"}))
    model: Any = load_model(name)
    assert (model.path, model.dialect) == ("fused", "compact")
    prompt = Prompt((Message("system", "terse"), Message("user", "1+2=")), "<think>")
    assert model.tokenizer.decode(model.encode(prompt)) == "terse\n1+2=<think>"
    assert load_model(name, dialect="plain").dialect == "plain"


def test_sampling_settings_of_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    name = saved(tmp_path, "llama")
    file = tmp_path / "generation_config.json"
    settings = json.loads(file.read_text()) | {"repetition_penalty": 5.0, "eos_token_id": [257, 3]}
    file.write_text(json.dumps(settings))
    plain: Any = load_model(name, decode="generate")
    assert plain.torch_model.generation_config.repetition_penalty is None
    assert plain.torch_model.generation_config.eos_token_id == [3, 257]
    plain.close()


# -- prompts to ids -------------------------------------------------------------------------

ASK = Prompt((Message("system", "S"), Message("user", "U")))


def test_a_chat_template_writes_the_turns_and_the_prefix_follows() -> None:
    encoder = Encoder(byte_tokenizer(TEMPLATE), "plain", "m")
    ids = encoder.ids(Prompt(ASK.messages, "so "))
    assert encoder.tokenizer.decode(ids) == "<system>S</s><user>U</s><assistant>so "
    assert ids.count(257) == 2 and 256 not in ids


def test_a_saved_chat_model_is_asked_in_its_own_form(tmp_path: Path) -> None:
    model: Any = load_model(saved(tmp_path, "llama", TEMPLATE))
    shown = model.tokenizer.decode(model.encode(ASK))
    assert shown == "<system>S</s><user>U</s><assistant>"
    (drawn,) = asyncio.run(model.generate(ASK, Sampling(max_tokens=4), Ledger(), SeedPath(0)))
    again = ASK.extended(drawn)
    assert model.encode(again) == [*model.encode(ASK), *drawn.token_ids]
    model.close()


def test_exact_ids_are_appended_and_never_tokenised_again() -> None:
    for template in (TEMPLATE, None):
        encoder = Encoder(byte_tokenizer(template), "plain", "m")
        start = encoder.ids(ASK)
        apart = tuple(encoder.plain("a") + encoder.plain("b"))
        assert encoder.plain("ab") == [258] and len(apart) == 2
        assert encoder.ids(Prompt(ASK.messages, "ab", apart)) == [*start, *apart]
        assert encoder.ids(Prompt(ASK.messages, "ab")) == [*start, 258]


def test_forced_text_brings_no_space_that_is_not_in_it() -> None:
    names = ["▁", "a", "b", "w", "▁a", "▁w", "<unk>", "\n"]
    bpe = tokenizers.models.BPE(
        vocab={name: i for i, name in enumerate(names)},
        merges=[("▁", "a"), ("▁", "w")],
        unk_token="<unk>",
    )
    spaced = tokenizers.Tokenizer(bpe)
    spaced.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="first")
    encoder = Encoder(PreTrainedTokenizerFast(tokenizer_object=spaced), "plain", "m")
    written = Prompt((), "ab", (4, 2))
    for text, ids in (("w", [3]), (" w", [5]), ("\nw", [7, 3]), ("", [])):
        assert encoder.ids(written.forced(text)) == [4, 2, *ids]
        assert encoder.continuation(written, text) == ids


def test_without_a_template_the_contents_are_lines() -> None:
    encoder = Encoder(byte_tokenizer(), "plain", "m")
    assert encoder.tokenizer.decode(encoder.ids(Prompt(ASK.messages, "x"))) == "S\nU\nx"


def test_a_role_that_the_template_refuses_is_named() -> None:
    encoder = Encoder(byte_tokenizer(TEMPLATE), "plain", "m")
    with pytest.raises(BadInput, match=r"roles tool: no tools"):
        encoder.ids(Prompt((Message("tool", "x"),)))


def test_a_continuation_is_encoded_with_its_prompt_where_tokens_allow() -> None:
    encoder = Encoder(byte_tokenizer(), "compact", "m")
    ends_in_a = Prompt((Message("user", "xa"),))
    assert encoder.continuation(Prompt((Message("user", "x"),)), "ab") == [258]
    assert encoder.continuation(ends_in_a, "b") == encoder.plain("b")


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(BadInput, match="empty prompt"):
        Encoder(byte_tokenizer(), "compact", "m").ids(Prompt(()))
