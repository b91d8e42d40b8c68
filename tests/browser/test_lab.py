"""Labs in a real JupyterLab: cells run, Stop stops, the drill-down shows what was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OUTPUT = ".jp-OutputArea-output"
BUTTON = f"{OUTPUT} button"
pytestmark = pytest.mark.browser

WORK = """
import threading
from labs.widgets.progress import Snapshot, show

class Work:
    count, ended = 0, threading.Event()
    def done(self): return self.ended.is_set()
    def stop(self): self.ended.set()

def count():
    while not work.ended.wait(0.05):
        work.count += 1

work = Work()
threading.Thread(target=count, daemon=True).start()
live = show("counting", work, lambda: Snapshot(work.count, 100_000, f"counted {work.count}"))
"""


def open_and_run(page: Any, address: str, name: str) -> None:
    """Open a notebook, wait until its kernel is idle, run all cells."""
    page.goto(f"{address}/lab/tree/{name}?reset")
    widget = "window.jupyterapp?.shell?.currentWidget"
    # Running before the kernel is idle opens a dialog that waits for ever.
    page.wait_for_function(
        f"() => {widget}?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000
    )
    # Without `void` the call would wait until every cell has run.
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")


def write_book(path: Path, *cells: str) -> None:
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, path)


def test_stop_stops_a_run_that_does_not_block_its_cell(page: Any, jupyter: Any) -> None:
    address, folder = jupyter
    write_book(folder / "stop.ipynb", WORK)
    open_and_run(page, address, "stop.ipynb")
    shown = page.locator(OUTPUT, has_text="counted")
    shown.first.wait_for(timeout=60_000)
    page.locator(BUTTON, has_text="Stop").click()
    page.locator(BUTTON, has_text="Stopped").wait_for(timeout=30_000)
    page.wait_for_timeout(500)
    before = shown.first.inner_text()
    page.wait_for_timeout(1000)
    assert shown.first.inner_text() == before
