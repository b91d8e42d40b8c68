"""The next token's distribution as bars: before the controls, and what they leave of it."""

from __future__ import annotations

from html import escape

import numpy as np

from labs.tokens import Token
from labs.widgets.heat import percent
from labs.widgets.style import BARS
from reasoning.models.distribution import Distribution

SHOWN = 12
"""Tokens with a bar of their own."""


def bars_html(before: Distribution, after: np.ndarray, shown: int = SHOWN) -> str:
    """A table of the likeliest tokens: blue the model's own probability, orange what can be drawn.

    `after` are probabilities in the order of `before` (see `truncated`). Tokens that cannot be
    drawn are dim.
    """
    p = np.exp(before.logprobs)
    rows = [
        row_html(Token(before.tokens[i]).name, float(p[i]), float(after[i]))
        for i in range(min(shown, len(before)))
    ]
    if len(before) > shown or before.rest > 0:
        own = before.rest + float(p[shown:].sum())
        count = f"{len(before) - shown} more" if before.complete else "all others"
        rows.append(row_html(count, own, float(after[shown:].sum()), plain=True))
    head = (
        '<tr><th class="rl-name">token</th><th></th>'
        '<th class="rl-share">model</th><th class="rl-share">drawn</th></tr>'
    )
    return (
        f'{BARS}<div class="rl-bars" role="group" aria-label="next-token distribution">'
        f"<table>{head}{''.join(rows)}</table>"
        f'<div class="rl-sum">{escape(summary(before, after))}</div></div>'
    )


def row_html(name: str, before: float, after: float, *, plain: bool = False) -> str:
    """One token's row; `plain` for a row that sums up several."""
    face = ' style="font-family: inherit"' if plain else ""
    gone = ' class="rl-gone"' if after == 0.0 else ""
    told = f"{name}: {percent(before)} before, {percent(after)} after"
    return (
        f'<tr{gone} aria-label="{escape(told)}" title="{escape(told)}">'
        f'<td class="rl-name"{face}>{escape(name)}</td><td>'
        f'<div class="rl-bar rl-before" style="width: {100 * before:.2f}%"></div>'
        f'<div class="rl-bar rl-after" style="width: {100 * after:.2f}%"></div></td>'
        f'<td class="rl-share">{percent(before)}</td>'
        f'<td class="rl-share">{percent(after) if after else "–"}</td></tr>'
    )


def summary(before: Distribution, after: np.ndarray) -> str:
    """How many tokens can be drawn, and how uncertain the draw is before and after."""
    left = int((after > 0).sum())
    sure = after[after > 0]
    bits = float(-(sure * np.log2(sure)).sum())
    if not before.complete:
        return (
            f"The endpoint tells its likeliest {len(before)} tokens; the orange bars are as if"
            f" there were no others: {left} of them can be drawn."
        )
    can = f"{left} of {len(before)} tokens can be drawn"
    return f"{can} · uncertainty {before.entropy:.2f} bits → {abs(bits):.2f} bits"
