"""`reasonlab traces stats`: what files of traces hold, in figures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reasoning.data.rows import TraceRow
    from search.table import Table


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab traces stats",
        description="Counts, accuracy with intervals, lengths, difficulty and diversity of traces.",
    )
    made.add_argument("files", type=Path, nargs="+", help="traces; folders of collections")
    made.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    return made


def figures(rows: Sequence[TraceRow]) -> Table:
    """One line a task, and one of all where there are several."""
    from reasoning.data.summary import summaries
    from search.table import Table

    head = ("task", "problems", "traces", "different", "judged", "right", "low", "high",
            "tokens (median)", "longest", "cut", "hinted")  # fmt: skip
    lines = []
    for s in summaries(rows):
        sure = s.accuracy
        share = ("-",) * 3 if sure is None else tuple(
            f"{x:.3f}" for x in (sure.value, sure.low, sure.high)
        )  # fmt: skip
        cut = s.traces - s.finishes.get("eos", 0)
        lines.append((s.name, s.problems, s.traces, s.different, s.judged, *share, s.tokens[2],
                      s.tokens[4], cut, s.hinted))  # fmt: skip
    return Table(head, lines, "right: of the judged traces, 95 % interval over problems")


def bands(rows: Sequence[TraceRow]) -> Table:
    """How many problems are solved in which share of their traces."""
    from reasoning.data.summary import summaries
    from search.table import Table

    found = summaries(rows)
    head = ("solved", *found[0].bands)
    return Table(head, [(s.name, *s.bands.values()) for s in found], "problems by solve rate")


def run(argv: list[str]) -> int:
    """The command."""
    given = parser().parse_args(argv)
    from labs.traces_files import rows_in
    from reasoning.data.diversity import diversity
    from reasoning.data.rows import fingerprint
    from reasoning.data.summary import summaries

    rows = rows_in(given.files)
    texts = [row.text for row in rows if row.text]
    if given.json:
        told = {"tasks": [s.told() for s in summaries(rows)], "fingerprint": fingerprint(rows)}
        print(json.dumps({**told, "diversity": vars(diversity(texts)) if texts else None}))
        return 0
    print(figures(rows), end="\n\n")
    print(bands(rows), end="\n\n")
    if texts:
        print(f"diversity: {diversity(texts)}")
    print(f"fingerprint: {fingerprint(rows)}")
    return 0
