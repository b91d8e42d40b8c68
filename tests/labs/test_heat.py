"""The heat map and the bars: what they say, that they are escaped, and where numbers come from."""

from __future__ import annotations

import math
import re
from html import unescape
from typing import Any

import numpy as np
import pytest

from labs.tokens import Token, likeliest, token_table, tokens_of
from labs.widgets.bars import bars_html, summary
from labs.widgets.heat import HeatMap, heat_html, heat_map, percent, shade
from labs.widgets.writing import asked
from reasoning import load_model
from reasoning.core import Completion, Sampling, SeedPath, TokenScores, Usage
from reasoning.ledger import Ledger
from reasoning.loop import run
from reasoning.models.introspect import Distribution, distribution, truncated

PROMPT = asked("(3+4)*2-5+6*3<think>")


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load_model("tiny")


def text_of(html: str) -> str:
    """What a reader sees: no style sheet, no tags."""
    html = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", "", html))


def test_every_token_tells_what_it_was_drawn_with(tiny: Any) -> None:
    sampling = Sampling(max_tokens=30, temperature=1.5)
    drawn = run(tiny.generate(PROMPT, sampling, Ledger(), SeedPath(4)))[0]
    tokens = tokens_of(tiny, PROMPT, drawn, k=386)
    assert [token.logprob for token in tokens] == list(drawn.logprobs or ())
    for token in tokens:
        assert token.rank is not None
        likelier = [value for _, value in token.others if value > (token.logprob or 0.0) + 1e-4]
        assert token.rank - 1 >= len(likelier)
        assert sum(math.exp(value) for _, value in token.others) == pytest.approx(1.0, abs=1e-4)
    html = heat_map(tiny, PROMPT, drawn)._repr_html_()
    for token in tokens:
        assert percent(token.probability or 0.0) in unescape(html)
    assert html.count('tabindex="0"') == len(tokens)
    assert html.count("aria-label=") == len(tokens) + 1


class Scoring:
    """Knows no tokens of a completion, but scores a text."""

    name, can, dialect, flops_per_token = "far", frozenset({"score"}), "plain", 0.0

    async def score(self, prompt: Any, continuations: Any, ledger: Any) -> list[TokenScores]:
        return [TokenScores(("a", "b"), (-0.1, -2.0))]


def test_an_endpoint_is_asked_to_score_its_text() -> None:
    tokens = tokens_of(Scoring(), PROMPT, Completion("ab", "eos", Usage()))  # type: ignore[arg-type]
    assert tokens == (Token("a", -0.1), Token("b", -2.0))


def test_a_model_that_tells_nothing_still_shows_its_text() -> None:
    class Mute(Scoring):
        can: Any = frozenset()

    shown = heat_map(Mute(), PROMPT, Completion("ab", "eos", Usage(1, 0, 2)))  # type: ignore[arg-type]
    said = text_of(shown._repr_html_())
    assert "ab" in said
    assert "told no probabilities" in said
    assert "2 tokens · ended by eos" in said


def test_what_a_model_writes_is_text_and_never_markup() -> None:
    evil = Token('<img src=x onerror="alert(1)">', -0.5, (("<b>", -0.5), ("\x00", -1.0)))
    html = heat_html([HeatMap((evil, Token("\x1b[0m", -1.0)), "<i>note</i>", "<u>prompt</u>")])
    for tag in ("<img", "<i>", "<u>", "<b><b>", "\x1b", "\x00"):
        assert tag not in html
    assert "<u>prompt</u>" in text_of(html)


def test_the_end_of_a_line_is_seen_and_ends_the_line() -> None:
    said = text_of(heat_html([HeatMap((Token("7"), Token("\n"), Token("8")))]))
    assert "7⏎\n8" in said
    assert Token(" a\n").name == "␣a⏎"
    assert Token("").name == "(nothing)"


@pytest.mark.parametrize(
    ("probability", "said"),
    [
        (1.0, "100 %"),
        (0.99999, "> 99.99 %"),
        (0.9996, "99.96 %"),
        (0.4567, "45.7 %"),
        (0.0123, "1.23 %"),
        (0.00001, "< 0.01 %"),
        (0.0, "0.00 %"),
    ],
)
def test_a_probability_is_never_rounded_to_certain_or_impossible(
    probability: float, said: str
) -> None:
    assert percent(probability) == said


def test_less_likely_tokens_are_darker() -> None:
    shades = [shade(p) for p in (0.95, 0.6, 0.2, 0.05, 0.001)]
    opacities = [float(s.rstrip(")").rsplit(", ", 1)[1]) for s in shades]
    assert opacities == sorted(opacities)
    assert len(set(opacities)) == 5
    assert shade(None) == "transparent"


def widths(html: str, kind: str) -> list[float]:
    """Percentages of the bars of one kind, from top to bottom."""
    return [float(w) for w in re.findall(rf'rl-{kind}" style="width: ([\d.]+)%', html)]


def test_bars_show_the_probabilities_before_and_after_the_controls() -> None:
    p = np.array([0.5, 0.3, 0.15, 0.05])
    before = Distribution(np.arange(4), ("a", "b", "c", "d"), np.log(p))
    html = bars_html(before, truncated(before, Sampling(top_k=2)))
    assert widths(html, "before") == pytest.approx([50, 30, 15, 5])
    assert widths(html, "after") == pytest.approx([62.5, 37.5, 0, 0], abs=0.01)
    assert html.count("rl-gone") == 2 + 1  # twice used, once in the style sheet
    assert "2 of 4 tokens can be drawn" in html


def test_bars_sum_up_what_has_no_bar(tiny: Any) -> None:
    shown = distribution(tiny, PROMPT)
    html = bars_html(shown, truncated(shown, Sampling(temperature=2.0)), shown=5)
    assert len(widths(html, "before")) == 6
    assert sum(widths(html, "before")) == pytest.approx(100, abs=0.1)
    assert sum(widths(html, "after")) == pytest.approx(100, abs=0.1)
    assert f"{len(shown) - 5} more" in html


def test_a_part_of_a_distribution_is_called_one() -> None:
    part = Distribution(np.array([-1, -1]), ("a", "b"), np.log([0.6, 0.3]), complete=False)
    html = bars_html(part, truncated(part, Sampling()))
    assert widths(html, "before") == pytest.approx([60, 30, 10])
    assert "all others" in html
    assert "likeliest 2 tokens" in summary(part, truncated(part, Sampling()))


def test_a_prompt_is_shown_as_its_tokens_and_ids(tiny: Any) -> None:
    assert token_table(tiny, asked("12+3=")).splitlines() == [
        "text  12  +  3  =",
        "id   260 12 20 30",
    ]
    assert "tells only their number" in token_table(Scoring(), asked("12+3="))  # type: ignore[arg-type]


def test_the_likeliest_tokens_are_a_table() -> None:
    shown = Distribution(np.arange(3), ("a", " ", "\n"), np.log([0.5, 0.25, 0.25]))
    assert likeliest(shown, 2).splitlines()[1:] == [
        "a                 -0.6931       0.5000",
        "␣                 -1.3863       0.2500",
    ]
