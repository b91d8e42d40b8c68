"""Training runs for a notebook: one in the background, or several one after the other."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluators.errors import LabError
from reasoning.train.background import Training
from reasoning.train.methods import METHODS, policy_folder, recipe_of


def training(
    method: str, policy: Any, data: Any, out: str | Path, name: str | None = None, **settings: Any
) -> Training:
    """A run of a training method, ready to be started: `training("sft", "tiny-student", rows,
    "runs/a", lr=1e-3).start()`. The same call with the same folder goes on where it stopped.
    Raises UnknownName and BadInput."""
    recipe, parent = recipe_of(method, settings), policy_folder(policy)

    def work(progress: Any, stop: threading.Event) -> Path:
        return METHODS[method].train()(data, parent, Path(out), recipe, progress, stop)

    return Training(work, name or method)


class InTurn:
    """Several training runs, begun one after the other by `start`, so that they do not take the
    processor from each other. `stop` ends the one at hand (its checkpoint stays) and begins no
    other; `wait` returns the folders of the weights by name, of those that were begun."""

    def __init__(self, runs: Mapping[str, Training]) -> None:
        self.runs = dict(runs)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trainings", daemon=True)

    def start(self) -> InTurn:
        """Begin. Raises LabError where it was begun before."""
        if self._thread.ident is not None:
            raise LabError("these runs were started before: make others to run them again")
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ask the run at hand to end after its step; begin no other."""
        self._stopped.set()
        for run in self.runs.values():
            if run.state == "running":
                run.stop()

    def done(self) -> bool:
        """Whether nothing runs any more."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def wait(self, timeout: float | None = None) -> dict[str, Path]:
        """The folders of the weights. Raises what a run raised, TimeoutError after `timeout`
        seconds."""
        if self._thread.ident is None:
            raise LabError("these runs were not started: call start()")
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the runs are not done after {timeout} seconds")
        return {name: run.wait() for name, run in self.runs.items() if run.state != "ready"}

    def _run(self) -> None:
        for run in self.runs.values():
            if self._stopped.is_set():
                return
            run.start()
            if self._stopped.is_set():  # asked between the two lines above
                run.stop()
            try:
                run.wait()
            except Exception:
                return  # `wait` raises it to who asks; the widget shows it
