"""A small OpenAI-compatible server for tests: it writes running sums and fails on demand.

A token is a character, the end of sequence one token more. Every draw depends on the seed, the
prompt and the index of the choice. `generated` counts all tokens it wrote, also those of answers
that it spoiled afterwards; `delivered` and `read` those of whole answers; `left` counts the clients
that went away while it hung.
"""

from __future__ import annotations

import json
import random
import select
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[[int, dict[str, Any]], str | None]
"""What to do to the request with this number (from 0; lists of models do not count): None, or one
of FAULTS."""

FAULTS = (
    "429", "429-after", "429-date", "quota", "500", "503", "503-after", "401", "403", "404-model",
    "400", "long", "drop", "cut", "json", "empty", "slow", "hang", "no-usage", "negative-usage",
    "large-usage", "text-usage", "small-usage", "overrun", "no-finish",
)  # fmt: skip
LIST: dict[str, tuple[int, str, str]] = {
    "500": (500, "internal", "it broke"),
    "503": (503, "internal", "it is down"),
    "503-after": (503, "overloaded", "busy"),
    "401": (401, "invalid_api_key", "no such key"),
    "403": (403, "forbidden", "not for you"),
    "404-model": (404, "model_not_found", "The model does not exist."),
    "400": (400, "invalid_request_error", "I do not like this request"),
    "429": (429, "rate_limit_exceeded", "too fast"),
    "429-after": (429, "rate_limit_exceeded", "too fast"),
    "429-date": (429, "rate_limit_exceeded", "too fast"),
    "quota": (429, "insufficient_quota", "the account is empty"),
    "long": (400, "context_length_exceeded", "This model's maximum context length is 20 tokens."),
}
SPOILED = ("500", "503", "drop", "cut", "json", "empty", "hang", "no-finish")
"""Faults of which the client must assume that the server has generated; here it has."""


