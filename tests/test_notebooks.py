"""Every lab notebook: committed without outputs, runs top to bottom, exercises solved or not.

The solution of an exercise stands in a collapsed `<details>` block of the Markdown cell after it.
"""

from __future__ import annotations

import re
import time
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
