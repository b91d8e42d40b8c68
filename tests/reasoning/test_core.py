"""Values of the core: what a prompt becomes when it is continued, what a sampling refuses."""

from __future__ import annotations

import pytest

from reasoning.core import Completion, Message, Prompt, Sampling, Usage
from reasoning.models import load_model

ASKED = (Message("user", "(3+4)*2-5<think>"),)


def test_forced_text_stays_apart_from_exact_ids() -> None:
    drawn = Completion("7", "length", Usage(3, 0, 1), (42,), (-0.5,))
    prompt = Prompt(ASKED).extended(drawn).forced("wait\n").extended(drawn)
    assert prompt.prefix == "7wait\n7"
    assert prompt.prefix_ids == (42, "wait\n", 42)


def test_text_forced_on_a_prompt_without_ids_is_plain_prefix() -> None:
    assert Prompt(ASKED, "7*2").forced("-5") == Prompt(ASKED, "7*2-5")


def test_forced_text_is_encoded_by_itself_between_ids() -> None:
    model = load_model("tiny")
    encode, plain = model.encode, model.tokenizer.encode
    ids = tuple(plain("14-5", add_special_tokens=False))
    forced = (
        Prompt(ASKED, "14-5", ids)
        .forced("\n9")
        .extended(Completion("\n", "length", Usage(), (ids[0],), (-1.0,)))
    )
    expected = [*plain("(3+4)*2-5<think>"), *ids, *plain("\n9"), ids[0]]
    assert encode(forced) == expected


def test_a_prompt_without_messages_is_raw_text() -> None:
    model = load_model("tiny")
    assert model.encode(Prompt((), "(3+4)*2")) == model.tokenizer.encode("(3+4)*2")


@pytest.mark.parametrize(
    "guides",
    [{"choices": ("a",), "regex": "a"}, {"regex": "a", "schema": "{}"}, {"choices": ("",)}],
    ids=["choices and regex", "regex and schema", "an empty choice"],
)
def test_sampling_refuses_guides_that_cannot_hold(guides: dict) -> None:
    with pytest.raises(ValueError, match="choice"):
        Sampling(**guides)


def test_guided_says_whether_a_form_is_enforced() -> None:
    assert not Sampling().guided
    assert Sampling(regex="").guided
    assert Sampling(choices=("A", "B")).guided
