"""Labs of training in a real JupyterLab: clicks become preferences, Stop keeps a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OUTPUT = ".jp-OutputArea-output"
BUTTON = f"{OUTPUT} button"
pytestmark = pytest.mark.browser

LIVE = """
from evaluators import load_task
from labs.trainings import training
from labs.widgets.curve import Curves
from reasoning import Practice

train = Practice(((load_task("countdown", "train", 200, numbers=3), 1.0),))
grpo_run = training("grpo", "tiny-weak", train, "runs/live", steps=400, batch=4, samples=4,
                    max_tokens=40).start()
Curves(grpo_run, ("reward", "entropy"))
"""
AFTER = """
import asyncio
from pathlib import Path
from reasoning import load_model
place = await asyncio.to_thread(grpo_run.wait)
kept = sorted(path.name for path in Path("runs/live/checkpoints").iterdir())
print("steps told:", grpo_run.rows[-1]["step"], "kept:", kept, load_model(f"hf:{place}").path)
"""


def open_when_idle(page: Any, address: str, name: str) -> None:
    """Open a notebook and wait until its kernel is idle."""
    page.goto(f"{address}/lab/tree/{name}?reset")
    widget = "window.jupyterapp?.shell?.currentWidget"
    page.wait_for_function(
        f"() => {widget}?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000
    )


def test_lab_08_writes_each_click_into_a_file_of_preferences(
    page: Any, jupyter: Any, picture: Callable[[Any, str], bool]
) -> None:
    address, folder = jupyter
    book = nbformat.read(ROOT / "labs" / "08_preferences_and_rewards.ipynb", as_version=4)
    nbformat.write(book, folder / "lab08.ipynb")
    open_when_idle(page, address, "lab08.ipynb")
    last = next(i for i, cell in enumerate(book.cells) if "rater = Rater" in cell.source)
    for _ in range(last + 1):
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell-and-select-next')")
    left = page.locator(BUTTON, has_text="Left is better")
    left.wait_for(timeout=90_000)
    cell = page.locator(OUTPUT).filter(has=page.locator("button", has_text="Left is better")).first
    picture(cell, "rater")
    file = folder / "runs" / "lab08" / "clicks.jsonl"
    for clicks in (1, 2):
        question = cell.inner_text()
        left.click()
        page.wait_for_function(
            "([node, before]) => node.innerText !== before",
            arg=[cell.element_handle(), question],
        )
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        assert len(rows) == clicks
        assert rows[-1]["origin"] == "person"
    page.locator(BUTTON, has_text="Back").click()
    page.wait_for_timeout(1000)
    assert len(file.read_text().splitlines()) == 1


def test_stop_ends_a_live_training_and_keeps_what_was_learned(
    page: Any, jupyter: Any, picture: Callable[[Any, str], bool]
) -> None:
    address, folder = jupyter
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in (LIVE, AFTER)]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, folder / "live.ipynb")
    open_when_idle(page, address, "live.ipynb")
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-cell-and-select-next')")
    stop = page.locator(BUTTON, has_text="Stop")
    stop.first.wait_for(timeout=90_000)
    page.locator(f"{OUTPUT} svg path").first.wait_for(timeout=90_000)
    page.wait_for_timeout(20_000 if picture(None, "") else 3_000)
    cell = page.locator(OUTPUT).filter(has=page.locator("button", has_text="Stop")).first
    picture(cell, "live_training")
    stop.first.click()
    # The click made the live cell the active one: running from there would start it again.
    page.evaluate("window.jupyterapp.commands.execute('notebook:move-cursor-down')")
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-below')")
    told = page.locator(OUTPUT, has_text="steps told:")
    told.first.wait_for(timeout=90_000)
    steps = int(told.first.inner_text().split("steps told:")[1].split()[0])
    assert 0 < steps < 400
    assert f"checkpoint-{steps}" in told.first.inner_text()
