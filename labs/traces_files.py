"""Files of traces as the commands read and write them: rows, and beside them what is known of how
they were made (`NAME.made.json`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.errors import BadInput

if TYPE_CHECKING:
    from evaluators.tasks.base import Task
    from reasoning.data.rows import TraceRow


def rows_in(files: Sequence[Path]) -> list[TraceRow]:
    """The traces of all files, equal ids once; a folder stands for what was collected and
    rationalised in it. Raises BadInput for a file that cannot be read, or no trace at all."""
    from reasoning.data import rows

    found: dict[str, TraceRow] = {}
    for file in places(files):
        for row in rows.read(file):
            found.setdefault(row.id, row)
    if not found:
        raise BadInput(f"there is no trace in {', '.join(map(str, files))}")
    return list(found.values())


def places(files: Sequence[Path]) -> list[Path]:
    """The files themselves, and those of traces in folders. Raises BadInput for a folder without
    any."""
    from reasoning.data import collect, rationalise

    found = []
    for file in files:
        inside = [file / name for name in (collect.FILE, rationalise.FILE)]
        there = [place for place in inside if place.is_file()]
        if file.is_dir() and not there:
            raise BadInput(f"the folder {file} has neither {inside[0].name} nor {inside[1].name}")
        found += there if file.is_dir() else [file]
    return found


def write_rows(rows: Sequence[TraceRow], file: Path, made: dict[str, Any]) -> None:
    """Traces, and beside them how they were made. Raises BadInput for a place that cannot be
    written."""
    from reasoning.data.rows import fingerprint, save

    if file.suffix != ".jsonl":
        raise BadInput(f"{file}: traces go into a file that ends in .jsonl")
    try:
        save(rows, file)
        told = {**made, "traces": len(rows), "fingerprint": fingerprint(rows)}
        beside(file).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error}") from error


def written(save: Callable[[Any, Path], None], found: Any, file: Path) -> Path:
    """The place of what `save` wrote. Raises BadInput where it cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save(found, file)
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error}") from error
    return file


def made_of(file: Path) -> dict[str, Any]:
    """How a file of traces was made, as far as it is told; empty where it is not, or where the
    rows are others by now. Raises BadInput for a damaged record."""
    from reasoning.data.rows import fingerprint, read

    if not beside(file).is_file():
        return {}
    try:
        told = json.loads(beside(file).read_text("utf-8"))
        same = told["fingerprint"] == fingerprint(read(file))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{beside(file)} cannot be read ({error}): delete it") from error
    return told if same else {}


def beside(file: Path) -> Path:
    """Where it is told how a file was made."""
    return file.with_suffix(".made.json")


def sources_of(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Files as part of a record: name and hash."""
    from hashlib import blake2b

    return [
        {"file": place.name, "hash": blake2b(place.read_bytes(), digest_size=16).hexdigest()}
        for place in places(files)
    ]


def tasks_by_name(rows: Sequence[TraceRow]) -> dict[str, Task]:
    """The tasks of the rows without problems, as far as they have names here."""
    from evaluators.tasks import TASKS, load_task

    names = dict.fromkeys(row.task for row in rows)
    return {name: load_task(name, n=0) for name in names if name.partition(":")[0] in TASKS}


def held_out(texts: Sequence[str]) -> list[Task]:
    """Tasks whose test problems must not be learned from: `countdown`, `expressions(ops=4)`,
    `jsonl:FILE`. Raises UnknownName and BadInput."""
    from evaluators.tasks import load_task
    from labs.training_data import named

    return [load_task(name, "test", **options) for name, options in map(named, texts)]


def holds_pairs(file: Path) -> bool:
    """Whether a file holds preference pairs: its first line does. Raises BadInput."""
    if file.is_dir():
        return False
    try:
        with file.open(encoding="utf-8", errors="surrogatepass") as lines:
            first = next((line for line in lines if line.strip()), "")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error}") from error
    try:
        row = json.loads(first)
    except ValueError:
        return False
    return isinstance(row, dict) and {"chosen", "rejected"} <= set(row)
