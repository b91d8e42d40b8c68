"""Live progress of work that runs in the background, with a Stop button.

Nothing blocks the cell: `show` returns at once, a daemon thread polls and pushes at most five
snapshots a second, the last one when the work has ended. Stop only asks; what was finished stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any, Protocol

import ipywidgets as ipw

INTERVAL = 0.2
"""Seconds between two snapshots."""


@dataclass(frozen=True)
class Snapshot:
    """What is shown: `done` of `total` pieces, and plain text (a table) below the bar."""

    done: int
    total: int
    text: str = ""


class Handle(Protocol):
    """Work in the background, as `reasoning.loop.start` returns it."""

    def done(self) -> bool: ...

    def stop(self) -> Any: ...


class Live:
    """The widget of one background job. `widget` is what a cell displays."""

    def __init__(self, title: str, handle: Handle, snapshot: Callable[[], Snapshot]) -> None:
        self.handle, self.snapshot = handle, snapshot
        self.pushed = 0
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._bar = ipw.IntProgress(min=0, max=1, layout=ipw.Layout(width="320px"))
        self._count = ipw.Label()
        self._text = ipw.HTML()
        self.button = ipw.Button(
            description="Stop",
            icon="stop",
            button_style="warning",
            tooltip="Stop after what is finished; nothing finished is lost",
        )
        self.button.on_click(lambda _: self.stop())
        row = ipw.HBox([ipw.Label(title), self._bar, self._count, self.button])
        self.widget = ipw.VBox([row, self._text])
        self._thread = threading.Thread(target=self._watch, name="live-progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the work to stop. Safe to call more than once, from any thread."""
        if not self._stopped.is_set() and not self.handle.done():
            self._stopped.set()
            self.button.disabled = True
            self.button.description = "Stopping"
            self.handle.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last snapshot is shown. Returns whether it is."""
        return self._ended.wait(timeout)

    def _watch(self) -> None:
        try:
            while not self.handle.done():
                self._push()
                self._ended.wait(INTERVAL)
            self._push()
            self.button.disabled = True
            stopped = self._stopped.is_set()
            self.button.description = "Stopped" if stopped else "Done"
            self._bar.bar_style = "warning" if stopped else "success"
        except Exception as error:
            # A thread has no caller to raise to: the widget itself says what went wrong.
            self._bar.bar_style = "danger"
            self._text.value = f"<pre>{escape(type(error).__name__)}: {escape(str(error))}</pre>"
        finally:
            self._ended.set()

    def _push(self) -> None:
        now = self.snapshot()
        self._bar.max = max(1, now.total)
        self._bar.value = now.done
        self._count.value = f"{now.done}/{now.total}"
        style = "color: var(--jp-ui-font-color1, inherit)"
        self._text.value = f'<pre style="{style}">{escape(now.text)}</pre>' if now.text else ""
        self.pushed += 1


def show(title: str, handle: Handle, snapshot: Callable[[], Snapshot]) -> Live:
    """Display the progress of `handle` in this cell and return at once."""
    from IPython.display import display

    live = Live(title, handle, snapshot)
    display(live.widget)
    return live
