"""`reasonlab traces rationalise`: traces with a hint, then stripped, for what was not solved."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab traces rationalise",
        description="Traces of the problems that no trace of the files solves, written with a hint"
        " that is then taken out of the prompt; traces in which it shows are dropped.",
    )
    made.add_argument("files", type=Path, nargs="+", help="traces; folders of collections")
    made.add_argument("--task", required=True, help="the task that the traces are of")
    made.add_argument("--model", default="tiny")
    made.add_argument("--hint", choices=("answer", "step"), help="tell the answer, or force a step")
    made.add_argument("--k", type=int, default=4, help="traces a problem")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, required=True, help="the folder")
    return made


def run(argv: list[str]) -> int:
    """The command. 1 where some problems failed."""
    given = parser().parse_args(argv)
    from dataclasses import replace

    from evaluators.errors import BadInput
    from evaluators.tasks import load_task
    from labs.traces_files import rows_in
    from labs.training_data import named
    from reasoning.data.rationalise import FILE, rationalise
    from reasoning.models import load_model

    name, options = named(given.task)
    empty = load_task(name, n=0, **options)
    rows = [row for row in rows_in(given.files) if row.task == empty.name]
    if not rows:
        raise BadInput(f"no trace of the files is of task {empty.name!r}")
    problems = {row.problem["id"]: row.asked() for row in rows}
    more: dict[str, Any] = {} if given.hint is None else {"hint": given.hint}
    try:
        found = rationalise(
            replace(empty, problems=tuple(problems.values())), load_model(given.model), rows,
            k=given.k, out=given.out, seed=given.seed, **more,
        )  # fmt: skip
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("the same command goes on where it stopped") from stop
    print(repr(found).strip("<>"))
    print(f"traces: {given.out / FILE}")
    return 1 if found.errors else 0
