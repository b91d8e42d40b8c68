"""Training: one training run in a thread of its own, for a notebook that goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from evaluators.errors import LabError

Work = Callable[[Callable[[dict[str, Any]], None], threading.Event], Path]
"""A training run given its progress listener and its stop event; returns the weights' folder."""


class Training:
    """One run of `work`, begun by `start`.

    `rows` are its metrics so far; `state` is `ready`, `running`, `done` or `failed`. `stop` asks
    it to end after the step at hand, keeping a checkpoint; `wait` returns the folder of the
    weights, or raises what the run raised. In a notebook: `await asyncio.to_thread(run.wait)`.
    """

    def __init__(self, work: Work, name: str = "training") -> None:
        self.name, self.rows = name, []
        self.state: Literal["ready", "running", "done", "failed"] = "ready"
        self.stopped = False
        self._work, self._stop = work, threading.Event()
        self._place: Path | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Training:
        """Begin. Raises LabError for a run that was begun before."""
        if self._thread is not None:
            raise LabError(f"{self.name} was started before: make another to run it again")
        self.state = "running"
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ask it to end after the step at hand."""
        self.stopped = True
        self._stop.set()

    def wait(self, timeout: float | None = None) -> Path:
        """The folder of the weights, once there. Raises TimeoutError after `timeout` seconds."""
        if self._thread is None:
            raise LabError(f"{self.name} was not started: call start()")
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"{self.name} still runs after {timeout} seconds")
        if self._error is not None:
            raise self._error
        assert self._place is not None
        return self._place

    def _run(self) -> None:
        try:
            self._place = self._work(self.rows.append, self._stop)
            self.state = "done"
        except BaseException as error:
            self._error, self.state = error, "failed"
