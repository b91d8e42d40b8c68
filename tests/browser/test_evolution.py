"""Lab 05 in a real JupyterLab: the dashboard moves, Stop stops, a clicked node tells its program.

Where REASONLAB_PICTURES names a folder, the run saves the pictures that the README shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.browser.test_lab import open_when_idle, run_until, write_book

ROOT = Path(__file__).resolve().parent.parent.parent
OUTPUT = ".jp-OutputArea-output"
BUTTON = "button.jupyter-button"
PANEL = ".rl-detail"
pytestmark = pytest.mark.browser

HOSTILE = """
import networkx as nx

from labs.widgets.lineage import Lineage

BAD = "<img src=x onerror='window.broken = 1'><script>window.broken = 1</script>"
graph = nx.DiGraph(best=1, direction="minimise", problem=BAD, instances=(BAD,))
for k in range(3):
    graph.add_node(k, source=f"# {k} {BAD}", score=2.0 - k if k < 2 else None, scores=(1.0,),
                   verdict="ok" if k < 2 else "exception", reason=BAD, island=0, origin=BAD,
                   parents=(k - 1,) if k else (), prompt=BAD, response=BAD)
    if k:
        graph.add_edge(k - 1, k)
Lineage(graph)
"""


def committed(page: Any) -> int:
    """How many programs the dashboard counts."""
    shown = page.locator(OUTPUT, has_text="programs a second").first.inner_text()
    found = re.search(r"([\d,]+) of [\d,]+ programs", shown)
    assert found, shown
    return int(found[1].replace(",", ""))


def more_than(page: Any, count: int, seconds: float) -> int:
    """Wait until the dashboard counts more than `count` programs."""
    for _ in range(round(seconds / 0.5)):
        if (now := committed(page)) > count:
            return now
        page.wait_for_timeout(500)
    raise AssertionError(f"the dashboard stands still at {committed(page)} programs")


def free_circle(page: Any) -> tuple[str, str]:
    """Number and parent of a scored program, not the chosen one, that nothing lies above."""
    found = page.evaluate(
        """() => [...document.querySelectorAll('.rl-lineage circle.rl-scored')].map(c => {
            const b = c.getBoundingClientRect();
            const [x, y] = [b.x + b.width / 2, b.y + b.height / 2];
            const parent = c.getAttribute('aria-label').match(/ of (\\d+)/);
            return document.elementFromPoint(x, y) === c && parent
                && c.getAttribute('aria-pressed') !== 'true' ? [c.dataset.k, parent[1]] : null;
        }).filter(Boolean)"""
    )
    assert found, "no circle can be clicked"
    return tuple(found[len(found) // 2])


def test_lab_05_shows_an_evolution_live_and_explains_a_clicked_program(
    page: Any, jupyter: Any, picture: Callable[[Any, str], bool]
) -> None:
    address, folder = jupyter
    book = nbformat.read(ROOT / "labs" / "05_evolution.ipynb", as_version=4)
    start = next(i for i, cell in enumerate(book.cells) if "run.dashboard(" in cell.source)
    cell = book.cells[start]
    cell.source, changed = re.subn(r"= \(.*?\) if FAST .*", "= 100_000, 240", cell.source)
    assert changed == 1
    nbformat.write(book, folder / "evolution.ipynb")
    open_when_idle(page, address, "evolution.ipynb")
    run_until(page, book, "run.dashboard(")

    shown = page.locator(OUTPUT, has_text="programs a second").first
    shown.locator("svg path.rl-train").wait_for(timeout=90_000)
    first = more_than(page, 5, 60)
    more_than(page, first + 20, 60)
    if picture(None, ""):
        more_than(page, 2_500, 240)  # a picture is to show some progress
        picture(shown, "evolution_dashboard")
    for _ in range(2):  # the cell that waits for the end, and the text before it
        page.evaluate(
            "void window.jupyterapp.commands.execute('notebook:run-cell-and-select-next')"
        )
    page.wait_for_timeout(500)
    shown.locator(BUTTON, has_text="Stop").click()
    shown.locator(BUTTON, has_text="Stopped").wait_for(timeout=60_000)
    page.locator(OUTPUT, has_text="ended by stopped").wait_for(timeout=30_000)
    ended = committed(page)
    assert ended < 100_000
    page.wait_for_timeout(1_000)
    assert committed(page) == ended
    page.locator(f"{OUTPUT} summary", has_text="still picture").first.wait_for(timeout=20_000)

    # The click made the live cell the active one: running from there would start it again.
    page.evaluate("window.jupyterapp.commands.execute('notebook:move-cursor-down')")
    after = nbformat.v4.new_notebook(cells=book.cells[start + 1 :])  # the wait cell once more
    run_until(page, after, "Lineage(run)")
    drawing = page.locator(".rl-lineage")
    drawing.locator("circle").first.wait_for(timeout=60_000)
    drawing.scroll_into_view_if_needed()
    page.locator(f"{OUTPUT} .rl-lineage svg").scroll_into_view_if_needed()
    page.wait_for_timeout(500)

    k, parent = free_circle(page)
    drawing.locator(f'circle[data-k="{k}"]').click()
    panel = page.locator(f'{PANEL}[data-k="{k}"]')
    panel.wait_for(timeout=15_000)
    assert f"Program {k}" in panel.inner_text()
    assert "def priority" in panel.locator("pre.rl-source").first.inner_text()
    assert panel.locator("pre.rl-diff").first.locator("div").count() >= 1
    assert drawing.locator("circle.rl-on").count() >= 2, "the way to the start is not lit"

    page.keyboard.press("ArrowDown")  # the circle has the focus
    if drawing.locator(f'circle[data-k="{parent}"]').count():
        page.locator(f'{PANEL}[data-k="{parent}"]').wait_for(timeout=15_000)
    if picture(None, ""):
        page.set_viewport_size({"width": 1400, "height": 1300})  # all of it at once
        drawing.locator('circle[r="8"]').click()  # the best
        page.locator(PANEL, has_text="the best").wait_for(timeout=15_000)
        picture(page.locator(OUTPUT).filter(has=drawing), "lineage")
    errors = page.locator(f"{OUTPUT} .jp-RenderedText[data-mime-type*='error']")
    assert errors.count() == 0


def test_what_a_program_says_is_text_and_never_markup(page: Any, jupyter: Any) -> None:
    address, folder = jupyter
    write_book(folder / "hostile.ipynb", HOSTILE)
    open_when_idle(page, address, "hostile.ipynb")
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    panel = page.locator(PANEL)
    panel.wait_for(timeout=60_000)
    page.locator(".rl-lineage circle").nth(1).focus()
    for key, k in (("Home", 0), ("End", 1)):
        page.keyboard.press(key)
        page.locator(f'{PANEL}[data-k="{k}"]').wait_for(timeout=15_000)
        shown = panel.locator("pre.rl-source").first.inner_text()
        assert shown.startswith(f"# {k} <img src=x onerror=") and shown.endswith("</script>")
    page.wait_for_timeout(500)
    assert panel.locator("img, script").count() == 0
    assert page.evaluate("window.broken === undefined")
