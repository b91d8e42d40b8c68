"""A request body as values: what to continue, how to draw, what to report."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from labs.server.errors import ApiError, bad
from labs.server.fields import Body
from reasoning.core import Message, Prompt, Sampling

TOP = 20
"""The most alternatives of a token that are told."""

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

GUIDES = {"guided_choice": "choice", "guided_regex": "regex", "guided_json": "json"}
"""Older names of the members of `structured_outputs`."""


@dataclass(frozen=True)
class Asked:
    """One request. `logprobs`: None for none, 0 for the drawn tokens', k for k alternatives too.
    `stop` and `include_stop` are what the client wrote; `sampling` holds what follows from them.
    `extra` holds the fields that only a strategy takes."""

    route: Literal["completion", "chat"]
    prompts: tuple[Prompt, ...]
    sampling: Sampling
    seed: int
    logprobs: int | None = None
    echo: bool = False
    stream: bool = False
    include_usage: bool = False
    stop: tuple[str, ...] = ()
    include_stop: bool = False
    token_ids: bool = False
    given: frozenset[str] = frozenset()
    extra: Mapping[str, Any] | None = None


def completion(data: Mapping[str, Any], longest: int, *, search: bool = False) -> Asked:
    """The body of `/v1/completions`. `longest` replaces an absent limit where a strategy is asked.
    Raises ApiError for a field that is wrong or unknown."""
    body = Body(data)
    body.any("model")
    prompts = _prompts(body.any("prompt"))
    logprobs = body.any("logprobs")
    if isinstance(logprobs, bool) or not isinstance(logprobs, int | None):
        raise bad("logprobs must be a whole number, 0 to 20 alternatives", "logprobs")
    if logprobs is not None and not 0 <= logprobs <= TOP:
        raise bad(f"logprobs must be within 0 and {TOP}", "logprobs")
    echo = body.flag("echo")
    limit = body.whole("max_tokens", 0)
    if limit == 0 and not echo:
        raise bad("max_tokens must be 1 or more; 0 is for echo, which scores a text", "max_tokens")
    if limit is None:
        limit = longest if search else 16
    return _asked(body, data, "completion", prompts, limit, logprobs, echo, search)


def chat(data: Mapping[str, Any], longest: int, *, search: bool = False) -> Asked:
    """The body of `/v1/chat/completions`; without a limit a completion may have `longest` tokens.
    Raises ApiError for a field that is wrong or unknown."""
    body = Body(data)
    body.any("model")
    messages = _messages(body.any("messages"))
    going_on = body.flag("continue_final_message")
    adding = body.flag("add_generation_prompt", not going_on)
    if going_on == adding:
        raise bad(
            "continue_final_message goes with add_generation_prompt false, and without it a turn"
            " of the assistant has to begin: set one of the two",
            "add_generation_prompt",
        )
    prompt = Prompt(messages)
    if going_on:
        if messages[-1].role != "assistant":
            raise bad("continue_final_message needs a last message of the assistant", "messages")
        if not messages[:-1]:
            raise bad("there is no message before the one to continue", "messages")
        prompt = Prompt(messages[:-1], messages[-1].content)
    wanted, top = body.flag("logprobs"), body.whole("top_logprobs", 0, TOP)
    if top and not wanted:
        raise bad("top_logprobs needs logprobs: true", "top_logprobs")
    limits = body.whole("max_completion_tokens", 1), body.whole("max_tokens", 1)
    limit = next((x for x in limits if x is not None), longest)
    logprobs = (top or 0) if wanted else None
    return _asked(body, data, "chat", (prompt,), limit, logprobs, False, search)


def _asked(
    body: Body, data: Mapping[str, Any], route: Literal["completion", "chat"],
    prompts: tuple[Prompt, ...], limit: int, logprobs: int | None, echo: bool, search: bool,
) -> Asked:  # fmt: skip
    """What both routes share."""
    stop, include = body.texts("stop"), body.flag("include_stop_str_in_output")
    alone = include and len(stop) == 1  # one mark that stays is a step boundary
    seed = body.whole("seed", -(2**63), 2**63 - 1)
    options = body.inner("stream_options")
    usage = False if options is None else options.flag("include_usage")
    if options is not None:
        options.flag("include_obfuscation")
        options.finish()
    try:
        sampling = Sampling(
            max_tokens=limit,
            temperature=body.number("temperature", 1.0),
            top_k=max(0, body.whole("top_k", -1) or 0),
            top_p=body.number("top_p", 1.0),
            min_p=body.number("min_p", 0.0),
            boundary=stop[0] if alone else None,
            stop=() if alone else stop,
            n=body.whole("n", 1) or 1,
            **_guide(body),
        )
    except ValueError as error:
        text = str(error).removeprefix("sampling.")
        raise bad(text, text.split(" ")[0].rstrip(":")) from error
    asked = Asked(
        route, prompts, sampling, secrets.randbelow(2**31) if seed is None else seed,
        logprobs=logprobs, echo=echo, stream=body.flag("stream"), include_usage=usage, stop=stop,
        include_stop=include, token_ids=body.flag("return_token_ids"),
        given=frozenset(
            "max_tokens" if name == "max_completion_tokens" else name
            for name, value in data.items()
            if value is not None
        ),
        extra={name: body.any(name) for name in ("strategy", "budget", "task")} if search else None,
    )  # fmt: skip
    body.finish()
    return asked


def _prompts(value: Any) -> tuple[Prompt, ...]:
    """A text, token ids, or a list of either."""
    if _is_ids(value) or isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value:
        raise bad("prompt must be a string, a list of token ids, or a list of these", "prompt")
    return tuple(_prompt(item) for item in value)


def _prompt(item: Any) -> Prompt:
    if isinstance(item, str) and item:
        return Prompt((), item)
    if _is_ids(item):
        return Prompt((), prefix_ids=tuple(item))
    raise bad("every prompt must be a string or a list of token ids, and not empty", "prompt")


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(x) is int for x in value)


def _messages(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise bad("messages must be a list of at least one message", "messages")
    return tuple(_message(item, f"messages[{i}]") for i, item in enumerate(value))


def _message(item: Any, where: str) -> Message:
    body = Body(item, where)
    role, content = body.text("role"), body.any("content")
    body.text("name")
    body.finish()
    if role not in ROLES:
        raise bad(f"{where}.role must be one of {', '.join(ROLES)}, not {role!r}", where)
    if isinstance(content, list):
        content = "".join(_part(part, where) for part in content)
    if not isinstance(content, str):
        raise bad(f"{where}.content must be a string or a list of text parts", where)
    return Message(ROLES[role], content)


def _part(part: Any, where: str) -> str:
    if isinstance(part, Mapping) and part.get("type") == "text" and type(part.get("text")) is str:
        return part["text"]
    raise bad(f"{where}.content holds a part that is no text; these models read text only", where)


def _guide(body: Body) -> dict[str, Any]:
    """The enforced form, as fields of Sampling."""
    found: dict[str, Any] = {}
    for name, member in GUIDES.items():
        value = body.any(name)
        if value is not None:
            found |= _form(member, value, name)
    outputs = body.inner("structured_outputs")
    if outputs is not None:
        for member in GUIDES.values():
            value = outputs.any(member)
            if value is not None:
                found |= _form(member, value, f"structured_outputs.{member}")
        outputs.finish()
    asked = body.inner("response_format")
    if asked is not None:
        found |= _response_format(asked)
    return found


def _response_format(asked: Body) -> dict[str, Any]:
    kind = asked.text("type")
    if kind == "text":
        return {}
    if kind == "json_object":
        return {"schema": '{"type":"object"}'}
    held = asked.inner("json_schema") if kind == "json_schema" else None
    if held is None:
        raise bad(
            "response_format.type must be text, json_object, or json_schema with its schema",
            "response_format",
        )
    schema = held.any("schema")
    if schema is None:
        raise bad("response_format.json_schema needs a schema", "response_format")
    return _form("json", schema, "response_format.json_schema.schema")


def _form(member: str, value: Any, where: str) -> dict[str, Any]:
    if member == "choice":
        ok = isinstance(value, list) and value and all(isinstance(x, str) and x for x in value)
        if not ok:
            raise bad(f"{where} must be a list of texts, none of them empty", where)
        return {"choices": tuple(value)}
    if member == "regex":
        if not isinstance(value, str):
            raise bad(f"{where} must be a regular expression as a string", where)
        return {"regex": value}
    return {"schema": _schema(value, where)}


def _schema(value: Any, where: str) -> str:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise bad(f"{where} is not JSON: {error}", where) from error
    if not isinstance(value, Mapping):
        raise bad(f"{where} must be a JSON schema (an object)", where)
    return json.dumps(value)


def model_of(data: Any) -> str:
    """The model that a body names. Raises ApiError."""
    if not isinstance(data, Mapping):
        raise bad("the body must be a JSON object")
    if not isinstance(name := data.get("model"), str) or not name:
        raise ApiError(400, "the body must name a model", "invalid_request_error", param="model")
    return name
