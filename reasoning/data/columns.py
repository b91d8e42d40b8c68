"""Views in files: JSONL, Parquet, and folders of `datasets`; whole trace rows in Parquet.

The suffix of the name decides: `.jsonl`, `.parquet`, anything else is a folder. Files are there
when they are whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from reasoning.data.rows import TraceRow

NESTED = ("problem", "teacher", "verdict")
"""Fields of a row that differ from task to task: JSON text in columns, which have one type."""


def dataset(columns: Sequence[Mapping[str, Any]]) -> Any:
    """A view as a `datasets.Dataset`. Raises BadInput for no rows."""
    import datasets

    if not columns:
        raise BadInput("the view has no rows: nothing to write or to train on")
    return datasets.Dataset.from_list([dict(row) for row in columns])


def write(columns: Sequence[Mapping[str, Any]], path: str | Path) -> Path:
    """Write a view; returns its place. Raises BadInput for no rows and for a place that cannot be
    written."""
    place = Path(path)
    if not columns:
        raise BadInput("the view has no rows: nothing to write or to train on")
    draft = place.with_name(place.name + ".new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix == ".jsonl":
            with draft.open("w", encoding="utf-8", errors="surrogatepass") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in columns)
        elif place.suffix == ".parquet":
            import pyarrow.parquet

            pyarrow.parquet.write_table(dataset(columns).data.table, draft)
        else:
            if place.is_file() or (place.is_dir() and not _ours(place)):
                raise BadInput(
                    f"{place} is there and holds no data set: name another folder, or a file that"
                    " ends in .jsonl or .parquet"
                )
            shutil.rmtree(draft, ignore_errors=True)
            with _still():
                dataset(columns).save_to_disk(str(draft))
            shutil.rmtree(place, ignore_errors=True)
        os.replace(draft, place)
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{place}: Parquet and datasets hold no half of a surrogate pair, and a text has one"
            f" ({error.object[error.start : error.end]!a}): write .jsonl, or leave the trace out"
        ) from error
    except OSError as error:
        raise BadInput(f"{place} cannot be written: {error}") from error
    return place


def read(path: str | Path) -> list[dict[str, Any]]:
    """What `write` wrote, as rows. Raises BadInput for a place that cannot be read."""
    place = Path(path)
    try:
        if place.suffix == ".jsonl":
            lines = place.read_text("utf-8", "surrogatepass").split("\n")
            return [json.loads(line) for line in lines if line.strip()]
        if not place.exists():
            raise BadInput(f"{place} does not exist")
        import datasets

        if place.suffix == ".parquet":
            import pyarrow.parquet

            return pyarrow.parquet.read_table(place).to_pylist()
        return datasets.Dataset.load_from_disk(str(place)).to_list()
    except (OSError, ValueError) as error:
        raise BadInput(f"{place} holds no view that can be read: {error}") from error


def flat(rows: Sequence[TraceRow]) -> list[dict[str, Any]]:
    """Whole trace rows as columns, their nested fields as JSON text."""
    made = []
    for row in rows:
        values = row.to_json()
        values |= {name: json.dumps(values[name], ensure_ascii=False) for name in NESTED}
        made.append(values)
    return made


def unflat(columns: Sequence[Mapping[str, Any]]) -> list[TraceRow]:
    """Trace rows from what `flat` made. Raises BadInput."""
    made = []
    for values in columns:
        try:
            nested = {name: json.loads(values[name]) for name in NESTED}
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"these are no columns of trace rows ({error})") from error
        made.append(TraceRow.from_json({**values, **nested}))
    return made


@contextmanager
def _still() -> Iterator[None]:
    """`datasets` without its bars."""
    from datasets.utils import are_progress_bars_disabled as off
    from datasets.utils import disable_progress_bars, enable_progress_bars

    before = off()
    disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            enable_progress_bars()


def _ours(place: Path) -> bool:
    return (place / "dataset_info.json").is_file() or not any(place.iterdir())
