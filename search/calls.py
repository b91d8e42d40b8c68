"""Settings as text: `name(first,key=value)`, and the values in it, of strategies and of scorers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from evaluators.errors import BadInput, UnknownName

_CALL = re.compile(r"\s*([\w-]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_NAMED = re.compile(r"\s*([\w-]+)\s*=(.*)", re.DOTALL)
_ODD = re.compile(r"""[,"'()\[\]\s=]|^$""")


def split(text: str) -> list[str]:
    """The parts between commas outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        depth += (c in "([") - (c in ")]") if not quote else 0
        if c == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += c
    return [part.strip() for part in parts if part.strip()]


def read(text: str) -> tuple[str, list[tuple[str, str]]] | None:
    """The name and its (key, value) texts, "" the key of a value without one; `None` for a text
    that is no call."""
    match = _CALL.fullmatch(text)
    if match is None:
        return None
    found = []
    for part in split(match.group(2) or ""):
        named = _NAMED.fullmatch(part)
        found.append((named.group(1), named.group(2).strip()) if named else ("", part))
    return match.group(1), found


def value(text: str, declared: str, name: str) -> Any:
    """A value of the declared type (an annotation as text). Raises BadInput naming it."""
    word = text.lower()
    if word == "none":
        if "None" not in declared:
            raise BadInput(f"{name} cannot be none")
        return None
    if "bool" in declared:
        if word not in ("true", "false"):
            raise BadInput(f"{name} is true or false, not {text!r}")
        return word == "true"
    if "str" in declared or "Literal" in declared or "Format" in declared:
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
        return text[1:-1] if quoted else text
    for kind in (int, float):
        if kind.__name__ in declared:
            with suppress(ValueError):
                return kind(text)
    raise BadInput(f"{name} must be a number, not {text!r}")


def shown(value: Any) -> str:
    """A setting as text that `value` reads; the name of its type for an object."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        quote = "'" if '"' in value and "'" not in value else '"'
        odd = _ODD.search(value) or value.lower() == "none"
        return f"{quote}{value}{quote}" if odd else value
    return str(value) if isinstance(value, (int, float)) else type(value).__name__.lower()


def make(text: str, kind: str, known: Mapping[str, Callable[..., Any]], *given: Any) -> Any:
    """What `known` makes of `given` and of the options in the text, read by the parameters of its
    function. Raises UnknownName for a name or an option, BadInput for anything else."""
    call = read(text)
    if call is None:
        raise BadInput(f"{text!r} is no {kind}; write it like name or name(option=value)")
    name, options = call
    if name not in known:
        raise UnknownName(kind, name, known)
    parameters = list(inspect.signature(known[name]).parameters.values())[len(given) :]
    rest = next((p for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    taken = {p.name: p for p in parameters if p is not rest}
    listed: list[Any] = []
    named: dict[str, Any] = {}
    for at, (key, word) in enumerate(options):
        if not key and rest is not None:
            listed.append(value(word, _declared(rest), f"{name}: {word}"))
            continue
        if not key and at:
            raise BadInput(f"option {word!r} of {name} needs its name: name=value")
        key = key or next(iter(taken), "")
        if key not in taken:
            if not taken:
                raise BadInput(f"{kind} {name} takes no options, not {word!r}")
            raise UnknownName(f"option of {name}", key, taken)
        if key in named:
            raise BadInput(f"option {key!r} of {name} is given twice")
        named[key] = value(word, _declared(taken[key]), f"{name}: {key}")
    for key, parameter in taken.items():
        if key not in named and parameter.default is parameter.empty:
            raise BadInput(f"{kind} {name} needs {key}: {name}({key}=...)")
    return known[name](*given, *listed, **named)


def _declared(parameter: inspect.Parameter) -> str:
    """The type of a parameter as text: its annotation, or that of its default, or text."""
    if parameter.annotation is not parameter.empty:
        return str(parameter.annotation)
    default = parameter.default
    return "str | None" if default in (parameter.empty, None) else type(default).__name__
