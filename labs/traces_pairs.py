"""`reasonlab traces pairs`: preference pairs out of verified traces, as DPO learns from."""

from __future__ import annotations

import argparse
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab traces pairs",
        description="Pair right with wrong traces of the same prompt, or short with long right"
        " ones. The file is what `reasonlab train dpo --data FILE` learns from.",
    )
    made.add_argument("files", type=Path, nargs="+", help="traces; folders of collections")
    made.add_argument("--out", type=Path, required=True, help="the file to write, .jsonl")
    made.add_argument("--by", choices=("verdict", "length"), default="verdict")
    made.add_argument("--each", type=int, default=4, help="most pairs of one prompt")
    made.add_argument("--seed", type=int, default=0)
    return made


def run(argv: list[str]) -> int:
    """The command. 1 where there is no pair."""
    given = parser().parse_args(argv)
    from labs.traces_files import rows_in, written
    from reasoning.data import pairs

    found = pairs.pairs_from(rows_in(given.files), by=given.by, each=given.each, seed=given.seed)
    prompts = len({(pair.messages, pair.prefix) for pair in found})
    print(f"{len(found)} pairs of {prompts} prompts")
    if not found:
        print("no problem has both sides: no file was written")
        return 1
    print(f"pairs: {written(pairs.save, found, given.out)}")
    return 0
