"""The back-ends by name: how each starts its interpreter and what confines it."""

from __future__ import annotations

from collections.abc import Sequence

from evaluators.errors import UnknownName
from evaluators.sandbox import places
from evaluators.sandbox.interpreter import Plan

BACKENDS = ("bwrap", "landlock", "process")


def plan_for(backend: str | None, preload: Sequence[str]) -> Plan:
    """How to start the interpreter of a back-end."""
    if backend not in BACKENDS:
        raise UnknownName("sandbox back-end", str(backend), BACKENDS)
    config = {
        "path": places.package_folders(preload),
        "preload": places.modules(preload),
        "inner": None,
        "outer": None,
        "sweep": "group",
    }
    return Plan(backend, config)
