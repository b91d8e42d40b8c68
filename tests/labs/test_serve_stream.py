"""Streaming: the chunks of a stream add up to the answer that is not streamed."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from labs.server.listen import Server
from tests.labs.serving import QUESTION, Scripted, client, health, held, post, until


def events(server: Any, route: str, **body: Any) -> list[dict[str, Any]]:
    """The events of a stream, the closing mark checked and left out."""
    answer = post(server, route, stream=True, **body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *found, last, end = answer.text.split("\n\n")
    assert (last, end) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in found]


def gathered(found: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """What the chunks of a completion say of each choice, put together."""
    made: list[dict[str, Any]] = [
        {"text": "", "tokens": [], "logprobs": [], "offsets": [], "ends": []} for _ in range(n)
    ]
    for event in found:
        for part in event["choices"]:
            choice = made[part["index"]]
            assert not choice["ends"], "nothing follows the end of a choice"
            choice["text"] += part["text"]
            choice["tokens"] += part.get("token_ids", [])
            choice["logprobs"] += part["logprobs"]["token_logprobs"]
            choice["offsets"] += part["logprobs"]["text_offset"]
            if part["finish_reason"]:
                choice["ends"].append((part["finish_reason"], part["stop_reason"]))
    return made


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"n": 3},
        {"prompt": [QUESTION, "(2+2)*3<think>"], "n": 2},
        {"stop": ["-5\n9", "zz"]},
        {"stop": ["-5\n9", "zz"], "include_stop_str_in_output": True},
        {"stop": "\n", "include_stop_str_in_output": True},
        {"logprobs": 2},
        {"max_tokens": 4},
    ],
    ids=lambda more: "+".join(more) or "plain",
)
def test_a_stream_adds_up_to_the_answer(tiny_server: Any, more: dict[str, Any]) -> None:
    body = {"model": "tiny", "prompt": QUESTION, "max_tokens": 48, "seed": 9, "logprobs": 0}
    body |= {"return_token_ids": True, **more}
    whole = post(tiny_server, "completions", **body).json()
    found = events(
        tiny_server, "completions", **body, stream_options={"include_usage": True}
    )  # fmt: skip
    used = found.pop()
    assert used["choices"] == []
    for name in ("prompt_tokens", "completion_tokens"):
        assert used["usage"][name] == whole["usage"][name]
    made = gathered(found, len(whole["choices"]))
    for choice, streamed in zip(whole["choices"], made, strict=True):
        assert streamed["text"] == choice["text"]
        assert streamed["tokens"] == choice["token_ids"]
        assert streamed["logprobs"] == choice["logprobs"]["token_logprobs"]
        assert streamed["offsets"] == choice["logprobs"]["text_offset"]
        assert streamed["ends"] == [(choice["finish_reason"], choice["stop_reason"])]


def test_a_chat_stream_through_the_plain_client(tiny_server: Any) -> None:
    asked = {"model": "tiny", "messages": [{"role": "user", "content": QUESTION}]}
    whole = client(tiny_server).chat.completions.create(**asked, temperature=0)  # type: ignore[call-overload]
    chunks = list(
        client(tiny_server).chat.completions.create(  # type: ignore[call-overload]
            **asked, temperature=0, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_text_arrives_while_it_is_drawn(tiny_server: Any) -> None:
    model, loop = held(tiny_server.served.models["tiny"])
    body = {"model": "held", "prompt": QUESTION, "stream": True, "max_tokens": 20}
    loop.turns.release()  # one token; each next one is drawn only when this one has come
    with Server(model) as server, httpx.stream("POST", f"{server.url}/completions", json=body) as a:
        parts = a.iter_text()
        for letter in "7*2-5\n9":
            assert json.loads(next(parts).removeprefix("data: "))["choices"][0]["text"] == letter
            loop.turns.release()
        rest = "".join(parts)
    assert rest.count('"finish_reason":"length"') == 1 and rest.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
def test_a_client_that_leaves_ends_the_drawing(tiny_server: Any, streamed: bool) -> None:
    model, loop = held(tiny_server.served.models["tiny"])
    body = {"model": "held", "prompt": QUESTION, "stream": streamed, "max_tokens": 20}
    with Server(model) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/completions", json=body, timeout=0.3)
        assert loop.given_up.wait(20)
        until(lambda: health(server)["requests"]["active"] == 0)
        counts = health(server)["requests"]
        assert (counts["left"], counts["answered"], counts["failed"]) == (1, 0, 0)


def test_the_rows_of_a_client_that_left_are_free(tiny_server: Any) -> None:
    before = health(tiny_server)
    body = {
        "model": "tiny", "prompt": QUESTION, "stream": True, "n": 64, "max_tokens": 1000,
        "structured_outputs": {"regex": "[12]{1000}"},
    }  # fmt: skip
    with httpx.stream("POST", f"{tiny_server.url}/completions", json=body, timeout=60) as answer:
        next(answer.iter_text())
    until(lambda: health(tiny_server)["requests"]["active"] == 0)
    after = post(tiny_server, "completions", model="tiny", prompt=QUESTION, max_tokens=3).json()
    counts = health(tiny_server)
    assert counts["requests"]["left"] == before["requests"]["left"] + 1
    drawn = counts["models"]["tiny"]["completion"] - before["models"]["tiny"]["completion"]
    assert after["usage"]["completion_tokens"] == 3
    assert 3 < drawn < 64_000


@pytest.mark.parametrize("route", ["completions", "chat/completions"])
def test_an_error_before_the_first_token_is_an_answer_of_its_own(
    tiny_server: Any, route: str
) -> None:
    turn = {"messages": [{"role": "user", "content": "1"}]}
    asked = {"prompt": "1"} if route == "completions" else turn
    answer = post(tiny_server, route, model="tiny", stream=True, guided_regex="(", **asked)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "invalid_request_error"


def test_what_cannot_come_piece_by_piece_comes_in_one_chunk() -> None:
    with Server(Scripted("so it is 4")) as server:
        body = {"model": "scripted", "messages": [{"role": "user", "content": "?"}]}
        [event] = events(server, "chat/completions", **body)
        assert event["choices"][0]["delta"] == {"role": "assistant", "content": "so it is 4"}
        assert event["choices"][0]["finish_reason"] == "stop"
