"""Discovery problems: a skeleton, one function to evolve, and a score that only we compute.

`load_problem("bin-packing:weibull-5k")`, `load_problem("cap-set:6")`, `load_problem("mine.py")`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any, TypeVar

from evaluators.discovery.base import (
    SPLITS,
    Check,
    Direction,
    DiscoveryProblem,
    Evaluation,
    Split,
)
from evaluators.errors import BadInput, UnknownName

__all__ = [
    "PROBLEMS", "SPLITS", "Check", "Direction", "DiscoveryProblem", "Evaluation", "Split", "check",
    "evolve", "load_problem", "names",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])

PROBLEMS: dict[str, str | Callable[..., DiscoveryProblem]] = {
    "bin-packing": "evaluators.discovery.bin_packing",
    "cap-set": "evaluators.discovery.cap_set",
}
"""Name -> module with `load(variant, **options)` (the text behind the colon) and `VARIANTS`, or
such a function itself."""


def evolve(function: F) -> F:
    """The mark `@evolve` on the function that evolution works on, in a problem of one's own."""
    return function


def check(path: str, sandbox: Any = None) -> str:
    """Whether the problem in a file of one's own can be evolved: a report. Raises BadInput for what
    is wrong, with line and remedy. Runs the starting program in `sandbox`, or the strongest one."""
    from evaluators.discovery.own.check import check

    return check(path, sandbox)


def names() -> list[str]:
    """Every `problem:variant` that `load_problem` knows."""
    found = []
    for name, entry in PROBLEMS.items():
        variants = import_module(entry).VARIANTS if isinstance(entry, str) else ()
        found += [f"{name}:{v}" for v in variants] or [name]
    return found


def load_problem(name: str, **options: Any) -> DiscoveryProblem:
    """A discovery problem by name, or the one in a Python file of one's own (`mine.py`).

    `options` are the problem's own. Raises UnknownName for a wrong name and BadInput for a wrong
    option.
    """
    if name.endswith(".py"):
        from evaluators.discovery.own.problem import load_own

        entry: str | Callable[..., DiscoveryProblem] = load_own
        variant, named = name, f"problem {name!r}"
    else:
        base, colon, variant = name.partition(":")
        if base not in PROBLEMS or (colon and not variant):
            raise UnknownName("discovery problem", name, [*names(), "FILE.py"])
        entry, named = PROBLEMS[base], f"problem {base!r}"
    load = import_module(entry).load if isinstance(entry, str) else entry
    if isinstance(entry, str) and variant not in import_module(entry).VARIANTS:
        raise UnknownName("discovery problem", name, [*names(), "FILE.py"])
    known = [p for p in inspect.signature(load).parameters.values() if p.kind == p.KEYWORD_ONLY]
    for option in options:
        if option not in {p.name for p in known}:
            near = get_close_matches(option, [p.name for p in known], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            own = ", ".join(p.name for p in known) or "none"
            raise BadInput(f"{named} has no option {option!r}{hint} It has: {own}")
    return load(variant, **options) if variant else load(**options)
