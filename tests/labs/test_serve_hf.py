"""A served transformers model with a chat template, a token at the beginning, and half characters:
its weights are random, so that what it writes is bytes of every kind."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from labs.server.listen import Server
from reasoning.core import Message, Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run
from tests.labs.serving import post

sys.path.insert(0, str(Path(__file__).parents[1] / "reasoning"))

from architectures import byte_tokenizer, saved

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] }}:{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
BYTES = {"max_tokens": 40, "temperature": 1.0, "seed": 4, "return_token_ids": True}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("model")
    name = saved(folder, "llama")
    tokenizer = byte_tokenizer(TEMPLATE)
    tokenizer.backend_tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 256)]
    )
    tokenizer.save_pretrained(folder)
    with Server(f"bytes={name}") as server:
        yield server


def test_a_raw_prompt_begins_with_the_models_own_token(served: Any) -> None:
    made = post(served, "completions", model="bytes", prompt="zab", **BYTES).json()["choices"][0]
    assert made["prompt_token_ids"] == [256, 122, 258]
    again = post(served, "completions", model="bytes", prompt=[256, 122, 258], **BYTES).json()
    assert again["choices"][0] == made
    bare = post(served, "completions", model="bytes", prompt=[122, 258], **BYTES)
    assert bare.status_code == 400 and "begin with its token 256" in bare.text


def test_a_chat_turn_goes_through_the_template(served: Any) -> None:
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    started = [*turns, {"role": "assistant", "content": "ab"}]
    model = served.served.models["bytes"]
    for asked, prefix, more in ((turns, "", {}), (started, "ab", {"continue_final_message": True})):
        made = post(
            served, "chat/completions", model="bytes", messages=asked, **BYTES, **more
        ).json()
        prompt = Prompt((Message("system", "s"), Message("user", "u")), prefix)
        text = "<s>system:s\nuser:u\nassistant:" + prefix
        assert model.tokenizer.decode(made["prompt_token_ids"]) == text
        [own] = run(model.generate(prompt, Sampling(40), Ledger(), SeedPath(4)))
        assert made["choices"][0]["message"]["content"] == own.text
        assert tuple(made["choices"][0]["token_ids"]) == own.token_ids


def test_half_characters_wait_in_a_stream(served: Any) -> None:
    body = {"model": "bytes", "prompt": "zab", **BYTES, "n": 6, "logprobs": 0, "max_tokens": 60}
    whole = post(served, "completions", **body).json()["choices"]
    streamed = post(served, "completions", **body, stream=True).text.split("\n\n")[:-2]
    parts = [json.loads(event.removeprefix("data: "))["choices"][0] for event in streamed]
    assert any("\ufffd" in choice["text"] for choice in whole)
    for choice in whole:
        own = [part for part in parts if part["index"] == choice["index"]]
        assert "".join(part["text"] for part in own) == choice["text"]
        assert [i for part in own for i in part["token_ids"]] == choice["token_ids"]
        offsets = [at for part in own for at in part["logprobs"]["text_offset"]]
        assert len(offsets) == len(choice["token_ids"]) and offsets == sorted(offsets)
        assert offsets[-1] <= len(choice["text"])


def test_a_model_may_be_named_by_the_server(served: Any) -> None:
    made = post(
        served, "completions", model="bytes/self-consistency", prompt="zab", strategy={"n": 2},
        max_tokens=5,
    ).json()  # fmt: skip
    assert made["usage"]["completion_tokens"] <= 10 and made["reasonlab"]["calls"] == 2
