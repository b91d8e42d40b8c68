"""`reasonlab tree RUN PROBLEM`: the search tree of one problem, as a page to look at or a file."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

DESCRIPTION = (
    "Write the search tree of one problem of a run (`reasonlab compare --out RUN`). The ending of"
    " --out says how: .html (a page that works offline: click a node, replay the search), .jsonl,"
    " .graphml, or .eval for Inspect. Without --arm it is the first strategy that grew a tree,"
    " without --budget the last one."
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser("reasonlab tree", description=DESCRIPTION)
    made.add_argument("run", type=Path, help="the folder of a run, also one that goes on")
    made.add_argument("problem", help="the problem's id, such as countdown/17")
    made.add_argument("--arm", help="the strategy, as the run names it")
    made.add_argument("--budget", help="the budget, as the run names it: 512")
    made.add_argument("--seed", type=int, help="the seed; without it the first")
    made.add_argument("--out", type=Path, help="the file; without it an .html in the run folder")
    return made


def run(argv: list[str]) -> int:
    """The command: write the file, say what is in it."""
    options = parser().parse_args(argv)
    from search.report import Report
    from search.tree.html import told
    from search.tree.save import save_tree

    report = Report.load(options.run)
    tree = report.tree(options.problem, options.arm, options.budget, options.seed)
    name = re.sub(r"[^\w.-]+", "_", options.problem)
    out = save_tree(tree, options.out or options.run / f"tree_{name}.html")
    print(f"{options.problem}: {told(tree)}")
    print(f"tree: {out}")
    return 0
