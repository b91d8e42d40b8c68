"""`reasonlab traces trees`: what search trees teach: paths as traces, siblings as preference pairs,
nodes as labels of steps."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab traces trees",
        description="Out of search trees that `reasonlab traces collect --trees` kept: traces with"
        " a value for each step, pairs of sibling steps (`reasonlab train dpo --data FILE`), or"
        " labelled paths, as process models learn from. The values are the share of right ends"
        " below a step, what the search thought, or the task's exact ones (an oracle).",
    )
    made.add_argument("files", type=Path, nargs="+", help="folders of collections, or their trees")
    made.add_argument("--out", type=Path, required=True, help="the file to write, .jsonl")
    made.add_argument("--into", choices=("traces", "pairs", "labels"), default="pairs")
    made.add_argument("--by", choices=("verdict", "search", "exact"), default="verdict")
    made.add_argument("--margin", type=float, default=0.5, help="least difference of a pair")
    made.add_argument("--each", type=int, default=1, help="most pairs of one step's children")
    return made


def run(argv: list[str]) -> int:
    """The command. 1 where nothing was found."""
    given = parser().parse_args(argv)
    from labs.traces_files import written
    from reasoning.data import pairs, rows
    from reasoning.data.trees import tree_labels, tree_pairs, tree_traces
    from reasoning.train import labels

    trees, tasks = _trees(given.files)
    found: list[Any] = []
    for tree in trees:
        task = tasks[tree.task]
        if given.into == "pairs":
            found += tree_pairs(tree, task, given.by, margin=given.margin, each=given.each)
        elif given.into == "traces":
            found += tree_traces(tree, task, given.by)
        else:
            found += tree_labels(tree, task, given.by)
    print(f"{len(found)} {given.into} of {len(trees)} trees")
    if not found:
        print("no file was written")
        return 1
    save = {"pairs": pairs.save, "traces": rows.save, "labels": labels.save}[given.into]
    print(f"{given.into}: {written(save, found, given.out)}")
    return 0


def _trees(files: Sequence[Path]) -> tuple[list[Any], dict[str, Any]]:
    from evaluators.tasks import load_task
    from reasoning.data import branches
    from reasoning.data.traces import TREES

    found = []
    for file in files:
        place = file / TREES if file.is_dir() else file
        if not place.is_file():
            raise BadInput(f"{place} is not there: collect with a tree search and --trees")
        found += branches.read(place)
    return found, {name: load_task(name, n=0) for name in {tree.task for tree in found}}
