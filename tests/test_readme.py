"""The README tells the truth: its lines run, its commands and files exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from labs.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_examples_run_as_they_stand(tmp_path: Path) -> None:
    first, search, learn = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(first.splitlines()) <= 11
    small = first + search + learn
    small = small.replace("n=100", "n=2").replace("expressions/17", "expressions/1")
    small = small.replace('"runs/', f'"{tmp_path}/')
    assert small != first + search + learn
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", small]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout


def test_every_command_that_is_named_exists_and_every_target_too() -> None:
    named = set(re.findall(r"reasonlab(?:\.exe)? ([a-z]+)", README))
    assert named
    assert named <= set(COMMANDS)
    targets = set(re.findall(r"`make ([a-z-]+)`", README))
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets <= made


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
