"""Faults: what an unsuccessful request means, told apart by status, error code and words.

A refusal that concerns every call is a LabError; a prompt that this model cannot read is a
BadPrompt; everything else is a Fault of one attempt. Texts never hold the key.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

import httpx2
import openai

from evaluators.errors import BadInput, LabError, UnknownName
from reasoning.core import BadPrompt
from reasoning.models.endpoint.address import Address
from reasoning.models.endpoint.retry import Fault, retry_after


class TooLong(BadPrompt):
    """A prompt, or prompt and answer together, that the context does not hold. `room` is how many
    tokens of answer it would hold, where the server says."""

    def __init__(self, message: str, room: int | None = None) -> None:
        super().__init__(message)
        self.room = room


_LONG = re.compile(
    r"context[_ ](length|size|window)|maximum context|too (long|many (input )?tokens)"
    r"|exceeds? the (maximum|available|context)|longer than the (model|maximum|context)",
    re.IGNORECASE,
)
_LIMIT = re.compile(r"(?:context length|context size|context window)\D{0,20}(\d+)", re.IGNORECASE)
_READ = re.compile(
    r"(\d+) (?:tokens )?(?:in|from) (?:the|your) (?:messages|prompt|input)"
    r"|(?:prompt|input)\D{0,30}?(\d+) (?:input )?tokens|(\d+) input tokens",
    re.IGNORECASE,
)


def fault_of(error: Exception, address: Address, base: str, known: list[str]) -> Exception:
    """What to raise for an error of the `openai` package. `known` are the models the server
    lists."""
    if isinstance(error, openai.APIStatusError):
        return _by_status(error, address, base, known)
    cause = error.__cause__
    if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)):
        return Fault(f"{base} cannot be reached", spent=False)
    if isinstance(error, openai.APITimeoutError):
        return Fault(f"{base} did not answer in time", spent=True)
    told = address.hide(str(cause or error)) or type(cause or error).__name__
    return Fault(f"the connection to {base} broke: {told}", spent=True)


def unreachable(base: str) -> BadInput:
    """The error for a server that is not there."""
    return BadInput(
        f"no server answers at {base}: start one (for the embedded model: `reasonlab serve tiny`)"
        " or correct the URL"
    )


def _by_status(
    error: openai.APIStatusError, address: Address, base: str, known: list[str]
) -> Exception:
    status, said, code = error.status_code, address.hide(_words(error)), str(error.code or "")
    if status in (401, 403):
        way = f"set the environment variable {address.key_env}"
        what = "refused the key" if address.key else "wants a key"
        return LabError(f"{base} {what} ({status}: {said}): {way} and load the model again")
    if status == 402 or code == "insufficient_quota":
        return LabError(f"{base} says that the account is spent ({said}); run again with --resume")
    unknown = code == "model_not_found" or re.search(
        r"\bmodel\b.*(not (exist|found)|unknown|no such)", said, re.IGNORECASE
    )
    if status in (400, 404) and unknown:
        return UnknownName(f"model at {base}", address.model, known or ["not told"])
    if status in (404, 405, 501):
        return BadInput(
            f"{error.request.url} is not there ({status}): correct the URL, or choose another"
            " route=completions or chat"
        )
    if status == 413 or (status in (400, 422, 500) and _LONG.search(f"{code} {said}")):
        return TooLong(
            f"the prompt is longer than the context of {address.model} ({said}); shorten it"
            " (fewer examples) or take a model with a longer context",
            _room(said),
        )
    wait = retry_after(error.response.headers, time.time())
    if status == 429:
        return Fault(f"{base} limits the rate ({said})", spent=False, wait=wait)
    if status == 503 and wait is not None:  # it says that it has not begun (RFC 9110, 15.6.4)
        return Fault(f"{base} is busy ({said})", spent=False, wait=wait)
    if status >= 500 or status in (408, 409, 425):
        return Fault(f"{base} failed ({status}: {said})", spent=True, wait=wait)
    return Fault(f"{base} refused the request ({status}: {said})", spent=False, again=False)


def _words(error: openai.APIStatusError) -> str:
    """The server's own sentence, out of whichever body it sends."""
    found: Any = error.body
    if isinstance(found, list) and found:  # Gemini wraps the error in a list
        found = found[0]
    if isinstance(found, dict):
        found = found.get("error", found)
    if isinstance(found, dict):
        found = found.get("message") or found.get("detail") or json.dumps(found)
    return str(found or error.response.reason_phrase or "no reason given")


def _room(said: str) -> int | None:
    """Tokens of answer that the context still holds, from a sentence that names both numbers."""
    limit, read = _LIMIT.search(said), _READ.search(said)
    if limit is None or read is None:
        return None
    return max(0, int(limit[1]) - int(read[1] or read[2] or read[3]))
