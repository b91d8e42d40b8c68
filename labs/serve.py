"""`reasonlab serve MODEL…`: an OpenAI-compatible server of models, and of strategies over them.

In Python, in a thread: `with Server("tiny") as server: server.url` (`labs.server.listen`).
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from dataclasses import fields
from typing import Any

from evaluators.errors import BadInput
from labs.compare import split_list
from labs.server.limits import Limits

EXAMPLES = """
a completion, a chat turn, and a strategy with a budget:

  curl localhost:8000/v1/completions -H 'Content-Type: application/json' \\
    -d '{"model": "tiny", "prompt": "(3+4)*2-5<think>", "temperature": 0}'
  curl localhost:8000/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{"model": "tiny", "messages": [{"role": "user", "content": "(3+4)*2-5<think>"}]}'
  curl localhost:8000/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{"model": "tiny/best-of-n", "messages": [{"role": "user", "content": "3 5 7 2=24"}],
         "task": "countdown", "strategy": {"n": 8}, "budget": {"tokens": 256}}'
"""


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab serve",
        description="Serve models as OpenAI does; MODEL/STRATEGY is a model as well.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("model", nargs="+", help="tiny, hf:PATH-or-NAME, openai:MODEL@URL, NAME=…")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=8000, help="0 for any free one")
    made.add_argument("--key-env", metavar="NAME", help="environment variable that holds the key")
    made.add_argument("--open", action="store_true", help="other hosts may ask without a key")
    helps = {
        "requests": "requests in work at once; 429 past them",
        "body": "bytes of a request",
        "choices": "prompts x n of a request",
        "spend": "tokens that a request may spend on a strategy",
    }
    for field in fields(Limits):
        made.add_argument(f"--max-{field.name}", type=int, default=field.default,
                          help=f"{helps[field.name]} (default {field.default})")  # fmt: skip
    made.add_argument("--options", default="", help="of the models: device=cuda,dtype=bfloat16")
    return made


def key_of(name: str | None) -> str | None:
    """The key in an environment variable. Raises BadInput where there is none."""
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise BadInput(f"--key-env {name}: the environment variable is not set or empty; set it")
    return key


def options_of(text: str) -> dict[str, Any]:
    """Options of `load_model` from `"device=cuda,max_rows=64"`. Raises BadInput."""
    found: dict[str, Any] = {}
    for part in split_list(text):
        name, equals, value = part.partition("=")
        if not equals:
            raise BadInput(f"--options {part}: write NAME=VALUE")
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def run(argv: list[str]) -> int:
    """The command: prints one line with the address, then serves until Ctrl-C."""
    given = parser().parse_args(argv)
    from labs.server.listen import Server

    limits = Limits(**{f.name: getattr(given, f"max_{f.name}") for f in fields(Limits)})
    options = options_of(given.options)
    server = Server(
        *given.model, host=given.host, port=given.port, key=key_of(given.key_env),
        open=given.open, limits=limits, options=options,
    )  # fmt: skip
    names = ", ".join(server.served.models)
    try:
        server.run(lambda: print(f"serving {names} at {server.url}", flush=True))
    except KeyboardInterrupt:
        print("reasonlab serve: stopped", file=sys.stderr)
    return 0
