"""`reasonlab traces import`: existing JSONL chats as traces."""

from __future__ import annotations

import argparse
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab traces import",
        description='Read chats: {"messages": […]}, {"conversations": […]}, or a question and a'
        " reply in two fields. The last reply is the trace.",
    )
    made.add_argument("file", type=Path, help="JSONL, or .jsonl.gz")
    made.add_argument("--out", type=Path, required=True, help="the file to write, .jsonl")
    made.add_argument("--task", default="chats", help="the name that the rows get")
    made.add_argument("--split", default="train")
    made.add_argument(
        "--check", choices=("math", "number", "exact", "choice"),
        help="judge the final answers against the reference",
    )  # fmt: skip
    made.add_argument("--gold", help="the field of the reference answer")
    made.add_argument("--each-turn", action="store_true", help="every reply is a trace")
    made.add_argument("--skip", action="store_true", help="leave out lines that are no chat")
    return made


def run(argv: list[str]) -> int:
    """The command. 1 where no line was a chat."""
    given = parser().parse_args(argv)
    from labs.traces_files import sources_of, write_rows
    from reasoning.data.chats import import_chats

    found = import_chats(
        given.file, task=given.task, split=given.split, check=given.check, gold=given.gold,
        each_turn=given.each_turn, skip=given.skip,
    )  # fmt: skip
    print(found)
    for _, reason in found.skipped[:5]:
        print(f"left out: {reason}")
    if not found.rows:
        return 1
    write_rows(found.rows, given.out, {"sources": sources_of([given.file])})
    print(f"traces: {given.out}")
    return 0
