"""Rows of a JSONL file, with errors that name the file, the line and the fields that were found.

A file that ends in `.gz` is unpacked.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem

EXAMPLE = '{"question": "…", "answer": "…"}'


def read(path: Path, example: str = EXAMPLE) -> list[tuple[int, dict[str, Any]]]:
    """Line number (from 1) and object of every line that is not blank.

    Raises BadInput for a file that is missing, unreadable or empty, and for a line that is not a
    JSON object; `example` shows one.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise BadInput(f"{path} {what}; give the path of a JSONL file (one JSON object a line)")
    rows = []
    text = _text(path)
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except ValueError as error:
            raise BadInput(f"{path}, line {line}: not JSON ({error})") from error
        except RecursionError as error:
            raise BadInput(f"{path}, line {line}: nested too deeply") from error
        if not isinstance(row, dict):
            raise BadInput(
                f"{path}, line {line}: a {type(row).__name__}, not an object such as {example}"
            )
        rows.append((line, row))
    if not rows:
        raise BadInput(f"{path} is empty; write one JSON object a line")
    return rows


def _text(path: Path) -> str:
    """The text of a file, unpacked where its name ends in `.gz`. Raises BadInput."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror or error}") from error
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise BadInput(
                f"{path} is no whole gzip file ({error}); fetch it again, or drop the ending .gz if"
                " it is plain text"
            ) from error
    elif data[:2] == b"\x1f\x8b":
        raise BadInput(f"{path} is packed by gzip; give it the ending .gz")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error


def text_field(row: Mapping[str, Any], name: str, where: str, remedy: str) -> str:
    """A field as text; numbers are written out. Raises BadInput where it is absent or empty.

    `where` says which line this is, `remedy` what to do where the field has another name.
    """
    if name not in row:
        found = ", ".join(map(repr, row)) or "no fields"
        raise BadInput(f"{where}: no field {name!r}; it has {found}. {remedy}")
    value = row[name]
    if (
        isinstance(value, bool)
        or not isinstance(value, str | int | float)
        or not str(value).strip()
    ):
        raise BadInput(f"{where}: field {name!r} is {json.dumps(value)}, not text or a number")
    return str(value).strip()


def choose(problems: Sequence[Problem], n: int | None, seed: int, where: str) -> list[Problem]:
    """`n` of the problems, drawn by `seed`, in their order in the file; all for `None`."""
    if n is None:
        return list(problems)
    if not 0 < n <= len(problems):
        raise BadInput(f"{where} has {len(problems)} problems; n must lie in 1..{len(problems)}")
    drawn = np.random.default_rng(seed).choice(len(problems), size=n, replace=False)
    return [problems[i] for i in sorted(drawn.tolist())]
