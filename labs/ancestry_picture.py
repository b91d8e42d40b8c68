"""The ancestry of a trained model as a picture: rows of boxes with arrows, in one SVG."""

from __future__ import annotations

from html import escape
from itertools import pairwise

from labs.student_ancestry import Ancestor

BOX, GAP, ROW = (230, 58), 26, 96
"""Size of a box, distance to its neighbour, distance of rows, in pixels."""

Place = tuple[str, str]
"""A box (its key, nothing), or the way of an arrow past a row (keys of its both ends)."""


def levels(root: Ancestor) -> list[list[Place]]:
    """What stands in which row, oldest first: an ancestor is one row above the highest that it went
    into. An arrow over several rows has a place in each, so that it crosses no box."""
    known = {one.key: one for one in root.walk()}
    depth: dict[str, int] = {}

    def put(key: str, at: int) -> None:
        if depth.get(key, -1) < at:
            depth[key] = at
            for parent in known[key].parents:
                put(parent.key, at + 1)

    put(root.key, 0)
    rows: list[dict[Place, list[Place]]] = [{} for _ in range(max(depth.values()) + 1)]
    for one in known.values():
        rows[depth[one.key]].setdefault((one.key, ""), [])
    for one in known.values():
        for parent in one.parents:
            below: Place = (one.key, "")
            for at in range(depth[one.key] + 1, depth[parent.key] + 1):
                here: Place = (parent.key, one.key if at < depth[parent.key] else "")
                rows[at].setdefault(here, []).append(below)
                below = here
    ordered: list[list[Place]] = []
    for row in rows:
        order = {place: at for at, place in enumerate(ordered[-1])} if ordered else {}
        ordered.append(sorted(row, key=lambda place: _mean([order[b] for b in row[place]])))
    return ordered[::-1]


def _mean(values: list[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def as_svg(root: Ancestor) -> str:
    """The ancestry as one SVG: oldest above, an arrow from each to what it went into with what it
    did there; the data in a lighter box. Colours follow JupyterLab's theme."""
    rows = levels(root)
    wide = [sum((GAP if way else BOX[0]) + GAP for _, way in row) - GAP for row in rows]
    width, height = max(wide) + 2 * GAP, len(rows) * ROW - (ROW - BOX[1]) + GAP
    at: dict[Place, tuple[float, float]] = {}
    for y, row in enumerate(rows):
        left = (width - wide[y]) / 2
        for place in row:
            at[place] = (left, GAP / 2 + y * ROW)
            left += (GAP if place[1] else BOX[0]) + GAP
    ink = "var(--jp-ui-font-color1, #222)"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' role="img" aria-label="ancestry of {escape(root.title)}"'
        ' font-family="sans-serif" font-size="12">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7"'
        f' markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{ink}"/></marker></defs>'
    ]
    for one in root.walk():
        for parent in one.parents:
            ways = [at[place] for row in rows for place in row if place == (parent.key, one.key)]
            parts.append(_arrow(at[parent.key, ""], ways, at[one.key, ""], parent.role, ink))
    parts += [_box(one, *at[one.key, ""], ink) for one in root.walk()]
    return "".join(parts) + "</svg>"


def _arrow(
    above: tuple[float, float], ways: list[tuple[float, float]], below: tuple[float, float],
    role: str, ink: str,
) -> str:  # fmt: skip
    """From the lower edge of a box, through the ways between, to the upper edge of another."""
    points = [(above[0] + BOX[0] / 2, above[1] + BOX[1])]
    for x, y in ways:
        points += [(x + GAP / 2, y), (x + GAP / 2, y + BOX[1])]
    points.append((below[0] + BOX[0] / 2, below[1]))
    path = f"M{points[0][0]} {points[0][1]}"
    for (x1, y1), (x2, y2) in pairwise(points):
        bend = (y2 - y1) / 2
        path += f"C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"
    dashes = "" if role == "policy" else ' stroke-dasharray="4 3"'
    (x1, y1), (x2, y2) = points[-2:]
    word = (
        f'<text x="{(x1 + x2) / 2 + 6}" y="{(y1 + y2) / 2 + 4}" fill="{ink}">{escape(role)}</text>'
    )
    return (
        f'<path d="{path}" fill="none" stroke="{ink}" marker-end="url(#tip)"{dashes}/>'
        + ("" if role in ("policy", "data") else word)
    )  # fmt: skip


def _box(one: Ancestor, x: float, y: float, ink: str) -> str:
    data = one.role == "data"
    fill = "none" if data else "var(--jp-layout-color2, #eef2f7)"
    lines = [(one.title, "600"), *((note, "400") for note in one.notes[:2])]
    texts = "".join(
        f'<text x="{x + 10}" y="{y + 18 + 16 * at}" fill="{ink}" font-weight="{weight}">'
        f"{escape(_short(text))}</text>"
        for at, (text, weight) in enumerate(lines)
    )
    title = escape("\n".join([one.title, *one.notes]))
    return (
        f'<g><title>{title}</title><rect x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}" rx="6"'
        f' fill="{fill}" stroke="{ink}"/>{texts}</g>'
    )


def _short(text: str, limit: int = 33) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
