"""Attention, answers side by side, and the context window with its cost."""

from __future__ import annotations

from html import unescape
from typing import Any

import numpy as np
import pytest

from evaluators.errors import LabError
from labs.widgets.answers import Answers, Arm
from labs.widgets.attention import MEAN, AttentionView, picture, strongest
from labs.widgets.window import Call, WindowView, context_of, money, window_html
from labs.widgets.writing import asked
from reasoning import load_model
from reasoning.budget import Price
from reasoning.core import Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run
from reasoning.models.introspect import attention

TEXT = "(3+4)*2-5<think>"
PRICE = Price(prompt=1.0, cached=0.1, completion=4.0)


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load_model("tiny")


# -- attention ------------------------------------------------------------------------


def test_the_picture_has_one_row_and_column_a_token() -> None:
    weights = np.tril(np.full((4, 4), 0.25))
    axes = picture(weights, ["a", "b", "␣", "⏎"], "layer 1").axes[0]
    assert np.array_equal(np.asarray(axes.images[0].get_array()), weights)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b", "␣", "⏎"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["a", "b", "␣", "⏎"]


def test_words_say_where_the_last_token_looks() -> None:
    said = strongest(np.array([[1.0, 0.0], [0.3, 0.7]]), ["a", "b"], count=1)
    assert said == "The last token, b, looks most at b at place 2 (0.70)."


def test_layer_and_head_change_the_picture(tiny: Any) -> None:
    view = AttentionView(tiny, asked(TEXT), [24])
    assert (view.layer.value, view.head.value) == (3, MEAN)
    seen = {view.view.value}
    view.head.value = 1
    seen.add(view.view.value)
    view.layer.value = 0
    seen.add(view.view.value)
    assert len(seen) == 3
    weights = attention(tiny, [*tiny.encode(asked(TEXT)), 24], 0)[1]
    assert strongest(weights, view._names) in unescape(view.view.value)
    assert "layer 0, head 1" in view.view.value


def test_attention_of_an_endpoint_is_one_sentence() -> None:
    class Far:
        name = "far"

    view = AttentionView(Far(), asked(TEXT))  # type: ignore[arg-type]
    assert "needs a local model" in view.view.value


# -- side by side -------------------------------------------------------------------------


def test_every_arm_is_asked_with_its_own_settings(tiny: Any) -> None:
    hot = Sampling(max_tokens=20, temperature=1.5, n=3)
    arms = [Arm("greedy", tiny, Sampling(max_tokens=20, temperature=0)), Arm("hot", tiny, hot, 7)]
    answers = Answers(arms, TEXT)
    assert answers.wait(30)
    assert len(answers.completions["greedy"]) == 1
    want = run(tiny.generate(asked(TEXT), hot, Ledger(), SeedPath(7)))
    assert answers.completions["hot"] == want
    assert answers._columns[1].value.count('class="rl-heat-text"') == 3
    assert answers._columns[1].value.count('class="rl-panel"') == 1


def test_a_failing_arm_leaves_the_others_alone(tiny: Any) -> None:
    class Down:
        name, can, dialect, flops_per_token = "down", frozenset(), "plain", 0.0

        async def generate(self, *args: Any) -> Any:
            raise LabError("nobody answers at <there>")

    answers = Answers([Arm("down", Down()), Arm("up", tiny)], TEXT)  # type: ignore[arg-type]
    assert answers.wait(30)
    assert "nobody answers at &lt;there&gt;" in answers._columns[0].value
    assert list(answers.completions) == ["up"]
    assert answers.stop.disabled
    assert not answers.button.disabled


def test_asking_again_asks_the_new_prompt(tiny: Any) -> None:
    answers = Answers([Arm("one", tiny, Sampling(max_tokens=30, temperature=0))], TEXT)
    assert answers.wait(30)
    first = answers.completions["one"]
    answers.prompt.value = "9*3-7<think>"
    answers.button.click()
    assert answers.wait(30)
    assert answers.completions["one"] != first


def test_an_arm_that_fails_when_asked_again_has_no_answers_of_the_last_time(tiny: Any) -> None:
    class Once:
        name, can, dialect, flops_per_token = "once", frozenset(), "compact", 0.0
        calls = 0

        async def generate(self, *args: Any) -> Any:
            self.calls += 1
            if self.calls > 1:
                raise LabError("gone")
            return await tiny.generate(*args)

    answers = Answers([Arm("once", Once(), Sampling(max_tokens=5))], TEXT)  # type: ignore[arg-type]
    assert answers.wait(30) and answers.completions
    answers.button.click()
    assert answers.wait(30)
    assert answers.completions == {}


# -- context window and cost ----------------------------------------------------------------


def test_cost_is_the_sum_of_the_price_of_every_answer() -> None:
    call = Call(1000, 500, 4096)
    assert call.dollars(PRICE) == pytest.approx((1000 * 1.0 + 500 * 4.0) / 1e6)
    again = (1000 * 0.1 + 500 * 4.0) / 1e6
    assert call.dollars(PRICE, samples=5) == pytest.approx(0.003 + 4 * again)
    assert call.dollars(PRICE, samples=5, questions=7) == pytest.approx(7 * (0.003 + 4 * again))
    assert call.dollars(PRICE, samples=0) == 0.0


def test_the_bar_shows_what_is_left_and_what_is_too_much() -> None:
    assert Call(1000, 500, 4096).left == 2596
    assert "left 2,596" in window_html(Call(1000, 500, 4096))
    assert "404 too many" in window_html(Call(4000, 500, 4096))
    assert "not told" in window_html(Call(10, 5))
    assert "width: 25.00%" in window_html(Call(1024, 512, 4096))


@pytest.mark.parametrize(
    ("dollars", "said"),
    [
        (0.0, "$0.00"),
        (1234.5, "$1,234.50"),
        (0.5, "$0.50"),
        (4.2e-3, "$0.0042"),
        (1.3e-6, "$0.0000013"),
    ],
)
def test_small_amounts_keep_two_digits(dollars: float, said: str) -> None:
    assert money(dollars) == said


def test_a_price_changes_the_cost() -> None:
    view = WindowView(Call(1000, 500, 4096), PRICE, samples=2, questions=1000)
    assert "<b>$5.10</b>" in view.cost.value
    view.completion.value = 0.0
    assert "<b>$1.10</b>" in view.cost.value
    view.samples.value = 1
    assert "<b>$1.00</b>" in view.cost.value


def test_the_context_of_a_model_is_what_it_tells(tiny: Any) -> None:
    assert context_of(tiny) == tiny.max_positions

    class Far:
        context = 8192

    assert context_of(Far()) == 8192  # type: ignore[arg-type]
    assert context_of(object()) is None  # type: ignore[arg-type]
