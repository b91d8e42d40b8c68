"""Files of JSON lines: written whole or not at all, read with the line that is wrong named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from evaluators.errors import BadInput

T = TypeVar("T")


def save_lines(values: Iterable[Mapping[str, Any]], path: Path) -> None:
    """One JSON object a line; the file is there when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with draft.open("w", encoding="utf-8", errors="surrogatepass") as file:
        file.writelines(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    os.replace(draft, path)


def read_lines(path: Path, made: Callable[[Any], T]) -> list[T]:
    """What `made` makes of every line that is not blank. Raises BadInput naming the line that
    cannot be read, or the file."""
    try:
        lines = path.read_text("utf-8", "surrogatepass").split("\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(made(json.loads(line)))
        except (ValueError, BadInput) as error:
            raise BadInput(f"line {number} of {path}: {error}") from error
    return found
