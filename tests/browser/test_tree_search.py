"""Lab 04 in a real JupyterLab: the tree grows while the search runs, a click tells a node, Stop
stops; and the standalone page, offline, with 5,000 levels.

Where REASONLAB_PICTURES names a folder, the run saves the pictures that the README shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from search.tree.save import save_tree
from tests.browser.test_lab import open_when_idle, run_until, write_book
from tests.search.test_tree_files import DEEP, deep, small

ROOT = Path(__file__).resolve().parent.parent.parent
OUTPUT = ".jp-OutputArea-output"
BUTTON = "button.jupyter-button"
PANEL = ".rl-detail"
pytestmark = pytest.mark.browser

HOSTILE = """
from labs.widgets.tree_explorer import TreeView
from reasoning.core import Message, Prompt
from search.tree import SearchTree

BAD = "<img src=x onerror='window.broken = 1'><script>window.broken = 1</script>"
tree = SearchTree(Prompt((Message("user", BAD),)), BAD)
node = tree.add(tree.root, BAD, tokens=3, finish="boundary", score=0.5, note={BAD: BAD})
tree.add(node, BAD, tokens=2, over=True, answer=BAD, closed=BAD)
tree.states[BAD] = 1
TreeView(tree, BAD)
"""


def written(page: Any) -> int:
    """How many nodes the first drawing counts."""
    shown = page.locator(".rl-tree .rl-count").first.inner_text()
    found = re.search(r"of (\d+) nodes", shown)
    assert found, shown
    return int(found[1])


def more_than(page: Any, count: int, seconds: float) -> int:
    """Wait until the drawing counts more than `count` nodes."""
    for _ in range(round(seconds / 0.5)):
        if (now := written(page)) > count:
            return now
        page.wait_for_timeout(500)
    raise AssertionError(f"the tree stands still at {written(page)} nodes")


def test_lab_04_shows_a_tree_that_grows_and_explains_a_clicked_node(
    page: Any, jupyter: Any, picture: Callable[[Any, str], bool]
) -> None:
    address, folder = jupyter
    book = nbformat.read(ROOT / "labs" / "04_tree_search.ipynb", as_version=4)
    start = next(i for i, cell in enumerate(book.cells) if "watch_trees(SEARCH" in cell.source)
    cell = book.cells[start]
    cell.source = cell.source.replace(",enough=4", "").replace("budget=400", "budget=100_000")
    cell.source, changed = re.subn("pace=PACE", "pace=0.2", cell.source)
    assert changed == 1
    nbformat.write(book, folder / "trees.ipynb")
    open_when_idle(page, address, "trees.ipynb")
    run_until(page, book, "watch_trees(SEARCH")

    drawing = page.locator(f"{OUTPUT} .rl-tree").first
    drawing.locator("circle").nth(2).wait_for(state="attached", timeout=90_000)
    first = more_than(page, 3, 60)
    second = more_than(page, first, 60)
    for _ in range(2):  # the cell that waits for the end
        page.evaluate(
            "void window.jupyterapp.commands.execute('notebook:run-cell-and-select-next')"
        )
    more_than(page, second + 20, 120)

    drawing.locator('circle[data-k="3"]').click()  # while it grows
    panel = drawing.locator(f'{PANEL}[data-k="3"]')
    panel.wait_for(timeout=15_000)
    told = panel.inner_text()
    assert "Node 3" in told and "tokens" in told and "score" in told
    assert re.search(r"\d[-+*/]\d+=", panel.locator("pre").first.inner_text())
    assert drawing.locator("circle.rl-on").count() >= 2, "the path to the root is not lit"
    assert drawing.locator("path.rl-lit").get_attribute("d")
    page.keyboard.press("ArrowLeft")  # the circle has the focus
    drawing.locator(f'{PANEL}:not([data-k="3"])').wait_for(timeout=15_000)
    page.keyboard.press("Home")
    drawing.locator(f'{PANEL}[data-k="0"]').wait_for(timeout=15_000)
    assert "The question" in drawing.locator(PANEL).inner_text()

    page.locator(BUTTON, has_text="Stop").first.click()
    page.locator(BUTTON, has_text="Stopped").first.wait_for(timeout=60_000)
    page.locator(OUTPUT, has_text="steps deep; leaves").wait_for(timeout=30_000)
    ended = written(page)
    page.wait_for_timeout(1_000)
    assert written(page) == ended
    page.locator(f"{OUTPUT} summary", has_text="still picture").first.wait_for(timeout=20_000)

    slider = drawing.locator("input.rl-replay")
    slider.focus()
    slider.press("Home")
    assert drawing.locator("circle").count() == 1
    for _ in range(4):
        slider.press("ArrowRight")
    assert drawing.locator("circle").count() == 5
    errors = page.locator(f"{OUTPUT} .jp-RenderedText[data-mime-type*='error']")
    assert errors.count() == 0


PICTURE = """
from evaluators import load_task
from labs.widgets.tree_explorer import watch_trees
from reasoning import load_model

