"""`reasonlab traces collect`: traces of a task's problems, verified, into a folder that resumes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.errors import BadInput

if TYPE_CHECKING:
    from evaluators.tasks.base import Task
    from reasoning.data.traces import Traces

DESCRIPTION = (
    "Collect traces of a task's problems: k samples a problem, any strategy's, or those of the"
    " exact solver. Every verdict is kept, wrong traces too. The folder holds traces.jsonl; the"
    " same command goes on after an interruption and asks for nothing twice."
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser("reasonlab traces collect", description=DESCRIPTION)
    made.add_argument(
        "--task", default="expressions", help="with its difficulty: expressions(ops=4..6)"
    )
    made.add_argument("--split", default="train")
    made.add_argument("--problems", type=int, default=200)
    made.add_argument("--from", dest="file", type=Path, help="problems of this file instead")
    made.add_argument("--model", default="tiny", help="a model, or solver, solver:random, …")
    made.add_argument("--strategy", help='such as "best-of-n(n=8)"; default: k plain samples')
    made.add_argument("--k", type=int, help="samples a problem (8), or runs of the strategy (1)")
    made.add_argument("--temperature", type=float, help="of plain samples")
    made.add_argument("--format", choices=("chain", "direct"), help="of plain samples")
    made.add_argument("--budget", type=int, help="most tokens of one problem")
    made.add_argument("--trees", action="store_true", help="keep the search trees")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--concurrency", type=int, default=64, help="problems at once")
    made.add_argument("--out", type=Path, default=Path("runs/traces"), help="the folder")
    return made


def run(argv: list[str]) -> int:
    """The command. 1 where some problems failed: the same command asks for them again."""
    given = parser().parse_args(argv)
    try:
        found = collected(given)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("the same command goes on where it stopped") from stop
    from reasoning.data.collect import FILE

    print(repr(found).strip("<>"))
    for problem, reason in list(found.errors.items())[:5]:
        print(f"failed: {problem}: {reason}")
    print(f"traces: {given.out / FILE}")
    return 1 if found.errors else 0


def collected(given: argparse.Namespace) -> Traces:
    """What the options ask for."""
    from evaluators.tasks import load_task
    from labs.training_data import named
    from reasoning.data.problems import with_problems

    name, options = named(given.task)
    if given.problems < 1:
        raise BadInput(f"--problems must be 1 or more, not {given.problems}")
    if given.file is None:
        task = load_task(name, given.split, given.problems, given.seed, **options)
    else:
        task = with_problems(load_task(name, n=0, **options), given.file)
    writer, _, kind = given.model.partition(":")
    if writer == "solver":
        return _solved(given, task, kind or "shortest")
    from reasoning.data.collect import collect_traces
    from reasoning.models import load_model
    from search.strategies import parse

    sampling = {
        name: getattr(given, name)
        for name in ("temperature", "format")
        if getattr(given, name) is not None
    }
    return collect_traces(
        task, load_model(given.model), parse(given.strategy) if given.strategy else None,
        given.k, out=given.out, seed=given.seed, budget=given.budget, trees=given.trees,
        concurrency=given.concurrency, **sampling,
    )  # fmt: skip


def _solved(given: argparse.Namespace, task: Task, kind: str) -> Traces:
    from labs.traces_files import written
    from reasoning.data.collect import FILE
    from reasoning.data.rows import save
    from reasoning.data.solver import solver_traces

    for name in ("strategy", "temperature", "format", "budget"):
        if getattr(given, name) is not None:
            raise BadInput(f"--{name} is for models: a solver writes as its kind says")
    if given.trees:
        raise BadInput("--trees is for search strategies: a solver grows no tree")
    found = solver_traces(task, kind, 1 if given.k is None else given.k, seed=given.seed)
    written(save, found, given.out / FILE)
    return found
