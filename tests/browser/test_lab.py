"""Labs in a real JupyterLab: cells run, Stop stops, the drill-down shows what was chosen."""

from __future__ import annotations

from collections.abc import Callable
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


def open_when_idle(page: Any, address: str, name: str) -> None:
    """Open a notebook and wait until its kernel is idle."""
    page.goto(f"{address}/lab/tree/{name}?reset")
    widget = "window.jupyterapp?.shell?.currentWidget"
    # Running before the kernel is idle opens a dialog that waits for ever.
    page.wait_for_function(
        f"() => {widget}?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000
    )


def write_book(path: Path, *cells: str) -> None:
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, path)


def test_stop_stops_a_run_that_does_not_block_its_cell(page: Any, jupyter: Any) -> None:
    address, folder = jupyter
    write_book(folder / "stop.ipynb", WORK)
    open_when_idle(page, address, "stop.ipynb")
    # Without `void` the call would wait until every cell has run.
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    shown = page.locator(OUTPUT, has_text="counted")
    shown.first.wait_for(timeout=60_000)
    page.locator(BUTTON, has_text="Stop").click()
    page.locator(BUTTON, has_text="Stopped").wait_for(timeout=30_000)
    page.wait_for_timeout(500)
    before = shown.first.inner_text()
    page.wait_for_timeout(1000)
    assert shown.first.inner_text() == before


def run_until(page: Any, book: nbformat.NotebookNode, text: str) -> None:
    """Run the cells one after the other, as a reader does, up to the first that holds `text`."""
    last = next(i for i, cell in enumerate(book.cells) if text in cell.source)
    for _ in range(last + 1):
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell-and-select-next')")


def test_lab_03_stops_a_live_comparison_and_goes_on_with_what_there_is(
    page: Any, jupyter: Any, tmp_path: Path, picture: Callable[[Any, str], bool]
) -> None:
    address, folder = jupyter
    book = nbformat.read(ROOT / "labs" / "03_test_time_compute.ipynb", as_version=4)
    setup = next(cell for cell in book.cells if "PROBLEMS = 8 if FAST else 60" in cell.source)
    # Long enough to be stopped half-way.
    setup.source = setup.source.replace("8 if FAST else 60", "400")
    nbformat.write(book, folder / "lab.ipynb")
    open_when_idle(page, address, "lab.ipynb")
    run_until(page, book, "watch(running")

    page.locator(OUTPUT, has_text="tokens a problem").first.wait_for(timeout=90_000)
    if picture(None, ""):
        page.wait_for_timeout(60_000)  # a picture is to show enough problems
        picture(page.locator(OUTPUT, has_text="tokens a problem").first, "live_comparison")
    page.locator(BUTTON, has_text="Stop").first.click()
    page.locator(BUTTON, has_text="Stopped").first.wait_for(timeout=60_000)

    # The click made the live cell the active one: running from there would start it again.
    page.evaluate("window.jupyterapp.commands.execute('notebook:move-cursor-down')")
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-below')")
    page.locator(OUTPUT, has_text="stopped:").first.wait_for(timeout=60_000)
    page.locator(OUTPUT, has_text="hint: count how often").first.wait_for(timeout=60_000)
    page.locator(OUTPUT, has_text="jsonl:my_questions").first.wait_for(timeout=60_000)

    browser = page.locator(OUTPUT).filter(has=page.locator("select")).first
    shown = browser.inner_text()
    assert "trace 1" in shown
    browser.locator("select").nth(1).select_option(index=2)
    page.wait_for_function(
        "([node, before]) => node.innerText !== before", arg=[browser.element_handle(), shown]
    )
    assert "trace 1" in browser.inner_text()
    whole = tmp_path / "lab03.png"
    browser.scroll_into_view_if_needed()
    page.screenshot(path=whole)
    assert whole.stat().st_size > 20_000
    if picture(None, ""):
        browser.locator("select").first.select_option(index=2)  # a chain shows more than an answer
        page.locator(OUTPUT, has_text="</think>").first.wait_for(timeout=10_000)
        picture(browser, "traces")
    errors = page.locator(f"{OUTPUT} .jp-RenderedText[data-mime-type*='error']")
    assert errors.count() == 0
