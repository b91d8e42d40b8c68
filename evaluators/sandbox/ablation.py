"""Sandboxes with a piece left out, to show that the piece is needed. For tests and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evaluators.sandbox.backends import plan_for
from evaluators.sandbox.outcome import Limits
from evaluators.sandbox.sandbox import Sandbox


def without_seccomp(
    backend: str,
    limits: Limits = Limits(),  # noqa: B008
    preload: Sequence[str] = ("numpy",),
) -> Sandbox:
    """`backend` without its filter of system calls, named `<backend>-without-seccomp`."""
    plan = plan_for(backend, preload)
    config = {**plan.config, "outer": None, "inner": None}
    if backend == "landlock":
        config["sweep"] = "group"  # nothing forbids it to fork
    sandbox = Sandbox.__new__(Sandbox)
    sandbox._open(replace(plan, backend=f"{backend}-without-seccomp", config=config), limits)
    return sandbox
