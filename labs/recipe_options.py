"""Options of a command line out of a recipe: one for each field, typed, with a help text."""

from __future__ import annotations

import argparse
import re
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from evaluators.errors import BadInput, LabError, UnknownName
from search.calls import split

SHARED: dict[str, str] = {
    "steps": "length of the run; without it --epochs decides",
    "epochs": "how often all data are gone through, where --steps is not given",
    "flops": "end as soon as the student has spent so many FLOPs (learning, sampling and reading)",
    "batch": "rows a step",
    "accumulate": "passes that a step's rows are split into, to save memory",
    "lr": "highest learning rate",
    "warmup": "share of the run over which the rate rises",
    "decay": "share of the run, at its end, over which the rate falls to nothing",
    "weight_decay": "weight decay",
    "optimiser": "optimiser of the hidden matrices (the rest takes AdamW)",
    "clip": "largest norm of a step's gradient",
    "max_length": "most tokens of a row, prompt included; a longer row is refused",
    "adapter": "train low-rank adapters (qlora: on 4-bit weights) in place of all weights",
    "rank": "rank of the adapters",
    "alpha": "scale of the adapters: their product counts alpha/rank times",
    "dropout": "dropout in front of the adapters",
    "checkpointing": "compute activations again instead of keeping them",
    "precision": "of the computation; auto is bfloat16 on a GPU, float32 elsewhere",
    "seed": "of everything random",
    "save_every": "steps between checkpoints",
}
"""Help texts of the fields of `Recipe`."""


def help_of(recipe: type, name: str) -> str:
    """What a field means: its metadata `help`; else the sentence that names it in backticks in the
    recipe's docstring or in that of a class between it and `Recipe`; else what SHARED says; ""
    where nothing does."""
    from reasoning.train.recipe import Recipe

    told = recipe.__dataclass_fields__[name].metadata.get("help")
    if told is not None:
        return told
    for kind in recipe.__mro__:
        if kind is Recipe:
            break
        text = " ".join((kind.__dict__.get("__doc__") or "").split())
        for sentence in re.split(r"(?<=\.) (?=[A-Z`])", text):
            if f"`{name}`" in sentence:
                return sentence.replace("`", "").rstrip(".")
    return SHARED.get(name, "")


def typed(recipe: type) -> Iterator[tuple[Field[Any], Any]]:
    """The fields that a recipe is made from, each with its type."""
    hints = get_type_hints(recipe)
    for field in fields(recipe):
        if field.init:
            yield field, hints[field.name]


def add_options(
    made: argparse.ArgumentParser, recipe: type, title: str = "recipe",
    only: Collection[str] | None = None,
) -> None:  # fmt: skip
    """One option for each field of a recipe (of `only` these), named after it. Raises LabError for
    a field whose type no option can express."""
    group = made.add_argument_group(title)
    for field, kind in typed(recipe):
        if only is not None and field.name not in only:
            continue
        flag = "--" + field.name.replace("_", "-")
        default = None if field.default is MISSING else field.default
        told = (help_of(recipe, field.name) + f" ({_shown(default)})").replace("%", "%%")
        if kind is bool:
            group.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=told
            )
            continue
        choices = _choices(kind)
        group.add_argument(
            flag, dest=field.name, default=argparse.SUPPRESS, help=told,
            type=reader(kind, f"{recipe.__name__}.{field.name}"),
            metavar="|".join(choices) if choices else _metavar(kind),
        )  # fmt: skip


def given(recipe: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the parsed options that were given and are fields of the recipe."""
    return {field.name: options[field.name] for field, _ in typed(recipe) if field.name in options}


def checked(recipe: type, settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings out of a file as the recipe's types: 1 for 1.0, a list for a tuple, text as on the
    command line. Raises UnknownName for a key that is no field, BadInput for another type."""
    known = {field.name: kind for field, kind in typed(recipe)}
    made = {}
    for key, value in settings.items():
        name = key.replace("-", "_")
        if name not in known:
            raise UnknownName(f"setting of {where}", key, known)
        try:
            made[name] = _valued(known[name], value, f"{where}: {name}")
        except (argparse.ArgumentTypeError, TypeError, ValueError) as error:
            raise BadInput(f"{where}: {name} cannot be {value!r} ({error})") from error
    return made


def options_of(text: str, name: str = "--options") -> dict[str, Any]:
    """`"ops=4..8,split=hard"` as options: whole numbers, ranges, or text. Raises BadInput."""
    found: dict[str, Any] = {}
    for part in split(text):
        key, equals, value = part.partition("=")
        if not equals:
            raise BadInput(f"{name} takes name=value pairs, not {part!r}")
        low, dots, high = value.partition("..")
        try:
            found[key.strip()] = (int(low), int(high)) if dots else int(value)
        except ValueError:
            found[key.strip()] = value
    return found


def reader(kind: Any, name: str) -> Callable[[str], Any]:
    """A function from text to a value of the type. Raises LabError for a type that has none."""
    wanted = _members(kind)
    choices = _choices(kind)
    if choices:

        def read(text: str) -> Any:
            if text not in choices:
                raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(choices)}")
            return None if text == "none" and "none" not in _literals(kind) else text

        return read
    if get_origin(wanted[0]) is tuple:
        inner = reader(get_args(wanted[0])[0], name)
        return lambda text: tuple(inner(part) for part in split(text))
    if get_origin(wanted[0]) is Mapping:
        return options_of
    if wanted[0] in (int, float, str):
        return _plain(wanted[0], type(None) in get_args(kind))
    if wanted[0] is bool:
        return _switch
    raise LabError(f"the field {name} has the type {kind}, which no option can express")


def _plain(kind: type, optional: bool) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if optional and text == "none":
            return None
        if kind is int:
            value = float(text)
            if not value.is_integer():
                raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
            return int(value)
        return kind(text)

    read.__name__ = kind.__name__  # argparse names it in its message
    return read


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"true or false, not {text!r}")
    return text == "true"


def _valued(kind: Any, value: Any, name: str) -> Any:
    """A value of a TOML file as the type."""
    wanted: Any = _members(kind)[0]
    if isinstance(value, str):
        return reader(kind, name)(value)
    if get_origin(wanted) is tuple and isinstance(value, (list, tuple)):
        return tuple(_valued(get_args(wanted)[0], one, name) for one in value)
    if get_origin(wanted) is Mapping and isinstance(value, dict):
        return dict(value)
    if value is None and type(None) in get_args(kind):
        return None
    if wanted is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if wanted is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is wanted:
        return value
    raise TypeError(f"it takes {_metavar(kind).lower()}")


def _members(kind: Any) -> list[Any]:
    """The types that a field may have, None left out."""
    if get_origin(kind) in (Union, types.UnionType):
        return [one for one in get_args(kind) if one is not type(None)]
    return [kind]


def _literals(kind: Any) -> list[str]:
    found = [one for one in _members(kind) if get_origin(one) is Literal]
    return [str(value) for one in found for value in get_args(one)]


def _choices(kind: Any) -> list[str]:
    found = _literals(kind)
    return [*found, *(["none"] if found and type(None) in get_args(kind) else [])]


def _metavar(kind: Any) -> str:
    wanted = _members(kind)[0]
    if get_origin(wanted) is tuple:
        one = _metavar(get_args(wanted)[0])
        return f"{one},{one},…"
    return {int: "N", float: "X", str: "TEXT", bool: "true|false"}.get(wanted, "VALUE")


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value).lower() if value is None or isinstance(value, bool) else f"{value}"
