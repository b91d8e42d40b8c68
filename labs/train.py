"""`reasonlab train METHOD`: finds the training method; each is a module with `run(argv) -> int`."""

from __future__ import annotations

from importlib import import_module

from evaluators.errors import UnknownName

METHODS: dict[str, tuple[str, str]] = {
    "reward": ("labs.train_reward", "a process model of steps or an outcome model of traces"),
}
"""Name -> module with `run(argv)`, one line of help."""


def usage() -> str:
    """The text of `reasonlab train --help`."""
    width = max(map(len, METHODS))
    rows = [f"  {name.ljust(width)}  {help}" for name, (_, help) in METHODS.items()]
    return "\n".join(
        [
            "usage: reasonlab train METHOD [options]",
            "",
            "Train a model from another one. Methods:",
            "",
            *rows,
            "",
            "reasonlab train METHOD --help shows a method's options.",
        ]
    )


def run(argv: list[str]) -> int:
    """Run one method. Raises UnknownName and whatever the method raises."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv[0] not in METHODS:
        raise UnknownName("training method", argv[0], METHODS)
    return import_module(METHODS[argv[0]][0]).run(argv[1:])
