"""The playground without a browser: what the controls and buttons do."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from evaluators.errors import LabError
from labs.widgets.playground import Playground
from labs.widgets.writing import asked
from reasoning import load_model
from reasoning.core import Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run

TEXT = "(3+4)*2-5+6*3="


def widths(html: str, kind: str) -> list[float]:
    """Percentages of the bars of one kind, from top to bottom."""
    return [float(w) for w in re.findall(rf'rl-{kind}" style="width: ([\d.]+)%', html)]


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load_model("tiny")


@pytest.fixture
def playground(tiny: Any) -> Playground:
    made = Playground(tiny, TEXT, seed=5)
    made.wait(30)
    return made


def test_a_slider_moves_the_bars_at_once(playground: Playground) -> None:
    before = widths(playground.bars.value, "after")
    playground.knobs.temperature.value = 0.3
    after = widths(playground.bars.value, "after")
    assert after[0] > before[0] + 5
    assert widths(playground.bars.value, "before") == pytest.approx(before, abs=0.01)
    playground.knobs.top_k.value = 2
    assert "2 of 386 tokens can be drawn" in playground.bars.value


def test_a_slider_asks_the_model_nothing(playground: Playground, tiny: Any) -> None:
    shown, counters = playground._shown, tiny.counters
    playground.knobs.min_p.value = 0.2
    assert playground._shown is shown
    assert tiny.counters == counters


@pytest.mark.parametrize("clicks", [0, 2])
def test_the_text_is_what_generate_gives(playground: Playground, tiny: Any, clicks: int) -> None:
    for _ in range(clicks):
        playground.next.click()
    playground.rest.click()
    playground.wait(30)
    want = run(tiny.generate(asked(TEXT), playground.knobs.sampling, Ledger(), SeedPath(5)))[0]
    assert tuple(playground._writing._ids) == want.token_ids  # type: ignore[union-attr]
    assert "ended by itself" in playground.text.value
    assert "no next token" in playground.bars.value
    playground.again.click()
    playground.wait(30)
    assert "no text yet" in playground.text.value
    assert widths(playground.bars.value, "before")


def test_stop_ends_a_slow_text_and_keeps_it(playground: Playground) -> None:
    playground.prompt.value = "(3+4)*2-5+6*3<think>"
    playground.wait(30)
    playground.knobs.pace.value = 3.0
    playground.rest.click()
    deadline = time.monotonic() + 30
    while not playground._writing.tokens and time.monotonic() < deadline:  # type: ignore[union-attr]
        time.sleep(0.01)
    assert not playground.stop.disabled
    assert playground.next.disabled
    playground.stop.click()
    playground.wait(30)
    count = len(playground._writing.tokens)  # type: ignore[union-attr]
    assert 1 <= count < 10
    assert playground.stop.disabled
    assert not playground.next.disabled
    playground.next.click()
    playground.wait(30)
    assert len(playground._writing.tokens) == count + 1  # type: ignore[union-attr]


def test_another_seed_or_prompt_starts_again(playground: Playground) -> None:
    playground.next.click()
    playground.wait(30)
    playground.knobs.seed.value = 6
    playground.wait(30)
    assert "no text yet" in playground.text.value
    assert playground._writing.seed == 6  # type: ignore[union-attr]


def test_what_goes_wrong_is_shown_and_the_next_prompt_works(playground: Playground) -> None:
    playground.prompt.value = ""
    playground.wait(30)
    assert "an empty prompt" in playground.status.value
    playground.next.click()
    playground.wait(30)
    playground.prompt.value = TEXT
    playground.wait(30)
    assert playground.status.value == ""
    assert widths(playground.bars.value, "before")


def test_a_model_that_fails_does_so_in_the_widget() -> None:
    class Down:
        name, can, dialect = "down", frozenset({"top_k"}), "plain"

        async def next_tokens(self, *args: Any) -> Any:
            raise LabError("nobody answers at <there>")

    playground = Playground(Down(), TEXT)  # type: ignore[arg-type]
    playground.wait(30)
    assert "nobody answers at &lt;there&gt;" in playground.status.value
    assert playground.knobs.min_p.disabled
    assert not playground.knobs.top_k.disabled
    assert "min_p" in playground.knobs.note.value


def test_it_can_be_displayed_twice(playground: Playground) -> None:
    first, second = playground._repr_mimebundle_(), playground._repr_mimebundle_()
    assert first == second
    assert "application/vnd.jupyter.widget-view+json" in str(first)


def test_the_controls_are_the_sampling(tiny: Any) -> None:
    want = Sampling(max_tokens=33, temperature=0.7, top_k=9, top_p=0.9, min_p=0.05)
    assert Playground(tiny, TEXT, want).knobs.sampling == want
