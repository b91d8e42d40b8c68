"""Votes over finished traces: equal answers grouped, weighted sums, and when a lead is certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import Trace


@dataclass(frozen=True)
class Group:
    """The traces that share an answer: their indices and the sum of their weights."""

    key: str
    members: tuple[int, ...]
    weight: float


def tally(
    traces: Sequence[Trace], problem: Problem, task: Task, weights: Sequence[float] | None = None
) -> list[Group]:
    """Groups of equal answers (by the task's answer key), heaviest first, ties by first seen.

    Traces without an answer cast no vote. Without `weights` every vote weighs 1.
    """
    groups: dict[str, list[int]] = {}
    for index, trace in enumerate(traces):
        key = task.answer_key(problem, trace.text) if trace.answer else None
        if key:
            groups.setdefault(key, []).append(index)
    found = [
        Group(key, tuple(members), sum(1.0 if weights is None else weights[i] for i in members))
        for key, members in groups.items()
    ]
    return sorted(found, key=lambda group: -group.weight)  # stable: ties stay in order


def certainty(first: int, second: int) -> float:
    """The probability that the leading answer is truly more frequent than the second.

    The share of the leader among the two is Beta(first + 1, second + 1) under a flat prior; this
    is its mass above one half, by the binomial sum for whole parameters (Aggarwal et al. 2023,
    Adaptive-Consistency, the Beta criterion).
    """
    n = first + second + 1
    return sum(comb(n, j) for j in range(first + 1)) / 2**n
