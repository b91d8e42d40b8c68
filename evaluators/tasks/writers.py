"""Correct completions of a task's problems by kind: what its solver writes, along a random path, or
the answer alone.

A task brings `write_trace(problem, kind, dialect, rng)` and `TraceKind` in its module; the random
paths of the tasks here are in this one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import numpy as np

from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem
from evaluators.tasks import arithmetic as ar
from evaluators.tasks import chain_sum, chains, countdown_chain, countdown_solver
from evaluators.tasks.base import Dialect, Format, Task
from evaluators.tasks.chain_sum import ChainSum
from evaluators.tasks.countdown import Countdown
from evaluators.tasks.expressions import Expressions

ANSWER, RANDOM, REFERENCE = "answer", "random", "reference"
KINDS = (ANSWER, "shortest", RANDOM, "terse", "backtracking", "repair", REFERENCE)
"""`answer` is the answer at once; `shortest` the solver's straight way; `random` a way drawn at
random among the legal correct ones; `terse` several operations a line; `backtracking` takes a right
step back; `repair` takes a wrong one back; `reference` the worked solution that the data bring."""


@dataclass(frozen=True)
class Written:
    """A correct completion, how it is asked for, and its lines that are wrong on purpose."""

    text: str
    format: Format = "chain"
    errors: tuple[int, ...] = ()


def kinds(task: Task) -> tuple[str, ...]:
    """What can be written for the task's problems."""
    module = sys.modules[type(task).__module__]
    own = get_args(getattr(module, "TraceKind", None))
    if hasattr(module, "write_trace") and not own:
        own = ("shortest",)
    solved = [p for p in task.problems[:1] if "solution" in p.meta]
    found = {*own, *([RANDOM] if type(task) in _RANDOM else []), *([REFERENCE] if solved else [])}
    if "direct" in task.formats and (isinstance(task, Countdown) or _answered(task)):
        found.add(ANSWER)
    return (*(k for k in KINDS if k in found), *(k for k in own if k not in KINDS))


def write(
    task: Task, problem: Problem, kind: str, dialect: Dialect, rng: np.random.Generator
) -> Written:
    """A correct completion of the kind. Raises UnknownName for a kind that the task lacks, BadInput
    for a problem without a solution."""
    known = kinds(task)
    if not known:
        raise BadInput(
            f"nothing writes traces for task {task.name!r}: its problems have no answers and its"
            " module has no write_trace; collect them from a model"
        )
    if kind not in known:
        raise UnknownName(f"kind of trace for task {task.name!r}", kind, known)
    if kind == ANSWER:
        answer = _answer(task, problem, rng)
        return Written(answer if dialect == "compact" else f"Answer: {answer}", "direct")
    if kind == RANDOM:
        lines, answer = _RANDOM[type(task)](problem, rng)
        return Written(chains.write(lines, answer, dialect))
    if kind == REFERENCE:
        told = str(problem.meta["solution"]).rpartition("####")
        lines = [line for line in (told[0] or told[2]).strip().splitlines() if line.strip()]
        return Written(chains.write(lines, problem.answer or told[2].strip(), dialect))
    writer = sys.modules[type(task).__module__].write_trace
    text, errors = writer(problem, kind, dialect, rng)
    return Written(text, "chain", tuple(errors))


def _answered(task: Task) -> bool:
    return any(problem.answer is not None for problem in task.problems[:1])


def _answer(task: Task, problem: Problem, rng: np.random.Generator) -> str:
    if isinstance(task, Countdown):
        return ar.render(countdown_chain.follow(problem, _countdown(problem, rng)[0]).left[0][1])
    if problem.answer is None:
        raise BadInput(f"{problem.id} has no reference answer to write")
    return problem.answer


def _expressions(problem: Problem, rng: np.random.Generator) -> tuple[list[str], str]:
    """One operation a line, in a random order."""
    tree, lines = ar.parse(problem.fields["expression"]), []
    while not isinstance(tree, int):
        paths = list(ar.reducible(tree))
        path = paths[int(rng.integers(len(paths)))]
        value = ar.evaluate(ar.node(tree, path))
        if value.denominator != 1:
            raise BadInput(f"{problem.id} meets {value}, no integer, on the way")
        tree = ar.replace(tree, path, int(value))
        lines.append(ar.render(tree))
    return lines, str(tree)


def _countdown(problem: Problem, rng: np.random.Generator) -> tuple[list[str], str]:
    """Moves drawn among those that leave the target in reach, operands in a random order."""
    state, target = tuple(problem.fields["numbers"]), int(problem.fields["target"])
    path = countdown_solver.solve(state, target, rng)
    if path is None:
        raise BadInput(f"{problem.id} has no solution")
    lines = []
    for op, a, b, result in path:
        swapped = op in "+*" and rng.random() < 0.5
        move = (op, b, a, result) if swapped else (op, a, b, result)
        lines.append(countdown_chain.line(state, move))
        state = countdown_solver.after(state, move)
    return lines, str(target)


def _chain_sum(problem: Problem, rng: np.random.Generator) -> tuple[list[str], str]:
    """The columns, the digits of each in a random order."""
    terms = problem.fields["terms"]
    lines = [
        chain_sum.line([int(d) for d in rng.permutation(digits)], total)
        for digits, total in chain_sum.columns(terms)
    ]
    return lines, str(sum(terms))


_RANDOM: dict[type, Callable[[Problem, np.random.Generator], tuple[list[str], str]]] = {
    Expressions: _expressions, Countdown: _countdown, ChainSum: _chain_sum
}  # fmt: skip
