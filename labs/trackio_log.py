"""A run's metrics in trackio too, where it is installed: live, or out of a run log afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from labs.stage import Report


@contextmanager
def tracked(
    project: str, name: str, settings: Mapping[str, Any], report: Report
) -> Iterator[Report]:  # fmt: skip
    """A report that passes each row on to `report` and logs its numbers in the trackio run `name`
    of `project`, by their step. A run of that name that is there is gone on with. Raises BadInput
    where trackio is not installed."""
    run = _begun(project, name, settings)

    def both(row: dict[str, Any]) -> None:
        _log(run, row)
        report(row)

    try:
        yield both
    finally:
        run.finish()


def told(folder: Path, project: str) -> int:
    """Log the metrics of a run folder in trackio, as a run with the folder's name; returns how many
    rows there were. Raises BadInput."""
    from reasoning.runlog import read_events, read_settings

    run = _begun(project, folder.name, read_settings(folder))
    rows = [event for event in read_events(folder) if event["kind"] == "metrics"]
    for row in rows:
        _log(run, row)
    run.finish()
    return len(rows)


def _begun(project: str, name: str, settings: Mapping[str, Any]) -> Any:
    try:
        trackio = import_module("trackio")
    except ModuleNotFoundError as error:
        raise BadInput("--trackio needs trackio: pip install trackio") from error
    return trackio.init(
        project=project, name=name, config=dict(settings), resume="allow", embed=False
    )  # fmt: skip


def _log(run: Any, row: Mapping[str, Any]) -> None:
    numbers = {
        key: value
        for key, value in row.items()
        if key not in ("step", "of") and isinstance(value, (int, float))
        and not isinstance(value, bool)
    }  # fmt: skip
    run.log(numbers, step=row.get("step"))
