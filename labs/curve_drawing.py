"""Training curves as SVG, light enough to be drawn twice a second, and as a figure to keep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from matplotlib.figure import Figure

from labs.figures import COLOURS
from search.evolve.course import ticks

Point = tuple[float, float]
Lines = Mapping[str, Sequence[Point]]
"""One line a run, by its name: (place, value), places rising."""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BELOW = 430, 220, 52, 12, 22, 34
"""Pixels: of a panel, and of what surrounds the drawn area."""

MOST = 240
"""Points that are drawn of a line."""

STYLE = """<style>
.rl-curves { color: var(--jp-ui-font-color1, inherit); display: flex; flex-wrap: wrap;
  gap: 4px 14px; font: 12px var(--jp-ui-font-family, sans-serif); }
.rl-curves svg { max-width: 100%; height: auto; }
.rl-curves text { fill: currentColor; font-size: 11px; }
.rl-curves .rl-grid { stroke: currentColor; stroke-opacity: 0.15; }
.rl-curves path { fill: none; stroke-width: 2; stroke-linejoin: round; }
.rl-curves ul { list-style: none; margin: 0; padding: 2px 0 6px; flex-basis: 100%; }
.rl-curves li { display: inline-block; margin-right: 20px; font-variant-numeric: tabular-nums; }
.rl-curves i { display: inline-block; width: 18px; height: 4px; border-radius: 2px;
  margin-right: 6px; vertical-align: middle; }
</style>"""


def curves_html(
    panels: Mapping[str, Lines], along: str, notes: Mapping[str, str], *, log: bool = False
) -> str:
    """A panel a measure with the lines of all runs, and a legend with one note a run. `along` names
    the horizontal axis; `log` draws values on a logarithmic axis (those of 0 and below are left
    out)."""
    colours = colours_of(list(notes))
    legend = "".join(
        f'<li><i style="background: {colours[name]}"></i><b>{escape(name)}</b> {escape(note)}</li>'
        for name, note in notes.items()
    )
    drawn = "".join(panel_svg(title, lines, along, colours, log) for title, lines in panels.items())
    return f'{STYLE}<div class="rl-curves"><ul>{legend}</ul>{drawn}</div>'


def panel_svg(
    title: str, lines: Lines, along: str, colours: Mapping[str, str], log: bool = False
) -> str:
    """One measure. Without a value it says so."""
    kept = {name: thinned(_drawable(points, log)) for name, points in lines.items()}
    kept = {name: points for name, points in kept.items() if points}
    said = "; ".join(f"{name} {points[-1][1]:.4g}" for name, points in kept.items())
    label = escape(f"{title}: {said or 'no value yet'}")
    head = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img"'
        f' aria-label="{label}">'
        f'<text x="{LEFT}" y="14" style="font-weight: 600">{escape(title)}</text>'
    )
    if not kept:
        return head + f'<text x="{LEFT}" y="{HEIGHT / 2}">no value yet</text></svg>'
    far = max(points[-1][0] for points in kept.values()) or 1.0
    values = [_scaled(value, log) for points in kept.values() for _, value in points]
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.5 * abs(high) or 0.5
    low, high = low - room, high + room

    def x(place: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * place / far

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BELOW) * (high - _scaled(value, log)) / (high - low)

    parts = [head]
    for value in _marks(low, high, log):
        parts.append(f'<line class="rl-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}"'
                     f' y1="{y(value):.1f}" y2="{y(value):.1f}"/><text x="{LEFT - 6}"'
                     f' y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>')  # fmt: skip
    for place in ticks(0, far, 5):
        parts.append(f'<text x="{x(place):.1f}" y="{HEIGHT - BELOW + 15}" text-anchor="middle">'
                     f"{short(place)}</text>")  # fmt: skip
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 3}" text-anchor="middle">'
                 f"{escape(along)}</text>")  # fmt: skip
    for name, points in kept.items():
        path = "L".join(f"{x(place):.1f} {y(value):.1f}" for place, value in points)
        dot = "" if len(points) > 1 else "h0.1"
        parts.append(f'<path d="M{path}{dot}" stroke="{colours[name]}"'
                     f' stroke-linecap="round"><title>{escape(name)}</title></path>')  # fmt: skip
    return "".join([*parts, "</svg>"])


def curves_figure(panels: Mapping[str, Lines], along: str, *, log: bool = False) -> Figure:
    """The same with matplotlib."""
    figure = Figure(figsize=(5.2 * len(panels), 3.6), layout="constrained")
    for axes, (title, lines) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        colours = colours_of(list(lines))
        for name, points in lines.items():
            if points:
                axes.plot(*zip(*points, strict=True), label=name, color=colours[name])
        axes.set_title(title, fontsize="medium")
        axes.set_xlabel(along)
        axes.grid(alpha=0.3)
        if log:
            axes.set_yscale("log")
        if any(lines.values()):
            axes.legend(fontsize="small")
    return figure


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour a run. Names that differ only after ` · ` (the seeds of one arm) share theirs."""
    families = list(dict.fromkeys(name.partition(" · ")[0] for name in names))
    return {
        name: COLOURS[families.index(name.partition(" · ")[0]) % len(COLOURS)] for name in names
    }


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most MOST of the points, evenly, the last one among them."""
    if len(points) <= MOST:
        return list(points)
    places = {round(i * (len(points) - 1) / (MOST - 1)) for i in range(MOST)}
    return [points[i] for i in sorted(places)]


def short(value: float) -> str:
    """A number for an axis: 1500 as `1.5k`, 2e12 as `2T`."""
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _drawable(points: Sequence[Point], log: bool) -> list[Point]:
    return [p for p in points if math.isfinite(p[1]) and (not log or p[1] > 0)]


def _scaled(value: float, log: bool) -> float:
    return math.log10(value) if log else value


def _marks(low: float, high: float, log: bool) -> list[float]:
    """Where the vertical axis is marked: on a logarithmic one at 1, 2 and 5 of every power."""
    if not log:
        return list(ticks(low, high, 5))
    found = [
        digit * 10.0**power
        for power in range(math.floor(low) - 1, math.ceil(high) + 1)
        for digit in (1, 2, 5)
    ]
    return [value for value in found if low <= math.log10(value) <= high]
