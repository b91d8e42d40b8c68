"""`reasonlab traces WORK`: collect, select, view and describe traces; each work is a module with
`run(argv) -> int`."""

from __future__ import annotations

from importlib import import_module

from evaluators.errors import UnknownName

WORKS: dict[str, tuple[str, str]] = {
    "collect": ("labs.traces_collect", "traces of a task by a model and strategy, or by a solver"),
    "rationalise": ("labs.traces_rationalise", "traces with a hint for what was not solved"),
    "select": ("labs.traces_select", "keep what is worth learning from; leave out test questions"),
    "pairs": ("labs.traces_pairs", "preference pairs of right and wrong, or short and long traces"),
    "trees": ("labs.traces_trees", "traces, pairs of steps and labels out of search trees"),
    "view": ("labs.traces_view", "messages, prompts, steps or tokens, in JSONL, Parquet, datasets"),
    "stats": ("labs.traces_stats", "figures of files of traces"),
    "show": ("labs.traces_show", "print traces, each step with its verdict"),
    "card": ("labs.traces_card", "write the README.md of a set of traces"),
    "import": ("labs.traces_import", "existing JSONL chats as traces"),
    "ablate": ("labs.traces_ablate", "train on several selections: does filtering pay"),
    "problems": ("labs.traces_problems", "let a model write new problems after seeds and personas"),
}
"""Name -> module with `run(argv)`, one line of help."""


def usage() -> str:
    """The text of `reasonlab traces --help`."""
    width = max(map(len, WORKS))
    rows = [f"  {name.ljust(width)}  {help}" for name, (_, help) in WORKS.items()]
    return "\n".join(
        [
            "usage: reasonlab traces WORK [options]",
            "",
            "Reasoning traces as data: one trace a line of a JSONL file. Works:",
            "",
            *rows,
            "",
            "reasonlab traces WORK --help shows a work's options.",
        ]
    )


def run(argv: list[str]) -> int:
    """One work. Raises UnknownName and whatever the work raises."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv[0] not in WORKS:
        raise UnknownName("work on traces", argv[0], WORKS)
    return import_module(WORKS[argv[0]][0]).run(argv[1:])
