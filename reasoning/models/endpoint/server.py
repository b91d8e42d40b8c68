"""Server: what one OpenAI-compatible server does for one model, and what others are documented
to do.

`probe` finds it out by asking; a profile is taken from the documentation instead, for servers that
cannot be asked cheaply or honestly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from evaluators.errors import BadInput, UnknownName
from reasoning.core import Sampling

Route = Literal["completions", "chat"]

ABILITIES = (
    "continue", "logprobs", "score", "n", "seed", "choices", "regex", "schema", "top_k", "min_p",
    "token_ids", "tells_stop",
)  # fmt: skip
"""All that `can` may name."""


@dataclass(frozen=True)
class Server:
    """How a server is asked and read. `can` as in `LanguageModel`; the rest is how.

    `include`: takes `include_stop_str_in_output`. `reasons`: tells the stop string that matched as
    `stop_reason`. `plain_logprobs`: on the completions route `logprobs: 0` gives those of the
    tokens themselves (else 1 is sent, which costs alternatives). `flags`: a started answer is
    continued by `continue_final_message`, else by a last message of the assistant alone, which
    the answer may begin with (`repeats`). `guides`:
    the field for enforced forms. `limit`: the field of the chat route that caps the tokens.
    `spends`: the model is a strategy of `reasonlab serve`, whose whole spending `budget` caps.
    """

    route: Route
    can: frozenset[str] = frozenset()
    include: bool = False
    reasons: bool = False
    plain_logprobs: bool = False
    flags: bool = False
    repeats: bool = False
    guides: Literal["structured_outputs", "response_format", "grammar"] | None = None
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    spends: bool = False

    def keeps(self, sampling: Sampling) -> bool:
        """Whether what ended the text is asked to stay in it: a boundary belongs there, and a
        server that names no stop string can be understood by it."""
        marked = sampling.boundary is not None or bool(sampling.stop)
        return marked and self.include and (sampling.boundary is not None or not self.reasons)


_CHAT = Server("chat")

PROFILES: dict[str, tuple[Server, str]] = {
    "openai": (
        replace(
            _CHAT,
            can=frozenset({"schema"}),
            guides="response_format",
            limit="max_completion_tokens",
        ),
        "https://platform.openai.com/docs/api-reference/chat/create",
    ),
    "vllm": (
        replace(
            _CHAT,
            can=frozenset(ABILITIES) - {"score"},
            include=True,
            reasons=True,
            plain_logprobs=True,
            flags=True,
            guides="structured_outputs",
        ),
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
    ),
    "llama.cpp": (
        replace(
            _CHAT,
            can=frozenset({"continue", "logprobs", "seed", "choices", "schema", "top_k", "min_p"}),
            repeats=True,
            guides="grammar",
        ),
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    ),
    "ollama": (
        replace(_CHAT, can=frozenset({"logprobs", "seed", "schema"}), guides="response_format"),
        "https://docs.ollama.com/openai",
    ),
    "gemini": (
        replace(_CHAT, can=frozenset({"schema"}), guides="response_format"),
        "https://ai.google.dev/gemini-api/docs/openai",
    ),
}
"""Profile -> what such a server is documented to do, and the page that says so. Seeds that are
documented as best effort (OpenAI) are not counted as an ability."""


def profile(name: str) -> Server:
    """A profile by name. Raises UnknownName."""
    if name not in PROFILES:
        raise UnknownName("profile", name, PROFILES)
    return PROFILES[name][0]


def abilities(given: Any) -> frozenset[str]:
    """The option `can`: names in a set, a list, or a text with commas or plus signs between them.
    Raises UnknownName."""
    if isinstance(given, str):
        names = re.split(r"[\s,+]+", given.strip()) if given.strip() else []
    elif isinstance(given, Iterable):
        names = [str(name) for name in given]
    else:
        raise BadInput(f"option can is a list of abilities, such as continue,seed: {given!r}")
    for name in names:
        if name not in ABILITIES:
            raise UnknownName("ability in option can", name, ABILITIES)
    return frozenset(names)


def declared(can: frozenset[str], route: Route, base: Server | None = None) -> Server:
    """A server that can what the caller says it can; how it does it is taken from `base`, by
    default as vLLM does it."""
    found = base or PROFILES["vllm"][0]
    stops = "tells_stop" in can
    return replace(
        found, route=route, can=can,
        include=found.include and stops, reasons=found.reasons and stops,
        flags=found.flags and "continue" in can,
    )  # fmt: skip
