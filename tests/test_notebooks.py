"""Every lab notebook: committed without outputs, runs top to bottom, exercises solved or not, on
the embedded model and on the same model behind a real server.

The solution of an exercise stands in a collapsed `<details>` block of the Markdown cell after it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
LABS = sorted((ROOT / "labs").glob("[0-9]*.ipynb"))
SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.DOTALL)
named = pytest.mark.parametrize("path", LABS, ids=lambda p: p.stem)


def solved(book: nbformat.NotebookNode) -> int:
    """Put every solution into the exercise cell before it; returns how many there were."""
    count = 0
    for exercise, after in zip(book.cells, book.cells[1:], strict=False):
        solution = SOLUTION.search(after.source) if after.cell_type == "markdown" else None
        if "exercise" in exercise.metadata.get("tags", []):
            assert solution, f"no solution follows the exercise {exercise.source[:60]!r}"
            exercise.source = solution.group(1)
            count += 1
        else:
            assert not solution, f"a solution without an exercise before it: {after.source[:60]!r}"
    return count


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`tiny` behind `reasonlab serve` in a process of its own, as a name for `load_model`."""
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "labs.cli", "serve", "tiny", "--port", "0"]
    with log.open("w") as errors:
        server = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"}, text=True,
            stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
        try:
            assert server.stdout is not None
            line = server.stdout.readline()  # ends with the process at the latest
            found = re.search(r"http://\S+", line)
            assert found, f"the server did not start: {line}{log.read_text()[-2000:]}"
            yield f"openai:tiny@{found[0]}"
        finally:
            server.terminate()
            server.wait(20)


def execute(book: nbformat.NotebookNode, monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """Run all cells in `folder`; returns everything that was printed or displayed as text."""
    monkeypatch.setenv("REASONLAB_FAST", "1")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    client = NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    texts = []
    for cell in book.cells:
        for output in cell.get("outputs", []):
            texts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(texts)


def test_there_are_labs() -> None:
    assert LABS


@named
def test_a_lab_is_committed_without_outputs(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


@named
def test_a_lab_opens_with_what_it_takes(path: Path) -> None:
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    for word in ("minutes", "Next lab"):
        assert word in first.source


@pytest.mark.notebook
@named
@pytest.mark.parametrize("answers", ["unsolved", "solved"])
def test_a_lab_runs_top_to_bottom(
    path: Path, answers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = nbformat.read(path, as_version=4)
    count = solved(book) if answers == "solved" else 0
    started = time.monotonic()
    said = execute(book, monkeypatch, tmp_path)
    assert time.monotonic() - started < 60
    assert said.count("✓ my_") == count, "not exactly the solutions were accepted"


@pytest.mark.notebook
@named
def test_a_lab_runs_on_a_served_model(
    path: Path, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REASONLAB_MODEL", endpoint)
    book = nbformat.read(path, as_version=4)
    started = time.monotonic()
    said = execute(book, monkeypatch, tmp_path)
    assert time.monotonic() - started < 60
    if any("REASONLAB_MODEL" in cell.source for cell in book.cells):
        assert endpoint in said, "the lab did not name the model that it ran on"
