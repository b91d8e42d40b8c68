"""`reasonlab traces problems`: a model writes new problems after a task's, in the voice of
personas; `traces collect --from FILE` asks them."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = (
    "Let a model write new problems after seeds, the task's own problems. Equal ones, test"
    " instances and held-out questions are left out; an answer is a program's, or what most samples"
    " agree on."
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser("reasonlab traces problems", description=DESCRIPTION)
    made.add_argument("--task", default="expressions", help="with its difficulty, or jsonl:FILE")
    made.add_argument("--seeds", type=int, default=50, help="problems of the task to write after")
    made.add_argument("--n", type=int, default=20, help="problems wanted")
    made.add_argument("--calls", type=int, help="most calls for them (four a problem)")
    made.add_argument("--model", default="tiny", help="the writer")
    made.add_argument("--solver", help="who answers where no program can (the writer)")
    made.add_argument(
        "--persona", action="append", metavar="WHO", help="who writes, several times (a list of 24)"
    )
    made.add_argument("--shots", type=int, default=3, help="seeds shown in a request")
    made.add_argument("--temperature", type=float, default=1.0)
    made.add_argument("--samples", type=int, default=5, help="answers that are compared")
    made.add_argument("--agree", type=float, default=0.6, help="share of them that must be equal")
    made.add_argument("--held-out", action="append", default=[], metavar="TASK")
    made.add_argument("--budget", type=int, help="most tokens of all calls")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, required=True, help="the file to write, .jsonl")
    return made


def run(argv: list[str]) -> int:
    """The command. 1 where no problem was kept."""
    given = parser().parse_args(argv)
    from evaluators.tasks import load_task
    from labs.traces_files import held_out
    from labs.training_data import named
    from reasoning.data.personas import PERSONAS
    from reasoning.data.problems import save
    from reasoning.data.writing import write_problems
    from reasoning.ledger import Budget
    from reasoning.models import load_model

    name, options = named(given.task)
    file = ":" in name
    task = load_task(name, "train", None if file else given.seeds, given.seed, **options)
    found = write_problems(
        task, load_model(given.model), given.n, personas=given.persona or PERSONAS,
        held_out=held_out(given.held_out), seed=given.seed, calls=given.calls, shots=given.shots,
        solver=load_model(given.solver) if given.solver else None, temperature=given.temperature,
        samples=given.samples, agree=given.agree,
        budget=None if given.budget is None else Budget(tokens=given.budget),
    )  # fmt: skip
    print(found)
    if not found.problems:
        return 1
    print(f"problems: {save(found.problems, given.out)}")
    return 0
