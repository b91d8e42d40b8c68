"""Run the drill in a process of its own, as root or as an ordinary user, and survive its end.

An attack that kills or hangs the drill is a breach of its own; the drill goes on with the next.
"""

from __future__ import annotations

import json
import os
import platform
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attacks import ATTACKS
from attacks.world import sweep

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
PATIENCE = 30.0
"""Seconds that one attack and the good candidate after it may take before they count as hung."""

Report = dict[str, Any]


def names(backend: str) -> list[str]:
    """The attacks that this back-end is to contain on this machine."""
    return [n for n, case in ATTACKS.items() if case.suits(backend, platform.machine())]


def command(user: str, backend: str, filtered: bool, chosen: Sequence[str]) -> list[str]:
    """What to run: `user` is "self" or, for root only, "other"."""
    own = [sys.executable, "-m", "attacks.drill", backend, *chosen]
    own += [] if filtered else ["--unfiltered"]
    return [sys.executable, str(HERE / "ordinary.py"), *own] if user == "other" else own


def run(
    user: str, backend: str, filtered: bool = True, chosen: Sequence[str] = ()
) -> dict[str, Report]:
    """Every report by the attack's name, and under `""` what was left after the end."""
    reports: dict[str, Report] = {}
    todo = list(chosen or names(backend))
    while todo:
        begun, notes = _once(command(user, backend, filtered, todo), reports)
        if "" in reports and not set(todo) - set(reports):
            break
        if begun is None:
            raise RuntimeError(f"the drill of {backend} did not begin: {notes[-2000:]}")
        if begun not in reports:
            reports[begun] = {"breaches": [f"the drill ended or hung: {notes[-500:]}"]}
        todo = todo[todo.index(begun) + 1 :]
    return reports


def _once(words: list[str], reports: dict[str, Report]) -> tuple[str | None, str]:
    """One process, till it ends or hangs; the attack that it was at, and its error output."""
    path = os.pathsep.join([str(ROOT), str(HERE.parent)])
    env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
        errors="replace", start_new_session=True,
    )  # fmt: skip
    lines: queue.Queue[str | None] = queue.Queue()
    errors: list[str] = []

    def read() -> None:
        assert process.stdout
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    def complain() -> None:
        assert process.stderr
        for line in process.stderr:
            errors.append(line)
            del errors[:-50]

    for work in (read, complain):
        threading.Thread(target=work, daemon=True).start()
    begun = mark = None
    try:
        while (line := lines.get(timeout=PATIENCE)) is not None:
            message = json.loads(line)
            if "mark" in message:
                mark = message["mark"]
            elif "begin" in message:
                begun = message["begin"]
            elif "end" in message:
                reports[""] = {"breaches": message["end"]}
            else:
                reports[message["name"]] = message
    except queue.Empty:
        errors.append(f"nothing for {PATIENCE:.0f} s")
    process.kill()
    process.wait()
    if mark:
        sweep(mark)
    return begun, "".join(errors)
