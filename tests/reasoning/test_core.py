"""Values of the core: what a prompt becomes when it is continued, what a sampling refuses."""

from __future__ import annotations

from typing import Any

import pytest

from reasoning.core import Completion, Finish, Message, Prompt, Sampling, SeedPath, Usage
from reasoning.ledger import Ledger
from reasoning.loop import run
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


@pytest.mark.parametrize(
    ("finish", "text", "ids", "more"),
    [
        ("length", "7;", (42, 43), (42, 43)),
        ("boundary", "7;", (42, 43), (42, 43)),
        ("budget", "7;", (42, 43), (42, 43)),
        ("eos", "7", (42, 1), (42,)),
        ("eos", "", (1,), ()),
        ("stop", "7", (42, 43), ("7",)),
        ("stop", "", (43,), ()),
    ],
)
def test_the_ids_of_a_continued_prompt_say_its_text(
    finish: Finish, text: str, ids: tuple[int, ...], more: tuple[int | str, ...]
) -> None:
    drawn = Completion(text, finish, Usage(3, 0, len(ids)), ids, (-0.5,) * len(ids))
    after = Prompt(ASKED, "1", (40,)).extended(drawn)
    assert (after.prefix, after.prefix_ids) == ("1" + text, (40, *more))


def test_what_a_stop_string_cut_is_not_read_when_the_model_goes_on() -> None:
    model: Any = load_model("tiny")

    def ask(prompt: Prompt, **how: Any) -> Completion:
        sampling = Sampling(temperature=0.0, **how)
        return run(model.generate(prompt, sampling, Ledger(), SeedPath(0)))[0]

    whole = ask(Prompt(ASKED))
    assert whole.finish == "eos"
    stopped = ask(Prompt(ASKED), stop=("</think>",))
    assert stopped.finish == "stop" and whole.text.startswith(stopped.text + "</think>")
    for ended in (stopped, whole):
        said = Prompt(ASKED).extended(ended)
        assert model.encode(said) == model.encode(Prompt(ASKED, ended.text))
    again = ask(Prompt(ASKED).extended(stopped).forced("</think>"))
    assert stopped.text + "</think>" + again.text == whole.text
    model.close()


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