task = load_task("countdown", split="test", n=40, numbers=4)
arms = ["beam-search(scorer=graded(auc=0.9))", "best-first(scorer=graded(auc=0.9),enough=5)"]
watch_trees(arms, task, load_model("tiny"), 3, budget=256, seed=1)
"""


def test_two_strategies_stand_side_by_side(
    page: Any, jupyter: Any, picture: Callable[[Any, str], bool]
) -> None:
    address, folder = jupyter
    write_book(folder / "pair.ipynb", PICTURE)
    open_when_idle(page, address, "pair.ipynb")
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.locator(BUTTON, has_text="Done").wait_for(timeout=120_000)
    left, right = (page.locator(f"{OUTPUT} .rl-tree").nth(i) for i in (0, 1))
    left.locator(".rl-head", has_text="answer").wait_for(timeout=20_000)
    right.locator(".rl-head", has_text="answer").wait_for(timeout=20_000)
    a, b = left.bounding_box(), right.bounding_box()
    assert a and b and a["x"] + a["width"] <= b["x"] + 1 and abs(a["y"] - b["y"]) < 5
    right.get_by_role("button", name="show the chosen node").click()
    assert "chosen" in right.locator(f"{PANEL} h3").inner_text()
    assert "finished" in right.locator(PANEL).inner_text()
    page.set_viewport_size({"width": 1400, "height": 1300})
    picture(page.locator(OUTPUT).filter(has=page.locator(".rl-tree")).first, "tree_explorer")
    page.set_viewport_size({"width": 1400, "height": 1000})


def test_what_a_node_says_is_text_and_never_markup(page: Any, jupyter: Any) -> None:
    address, folder = jupyter
    write_book(folder / "hostile_tree.ipynb", HOSTILE)
    open_when_idle(page, address, "hostile_tree.ipynb")
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    drawing = page.locator(f"{OUTPUT} .rl-tree").first
    drawing.locator("circle").nth(2).wait_for(state="attached", timeout=120_000)
    for k in range(3):
        drawing.locator(f'circle[data-k="{k}"]').click()
        panel = drawing.locator(f'{PANEL}[data-k="{k}"]')
        panel.wait_for(timeout=15_000)
        assert panel.locator("pre").first.inner_text().startswith("<img src=x onerror=")
    page.wait_for_timeout(300)
    assert drawing.locator("img, script").count() == 0
    assert page.evaluate("window.broken === undefined")


def test_the_standalone_page_works_offline(page: Any, tmp_path: Path) -> None:
    asked: list[str] = []
    page.goto("about:blank")  # a JupyterLab that is open asks its server again and again
    page.on("request", lambda request: asked.append(request.url))
    path = save_tree(small(), tmp_path / "small.html")
    page.goto(path.as_uri())
    page.locator("circle").nth(5).wait_for(state="attached")
    page.locator('circle[data-k="4"]').click()
    assert "nothing follows equal state" in page.locator(PANEL).inner_text()
    page.get_by_role("button", name="show node 1").first.click()
    assert page.locator(PANEL).get_attribute("data-k") == "1"
    page.keyboard.press("Shift+Tab")
    page.locator('circle[data-k="1"]').focus()
    page.keyboard.press("Enter")  # folds
    assert page.locator("circle").count() == 4
    assert page.locator("text.rl-fold").text_content() == "+3"
    page.keyboard.press("Enter")
    assert page.locator("circle").count() == 7
    page.keyboard.press("ArrowRight")
    assert page.locator(PANEL).get_attribute("data-k") == "2"
    assert [url for url in asked if not url.startswith("file:")] == []


def test_a_tree_of_5000_levels_is_drawn_in_a_page(page: Any, tmp_path: Path) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(save_tree(deep(), tmp_path / "deep.html").as_uri())
    page.locator("circle").nth(DEEP).wait_for(state="attached", timeout=60_000)
    assert page.locator("circle").count() == DEEP + 1
    page.locator('circle[data-k="0"]').focus()
    page.keyboard.press("End")
    panel = page.locator(PANEL)
    assert panel.get_attribute("data-k") == str(DEEP)
    assert "answer done" in panel.inner_text()
    assert f"⋯ {DEEP + 1 - 50} steps" in panel.inner_text()
    assert not problems
