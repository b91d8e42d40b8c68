"""Tasks by name. `load_task("countdown", n=200, numbers=4)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from evaluators.errors import BadInput, UnknownName
from evaluators.tasks.base import Task

TASKS: dict[str, str | Callable[..., Task]] = {
    "countdown": "evaluators.tasks.countdown",
    "expressions": "evaluators.tasks.expressions",
    "chain-sum": "evaluators.tasks.chain_sum",
    "operator": "evaluators.tasks.operator",
    "gsm8k": "evaluators.tasks.gsm8k",
    "jsonl": "evaluators.tasks.jsonl",
    "code": "evaluators.tasks.code",
    "gym": "evaluators.tasks.gym",
}
"""Name -> module with `load(split, n, seed, **options)`, or such a function itself."""


def loader(name: str) -> Callable[..., Task]:
    """The `load` function of a task. Raises UnknownName."""
    if name not in TASKS:
        raise UnknownName("task", name, TASKS)
    entry = TASKS[name]
    return import_module(entry).load if isinstance(entry, str) else entry


def load_task(
    name: str, split: str = "test", n: int | None = None, seed: int = 0, **options: Any
) -> Task:
    """A task with `n` problems of a split.

    `name` is one of TASKS; `"jsonl:FILE"`, `"gsm8k:FILE"` and `"code:FILE"` name a file behind the
    colon, `"gym:NAME"` a task of reasoning-gym. `options` are the task's own (difficulty, field
    names); one that takes any checks them itself. Raises UnknownName for a wrong name and
    BadInput for a wrong option.
    """
    name, colon, path = name.partition(":")
    load = loader(name)
    if colon:
        options["path"] = path
    known = inspect.signature(load).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in known.values())
    for option in options:
        if option not in known and not takes_any:
            own = sorted(set(known) - {"split", "n", "seed"})
            raise BadInput(f"task {name!r} has no option {option!r}; it has {', '.join(own)}")
    return load(split=split, n=n, seed=seed, **options)
