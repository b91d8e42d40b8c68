"""A report as a file of one JSON value a line: the settings first, then one cell a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from search.cell import Cell


def write(path: Path, settings: Mapping[str, Any], total: int, cells: Iterable[Cell]) -> None:
    """Write the file; `read` reads it."""
    rows: Iterable[Mapping[str, Any]] = (
        {"kind": "settings", "total": total, **settings},
        *({"kind": "cell", **cell.to_row()} for cell in cells),
    )
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, "utf-8", "surrogatepass")


def read(path: Path) -> tuple[dict[str, Any], int, list[dict[str, Any]]]:
    """Settings, number of cells in all, and the rows of those there are. Raises BadInput."""
    try:
        lines = path.read_text("utf-8", "surrogatepass").split("\n")  # not at U+2028
        first, *rest = [json.loads(line) for line in lines if line]
        if first.pop("kind") != "settings":
            raise ValueError("its first line is not the settings")
        return first, first.pop("total"), rest
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise BadInput(f"{path} is no report ({error}); write one with to_jsonl") from error
