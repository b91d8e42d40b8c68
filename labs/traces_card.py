"""`reasonlab traces card`: the README.md of a set of traces, every figure out of its rows."""

from __future__ import annotations

import argparse
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab traces card",
        description="Write the card of a set of traces. What `traces select` told about the file is"
        " in it; what nobody told is said to be unknown.",
    )
    made.add_argument("file", type=Path, help="traces, or the folder of a collection")
    made.add_argument("--out", type=Path, help="folder of the README.md (that of the file)")
    made.add_argument("--name", help="of the set (the file's)")
    made.add_argument("--license", help="a licence, such as apache-2.0")
    made.add_argument("--examples", type=int, default=1, help="traces shown of each verdict")
    return made


def run(argv: list[str]) -> int:
    """The command."""
    given = parser().parse_args(argv)
    from labs.traces_files import made_of, places, rows_in
    from reasoning.data.card import write_card

    rows = rows_in([given.file])
    file, *_ = places([given.file])
    told = made_of(file)
    place = write_card(
        rows, given.out or file.parent, given.name or file.stem, files=[file.name],
        selection=told.get("selection"), held_against=told.get("held_against"),
        license=given.license, examples=given.examples,
    )  # fmt: skip
    print(f"card: {place}")
    return 0
