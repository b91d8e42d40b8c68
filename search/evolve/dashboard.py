"""The live view of an evolution in a notebook: scores, islands, verdicts, speed, and Stop.

Nothing blocks the cell. A daemon thread reads the run at most five times a second, draws at most
twice a second, and a last time when the run has ended; then the picture is stored in the notebook,
so that it is there when the notebook is opened again without its kernel.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from html import escape
from typing import Any, Protocol

import ipywidgets as ipw

from search.evolve.course import Course
from search.evolve.drawing import STYLE, code_html, course_svg, number, tiles_html, verdicts_html

INTERVAL = 0.2
"""Seconds between two looks at the run."""

DRAWING = 0.5
"""Seconds between two drawings of the charts."""


class Watched(Protocol):
    """What the view needs of a run: `search.evolve.Evolution` is one."""

    problem: Any

    def done(self) -> bool: ...

    def stop(self) -> Any: ...

    def wait(self) -> Any: ...

    def snapshot(self) -> Any: ...


class Dashboard:
    """A running evolution, or one that has ended. A cell displays it; `widget` is the view.

    `marks` are levels to compare with, by name: `{"best fit": 3.98}`.
    """

    def __init__(self, run: Watched, marks: Mapping[str, float] | None = None) -> None:
        self.run, self.marks = run, dict(marks or {})
        self.pushed = self.drawn = 0
        self._display = f"evolution-{uuid.uuid4().hex}"
        self._shown_in_cell = False
        self._stopped, self._ended = threading.Event(), threading.Event()
        self._last_drawing, self._best = 0.0, None
        self._bar = ipw.FloatProgress(min=0, max=1, layout=ipw.Layout(width="260px"))
        self._count = ipw.HTML()
        self.button = ipw.Button(
            description="Stop",
            icon="stop",
            button_style="warning",
            tooltip="Stop after what is being evaluated; what was found stays",
        )
        self.button.on_click(lambda _: self.stop())
        self._tiles, self._charts, self._verdicts, self._code = (ipw.HTML() for _ in range(4))
        title = ipw.HTML(f"<b>{escape(run.problem.name)}</b>")
        side = ipw.VBox([self._verdicts], layout=ipw.Layout(margin="6px 0 0 18px"))
        self.widget = ipw.VBox(
            [
                ipw.HBox([title, self._bar, self._count, self.button]),
                self._tiles,
                ipw.HBox([self._charts, side], layout=ipw.Layout(flex_flow="row wrap")),
                self._code,
            ]
        )
        self._thread = threading.Thread(target=self._watch, name="evolution-view", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the run to stop. Safe to call more than once, from any thread."""
        if not self._stopped.is_set() and not self.run.done():
            self._stopped.set()
            self.button.disabled = True
            self.button.description = "Stopping"
            self.run.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last state is shown. Returns whether it is."""
        return self._ended.wait(timeout)

    # -- the watching thread ---------------------------------------------------------------

    def _watch(self) -> None:
        try:
            while not self.run.done():
                self._push()
                self._ended.wait(INTERVAL)
            self._push(last=True)
            self.run.wait()  # raises what the run raised
        except Exception as error:
            # A thread has no caller to raise to: the view itself says what went wrong.
            self._bar.bar_style = "danger"
            self.button.description = "Failed"
            self._say_error(error)
        finally:
            self.button.disabled = True
            self._ended.set()
            if self._shown_in_cell:
                self._keep_picture()

    def _push(self, last: bool = False) -> None:
        now = self.run.snapshot()
        self.pushed += 1
        made, total = max(now.committed - 1, 0), now.total  # the start was not proposed
        self._bar.max = float(total or max(made, 1))
        self._bar.value = float(made)
        of = f" of {total:,}" if total else ""
        self._count.value = f"{made:,}{of} programs"
        best, score = now.best, None if now.best is None else now.best.score
        self._tiles.value = tiles_html(
            {
                "best, training": number(score),
                "the same, held out": number(now.held_out),
                "programs a second": f"{now.per_second:,.0f}",
                "evaluated": f"{now.evaluated:,}",
                "seconds": f"{now.seconds:,.0f}",
                **({"dollars": f"{now.dollars:.4f}"} if now.dollars else {}),
            }
        )
        if best is not None and best.k != self._best and best.source is not None:
            self._best = best.k
            title = f"the best so far is program {best.k} ({best.origin or 'the start'})"
            self._code.value = code_html(title, best.source)
        if last or time.monotonic() - self._last_drawing >= DRAWING:
            self._last_drawing = time.monotonic()
            self._charts.value = f'{STYLE}<div class="rl-evo">{course_svg(self.course())}</div>'
            self._verdicts.value = verdicts_html(now.verdicts)
            self.drawn += 1
        if last:
            self.button.description = "Stopped" if self._stopped.is_set() else "Done"
            self._bar.bar_style = "warning" if self._stopped.is_set() else "success"
            why = f" · {now.stopped_by}" if now.stopped_by else ""
            self._count.value += escape(f" in {now.seconds:,.1f} s{why}")

    def course(self) -> Course:
        """The run's course so far, for the charts."""
        return course_of(self.run, self.marks)

    def _say_error(self, error: BaseException) -> None:
        style = "color: var(--jp-error-color1, #c62828); white-space: pre-wrap"
        text = escape(f"{type(error).__name__}: {error}")
        self._code.value = f'<div role="alert" style="{style}">{text}</div>'

    # -- in a notebook -----------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self._repr_mimebundle_(), raw=True)
        display({"text/html": "", "text/plain": ""}, raw=True, display_id=self._display)
        self._shown_in_cell = True
        if self._ended.is_set():
            self._keep_picture()

    def _keep_picture(self) -> None:
        """Put the picture of the end below the view."""
        from IPython.display import display

        from search.evolve.chart import chart, folded

        course = self.course()
        still = folded(chart(course), f"scores of {course.name} over {course.last} evaluations")
        display({"text/html": still, "text/plain": ""}, raw=True, display_id=self._display,
                update=True)  # fmt: skip

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, Any]:
        """The widget; beside it, once the run has ended, its picture as PNG."""
        from base64 import b64encode

        bundle: dict[str, Any] = dict(self.widget._repr_mimebundle_() or {})
        bundle["text/plain"] = f"dashboard of {self.run.problem.name}"
        if self._ended.is_set():
            from search.evolve.chart import chart

            bundle["image/png"] = b64encode(chart(self.course())._repr_png_()).decode()
        return bundle


def course_of(run: Any, marks: Mapping[str, float] | None = None) -> Course:
    """The course of a run up to now, from its history."""
    now = run.snapshot()
    best: list[tuple[int, float]] = []
    held_out: list[tuple[int, float]] = []
    islands: dict[int, list[tuple[int, float]]] = {i: [] for i in range(len(now.islands))}
    for step in list(run.history):
        islands.setdefault(step.island, []).append((step.k, step.score))
        if step.best:
            best.append((step.k, step.score))
            if step.held_out is not None:
                held_out.append((step.k, step.held_out))
    lanes = [islands[i] for i in sorted(islands)]
    return Course(run.problem.name, run.problem.direction, best, held_out, lanes,
                  max(now.committed, 1), dict(marks or {}))  # fmt: skip
