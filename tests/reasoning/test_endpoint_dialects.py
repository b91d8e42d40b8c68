"""Servers of others, answering as their documentation (or a run of them) shows: the client sends
each only what it takes, and reads its answers, counts and errors rightly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from evaluators.errors import LabError
from reasoning import load_model
from reasoning.core import Completion, Message, Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run
from reasoning.models.endpoint import probe
from reasoning.models.endpoint.retry import ServerFault

Reply = Callable[[str, dict[str, Any]], tuple[int, Any]]
"""(path, body) -> (status, JSON or plain text)"""


class Scripted:
    """A server that answers by a function; `asked` are the bodies of what was posted."""

    def __init__(self, reply: Reply) -> None:
        outer, self.asked = self, []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # As uvicorn: an error that nobody caught ends the connection, unannounced.

            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                self._answer(body)

            def _answer(self, body: dict[str, Any]) -> None:
                status, data = reply(self.path, body)
                raw = data.encode() if isinstance(data, str) else json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)
                self.close_connection = status == 500

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def serve() -> Iterator[Callable[[Reply], Scripted]]:
    """Starts scripted servers and ends them after the test."""
    probe._known.clear()
    started: list[Scripted] = []

    def start(reply: Reply) -> Scripted:
        started.append(Scripted(reply))
        return started[-1]

    yield start
    for server in started:
        server.http.shutdown()
        server.http.server_close()


def ask(
    server: Scripted, sampling: Sampling, prefix: str = "", ledger: Ledger | None = None,
    model: str = "m", **options: Any,
) -> Completion:  # fmt: skip
    """One completion of a loaded model."""
    loaded = load_model(f"openai:{model}@{server.url}", retries=0, **options)
    prompt = Prompt((Message("user", "What is 3+4?"),), prefix)
    return run(loaded.generate(prompt, sampling, ledger or Ledger(), SeedPath(5)))[0]


def listing(*names: str) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


def chat(text: str, usage: dict[str, Any], finish: str = "stop", **extra: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish, **extra}
    return {"object": "chat.completion", "choices": [choice], "usage": usage}


def test_llama_cpp_takes_a_grammar_and_tells_cached_tokens_beside_its_timings(serve) -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 14,
             "prompt_tokens_details": {"cached_tokens": 9}}  # fmt: skip
    told = {"content": [
        {"id": 22, "token": "7", "bytes": [55], "logprob": -0.25, "top_logprobs": []},
        {"id": 2, "token": "", "bytes": [], "logprob": -0.5, "top_logprobs": []},
    ]}  # fmt: skip
    timings = {"cache_n": 9, "prompt_n": 3, "predicted_n": 2}

    def reply(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path == "/v1/models":
            return 200, {"object": "list", "data": [{"id": "m", "meta": {"n_ctx_train": 4096}}]}
        return 200, {**chat("7", usage, logprobs=told), "timings": timings}

    server, ledger = serve(reply), Ledger()
    sampling = Sampling(8, choices=("7", "12"), top_k=5)
    made = ask(server, sampling, ledger=ledger, profile="llama.cpp")
    assert (made.text, made.finish, made.logprobs) == ("7", "eos", (-0.25, -0.5))
    [body] = server.asked
    assert body["grammar"] == 'root ::= "7" | "12"'
    assert (body["top_k"], body["max_tokens"], body["logprobs"]) == (5, 8, True)
    assert 0 <= body["seed"] < 2**31
    assert (ledger.spent.prompt, ledger.spent.cached, ledger.spent.completion) == (12, 9, 2)


def test_llama_cpp_goes_on_with_a_last_message_of_the_assistant(serve) -> None:
    usage = {"prompt_tokens": 14, "completion_tokens": 3, "total_tokens": 17}
    whole = chat("3+4 is 7", usage)  # seen by running it: what was started is repeated
    server = serve(lambda path, body: (200, listing("m") if not body else whole))
    made = ask(server, Sampling(8, boundary="\n"), prefix="3+", profile="llama.cpp")
    [body] = server.asked
    assert body["messages"][-1] == {"role": "assistant", "content": "3+"}
    assert "continue_final_message" not in body and "include_stop_str_in_output" not in body
    assert (body["stop"], made.finish) == (["\n"], "stop")  # a stop string or the end: not told
    assert made.text == "4 is 7\n"  # the boundary that may have ended it is put back


def test_ollama_is_sent_no_field_that_it_ignores_in_silence(serve) -> None:
    usage = {"prompt_tokens": 0, "completion_tokens": 4, "total_tokens": 4}  # all of it cached
    server = serve(lambda path, body: (200, listing("m") if not body else chat('{"a":7}', usage)))
    schema = '{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}'
    ledger = Ledger()
    made = ask(server, Sampling(16, schema=schema), ledger=ledger, profile="ollama")
    [body] = server.asked
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["a"]
    assert not {"top_k", "min_p", "n", "return_token_ids"} & set(body)
    assert json.loads(made.text) == {"a": 7}
    assert (ledger.spent.prompt, ledger.spent.completion) == (0, 4)
    with pytest.raises(LabError, match="top_k"):
        ask(server, Sampling(8, top_k=5), profile="ollama")


def test_gemini_is_sent_no_seed_and_its_list_of_errors_is_read(serve) -> None:
    refused = [{"error": {"code": 400, "status": "INVALID_ARGUMENT",
                "message": 'Invalid JSON payload received. Unknown name "top_k"'}}]  # fmt: skip
    usage = {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9}

    def reply(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path == "/v1/models":
            return 200, listing("models/m")  # its names carry a prefix that requests need not
        return (400, refused) if {"seed", "logprobs", "n", "top_k"} & set(body) else (
            200, chat("7", usage))  # fmt: skip

    server = serve(reply)
    assert ask(server, Sampling(8), profile="gemini").text == "7"
    assert set(server.asked[0]) == {"model", "messages", "temperature", "top_p", "max_tokens"}
    with pytest.raises(ServerFault, match="Unknown name"):
        ask(server, Sampling(8, top_k=3), profile="gemini", can="top_k")


def test_openai_s_limit_has_another_name_and_thinking_is_paid(serve) -> None:
    usage = {"prompt_tokens": 8, "completion_tokens": 40, "total_tokens": 48,
             "completion_tokens_details": {"reasoning_tokens": 38},
             "prompt_tokens_details": {"cached_tokens": 0}}  # fmt: skip
    server = serve(lambda path, body: (200, listing("m") if not body else chat("7", usage)))
    ledger = Ledger()
    made = ask(server, Sampling(64), ledger=ledger, profile="openai")
    assert made.finish == "eos"
    assert server.asked[0]["max_completion_tokens"] == 64
    assert "max_tokens" not in server.asked[0]
    assert ledger.spent.completion == 40


def test_a_filtered_answer_is_no_end(serve) -> None:
    usage = {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11}
    cut = chat("I can", usage, finish="content_filter")
    server = serve(lambda path, body: (200, listing("m") if not body else cut))
    assert ask(server, Sampling(8), profile="openai").finish == "stop"


@pytest.mark.parametrize("matched", [None, "\n"], ids=["the end", "the boundary"])
def test_vllm_names_the_stop_string_that_matched(serve, matched: str | None) -> None:
    usage = {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11,
             "prompt_tokens_details": None}  # fmt: skip
    text = "3+4" + (matched or "")
    answer = chat(text, usage, stop_reason=matched, token_ids=[4, 5, 6], logprobs=None)
    server = serve(lambda path, body: (200, listing("m") if not body else answer))
    made = ask(server, Sampling(8, boundary="\n", regex="[0-9+]*"), profile="vllm")
    [body] = server.asked
    assert (body["stop"], body["include_stop_str_in_output"]) == (["\n"], True)
    assert body["structured_outputs"] == {"regex": "[0-9+]*"}
    assert (made.text, made.finish) == (text, "boundary" if matched else "eos")
    assert made.token_ids == (4, 5, 6)


TAKEN = {"model", "prompt", "max_tokens", "temperature", "top_p", "seed", "stop", "n", "logprobs",
         "echo"}  # fmt: skip


def transformers(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """As `transformers serve` 5.23 was seen to answer for a folder: an empty list of models,
    unknown fields refused, known ones ignored, greedy whatever is asked, stop strings kept."""
    if path.endswith("/models"):
        return 200, listing()
    if path.endswith("/chat/completions"):
        return 500, "Internal Server Error"  # without a chat template
    unknown = set(body) - TAKEN
    if unknown:
        return 422, {"detail": f"Unexpected fields in the request: {unknown}"}
    if body["max_tokens"] < 1:
        return 500, "Internal Server Error"
    text, made = "7*2-5\n9", 0
    for made in range(1, len(text) + 1):
        if made == body["max_tokens"] or any(text[:made].endswith(s) for s in body.get("stop", ())):
            break
    finish = "length" if made >= body["max_tokens"] else "stop"
    usage = {"prompt_tokens": 10, "completion_tokens": made, "total_tokens": 10 + made}
    choice = {"index": 0, "text": text[:made], "finish_reason": finish}
    return 200, {"object": "text_completion", "choices": [choice], "usage": usage}


def test_transformers_serve_is_found_to_continue_and_no_more(serve) -> None:
    server = serve(transformers)
    loaded = load_model(f"openai:m@{server.url}", dialect="compact")
    assert loaded.can == {"continue"}
    ledger = Ledger()
    made = ask(server, Sampling(5), ledger=ledger, dialect="compact")
    assert (made.text, made.finish, ledger.spent.completion) == ("7*2-5", "length", 5)
    assert server.asked[-1]["prompt"] == "What is 3+4?"


def test_a_stop_string_that_is_kept_without_being_asked_ended_the_text(serve) -> None:
    server = serve(transformers)
    told = {"dialect": "compact", "can": "continue"}
    made = ask(server, Sampling(20, boundary="\n"), **told)
    assert (made.text, made.finish) == ("7*2-5\n", "boundary")
    made = ask(server, Sampling(20, boundary="\n", stop=("-",)), **told)
    assert (made.text, made.finish) == ("7*2", "stop")


def test_a_server_is_found_to_take_the_flags_and_to_repeat_what_was_started(serve) -> None:
    def reply(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """As a new llama.cpp; all other fields are ignored."""
        if not body:
            return 200, listing("m")
        if body.get("continue_final_message") and body.get("add_generation_prompt"):
            return 400, {"error": {"code": 400, "message": "Cannot set both", "type": "invalid"}}
        last = body["messages"][-1]
        begun = last["content"] if last["role"] == "assistant" else ""
        usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
        if "stop" in body:
            return 200, chat(begun, usage)  # cut, and not named
        return 200, chat(begun + "7", usage, finish="length")

    server = serve(reply)
    loaded = load_model(f"openai:m@{server.url}")
    assert loaded.can == {"continue"}
    assert ask(server, Sampling(1), prefix="3+4=").text == "7"
    assert server.asked[-1]["add_generation_prompt"] is False
