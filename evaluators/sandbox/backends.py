"""The back-ends by name: how each starts its interpreter and what confines it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence

from evaluators.errors import UnknownName
from evaluators.sandbox import bwrap, places, seccomp
from evaluators.sandbox.interpreter import Plan
from evaluators.sandbox.syscalls import ARCHITECTURES, numbers

STRONG = ("bwrap", "landlock")
"""Strongest first."""
BACKENDS = (*STRONG, "process")


def plan_for(backend: str, preload: Sequence[str], before: str = "") -> Plan:
    """How to start the interpreter of `backend` (one of BACKENDS)."""
    if backend not in BACKENDS:
        raise UnknownName("sandbox back-end", str(backend), BACKENDS)
    packages = places.package_folders(preload)
    config = {
        "path": packages,
        "before": before,
        "preload": places.modules(preload),
        "isolate": backend in STRONG,
        "uids": _private_uids(),
        "reads": [*places.own_libraries()[:1], *packages],
        "landlock": None,
        "timer": _timer_calls(),
        "outer": None,
        "inner": None,
        "sweep": "group",
    }
    prefix: list[str] = []
    if backend in STRONG:
        config["outer"] = seccomp.outer().hex()
        config["inner"] = seccomp.inner().hex()
    if backend == "bwrap":
        prefix = bwrap.command([*places.python_folders(), *packages])
        config["sweep"] = "namespace"
    elif backend == "landlock":
        config["landlock"] = [*places.library_folders(), *places.own_libraries(), *packages]
        config["sweep"] = "none"
    return Plan(backend, config, tuple(prefix))


def _timer_calls() -> list[int] | None:
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in ARCHITECTURES:
        return None
    return [numbers(machine)[name] for name in ("timer_create", "timer_settime")]


def _private_uids() -> list[int]:
    """User numbers to become when root: one of its own for each interpreter, or in a container
    that maps few numbers a low one."""
    draw = int.from_bytes(os.urandom(3), "big")
    return [1_879_048_192 + draw, 50_000 + draw % 10_000, 65_534]
