"""What the server refuses, and how: OpenAI's error bodies, one sentence, the field at fault."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest

from evaluators.errors import LabError
from labs.server.limits import Limits
from labs.server.listen import Server
from reasoning.models.endpoint.retry import ServerFault
from tests.labs.serving import QUESTION, Scripted, client, health, post

TURN = {"role": "user", "content": "?"}
CASES = [
    ("completions", {"model": "nope", "prompt": "1"}, 404, "model_not_found", "model"),
    ("completions", {"model": "tiny/nope", "prompt": "1"}, 404, "model_not_found", "model"),
    ("completions", {"prompt": "1"}, 400, "invalid_request_error", "model"),
    ("completions", {"prompt": "1+" * 600}, 400, "context_length_exceeded", "prompt"),
    ("completions", {"prompt": ["1", "1+" * 600]}, 400, "context_length_exceeded", "prompt"),
    ("completions", {"prompt": ""}, 400, "invalid_request_error", "prompt"),
    ("completions", {"prompt": []}, 400, "invalid_request_error", "prompt"),
    ("completions", {"prompt": [1, 999999]}, 400, "invalid_request_error", "prompt"),
    ("completions", {"prompt": [1, -1]}, 400, "invalid_request_error", "prompt"),
    ("completions", {"prompt": [True]}, 400, "invalid_request_error", "prompt"),
    ("completions", {}, 400, "invalid_request_error", "prompt"),
    ("completions", {"prompt": "1", "colour": 3}, 400, "invalid_request_error", "colour"),
    ("completions", {"prompt": "1", "max_tokens": 0}, 400, "invalid_request_error", "max_tokens"),
    ("completions", {"prompt": "1", "max_tokens": "4"}, 400, "invalid_request_error", "max_tokens"),
    ("completions", {"prompt": "1", "temperature": -1}, 400, "invalid_request_error",
     "temperature"),
    ("completions", {"prompt": "1", "temperature": "hot"}, 400, "invalid_request_error",
     "temperature"),
    ("completions", {"prompt": "1", "top_p": 0}, 400, "invalid_request_error", "top_p"),
    ("completions", {"prompt": "1", "min_p": 2}, 400, "invalid_request_error", "min_p"),
    ("completions", {"prompt": "1", "n": 0}, 400, "invalid_request_error", "n"),
    ("completions", {"prompt": "1", "n": 1000}, 400, "invalid_request_error", "n"),
    ("completions", {"prompt": "1", "seed": "x"}, 400, "invalid_request_error", "seed"),
    ("completions", {"prompt": "1", "stop": ""}, 400, "invalid_request_error", "stop"),
    ("completions", {"prompt": "1", "stop": [1]}, 400, "invalid_request_error", "stop"),
    ("completions", {"prompt": "1", "logprobs": 99}, 400, "invalid_request_error", "logprobs"),
    ("completions", {"prompt": "1", "echo": "yes"}, 400, "invalid_request_error", "echo"),
    ("completions", {"prompt": "1", "stream": 1}, 400, "invalid_request_error", "stream"),
    ("completions", {"prompt": "1", "suffix": "!"}, 400, "invalid_request_error", "suffix"),
    ("completions", {"prompt": "1", "best_of": 3}, 400, "invalid_request_error", "best_of"),
    ("completions", {"prompt": "1", "strategy": {}}, 400, "invalid_request_error", "strategy"),
    ("completions", {"prompt": "1", "stream_options": {"x": 1}}, 400, "invalid_request_error",
     "stream_options.x"),
    ("completions", {"prompt": "1", "structured_outputs": {"choice": []}}, 400,
     "invalid_request_error", "structured_outputs.choice"),
    ("completions", {"prompt": "1", "structured_outputs": {"grammar": "x"}}, 400,
     "invalid_request_error", "structured_outputs.grammar"),
    ("completions", {"prompt": "1", "guided_json": "{"}, 400, "invalid_request_error",
     "guided_json"),
    ("chat/completions", {}, 400, "invalid_request_error", "messages"),
    ("chat/completions", {"messages": [{"role": "cat", "content": "?"}]}, 400,
     "invalid_request_error", "messages[0]"),
    ("chat/completions", {"messages": [{"role": "user", "content": None}]}, 400,
     "invalid_request_error", "messages[0]"),
    ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
     400, "invalid_request_error", "messages[0]"),
    ("chat/completions", {"messages": [TURN], "top_logprobs": 2}, 400, "invalid_request_error",
     "top_logprobs"),
    ("chat/completions", {"messages": [TURN], "tools": [{}]}, 400, "invalid_request_error",
     "tools"),
    ("chat/completions", {"messages": [TURN], "continue_final_message": True}, 400,
     "invalid_request_error", "messages"),
    ("chat/completions", {"messages": [TURN], "add_generation_prompt": False}, 400,
     "invalid_request_error", "add_generation_prompt"),
    ("chat/completions", {"messages": [TURN], "response_format": {"type": "xml"}}, 400,
     "invalid_request_error", "response_format"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("route", "body", "status", "code", "param"),
    CASES,
    ids=[f"{route.split('/')[0]}-{json.dumps(body)[:50]}" for route, body, *_ in CASES],
)
def test_a_wrong_request_is_answered_with_the_field_at_fault(
    tiny_server: Any, route: str, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    named = body if param == "model" else {"model": "tiny", **body}
    answer = post(tiny_server, route, **named)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"] and error["type"] == "invalid_request_error"


def test_fields_without_effect_are_taken(tiny_server: Any) -> None:
    made = post(
        tiny_server, "completions", model="tiny", prompt=QUESTION, user="me", metadata={"a": "b"},
        frequency_penalty=0.0, logit_bias={}, best_of=1, suffix=None, unheard_of=None, top_k=-1,
    )  # fmt: skip
    assert made.status_code == 200, made.text


def test_a_body_must_be_json(tiny_server: Any) -> None:
    where = f"{tiny_server.url}/completions"
    head = {"Content-Type": "application/json"}
    for content in (b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000):
        answer = httpx.post(where, content=content, headers=head)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid_request_error"
    form = httpx.post(where, data={"model": "tiny"})
    assert form.status_code == 415 and "application/json" in form.json()["error"]["message"]


def test_other_paths_and_methods_are_answered_as_errors(tiny_server: Any) -> None:
    assert httpx.get(f"{tiny_server.url}/nothing").status_code == 404
    answer = httpx.get(f"{tiny_server.url}/completions")
    assert answer.status_code == 405 and "error" in answer.json()
    assert httpx.get(f"{tiny_server.url}/models/none").json()["error"]["code"] == "model_not_found"


def test_the_plain_client_raises_its_own_errors(tiny_server: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="is not served here"):
        client(tiny_server).completions.create(model="gpt", prompt="1")
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        client(tiny_server).completions.create(model="tiny", prompt="1+" * 5000)


@pytest.mark.parametrize(
    ("fault", "status", "code", "said"),
    [
        (LabError("the model behind is gone"), 502, "model_failed", "the model behind is gone"),
        (ServerFault("three attempts failed"), 502, "model_failed", "three attempts failed"),
        (RuntimeError("secret 1234"), 500, "internal", "its log says why"),
    ],
    ids=["lab", "endpoint", "unforeseen"],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_model_that_fails_is_an_error_of_the_server(
    fault: Exception, status: int, code: str, said: str, streamed: bool
) -> None:
    with Server(Scripted(fault=fault)) as server:
        answer = post(server, "completions", model="scripted", prompt="?", stream=streamed)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code)
        assert said in error["message"] and "1234" not in answer.text
        assert health(server)["requests"]["failed"] == 1
        assert health(server)["requests"]["active"] == 0


def test_a_model_elsewhere_is_not_asked_for_what_it_cannot_do() -> None:
    with Server(scripted := Scripted()) as server:
        for field in ("logprobs", "echo", "top_k"):
            value = True if field == "echo" else 1
            answer = post(server, "completions", model="scripted", prompt="?", **{field: value})
            assert answer.status_code == 400
            assert field in answer.json()["error"]["message"]
        assert scripted.seen == []


def test_a_large_body_is_refused() -> None:
    with Server(Scripted(), limits=Limits(body=1000)) as server:
        answer = post(server, "completions", model="scripted", prompt="x" * 1000)
        assert answer.status_code == 413 and "1000 bytes" in answer.json()["error"]["message"]
        assert post(server, "completions", model="scripted", prompt="x" * 800).status_code == 200


@pytest.mark.parametrize(
    "field",
    [{"prompt": [1, 2]}, {"include_stop_str_in_output": True, "stop": ["a", "b"]}, {"echo": True},
     {"logprobs": 0}],
    ids=lambda field: next(iter(field)),
)  # fmt: skip
def test_what_a_model_elsewhere_cannot_tell_is_refused_and_not_made_up(
    field: dict[str, Any],
) -> None:
    with Server(scripted := Scripted()) as server:
        refused = post(server, "completions", **{"model": "scripted", "prompt": "?", **field})
        assert refused.status_code == 400 and scripted.seen == []
        assert refused.json()["error"]["param"] == next(iter(field))
