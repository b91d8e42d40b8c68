"""CONTRIBUTING tells the truth: the module that it shows registers names that the commands take."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_the_module_that_is_shown_runs_by_the_command_that_is_shown(tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    [command] = re.findall(r"```\n(reasonlab compare.*?)```", TEXT, re.DOTALL)
    (tmp_path / "my_module.py").write_text(code)
    words = shlex.split(command.replace("\\\n", " "))[1:]
    done = subprocess.run(
        [sys.executable, "-m", "labs.cli", *words, "--problems", "3", "--out", "run"],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for said in ("last-of-two", "scorer=brevity", "nothing"):
        assert said in done.stdout, done.stdout


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`((?:tests|labs|search|evaluators|reasoning)/[\w/]+\.py)`", TEXT)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
