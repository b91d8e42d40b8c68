"""An evolution's course as a figure: for a notebook that is opened again, for files and papers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

import numpy as np

from search.evolve.course import Course, Point
from search.plot import Chart

BLUE, VERMILION = "#0072b2", "#d55e00"
"""Of Okabe and Ito's palette."""


def chart(course: Course) -> Chart:
    """Best training and held-out score over evaluations, with the levels to compare with; below,
    the best score of every island."""
    rows = len(course.islands)
    figure = Chart(figsize=(7.2, 3.4 + 0.16 * rows), layout="constrained")
    heights = [1.0, 0.07 * rows] if rows else [1.0]
    above, *below = np.atleast_1d(figure.subplots(len(heights), sharex=True, height_ratios=heights))
    bounds = course.range()
    if bounds is None:
        above.set_title(f"{course.name}: no program has a score yet", fontsize="medium")
        return figure
    for points, colour, label in (
        (course.best, BLUE, "best so far, training instances"),
        (course.held_out, VERMILION, "the same program, held-out instances"),
    ):
        if points:
            k, score = _steps(points, course.last)
            above.step(k, score, where="post", color=colour, label=label, linewidth=1.8)
    for name, level in course.marks.items():
        above.axhline(level, color="0.4", linestyle="--", linewidth=1)
        above.annotate(f"{name} {level:.4g}", (1.0, level), xycoords=("axes fraction", "data"),
                       ha="right", va="bottom", fontsize="small", color="0.3")  # fmt: skip
    room = 0.06 * (bounds[1] - bounds[0])
    above.set_ylim(bounds[0] - room, bounds[1] + room)
    above.set_ylabel("score")
    above.grid(alpha=0.3)
    above.set_title(f"{course.name}, {course.last:,} evaluations", fontsize="medium")
    if above.get_legend_handles_labels()[0]:
        above.legend(fontsize="small")
    for axes in below:
        values = np.array(course.columns(180), dtype=float)  # None becomes nan
        axes.imshow(
            values, aspect="auto", extent=(0, max(course.last, 1), rows - 0.5, -0.5),
            cmap="Blues_r" if course.minimise else "Blues", vmin=bounds[0], vmax=bounds[1],
            interpolation="nearest",
        )  # fmt: skip
        axes.set_ylabel("island")
        axes.set_yticks(range(rows) if rows <= 10 else [0, rows - 1])
    (below or [above])[-1].set_xlabel("evaluations")
    return figure


def _steps(points: Sequence[Point], last: int) -> tuple[list[int], list[float]]:
    ends = [*points, (max(last, points[-1][0]), points[-1][1])]
    return [k for k, _ in ends], [score for _, score in ends]


def folded(figure: Chart, said: str) -> str:
    """A figure as HTML that can be unfolded: it stays where a widget goes with its kernel."""
    source = b64encode(figure._repr_png_()).decode()
    return (
        "<details><summary>still picture, for a notebook that is opened again</summary>"
        f'<img alt="{escape(said)}" src="data:image/png;base64,{source}"></details>'
    )
