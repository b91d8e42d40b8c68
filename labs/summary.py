"""A report for reading: the columns that matter most, and the files a command leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.report import Report

HEAD = ("budget", "strategy", "accuracy", "95 % interval", "judge knows", "tokens", "calls")


def summary(report: Report) -> str:
    """Accuracy with interval, what the judge knew, mean tokens and calls, as a text table. Its
    caption says why the first problem failed that did."""
    from search.table import Table

    rows = []
    for row in report.rows():
        shown = row.accuracy
        rows.append((
            row.budget, row.arm, "-" if shown is None else f"{shown.value:.2f}",
            "-" if shown is None else f"{shown.low:.2f}..{shown.high:.2f}",
            row.knows + (" (oracle)" if row.oracle else ""), f"{row.tokens:.0f}",
            f"{row.calls:.1f}",
        ))  # fmt: skip
    return str(Table(HEAD, rows, report.table().caption))


def save(report: Report, folder: Path) -> list[Path]:
    """Write `chart.png`, `table.txt` and `table.csv` (every column) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    chart, text, table = (folder / name for name in ("chart.png", "table.txt", "table.csv"))
    report.plot(chart)
    text.write_text(f"{report.table()}\n", "utf-8")
    report.to_csv(table)
    return [chart, text, table]
