"""Rewards that another process imports, for tests of the judge."""

from __future__ import annotations

import os
import time

from evaluators.problem import Problem
from evaluators.tasks.base import Task


def length(task: Task, problem: Problem, text: str, finish: str) -> float:
    return float(len(text))


def nasty(task: Task, problem: Problem, text: str, finish: str) -> float:
    """Hangs, dies, fails or abstains, as the text asks."""
    if "hang" in text:
        while True:
            time.sleep(0.1)
    if "die" in text:
        os._exit(3)
    if "fail" in text:
        raise RuntimeError("no verdict")
    print("a judge that talks")
    return None if "abstain" in text else 1.0  # type: ignore[return-value]


def no_number(task: Task, problem: Problem, text: str, finish: str) -> float:
    """NaN or infinite, as the text asks."""
    return float(text) if text in ("nan", "inf", "-inf") else 1.0


class Flat:
    """A reward that is an object: the same for every trace."""

    def __init__(self, pays: float) -> None:
        self.pays = pays

    def __call__(self, task: Task, problem: Problem, text: str, finish: str) -> float:
        return self.pays


def broken(task: Task, problem: Problem, text: str, finish: str) -> float:
    raise RuntimeError("out of order")


def sometimes(task: Task, problem: Problem, text: str, finish: str) -> float | None:
    """The number of digits, told of texts of even length only."""
    return None if len(text) % 2 else float(sum(c.isdigit() for c in text))
