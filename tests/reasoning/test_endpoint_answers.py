"""What is read out of a server's words: choices, scores, and why it refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from endpoints import ask, endpoint
from fault_server import FaultServer

from reasoning import Ledger, Sampling, SeedPath, loop
from reasoning.core import BadPrompt
from reasoning.models.endpoint.answers import Broken, Choice, choices
from reasoning.models.endpoint.echo import scored
from reasoning.models.endpoint.form import fitting

TOO_LONG = {
    "OpenAI": "This model's maximum context length is {limit} tokens, however you requested 99"
    " tokens ({read} in your prompt; {asked} for the completion). Please reduce your prompt.",
    "vLLM, older": "This model's maximum context length is {limit} tokens. However, you requested"
    " 99 tokens ({read} in the messages, {asked} in the completion). Please reduce the length.",
    "vLLM": "'max_tokens' or 'max_completion_tokens' is too large: {asked}. This model's maximum"
    " context length is {limit} tokens and your request has {read} input tokens.",
    "vLLM, newer": "This model's maximum context length is {limit} tokens. However, you requested"
    " {asked} output tokens and your prompt contains {read} input tokens.",
}


@pytest.mark.parametrize("words", TOO_LONG.values(), ids=TOO_LONG)
def test_an_answer_that_does_not_fit_beside_its_prompt_is_shortened(words):
    with FaultServer(right=1.0, reach=(12, words)) as server:
        model, ledger = endpoint(server), Ledger()

        def drawn(prompt, length=20):
            return loop.run(model.generate(prompt, Sampling(length), ledger, SeedPath(0)))[0]

        made = drawn(ask("3+4+5:"))
        assert (made.text, made.finish, made.usage.completion) == ("7\n12\n=", "length", 6)
        assert [body["max_tokens"] for body in server.requests] == [20, 6]
        with pytest.raises(BadPrompt, match="longer than the context of toy"):
            drawn(ask("3+4+5+6+7+8:"))
        full = drawn(ask("3+4+5:", "7\n12\n="))
        assert (full.text, full.finish) == ("", "length")
        assert ledger.spent.tokens == 6 and not any(row.lost for row in ledger.rows)


def test_a_refusal_in_other_words_is_no_question_of_length():
    with FaultServer(reach=(12, "max_tokens must be less than twelve")) as server:
        with pytest.raises(Exception, match="refused the request") as error:
            loop.run(endpoint(server).generate(ask(), Sampling(20), Ledger(), SeedPath(0)))
        assert not isinstance(error.value, BadPrompt) and len(server.requests) == 1


WHOLE = {"text": "ab", "finish_reason": "stop"}
READ = {
    "completion": (WHOLE, Choice("ab", "stop", None)),
    "chat": (
        {"message": {"content": "ab"}, "finish_reason": "length", "stop_reason": None},
        Choice("ab", "length", ""),
    ),
    "only thought": (
        {"message": {"content": None}, "finish_reason": "stop"}, Choice("", "stop", None)),
    "stop string": ({**WHOLE, "stop_reason": "\n"}, Choice("ab", "stop", "\n")),
    "stop token": ({**WHOLE, "stop_reason": 151643}, Choice("ab", "stop", "")),
    "ids": ({**WHOLE, "token_ids": [5, 6]}, Choice("ab", "stop", None, (5, 6))),
    "wrong ids": ({**WHOLE, "token_ids": [5, None]}, Choice("ab", "stop", None)),
    "logprobs": (
        {**WHOLE, "logprobs": {"tokens": ["a", "b"], "token_logprobs": [-1, -0.5]}},
        Choice("ab", "stop", None, None, (-1.0, -0.5)),
    ),
    "a hole in them": (
        {**WHOLE, "logprobs": {"tokens": ["a", "b"], "token_logprobs": [None, -0.5]}},
        Choice("ab", "stop", None),
    ),
    "chat logprobs": (
        {**WHOLE, "logprobs": {"content": [{"token": "ab", "logprob": -2.0}]}},
        Choice("ab", "stop", None, None, (-2.0,)),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("item", "read"), READ.values(), ids=READ)
def test_a_choice_of_either_route_is_read(item, read):
    assert choices({"choices": [item]}, 1) == [read]


BROKEN = {
    "no object": [],
    "no choices": {},
    "too few": {"choices": [WHOLE]},
    "no text": {"choices": [WHOLE, {"finish_reason": "stop"}]},
    "no reason": {"choices": [WHOLE, {"text": "ab"}]},
    "not objects": {"choices": ["a", "b"]},
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_is_not_whole_is_broken(data):
    with pytest.raises(Broken):
        choices(data, 2)


def test_choices_are_put_into_the_order_of_their_index():
    data = {"choices": [{**WHOLE, "index": 1}, {**WHOLE, "text": "first", "index": 0}]}
    assert [choice.text for choice in choices(data, 2)] == ["first", "ab"]


def echoed(tokens: list[str], offsets: list[int] | None = None, read: int | None = None) -> dict:
    logprobs = [None, *(-float(i) for i in range(1, len(tokens)))]
    found = {"tokens": tokens, "token_logprobs": logprobs, "text_offset": offsets}
    return {"choices": [{"logprobs": found}], "usage": {"prompt_tokens": read}}


SCORED = {
    "by offsets": (echoed(["3+", "4=", "7", "\n"], [0, 2, 4, 5], 4), "7\n", ("7", "\n"), 4),
    "offsets shifted by a start token": (
        echoed(["<s>", "3+4=", "7", "\n"], [0, 3, 7, 8], 4), "7\n", ("7", "\n"), 4),
    "without offsets": (echoed(["3+", "4=", "7", "\n"], None, 4), "7\n", ("7", "\n"), 4),
    "a token over the border": (echoed(["3+", "4=7", "\n"], [0, 2, 5], 3), "7\n", ("4=7", "\n"), 3),
    "usage that cannot be": (echoed(["3+4=", "7"], [0, 4], 1), "7", ("7",), 2),
}  # fmt: skip


@pytest.mark.parametrize(("data", "text", "tokens", "read"), SCORED.values(), ids=SCORED)
def test_the_scores_of_a_text_are_the_last_of_the_echo(data, text, tokens, read):
    found, logprobs, count = scored(data, text)
    assert (found, count) == (tokens, read)
    last = len(data["choices"][0]["logprobs"]["tokens"])
    assert logprobs == tuple(-float(i) for i in range(last - len(tokens), last))


@pytest.mark.parametrize(
    "data",
    [{}, {"choices": []}, {"choices": [{"logprobs": None}]}, echoed(["7"], [0])],
    ids=["nothing", "no choice", "no logprobs", "none for the text"],
)
def test_an_echo_without_scores_is_broken(data):
    with pytest.raises(Broken):
        scored(data, "7")


FORMS = [
    ("b", Sampling(choices=("a", "b")), "b"),
    (" b\n", Sampling(choices=("a", "b")), "b"),
    ("c", Sampling(choices=("a", "b")), None),
    (" b", Sampling(choices=(" b", "b")), " b"),
    ("12", Sampling(regex=r"\d+"), "12"),
    ("12a", Sampling(regex=r"\d+"), None),
    (' {"a": 1}', Sampling(schema='{"required": ["a"]}'), ' {"a": 1}'),
    ('{"b": 1}', Sampling(schema='{"type": "object", "required": ["a"]}'), None),
    ("{", Sampling(schema='{"type": "object"}'), None),
    ("any", Sampling(), "any"),
]


@pytest.mark.parametrize(("text", "sampling", "kept"), FORMS, ids=[repr(f[0]) for f in FORMS])
def test_a_form_is_checked_on_the_text_or_on_what_the_white_space_surrounds(text, sampling, kept):
    assert fitting(text, sampling) == kept
