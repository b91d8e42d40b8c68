"""Address: `MODEL@URL` read apart, and the key that goes with it."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit, urlunsplit

from evaluators.errors import BadInput

DEFAULT = "https://api.openai.com/v1"
"""Where the `openai` package goes by itself."""


@dataclass(frozen=True)
class Address:
    """A model's name at a server. `bases` are the addresses to try in turn; the key is not
    shown."""

    model: str
    bases: tuple[str, ...]
    local: bool
    key: str | None = field(repr=False, default=None)
    key_env: str = "OPENAI_API_KEY"

    def hide(self, text: str) -> str:
        """The text as one line of at most 300 characters, without the key."""
        if self.key:
            text = text.replace(self.key, "[key]")
        text = " ".join(text.split())
        return text if len(text) <= 300 else text[:297] + "..."


def read_address(rest: str, key_env: str = "OPENAI_API_KEY") -> Address:
    """What follows `openai:`; the model may contain slashes and at signs, the URL may lack /v1.
    Without a URL it is OPENAI_BASE_URL or OpenAI's own. Raises BadInput."""
    match = re.fullmatch(r"(?P<model>.+?)(?:@(?P<url>(?i:https?)://.*))?", rest)
    if match is None or re.search(r"@(\w*:/.*|//.*|)$", match["model"]):
        raise BadInput(f"openai:{rest} names no model at a URL: write openai:MODEL@URL")
    model, url = match["model"], match["url"]
    if url is None:
        host = model.rpartition("@")[2]
        if host != model and re.match(r"localhost\b|[\w.-]+:\d+|(\d+\.){3}\d+", host):
            raise BadInput(f"openai:{rest} lacks http:// or https:// before {host!r}")
        url = os.environ.get("OPENAI_BASE_URL") or DEFAULT
    parts = _parts(url.strip())
    if parts.username or parts.password:
        raise BadInput(
            f"the URL of model {model!r} holds a name or password: put the key into the"
            f" environment variable {key_env} instead"
        )
    if parts.query or parts.fragment:
        raise BadInput(f"the URL of model {model!r} must end before '?' and '#'")
    given = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    path = parts.path.rstrip("/")
    if path.endswith("/v1"):
        bases: tuple[str, ...] = (given,)
    else:
        bases = (given, given + "/v1") if path else (given + "/v1", given)
    local = _loopback(parts.hostname or "")
    key = _key(key_env)
    if key is None and not local:
        raise BadInput(
            f"no key for {parts.hostname}: set the environment variable {key_env}, or name"
            " another one with key_env=NAME"
        )
    return Address(model, bases, local, key, key_env)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = parts.hostname and parts.port != 0 and not re.search(r"\s", url)
    except ValueError:  # brackets that do not close, a port that is no number
        sound, parts = False, SplitResult("", "", "", "", "")
    if not sound:
        raise BadInput(f"{url!r} is no address of a server: write http://HOST:PORT/v1")
    return parts


def _key(name: str) -> str | None:
    """The key in an environment variable, without the line end that a file may have left on it.
    A key that no header can carry is refused here: the errors of a header would show it."""
    key = os.environ.get(name, "").strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise BadInput(
            f"the key in the environment variable {name} holds a space or a character that no key"
            " has: set it again"
        )
    return key or None


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
