"""Token-probability heat map: text whose background says how likely each token was.

Plain HTML and CSS, so it works offline and in both themes. Hovering over a token, or reaching it
with the Tab key, shows its numbers in a panel below the text; where a notebook is not trusted and
styles are stripped, the tooltip of the browser still tells the probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from labs.tokens import ALTERNATIVES, Token, tokens_of
from labs.widgets.style import HEAT, UNLIKELY
from reasoning.core import Completion, LanguageModel, Prompt

BINS = ((0.9, 0.0), (0.5, 0.16), (0.1, 0.36), (0.01, 0.6), (0.0, 0.85))
"""From this probability on -> opacity of the colour behind the token."""


@dataclass(frozen=True, repr=False)
class HeatMap:
    """Tokens to look at; a cell displays it. `note` stands below the text, `before` (the prompt)
    dim and without colour before it."""

    tokens: tuple[Token, ...]
    note: str = ""
    before: str = ""

    def _repr_html_(self) -> str:
        return heat_html([self])

    def __repr__(self) -> str:
        return f"HeatMap({''.join(token.text for token in self.tokens)!r}, {self.note!r})"


def heat_map(
    model: LanguageModel, prompt: Prompt, completion: Completion, k: int = ALTERNATIVES
) -> HeatMap:
    """The heat map of any completion of this prompt, with the k likeliest tokens at each place
    where the model is a local one."""
    return HeatMap(tokens_of(model, prompt, completion, k), note_on(completion))


def note_on(completion: Completion) -> str:
    """One line on a completion: tokens, why it ended, its mean log-probability."""
    count = completion.usage.completion
    parts = [f"{count} token{'s' * (count != 1)}", f"ended by {completion.finish}"]
    if completion.logprobs:
        mean = sum(completion.logprobs) / len(completion.logprobs)
        parts.append(f"mean log-probability {mean:.3f}")
    return " · ".join(parts)


def heat_html(maps: Sequence[HeatMap], *, narrow: bool = False) -> str:
    """Texts below each other as escaped HTML, with one legend, and one panel for the token that is
    hovered over (`narrow`: higher, for a column)."""
    kind = "rl-heat rl-narrow" if narrow else "rl-heat"
    told = any(token.logprob is not None for each in maps for token in each.tokens)
    written = any(each.tokens for each in maps)
    hint = (
        "Hover over a token, or reach it with Tab, to see its numbers."
        if told or not written
        else "This model told no probabilities for this text."
    )
    return (
        f'{HEAT}<div class="{kind}" role="group" aria-label="text by token probability">'
        + f'<div class="rl-texts">{"".join(map(block_html, maps))}</div>'
        + (legend_html() if told else "")
        + f'<div class="rl-panel"><span>{hint}</span></div></div>'
    )


def block_html(block: HeatMap) -> str:
    """One text with its note."""
    text = "".join(map(token_html, block.tokens)) or '<span class="rl-dim"> no text yet</span>'
    before = f'<span class="rl-prompt">{escape(block.before)}</span>' if block.before else ""
    note = f'<div class="rl-line">{escape(block.note)}</div>' if block.note else ""
    return f'<div class="rl-heat-text">{before}{text}</div>{note}'


def legend_html() -> str:
    """What the colours mean."""
    marks = []
    for at, (least, opacity) in enumerate(BINS):
        text = f"below {BINS[at - 1][0]:g}" if at == len(BINS) - 1 else f"{least:g} and more"
        marks.append(f'<span style="background: rgba({UNLIKELY}, {opacity})">{text}</span>')
    return f'<div class="rl-line">probability of the token: {" ".join(marks)}</div>'


def shade(probability: float | None) -> str:
    """The background of a token; none where the probability is not told."""
    if probability is None:
        return "transparent"
    opacity = next(opacity for least, opacity in BINS if probability >= least)
    return f"rgba({UNLIKELY}, {opacity})"


def token_html(token: Token) -> str:
    """One token: its text, and what the panel says of it."""
    said = spoken(token)
    tip = ""
    if token.logprob is not None:
        tip = f'<span class="rl-tip" aria-hidden="true">{tip_html(token)}</span>'
    colour = f"background: {shade(token.probability)}"
    return (
        f'<span class="rl-token" tabindex="0" role="note" aria-label="{escape(said)}"'
        f' title="{escape(said)}" style="{colour}">{written(token)}{tip}</span>'
    )


def written(token: Token) -> str:
    """The text of a token where it stands; the end of a line is a mark and ends the line."""
    if token.text.startswith("<") and token.text.endswith(">"):
        return f'<span class="rl-dim">{escape(token.text)}</span>'
    safe = "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in token.text)
    return escape(safe).replace("\n", '<span class="rl-dim">⏎</span>\n')


def spoken(token: Token) -> str:
    """A token in one sentence, for a screen reader and the browser's own tooltip."""
    if token.probability is None:
        return f"{token.name}: probability not told"
    return f"{token.name}: probability {percent(token.probability)}"


def tip_html(token: Token) -> str:
    """The panel of one token: its probability, and what else could have stood there."""
    assert token.probability is not None
    parts = [
        f"<b>{escape(token.name)}</b>&ensp;probability {percent(token.probability)}",
        f"log-probability {token.logprob:.3f}",
    ]
    if not token.others:
        return " · ".join(parts)
    others = "&emsp;".join(
        f'<span class="rl-pair"><b>{escape(Token(text).name)}</b> {percent(math.exp(value))}</span>'
        for text, value in token.others
    )
    return f"{' · '.join([*parts, ranked(token)])}<br>likeliest here: {others}"


def ranked(token: Token) -> str:
    """The token's place among those that could have stood there."""
    if token.rank is None:
        return f"not among the likeliest {len(token.others)}"
    return "the likeliest" if token.rank == 1 else f"number {token.rank} by probability"


def percent(probability: float) -> str:
    """A probability for people: the digits that matter, never a false 100 % or 0 %."""
    share = 100 * probability
    if share >= 99.995:
        return "100 %" if probability == 1 else "> 99.99 %"
    if 0 < share < 0.005:
        return "< 0.01 %"
    return f"{share:.1f} %" if 10 <= share < 99.95 else f"{share:.2f} %"
