"""A small table: text when printed, HTML in a notebook, CSV in a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path


@dataclass(frozen=True)
class Table:
    """Columns, rows of text or numbers, and a caption."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | float | int]]
    caption: str = ""

    def __str__(self) -> str:
        lines = [[str(value) for value in row] for row in (self.head, *self.rows)]
        widths = [max(len(row[i]) for row in lines) for i in range(len(self.head))]
        text = [self.caption] if self.caption else []
        for number, row in enumerate(lines):
            cells = [
                value.rjust(width) if _number(value) else value.ljust(width)
                for value, width in zip(row, widths, strict=True)
            ]
            text.append("  ".join(cells).rstrip())
            if number == 0:
                text.append("  ".join("-" * width for width in widths))
        return "\n".join(text)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(str(name))}</th>" for name in self.head)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row) + "</tr>"
            for row in self.rows
        )
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def to_csv(self, path: str | Path) -> None:
        """Write the rows with their heads."""
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self.head, *self.rows])


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
