"""What must stay cheap: importing the packages and asking for help load nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

HEAVY = ("torch", "transformers", "trl", "peft", "datasets", "matplotlib", "numba", "math_verify",
         "reasoning_gym")  # fmt: skip

PROBE = """
import json, sys
{statement}
json.dump(sorted(set(sys.modules) & set({heavy!r})), sys.stderr)
"""

HELP = """
from labs.cli import main
try:
    code = main({argv!r})
except SystemExit as stop:
    code = stop.code
assert not code, code
"""


def loaded(statement: str) -> list[str]:
    """Heavy modules in `sys.modules` after `statement` ran in a fresh interpreter."""
    probe = PROBE.format(statement=statement, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize("package", ["evaluators", "reasoning", "search", "labs", "labs.cli"])
def test_importing_loads_nothing_heavy(package: str) -> None:
    assert loaded(f"import {package}") == []


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["compare", "--help"],
        ["demo", "--help"],
        ["solve", "--help"],
        ["tasks"],
        ["evolve", "--help"],
        ["score", "--help"],
        ["verify", "--help"],
        ["judge", "--help"],
    ],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(argv: list[str]) -> None:
    assert loaded(HELP.format(argv=argv)) == []


def test_the_probe_sees_a_heavy_module() -> None:
    assert "matplotlib" in loaded("import matplotlib")
