"""What a practised trace earns: rewards by name, and the checks that stand beside them.

A reward is a function of task, problem, the trace's text and why it ended. All of them run in the
judge's process (`judge.py`): a reward of one's own stands in a module that can be imported.
"""

from __future__ import annotations

from collections.abc import Callable

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.tasks.chains import is_wait

Reward = Callable[[Task, Problem, str, str], float | None]
"""Task, problem, text, finish -> the reward, or None where it cannot be told."""

LEARNED = "model:"
"""A reward `model:FOLDER` is the output of an outcome model: no program, and easily gamed."""


def verifier(task: Task, problem: Problem, text: str, finish: str) -> float:
    """1 for a trace that ended by itself and that the task's verifier passes, else 0."""
    return float(finish == "eos" and task.verifier.check(problem, text).passed is True)


def score(task: Task, problem: Problem, text: str, finish: str) -> float:
    """The verifier's score, which may be partial credit; 0 for a trace that did not end."""
    return task.verifier.check(problem, text).score if finish == "eos" else 0.0


def form(task: Task, problem: Problem, text: str, finish: str) -> float:
    """1 for a trace that ended and gives any answer: right in form, whatever it says."""
    return float(finish == "eos" and bool(task.extract(text)))


def sound(task: Task, problem: Problem, text: str, finish: str) -> float:
    """1 where `verifier` gives 1 and the step verifier rejects no step that stands: a right answer
    by right steps. Where a task judges no steps it is `verifier`."""
    right = verifier(task, problem, text, finish)
    return float(right and not rejects(task, problem, text))


def rejects(task: Task, problem: Problem, text: str) -> bool:
    """Whether the step verifier rejects a step of the trace that the next one does not take
    back."""
    judge = task.step_verifier
    if judge is None:
        return False
    *ended, rest = text.split(task.boundary)
    steps = [*(step + task.boundary for step in ended), *([rest] if rest else [])]
    for at in range(len(steps)):
        taken_back = at + 1 < len(steps) and is_wait(steps[at + 1])
        if not taken_back and judge.check(problem, steps[: at + 1]).passed is False:
            return True
    return False


REWARDS: dict[str, Reward] = {"verifier": verifier, "score": score, "form": form, "sound": sound}
"""Rewards by name."""