class FaultServer:
    """`with FaultServer(script) as server:` serves `server.url` until the block ends.

    `right` is the probability of a right sum; `strict` refuses what OpenAI does not know, `bare`
    ignores it; `key` is the bearer that it wants; `echo_key` makes errors repeat the key; `reach`
    refuses a prompt that together with `max_tokens` is longer, in these words.
    """

    def __init__(
        self, script: Script | None = None, *, right: float = 0.7, bare: bool = False,
        strict: bool = False, key: str | None = None, echo_key: bool = False,
        wait: str = "7", model: str = "toy", dialect: str | None = "compact",
        reach: tuple[int, str] | None = None,
    ) -> None:  # fmt: skip
        self.script, self.right, self.bare, self.strict = script, right, bare, strict
        self.key, self.echo_key, self.wait, self.model = key, echo_key, wait, model
        self.dialect, self.reach = dialect, reach
        self.requests: list[dict[str, Any]] = []  # the bodies, each with its path and fault
        self.listed = self.calls = self.generated = self.delivered = self.read = self.left = 0
        self.lock, self.closing = threading.Lock(), threading.Event()

    def __enter__(self) -> FaultServer:
        outer = self

        class Handler(_Handler):
            server_of = outer

        class Listener(ThreadingHTTPServer):
            request_queue_size = 256  # of connections: no fault but the scripted ones

        self.http = Listener(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()

    def write(self, prompt: str, body: dict[str, Any], index: int) -> dict[str, Any]:
        """One choice: what is written, its tokens, and why it ended."""
        question, _, before = prompt.partition(":")
        numbers = [int(x) for x in question.split("+") if x.strip().isdigit()] or [*range(1, 9)]
        lines = before.splitlines()
        seed = f"{body.get('seed', random.random())}/{index}/{prompt}"
        rng = random.Random(seed if body.get("temperature", 1) else prompt)
        right = 1.0 if not body.get("temperature", 1) else self.right
        marks = [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop") or []
        text, ended, matched = "", False, None
        while not ended and matched is None:
            at = len(lines)
            last = at >= len(numbers) - 1
            base = int(lines[-1]) if lines and lines[-1].isdigit() else numbers[0]
            if last:
                text, ended = f"{text}={base}", True
            else:
                wrong = 0 if rng.random() < right else rng.choice((1, 2))
                lines.append(str(base + numbers[at + 1] + wrong))
                text += lines[-1] + "\n"
            matched = next((mark for mark in marks if mark in text), None)
        tokens = list(text) + ([""] if matched is None else [])
        if matched is not None:
            tokens = list(text[: text.index(matched) + len(matched)])
        limit = int(body.get("max_tokens", body.get("max_completion_tokens", 16)))
        reason = "stop"
        if len(tokens) > limit:
            tokens, reason, matched = tokens[:limit], "length", None
        text = "".join(tokens)
        keeps = body.get("include_stop_str_in_output") and not self.bare
        if matched is not None and not keeps:
            text = text.removesuffix(matched)
        return {"text": text, "tokens": tokens, "reason": reason, "matched": matched}


class _Handler(BaseHTTPRequestHandler):
    server_of: FaultServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        served = self.server_of
        served.listed += 1
        if not self._known():
            return
        if self.path != "/v1/models":
            return self._error(404, "not_found", "no such page")
        entry: dict[str, Any] = {"id": served.model, "object": "model", "max_model_len": 4096}
        if served.dialect:
            entry["dialect"] = served.dialect
        self._send(200, {"object": "list", "data": [entry]})

    def do_POST(self) -> None:
        served = self.server_of
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with served.lock:
            number = len(served.requests)
            served.requests.append({"path": self.path, **body})
            fault = served.script(number, body) if served.script else None
            served.requests[-1]["fault"] = fault
        if not self._known():
            return
        if served.strict and set(body) & {"return_token_ids", "top_k", "min_p", "echo",
                "include_stop_str_in_output", "structured_outputs", "grammar"}:  # fmt: skip
            return self._error(400, "unknown_parameter", "Unknown parameter")
        if served.reach and len(self._prompt(body)) + body["max_tokens"] > served.reach[0]:
            counts = {"read": len(self._prompt(body)), "asked": body["max_tokens"]}
            said = served.reach[1].format(limit=served.reach[0], **counts)
            return self._error(400, "invalid_request_error", said)
        if fault in LIST and fault not in SPOILED:
            headers = {}
            if fault.endswith("-after"):
                headers = {"Retry-After": served.wait}
            if fault.endswith("-date"):
                at = time.gmtime(time.time() + float(served.wait))
                headers = {"Retry-After": time.strftime("%a, %d %b %Y %H:%M:%S GMT", at)}
            return self._error(*LIST[fault], headers)
        answer, spent = self._answer(body, fault)
        with served.lock:
            served.calls += 1
            served.generated += spent
            if fault not in SPOILED:
                served.delivered += spent
                served.read += len(self._prompt(body))
        self._deliver(answer, fault)

    # -- inside -----------------------------------------------------------------------

    def _prompt(self, body: dict[str, Any]) -> str:
        if "prompt" in body:
            return body["prompt"]
        return "".join(message["content"] for message in body["messages"])

    def _answer(self, body: dict[str, Any], fault: str | None) -> tuple[dict[str, Any], int]:
        served, prompt, chat = self.server_of, self._prompt(body), "messages" in body
        made = [served.write(prompt, body, i) for i in range(int(body.get("n", 1)))]
        if fault == "overrun":
            made[0]["tokens"] += list("x" * 100)
        found = []
        for index, one in enumerate(made):
            choice: dict[str, Any] = {"index": index, "finish_reason": one["reason"]}
            choice |= {"message": {"role": "assistant", "content": one["text"]}} if chat else {
                "text": one["text"]}  # fmt: skip
            if not served.bare and not served.strict:
                choice["stop_reason"] = one["matched"]
                if body.get("return_token_ids"):
                    choice["token_ids"] = [ord(t) if t else 0 for t in one["tokens"]]
            if body.get("logprobs") is not None and not served.bare:
                values = [-0.5] * len(one["tokens"])
                choice["logprobs"] = (
                    {"content": [{"token": t, "logprob": -0.5} for t in one["tokens"]]}
                    if chat
                    else {"tokens": one["tokens"], "token_logprobs": values}
                )
            if fault == "no-finish":
                del choice["finish_reason"]
            found.append(choice)
        spent = sum(len(one["tokens"]) for one in made)
        usage: Any = {"prompt_tokens": len(prompt), "completion_tokens": spent,
                      "total_tokens": len(prompt) + spent}  # fmt: skip
        wrong = {
            "negative-usage": {**usage, "completion_tokens": -5, "prompt_tokens": -1},
            "large-usage": {**usage, "completion_tokens": 10**9, "prompt_tokens": 10**9},
            "text-usage": {"prompt_tokens": "many", "completion_tokens": [3]},
            "small-usage": {**usage, "completion_tokens": 0, "total_tokens": len(prompt)},
            "no-usage": None,
        }
        usage = wrong.get(fault or "", usage)
        return {"object": "completion", "choices": found, "usage": usage}, spent

    def _deliver(self, answer: dict[str, Any], fault: str | None) -> None:
        raw = json.dumps(answer).encode()
        if fault == "slow":
            self.server_of.closing.wait(0.05)
        if fault == "hang":
            return self._hang()
        if fault in ("500", "503"):
            return self._error(*LIST[fault])
        if fault == "drop":
            self.close_connection = True
            return
        if fault == "json":
            raw = raw[: len(raw) // 2]
        if fault == "empty":
            raw = b"{}"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if fault == "cut":
            raw, self.close_connection = raw[: len(raw) // 2], True
        self.wfile.write(raw)

    def _hang(self) -> None:
        """Say nothing until the client has left or the server closes."""
        self.close_connection = True
        while not self.server_of.closing.wait(0.01):
            ready, _, _ = select.select([self.connection], [], [], 0)
            if ready and not self.connection.recv(1, socket.MSG_PEEK):
                self.server_of.left += 1
                return

    def _known(self) -> bool:
        served = self.server_of
        if served.key is None or self.headers.get("Authorization") == f"Bearer {served.key}":
            return True
        given = f" ({self.headers.get('Authorization')})" if served.echo_key else ""
        self._error(401, "invalid_api_key", f"Incorrect API key{given}")
        return False

    def _error(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        if self.server_of.echo_key:
            message += f" {self.headers.get('Authorization')}"
        error = {"message": message, "type": code, "param": None, "code": code}
        self._send(status, {"error": error}, headers)

    def _send(
        self, status: int, data: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        raw = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)
