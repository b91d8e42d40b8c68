"""The server's answers: what the plain `openai` client gets is what the model gives in process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reasoning.core import Message, Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run
from tests.labs.serving import QUESTION, client, health, post


def inside(server: Any, prompt: Prompt, seed: int = 5, **sampling: Any) -> list[Any]:
    """The completions of the same request in process."""
    model = server.served.models["tiny"]
    return run(model.generate(prompt, Sampling(**sampling), Ledger(), SeedPath(seed)))


def test_a_completion_is_the_models_own(tiny_server: Any) -> None:
    [own] = inside(tiny_server, Prompt((), QUESTION), max_tokens=64)
    made = client(tiny_server).completions.create(
        model="tiny", prompt=QUESTION, max_tokens=64, seed=5
    )
    [choice] = made.choices
    assert (choice.text, choice.finish_reason) == (own.text, "stop")
    assert choice.stop_reason is None  # type: ignore[attr-defined]
    assert made.usage is not None
    assert made.usage.completion_tokens == own.usage.completion == len(own.token_ids)
    assert made.usage.total_tokens == own.usage.prompt + own.usage.completion
    assert made.object == "text_completion" and made.model == "tiny"


def test_a_chat_turn_is_the_models_own(tiny_server: Any) -> None:
    asked = Prompt((Message("user", QUESTION),))
    [own] = inside(tiny_server, asked, max_tokens=5)
    made = client(tiny_server).chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": QUESTION}], max_tokens=5, seed=5
    )
    assert made.choices[0].message.content == own.text
    assert made.choices[0].finish_reason == "length"


def test_a_started_turn_is_continued(tiny_server: Any) -> None:
    turns = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "7*2-5\n"}]
    made = post(
        tiny_server, "chat/completions", model="tiny", messages=turns, temperature=0,
        continue_final_message=True, add_generation_prompt=False, stop="\n",
    ).json()  # fmt: skip
    assert made["choices"][0]["message"]["content"] == "14-5"


def test_the_parts_of_a_message_are_one_text(tiny_server: Any) -> None:
    parts = [{"type": "text", "text": QUESTION[:4]}, {"type": "text", "text": QUESTION[4:]}]
    answers = [
        client(tiny_server).chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": content}], temperature=0
        )  # type: ignore[call-overload]
        for content in (QUESTION, parts)
    ]
    assert answers[0].choices[0].message.content == answers[1].choices[0].message.content


def test_seeds_repeat_and_choices_have_their_own(tiny_server: Any) -> None:
    own = inside(tiny_server, Prompt((), QUESTION), max_tokens=32, n=4, temperature=1.5)
    body = {"model": "tiny", "prompt": QUESTION, "max_tokens": 32, "n": 4, "temperature": 1.5}
    texts = [
        [c["text"] for c in post(tiny_server, "completions", **body, seed=5).json()["choices"]]
        for _ in range(2)
    ]
    assert texts[0] == texts[1] == [completion.text for completion in own]
    assert len(set(texts[0])) > 1


def test_without_a_seed_draws_differ(tiny_server: Any) -> None:
    body = {"model": "tiny", "prompt": QUESTION, "max_tokens": 40, "temperature": 2.0, "n": 4}
    texts = [
        [c["text"] for c in post(tiny_server, "completions", **body).json()["choices"]]
        for _ in range(3)
    ]
    assert texts[0] != texts[1] or texts[1] != texts[2]


def test_a_list_of_prompts_is_answered_as_if_each_were_alone(tiny_server: Any) -> None:
    prompts = [QUESTION, "(2+2)*3<think>"]
    body = {"model": "tiny", "max_tokens": 40, "seed": 3, "n": 2}
    both = post(tiny_server, "completions", prompt=prompts, **body).json()
    alone = [post(tiny_server, "completions", prompt=p, **body).json() for p in prompts]
    assert [c["index"] for c in both["choices"]] == [0, 1, 2, 3]
    texts = [c["text"] for one in alone for c in one["choices"]]
    assert [c["text"] for c in both["choices"]] == texts
    for name in ("prompt_tokens", "completion_tokens"):
        assert both["usage"][name] == sum(one["usage"][name] for one in alone)


def test_token_ids_say_the_same_as_the_text(tiny_server: Any) -> None:
    body = {"model": "tiny", "temperature": 0, "max_tokens": 40, "return_token_ids": True}
    text = post(tiny_server, "completions", prompt=QUESTION, **body).json()["choices"][0]
    ids = text["prompt_token_ids"]
    again = post(tiny_server, "completions", prompt=ids, **body).json()["choices"][0]
    assert again == text
    assert again["token_ids"][-1] == tiny_server.served.models["tiny"].tokenizer.eos_token_id


@pytest.mark.parametrize(
    "stop", [["\n"], ["-5\n", "\n"], ["</think", "</th"], ["zz", "*2-5\n1"]], ids=repr
)
def test_a_stop_string_is_named_and_kept_where_it_is_asked_for(
    tiny_server: Any, stop: list[str]
) -> None:
    body = {"model": "tiny", "prompt": QUESTION, "temperature": 0, "max_tokens": 40, "stop": stop}
    cut = post(tiny_server, "completions", **body).json()["choices"][0]
    kept = post(tiny_server, "completions", **body, include_stop_str_in_output=True).json()
    kept = kept["choices"][0]
    whole = inside(tiny_server, Prompt((), QUESTION), max_tokens=40, temperature=0.0)[0].text
    first = min((s for s in stop if s in whole), key=lambda s: whole.index(s) + len(s))
    assert cut["finish_reason"] == kept["finish_reason"] == "stop"
    assert cut["stop_reason"] == kept["stop_reason"] == first
    assert cut["text"] == whole[: whole.index(first)]
    assert kept["text"].startswith(cut["text"] + first)


def test_log_probabilities_are_those_of_the_draw(tiny_server: Any) -> None:
    [own] = inside(tiny_server, Prompt((), QUESTION), max_tokens=40)
    told = post(
        tiny_server, "completions", model="tiny", prompt=QUESTION, max_tokens=40, seed=5, logprobs=0
    ).json()["choices"][0]["logprobs"]  # fmt: skip
    assert told["token_logprobs"] == list(own.logprobs)
    assert told["top_logprobs"] is None
    assert "".join(told["tokens"]) == own.text + "<eos>"
    text = own.text
    assert [text[i : i + 1] for i in told["text_offset"][:3]] == list("7*2")


def test_alternatives_hold_the_likeliest_and_the_drawn(tiny_server: Any) -> None:
    body = {"model": "tiny", "max_tokens": 12, "seed": 11, "temperature": 2.0}
    legacy = post(tiny_server, "completions", prompt=QUESTION, logprobs=3, **body).json()
    told = legacy["choices"][0]["logprobs"]
    turns = [{"role": "user", "content": QUESTION}]
    chat = post(
        tiny_server, "chat/completions", messages=turns, logprobs=True, top_logprobs=3, **body
    ).json()["choices"][0]["logprobs"]["content"]
    rows = zip(told["tokens"], told["token_logprobs"], told["top_logprobs"], chat, strict=True)
    for token, value, top, item in rows:
        assert top[token] == value == item["logprob"] and token == item["token"]
        assert 3 <= len(top) <= 4 and len(item["top_logprobs"]) == 3
        likeliest = [t["logprob"] for t in item["top_logprobs"]]
        assert likeliest == sorted(likeliest, reverse=True)
        assert np.exp(likeliest).sum() <= 1 + 1e-6
        assert value <= likeliest[0] + 1e-6
        assert bytes(item["bytes"]).decode() == token


def test_an_echo_scores_a_text_as_the_model_does(tiny_server: Any) -> None:
    model, text = tiny_server.served.models["tiny"], "7*2-5\n14-5\n9\n"
    [own] = run(model.score(Prompt((), QUESTION), [text], Ledger()))
    made = client(tiny_server).completions.create(
        model="tiny", prompt=QUESTION + text, max_tokens=0, echo=True, logprobs=0
    )
    told = made.choices[0].logprobs
    assert made.choices[0].text == QUESTION + text and told is not None
    assert told.token_logprobs is not None and told.token_logprobs[0] is None
    assert tuple(told.token_logprobs[-len(own.logprobs) :]) == own.logprobs
    assert told.text_offset is not None
    assert told.text_offset[-len(own.logprobs)] == len(QUESTION)
    assert made.usage is not None and made.usage.completion_tokens == 0


def test_an_echo_may_be_followed_by_a_completion(tiny_server: Any) -> None:
    body = {"model": "tiny", "prompt": QUESTION, "max_tokens": 6, "temperature": 0, "logprobs": 2}
    plain = post(tiny_server, "completions", **body).json()["choices"][0]
    echoed = post(tiny_server, "completions", **body, echo=True).json()["choices"][0]
    assert echoed["text"] == QUESTION + plain["text"]
    assert echoed["logprobs"]["tokens"][-6:] == plain["logprobs"]["tokens"]
    assert echoed["logprobs"]["token_logprobs"][-6:] == plain["logprobs"]["token_logprobs"]
    assert echoed["logprobs"]["text_offset"][-6] == len(QUESTION)


@pytest.mark.parametrize(
    "form",
    [
        {"structured_outputs": {"choice": ["apple", "pear"]}},
        {"guided_choice": ["apple", "pear"]},
        {"structured_outputs": {"regex": "(apple|pear)"}},
    ],
    ids=lambda form: next(iter(form)),
)
def test_an_enforced_form_is_kept(tiny_server: Any, form: dict[str, Any]) -> None:
    made = post(tiny_server, "completions", model="tiny", prompt=QUESTION, max_tokens=20, **form)
    assert made.json()["choices"][0]["text"] in ("apple", "pear")


def test_the_list_of_models_tells_what_a_client_needs(tiny_server: Any) -> None:
    rows = {row.id: row for row in client(tiny_server).models.list()}
    tiny = tiny_server.served.models["tiny"]
    assert rows["tiny"].max_model_len == tiny.max_positions  # type: ignore[attr-defined]
    assert rows["tiny"].dialect == "compact"  # type: ignore[attr-defined]
    assert rows["tiny/best-of-n"].strategy == "best-of-n"  # type: ignore[attr-defined]
    assert client(tiny_server).models.retrieve("tiny/step-resample").id == "tiny/step-resample"


def test_health_counts_what_was_answered(tiny_server: Any) -> None:
    before = health(tiny_server)
    made = post(tiny_server, "completions", model="tiny", prompt=QUESTION, n=3).json()
    after = health(tiny_server)
    assert after["status"] == "ok"
    drawn = after["models"]["tiny"]["completion"] - before["models"]["tiny"]["completion"]
    told = after["requests"]["completion_tokens"] - before["requests"]["completion_tokens"]
    assert drawn == told == made["usage"]["completion_tokens"]
    assert after["requests"]["answered"] == before["requests"]["answered"] + 1
