"""Live training curves in a cell, with a Stop button that keeps the checkpoint.

Nothing blocks the cell: a daemon thread looks at the runs five times a second and draws at most
twice a second, a last time when they have ended. Reopened without its kernel, a picture is left.
"""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets as ipw

from labs.curve_drawing import Lines, curves_figure, curves_html
from labs.trainings import InTurn
from labs.widgets.style import ERROR
from reasoning.train.background import Training

INTERVAL, DRAWING = 0.2, 0.5
"""Seconds between two looks at the runs, and between two drawings."""

NAMES = {"flops": "student FLOPs", "step": "step"}


class Curves:
    """The view of one training run, of several by name, or of several in turn; a cell displays it.

    `measures` are names out of the runs' metrics (`loss`, `reward`, `entropy`, …), a panel each,
    drawn against `along` (`step`, or `flops`: what the student has spent). Stop asks every run to
    end after the step at hand.
    """

    def __init__(
        self, runs: Training | Mapping[str, Training] | InTurn,
        measures: str | Sequence[str] = "loss", *, along: str = "step", log: bool = False,
    ) -> None:  # fmt: skip
        self._turns = runs if isinstance(runs, InTurn) else None
        if isinstance(runs, Training):
            runs = {runs.name: runs}
        self.runs = dict(runs.runs if isinstance(runs, InTurn) else runs)
        self.measures = (measures,) if isinstance(measures, str) else tuple(measures)
        self.along, self.log, self.drawn = along, log, 0
        self._stopped, self._ended = threading.Event(), threading.Event()
        self._picture, self._error = ipw.HTML(), ipw.HTML()
        self.button = ipw.Button(
            description="Stop", icon="stop", button_style="warning",
            tooltip="End after the step at hand; checkpoint and weights so far are kept",
        )  # fmt: skip
        self.button.on_click(lambda _: self.stop())
        self.widget = ipw.VBox([self.button, self._picture, self._error])
        self._thread = threading.Thread(target=self._watch, name="training-curves", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the runs to stop. Safe to call more than once, from any thread."""
        if self._stopped.is_set() or self.done():
            return
        self._stopped.set()
        self.button.disabled, self.button.description = True, "Stopping"
        if self._turns is not None:
            self._turns.stop()
        else:
            for run in self.runs.values():
                run.stop()

    def done(self) -> bool:
        """Whether no run goes on or is still to come."""
        if self._turns is not None:
            return self._turns.done()
        return all(run.state in ("done", "failed") for run in self.runs.values())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last state is shown. Returns whether it is."""
        return self._ended.wait(timeout)

    def panels(self) -> dict[str, Lines]:
        """The lines of each measure so far."""
        rows = {name: list(run.rows) for name, run in self.runs.items()}
        return {
            measure: {
                name: [(float(r[self.along]), float(r[measure])) for r in some
                       if measure in r and self.along in r]
                for name, some in rows.items()
            }
            for measure in self.measures
        }  # fmt: skip

    # -- the watching thread ---------------------------------------------------------------

    def _watch(self) -> None:
        seen: tuple[Any, ...] = ()
        last = 0.0
        try:
            while not self.done():
                now = tuple((len(run.rows), run.state) for run in self.runs.values())
                if now != seen and time.monotonic() - last >= DRAWING:
                    seen, last = now, time.monotonic()
                    self._draw()
                self._ended.wait(INTERVAL)
            self._draw()
            self._end()
        except Exception as error:  # a thread has no caller to raise to: the view says it
            self._say(error)
        finally:
            self.button.disabled = True
            self._ended.set()

    def _draw(self) -> None:
        notes = {name: self._note(run) for name, run in self.runs.items()}
        along = NAMES.get(self.along, self.along)
        self._picture.value = curves_html(self.panels(), along, notes, log=self.log)
        self.drawn += 1

    def _note(self, run: Training) -> str:
        """One run in a few words: its state, its step, its last values."""
        state = "stopped" if run.state == "done" and run.stopped else run.state
        if run.state == "ready":
            return "waits"
        parts = [state]
        steps = [row for row in list(run.rows) if "step" in row]
        if steps:
            parts.append(f"step {steps[-1]['step']:,}")
        for measure in self.measures:
            values = [row[measure] for row in list(run.rows) if measure in row]
            if values:
                parts.append(f"{measure} {values[-1]:.4g}")
        return " · ".join(parts)

    def _end(self) -> None:
        self.button.description = "Stopped" if self._stopped.is_set() else "Done"
        for run in self.runs.values():
            if run.state == "failed":
                self.button.description = "Failed"
                run.wait(0)  # raises what the run raised

    def _say(self, error: Exception) -> None:
        text = escape(f"{type(error).__name__}: {error}")
        self._error.value = f'<div role="alert" style="{ERROR}">{text}</div>'

    # -- in a notebook -----------------------------------------------------------------------

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """The widget; beside it, once all runs have ended, a picture."""
        bundle: dict[str, Any] = dict(self.widget._repr_mimebundle_() or {})
        bundle["text/plain"] = f"training curves of {', '.join(self.runs)}"
        if self._ended.is_set() and any(any(lines.values()) for lines in self.panels().values()):
            bundle["image/png"] = b64encode(self._png()).decode()
        return bundle

    def _png(self) -> bytes:
        from io import BytesIO

        file = BytesIO()
        along = NAMES.get(self.along, self.along)
        curves_figure(self.panels(), along, log=self.log).savefig(file, format="png", dpi=80)
        return file.getvalue()
