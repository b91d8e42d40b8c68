"""`reasonlab train METHOD`: finds the training method; each is a module with `run(argv) -> int`, or
a method of `reasoning.train.methods`, whose options come from its recipe."""

from __future__ import annotations

import logging
import os
import warnings
from importlib import import_module

from evaluators.errors import UnknownName

METHODS: dict[str, tuple[str, str]] = {
    "reward": ("labs.train_reward", "a process model of steps or an outcome model of traces"),
}
"""Name -> module with `run(argv)`, one line of help: methods with options of their own."""

MORE: dict[str, tuple[str, str, str]] = {
    "chain": ("labs.train_student", "run_file", "stage after stage out of one TOML file"),
    "ancestry": ("labs.student_ancestry", "run", "what a trained model came from, drawn"),
}
"""Name -> module, function of the arguments, one line of help: what is no method."""


def usage() -> str:
    """The text of `reasonlab train --help`."""
    from reasoning.train.methods import METHODS as STUDENTS

    rows = {name: method.about for name, method in STUDENTS.items()}
    rows |= {name: about for name, (_, about) in METHODS.items()}
    more = {name: about for name, (*_, about) in MORE.items()}
    width = max(map(len, [*rows, *more]))
    return "\n".join(
        [
            "usage: reasonlab train METHOD [options]",
            "",
            "Train a model from another one. Methods:",
            "",
            *(f"  {name.ljust(width)}  {about}" for name, about in rows.items()),
            "",
            "Several of them, and where a model comes from:",
            "",
            *(f"  {name.ljust(width)}  {about}" for name, about in more.items()),
            "",
            "reasonlab train METHOD --help shows a method's options.",
        ]
    )


def calm() -> None:
    """Keep the terminal to what the training says: no bars and no advice to the developers of the
    libraries."""
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()


def run(argv: list[str]) -> int:
    """Run one method. Raises UnknownName and whatever the method raises."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    name, *rest = argv
    if not {"-h", "--help"} & set(rest) and name != "ancestry":
        calm()
    if name in METHODS:
        return import_module(METHODS[name][0]).run(rest)
    if name in MORE:
        module, function, _ = MORE[name]
        return getattr(import_module(module), function)(rest)
    from reasoning.train.methods import METHODS as STUDENTS

    if name not in STUDENTS:
        raise UnknownName("training method", name, [*METHODS, *STUDENTS, *MORE])
    from labs.train_student import run as train

    return train(argv)
