"""The proposers by name, and what else may stand for one: a model, an object, a plain function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from evaluators.errors import BadInput, UnknownName
from reasoning.core import Context, LanguageModel
from search.evolve.program import Proposal, Proposer, Request

PROPOSERS: dict[str, str | Callable[..., Proposer]] = {
    "mutate": "search.evolve.mutate:Mutator",
    "model": "search.evolve.model_proposer:ModelProposer",
}
"""Name -> `module:class` (imported when asked for), or a function that makes one."""


@dataclass(frozen=True)
class PlainFunction:
    """A function `(request, rng)` as a proposer."""

    function: Callable[[Request, np.random.Generator], Any]
    name: str
    wants: int = 2

    def propose(self, request: Request, rng: np.random.Generator, ctx: Context | None) -> Proposal:
        """What the function returns (a source as text will do)."""
        return self.function(request, rng)

    def fingerprint(self) -> dict[str, str]:
        """Name and source of the function, for the run log."""
        try:
            text = inspect.getsource(self.function)
        except (OSError, TypeError):
            text = ""
        return {"function": self.name, "source": text}


def proposer_of(
    given: str | LanguageModel | Proposer | Callable[..., Any], **options: Any
) -> Proposer:
    """A proposer from a name in PROPOSERS (with `options`), a model, an object with `propose`, or a
    function `(request, rng) -> source or Proposal`. Raises UnknownName or BadInput."""
    if isinstance(given, str):
        return _named(given, options)
    if options:
        raise BadInput("options are for a proposer given by name")
    if isinstance(given, type):
        raise BadInput(f"{given.__name__} is a class: write {given.__name__}()")
    if isinstance(given, Proposer):
        return given
    if isinstance(given, LanguageModel):
        from search.evolve.model_proposer import ModelProposer

        return ModelProposer(model=given)
    if callable(given):
        return PlainFunction(given, getattr(given, "__qualname__", type(given).__name__))
    raise BadInput(
        f"{given!r} is no proposer: give a name ({', '.join(PROPOSERS)}), a model, an object with"
        " name, wants and propose(request, rng, ctx), or a function (request, rng)"
    )


def _named(name: str, options: dict[str, Any]) -> Proposer:
    if name not in PROPOSERS:
        raise UnknownName("proposer", name, PROPOSERS)
    entry = PROPOSERS[name]
    if isinstance(entry, str):
        module, attribute = entry.split(":")
        make = getattr(import_module(module), attribute)
    else:
        make = entry
    known = inspect.signature(make).parameters
    for option in options:
        if option not in known:
            raise UnknownName(f"option of proposer {name!r}", option, known)
    return make(**options)
