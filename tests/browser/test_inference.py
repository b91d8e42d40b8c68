"""Lab 01's widgets in a real JupyterLab: bars follow a slider, stop stops, hovering tells.

Where REASONLAB_PICTURES names a folder, the runs save the pictures that the README shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import nbformat
import pytest

OUTPUT = ".jp-OutputArea-output"
pytestmark = pytest.mark.browser

START = """
from labs.widgets.playground import Playground
from reasoning import load_model
from reasoning.core import Sampling

model = load_model("tiny")
playground = Playground(model, "3 5 7 2=24<think>", Sampling(max_tokens=80), seed=3)
playground
"""

HEAT = """
from labs.widgets.heat import heat_map
from labs.widgets.writing import asked
from reasoning.core import SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run

prompt = asked("3 5 7 2=24<think>")
hot = Sampling(max_tokens=80, temperature=1.2)
guess = run(model.generate(prompt, hot, Ledger(), SeedPath(3)))[0]
heat_map(model, prompt, guess)
"""


@pytest.fixture(scope="module")
def lab(page: Any, jupyter: Any) -> Any:
    """A notebook with a playground and a heat map, both cells run."""
    address, folder = jupyter
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in (START, HEAT)]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, folder / "inference.ipynb")
    page.goto(f"{address}/lab/tree/inference.ipynb?reset")
    widget = "window.jupyterapp?.shell?.currentWidget"
    # Running before the kernel is idle opens a dialog that waits for ever.
    page.wait_for_function(
        f"() => {widget}?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000
    )
    # Without `void` the call would wait until every cell has run.
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.locator(f"{OUTPUT} .rl-heat-text .rl-token").first.wait_for(timeout=90_000)
    page.locator(f"{OUTPUT} .rl-bars").first.wait_for(timeout=30_000)
    return page


def bars(page: Any, kind: str) -> list[str]:
    """The widths of the bars of one kind, from top to bottom."""
    found = page.locator(f"{OUTPUT} .rl-{kind}")
    return [bar.get_attribute("style") for bar in found.all()]


def playground(page: Any) -> Any:
    """The output that holds the playground."""
    return page.locator(OUTPUT).filter(has=page.locator(".rl-bars")).first


def test_a_slider_changes_the_bars(lab: Any) -> None:
    before, own = bars(lab, "after"), bars(lab, "before")
    handle = playground(lab).locator(".noUi-handle").first  # the temperature's
    handle.focus()
    for _ in range(6):
        handle.press("ArrowRight")
    lab.wait_for_function(
        "([at, style]) => document.querySelector(at)?.getAttribute('style') !== style",
        arg=[f"{OUTPUT} .rl-after", before[0]],
        timeout=15_000,
    )
    assert bars(lab, "before") == own
    widths = [float(re.search(r"([\d.]+)%", s)[1]) for s in (before[0], bars(lab, "after")[0])]  # type: ignore[index]
    assert widths[1] < widths[0], "a higher temperature did not lower the likeliest token"


def test_stop_stops_a_text_that_is_being_written(
    lab: Any, picture: Callable[[Any, str], bool]
) -> None:
    shown = playground(lab)
    shown.locator("select").select_option(label="3 tokens a second")
    shown.locator("button", has_text="to the end").click()
    lab.wait_for_function(
        "at => document.querySelectorAll(at).length >= 2",
        arg=f"{OUTPUT} .widget-html-content .rl-token",
        timeout=20_000,
    )
    shown.locator("button", has_text="stop").click()
    lab.wait_for_function(
        "() => [...document.querySelectorAll('button')].some("
        "b => b.innerText.includes('to the end') && !b.disabled)",
        timeout=15_000,
    )
    written = shown.locator(".rl-token").count()
    lab.wait_for_timeout(1_500)
    assert shown.locator(".rl-token").count() == written
    assert written < 10
    for more in range(1, 11 - written):
        shown.locator("button", has_text="next token").click()
        lab.wait_for_function(
            "([at, n]) => document.querySelectorAll(at).length === n",
            arg=[f"{OUTPUT} .widget-html-content .rl-token", written + more],
            timeout=15_000,
        )
    picture(shown, "playground")


def test_hovering_over_a_token_shows_its_probability(
    lab: Any, picture: Callable[[Any, str], bool]
) -> None:
    shown = lab.locator(OUTPUT).filter(has=lab.locator(".rl-heat")).last
    tokens = shown.locator(".rl-token")
    assert shown.locator(".rl-tip:visible").count() == 0
    for at in (4, 11):
        token = tokens.nth(at)
        said = (token.get_attribute("aria-label") or "").rpartition("probability ")[2]
        token.hover()
        tip = shown.locator(".rl-tip:visible")
        tip.wait_for(timeout=5_000)
        assert said in tip.inner_text().replace("\u00a0", " ")
        assert "likeliest here" in tip.inner_text()
    picture(shown, "heat_map")
    lab.mouse.move(2, 2)
    tokens.nth(1).focus()
    assert shown.locator(".rl-tip:visible").count() == 1, "the keyboard reaches a token too"
    errors = lab.locator(f"{OUTPUT} .jp-RenderedText[data-mime-type*='error']")
    assert errors.count() == 0
