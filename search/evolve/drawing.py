"""An evolution's course as SVG: light enough to be drawn twice a second, readable in both themes.

The colours of text, lines and background are JupyterLab's own, with plain ones outside of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from search.evolve.course import Course, Point, ticks

WIDTH, LEFT, RIGHT = 700, 48, 72
"""Pixels: of the whole picture, left and right of the drawn area."""

HEIGHT, ROW, COLUMNS = 210, 15, 90
"""Pixels of the curve's height and of an island's row; columns of the map."""

STYLE = """<style>
.rl-evo { --rl-train: 0, 114, 178; --rl-held: 213, 94, 0; }
[data-jp-theme-light="false"] .rl-evo { --rl-train: 86, 180, 233; --rl-held: 230, 130, 50; }
.rl-evo { color: var(--jp-ui-font-color1, inherit); font: 12px var(--jp-ui-font-family, sans-serif); }
.rl-evo svg { max-width: 100%; height: auto; display: block; }
.rl-evo text { fill: currentColor; font-size: 11px; }
.rl-evo .rl-grid { stroke: currentColor; stroke-opacity: 0.15; }
.rl-evo .rl-mark { stroke: currentColor; stroke-opacity: 0.6; stroke-dasharray: 4 3; }
.rl-evo .rl-train { fill: none; stroke: rgb(var(--rl-train)); stroke-width: 2; }
.rl-evo .rl-held { fill: none; stroke: rgb(var(--rl-held)); stroke-width: 2; }
.rl-evo .rl-cell { fill: rgb(var(--rl-train)); }
.rl-evo table { border-collapse: collapse; margin: 0; }
.rl-evo tr, .rl-evo td { background: transparent; border: none; }
.rl-evo td { padding: 1px 8px 1px 0; text-align: left; font-size: 12px; }
.rl-evo .rl-number { text-align: right; font-variant-numeric: tabular-nums; }
.rl-evo .rl-bar { height: 8px; border-radius: 2px; min-width: 1px; background: rgba(var(--rl-train), 0.85); }
.rl-evo .rl-bad { background: rgba(var(--rl-held), 0.85); }
.rl-evo .rl-idle { background: var(--jp-border-color1, #aaa); }
.rl-tiles { display: flex; flex-wrap: wrap; gap: 4px 26px; padding: 2px 0 6px; }
.rl-tiles b { display: block; font-size: 19px; font-weight: 600; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.rl-tiles span { opacity: 0.75; }
.rl-code { font: 12px/1.4 var(--jp-code-font-family, monospace); white-space: pre-wrap;
  word-break: normal; overflow-wrap: anywhere; max-height: 17em; overflow-y: auto; margin: 0; padding: 6px 8px;
  color: inherit; background: var(--jp-layout-color2, rgba(128, 128, 128, 0.12)); }
</style>"""  # noqa: E501
"""Blue and vermilion are those of Okabe and Ito's palette, lighter ones on a dark theme."""


def number(value: float | None) -> str:
    """A score with the digits that matter; a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"


def course_svg(course: Course) -> str:
    """Best training and held-out score over evaluations, and below, on the same axis, the best
    score of every island as a heat map."""
    bounds = course.range()
    if bounds is None:
        return '<div style="opacity: 0.7; padding: 8px 0">no program has a score yet</div>'
    rows = len(course.islands)
    height = HEIGHT + 34 + ROW * rows + 18
    said = f"best training score {number(_end(course.best))} after {course.last} evaluations"
    if course.held_out:
        said += f", held-out score {number(_end(course.held_out))}"
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
        f'aria-label="{escape(said)}">',
        *_curve(course, *bounds),
        *_map(course, *bounds),
        "</svg>",
    ]
    return "".join(parts)


def _end(points: Sequence[Point]) -> float | None:
    return points[-1][1] if points else None


def _curve(course: Course, low: float, high: float) -> list[str]:
    room = 0.06 * (high - low)
    low, high = low - room, high + room
    inner = WIDTH - LEFT - RIGHT

    def x(k: float) -> float:
        return LEFT + inner * k / max(course.last, 1)

    def y(score: float) -> float:
        share = (score - low) / (high - low)
        return 6 + (HEIGHT - 6) * (1 - min(max(share, -0.02), 1.02))

    parts = []
    for tick in ticks(low, high, 6):
        parts.append(f'<line class="rl-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" '
                     f'y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')  # fmt: skip
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">'
                     f"{number(tick)}</text>")  # fmt: skip
    for tick in ticks(0, course.last, 6):
        parts.append(f'<text x="{x(tick):.1f}" y="{HEIGHT + 16}" text-anchor="middle">'
                     f"{tick:,.0f}</text>")  # fmt: skip
    for name, level in course.marks.items():
        parts.append(f'<line class="rl-mark" x1="{LEFT}" x2="{WIDTH - RIGHT}" '
                     f'y1="{y(level):.1f}" y2="{y(level):.1f}"/>')  # fmt: skip
        parts.append(f'<text x="{WIDTH - RIGHT - 4}" y="{y(level) - 4:.1f}" text-anchor="end">'
                     f"{escape(name)} {number(level)}</text>")  # fmt: skip
    ends = []
    for points, kind, label in (
        (course.best, "rl-train", "training"), (course.held_out, "rl-held", "held-out"),
    ):  # fmt: skip
        if not points:
            continue
        path = f"M{x(points[0][0]):.1f} {y(points[0][1]):.1f}"
        path += "".join(f"H{x(k):.1f}V{y(score):.1f}" for k, score in points[1:])
        parts.append(f'<path class="{kind}" d="{path}H{x(course.last):.1f}"/>')
        ends.append([y(points[-1][1]) + 4, kind, label])
    if len(ends) == 2 and abs(ends[0][0] - ends[1][0]) < 13:
        middle, apart = (ends[0][0] + ends[1][0]) / 2, 6.5 if ends[0][0] <= ends[1][0] else -6.5
        ends[0][0], ends[1][0] = middle - apart, middle + apart
    for place, kind, label in ends:
        style = f"fill: rgb(var(--{kind})); font-weight: 600"
        parts.append(
            f'<text x="{WIDTH - RIGHT + 6}" y="{place:.1f}" style="{style}">{label}</text>'
        )
    return parts


def _map(course: Course, low: float, high: float) -> list[str]:
    top, inner = HEIGHT + 30, WIDTH - LEFT - RIGHT
    cell = inner / COLUMNS
    parts = []
    for row, values in enumerate(course.columns(COLUMNS)):
        y = top + ROW * row
        parts.append(f'<text x="{LEFT - 6}" y="{y + 11}" text-anchor="end">{row}</text>')
        start = 0
        for i in range(1, COLUMNS + 1):
            if i < COLUMNS and values[i] == values[start]:
                continue
            value = values[start]
            if value is not None:
                share = (value - low) / (high - low)
                good = min(max(1 - share if course.minimise else share, 0.0), 1.0)
                parts.append(
                    f'<rect class="rl-cell" x="{LEFT + start * cell:.1f}" y="{y}" '
                    f'width="{(i - start) * cell:.1f}" height="{ROW - 2}" '
                    f'style="fill-opacity: {0.06 + 0.9 * good**2:.2f}">'
                    f"<title>island {row}: {number(value)}</title></rect>"
                )
            start = i
        parts.append(f'<text x="{WIDTH - RIGHT + 6}" y="{y + 11}">'
                     f"{number(values[-1] if values else None)}</text>")  # fmt: skip
    parts.append(f'<text x="{LEFT}" y="{top + ROW * len(course.islands) + 12}">best score of every '
                 "island over evaluations; the stronger the colour, the better</text>")  # fmt: skip
    return parts


def tiles_html(tiles: Mapping[str, str]) -> str:
    """Large numbers with small names below."""
    parts = [f"<div><b>{escape(v)}</b><span>{escape(k)}</span></div>" for k, v in tiles.items()]
    return f'{STYLE}<div class="rl-evo"><div class="rl-tiles">{"".join(parts)}</div></div>'


MEANING = {
    "ok": "scored",
    "duplicate": "the same tree or behaviour as an earlier program",
    "exception": "the program raised an error",
    "timeout": "it used up its time",
    "memory": "it used up its memory",
    "crashed": "it ended its process",
    "forbidden": "a system call that the sandbox does not allow",
    "bad_output": "it returned no plain data, or too much",
    "invalid": "the scorer refused what it returned",
    "cheating": "the audit caught it",
    "no source": "the proposer gave no program",
    "lost": "the call of the model failed",
    "sandbox_died": "not the program's fault: the sandbox failed",
}


def verdicts_html(verdicts: Mapping[str, int]) -> str:
    """What became of the proposals: a bar and a count for each verdict, most frequent first."""
    whole = max(sum(verdicts.values()), 1)
    rows = []
    for name, count in sorted(verdicts.items(), key=lambda pair: -pair[1]):
        if not count:
            continue
        kind = {"ok": "", "duplicate": " rl-idle"}.get(name, " rl-bad")
        rows.append(
            f'<tr title="{escape(MEANING.get(name, name))}"><td>{escape(name)}</td>'
            f'<td class="rl-number">{count:,}</td><td style="width: 90px">'
            f'<div class="rl-bar{kind}" style="width: {100 * count / whole:.1f}%"></div></td></tr>'
        )
    return f'<div class="rl-evo"><table>{"".join(rows)}</table></div>'


def code_html(title: str, source: str) -> str:
    """A program as escaped text under a title."""
    return (
        f'<div class="rl-evo"><div style="padding: 6px 0 3px">{escape(title)}</div>'
        f'<pre class="rl-code">{escape(source)}</pre></div>'
    )
