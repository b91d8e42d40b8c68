"""`reasonlab tasks|models|strategies|scorers`: what there is, one line each."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Mapping
from typing import Any


def first_line(thing: Any) -> str:
    """The first sentence of an object's docstring, on one line; empty where there is none."""
    text = " ".join((inspect.getdoc(thing) or "").split())
    return text.partition(". ")[0].rstrip(".") + "." if text else ""


def tasks() -> Mapping[str, str]:
    """Every task with its own options and their defaults."""
    from evaluators.tasks import TASKS, loader

    found = {}
    for name in TASKS:
        parameters = inspect.signature(loader(name)).parameters.values()
        own = [str(p).split(": ")[0] + "=" + repr(p.default)
               for p in parameters if p.name not in ("split", "n", "seed")
               and p.default is not inspect.Parameter.empty]  # fmt: skip
        found[name] = ", ".join(own)
    return found


def models() -> Mapping[str, str]:
    """Every embedded model and every kind of name that `load_model` reads."""
    from reasoning.models import MODELS

    return {
        name: text if isinstance(text, str) else first_line(text) for name, text in MODELS.items()
    }


def strategies() -> Mapping[str, str]:
    """Every strategy with the first sentence of its description."""
    from search import STRATEGIES

    return {name: first_line(strategy) for name, strategy in STRATEGIES.items()}


def scorers() -> Mapping[str, str]:
    """Every scorer with its options: what rates traces, to be named as a strategy's `scorer`."""
    from search import SCORERS

    found = {}
    for name, make in SCORERS.items():
        options = [str(p).split(": ")[0] + ("" if p.default is p.empty else f"={p.default}")
                   for p in list(inspect.signature(make).parameters.values())[1:]]  # fmt: skip
        found[name + (f"({', '.join(options)})" if options else "")] = first_line(make)
    return found


LISTS = {"tasks": tasks, "models": models, "strategies": strategies, "scorers": scorers}


def run(argv: list[str]) -> int:
    """Print one list; `argv[0]` says which."""
    kind = argv[0]
    parser = argparse.ArgumentParser(f"reasonlab {kind}", description=LISTS[kind].__doc__)
    parser.parse_args(argv[1:])
    rows = LISTS[kind]()
    width = max(map(len, rows), default=0)
    for name, text in rows.items():
        print(f"{name.ljust(width)}  {text}".rstrip())
    return 0
