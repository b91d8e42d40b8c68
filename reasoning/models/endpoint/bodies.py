"""Request bodies: a prompt and a sampling as the fields of `/completions` or `/chat/completions`.

Only fields that the server is known to take are sent; what was asked for and cannot be sent is
refused in one sentence. Extensions are named as vLLM names them.
"""

from __future__ import annotations

import json
from typing import Any

from evaluators.errors import BadInput
from reasoning.core import BadPrompt, Prompt, Sampling, SeedPath
from reasoning.models.endpoint.form import schema_of
from reasoning.models.endpoint.server import Server

PATHS = {"completions": "/completions", "chat": "/chat/completions"}


def raw_text(prompt: Prompt, dialect: str) -> str:
    """A prompt as one string: the messages' contents joined by newlines (and, in the plain
    dialect, one after them), then the assistant's turn so far."""
    body = "\n".join(message.content for message in prompt.messages)
    return body + ("\n" if body and dialect == "plain" else "") + prompt.prefix


def route_of(server: Server, prompt: Prompt) -> str:
    """The route that takes this prompt: a prompt without messages is raw text."""
    return server.route if prompt.messages else "completions"


def bound(prompt: Prompt) -> int:
    """No fewer tokens than the server will read for this prompt: one a byte, and room for what a
    chat template adds (256, and 16 a message)."""
    texts = [message.content for message in prompt.messages] + [prompt.prefix]
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return size + (256 + 16 * len(prompt.messages) if prompt.messages else 16)


def refuse(server: Server, name: str, prompt: Prompt, sampling: Sampling) -> None:
    """Raises BadInput, before anything is paid, for what this server cannot do, and BadPrompt for
    a text that cannot be sent."""
    for text in [*(message.content for message in prompt.messages), prompt.prefix]:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BadPrompt(
                f"half a character at {error.start} ({error}); mend the text"
            ) from error
    for ability, asked, instead in (
        ("top_k", sampling.top_k > 0, "leave top_k at 0 or use top_p"),
        ("min_p", sampling.min_p > 0.0, "leave min_p at 0 or use top_p"),
        ("continue", bool(prompt.prefix and prompt.messages), "ask for the whole answer at once"),
    ):
        if asked and ability not in server.can:
            raise BadInput(
                f"{name} is not known to take {ability}: {instead}, use a local model such as"
                f" 'tiny' or a vLLM server, or name it in the option can if the server has it"
            )


def body(
    server: Server, model: str, dialect: str, prompt: Prompt, sampling: Sampling
) -> dict[str, Any]:
    """The fields that all requests of one call share; count, seed and number come on top."""
    fields: dict[str, Any] = {"model": model, "temperature": sampling.temperature}
    fields["top_p"] = (
        sampling.top_p
    )  # said even where it is off: servers have defaults of their own
    fields |= {k: getattr(sampling, k) for k in ("top_k", "min_p") if k in server.can}
    fields |= _stops(server, sampling)
    chat = route_of(server, prompt) == "chat"
    if "token_ids" in server.can:
        fields["return_token_ids"] = True
    if "logprobs" in server.can:
        fields["logprobs"] = True if chat else 0 if server.plain_logprobs else 1
    if sampling.guided:
        fields |= guide(server, sampling)
    if not chat:
        return {**fields, "prompt": raw_text(prompt, dialect)}
    messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
    if prompt.prefix:
        messages.append({"role": "assistant", "content": prompt.prefix})
        if server.flags:
            fields |= {"continue_final_message": True, "add_generation_prompt": False}
    return {**fields, "messages": messages}


def numbered(
    server: Server, route: str, fields: dict[str, Any], max_tokens: int, n: int, seed: SeedPath
) -> dict[str, Any]:
    """The fields of one request: `n` choices of at most `max_tokens` tokens."""
    limit = server.limit if route == "chat" else "max_tokens"
    asked = {**fields, limit: max_tokens}
    if n > 1:
        asked["n"] = n
    if server.spends:
        asked["budget"] = {"tokens": max_tokens}
    if "seed" in server.can:
        asked["seed"] = seed.key[0] % 2**31
    return asked


def enforces(server: Server, sampling: Sampling) -> bool:
    """Whether the server itself holds the text to the form that is asked for."""
    return _form(sampling) in server.can and server.guides is not None


def guide(server: Server, sampling: Sampling) -> dict[str, Any]:
    """The fields that have the server enforce the form; none where it cannot."""
    if not enforces(server, sampling):
        return {}
    schema = schema_of(sampling.schema) if sampling.schema is not None else None
    if server.guides == "structured_outputs":
        if sampling.choices:
            return {"structured_outputs": {"choice": list(sampling.choices)}}
        if sampling.regex is not None:
            return {"structured_outputs": {"regex": sampling.regex}}
        return {"structured_outputs": {"json": schema}}
    if schema is not None:
        form = {"name": "answer", "schema": schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": form}}
    if sampling.choices and server.guides == "grammar":  # literals of GBNF are written as in JSON
        return {"grammar": "root ::= " + " | ".join(json.dumps(c) for c in sampling.choices)}
    return {}


def _form(sampling: Sampling) -> str:
    return "choices" if sampling.choices else "schema" if sampling.schema is not None else "regex"


def _stops(server: Server, sampling: Sampling) -> dict[str, Any]:
    marks = [*([sampling.boundary] if sampling.boundary else []), *sampling.stop]
    if not marks:
        return {}
    if server.keeps(sampling):
        return {"stop": marks, "include_stop_str_in_output": True}
    return {"stop": marks}
