"""`reasonlab solve TASK PROBLEM`: the traces of one problem, each step with its verdict."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks import load_task
from evaluators.tasks.base import Task
from labs.traces import as_text
from reasoning.core import Context, LanguageModel, SeedPath, Solution
from reasoning.ledger import Budget, Ledger


@dataclass(frozen=True)
class Asked:
    """One problem that the user wrote, in a task that holds nothing else."""

    task: Task
    problem: Problem


def ask(task_name: str, text: str) -> Asked:
    """The problem in `text`: the task's own notation, or its fields as a JSON object.

    Raises UnknownName and BadInput.
    """
    task = load_task(task_name, n=0)
    if text.lstrip().startswith("{"):
        make = getattr(task, "from_fields", None)
        try:
            fields = json.loads(text)
        except json.JSONDecodeError as error:
            raise BadInput(f"the problem is not JSON: {error}") from error
        if make is None:
            raise BadInput(
                f"task {task_name!r} takes no single problem: its class has no from_fields(fields);"
                " `reasonlab compare` asks the problems that it holds"
            )
        problem = make(fields)
    else:
        parse = getattr(task, "parse_problem", None)
        if parse is None:
            raise BadInput(
                f"task {task_name!r} has no notation of one line for a problem; give its fields as"
                " a JSON object: '{\"question\": ...}'"
            )
        problem = parse(text)
    return Asked(replace(task, problems=(problem,)), problem)


def solve(
    asked: Asked, model: LanguageModel, strategy: str, tokens: int, seed: int
) -> tuple[Solution, Ledger]:
    """Spend `tokens` on the problem by a strategy, given as text (`"best-of-n(n=8)"`).

    Raises UnknownName, BadInput where strategy, task and model do not fit together, and CallFailed
    where the model fails (a server that is gone).
    """
    from reasoning.logged import LoggedModel
    from reasoning.loop import run as wait
    from search.strategies import parse, refuse_unfit

    chosen = parse(strategy)
    refuse_unfit(chosen, asked.task, model)
    ledger = Ledger(Budget(tokens=tokens))
    path = SeedPath(seed, (asked.problem.id,))
    context = Context(asked.task, LoggedModel(model), ledger, path)
    return wait(chosen.solve(asked.problem, context)), ledger


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser("reasonlab solve", description="Print the traces of a problem.")
    made.add_argument("task", help="countdown, expressions, chain-sum, …")
    made.add_argument(
        "problem", help='"3 5 7 2=24", "(3+4)*2-5", "347+589+126", or the fields as JSON'
    )
    made.add_argument("--model", default="tiny", help="tiny, hf:PATH-or-NAME, recorded:FILE, …")
    made.add_argument(
        "--strategy",
        default="best-of-n",
        help="see `reasonlab strategies`; settings in brackets: best-of-n(n=8)",
    )
    made.add_argument("--budget", type=int, default=256, help="generated tokens")
    made.add_argument("--seed", type=int, default=0)
    return made


def run(argv: list[str]) -> int:
    """The command: print every trace and the answer."""
    options = parser().parse_args(argv)
    asked = ask(options.task, options.problem)
    from reasoning.models import load_model

    model = load_model(options.model)
    solution, ledger = solve(asked, model, options.strategy, options.budget, options.seed)
    print(as_text(asked.task, asked.problem, solution))
    print(
        f"answer {solution.answer if solution.answer is not None else 'none'}"
        f" · stopped by {solution.stopped_by}"
        f" · {ledger.spent.tokens} of {options.budget} tokens, {ledger.spent.calls} calls"
    )
    return 0
