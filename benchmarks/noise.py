"""A reward that knows nothing, for timing: traces earn different things, so all are learned."""

from __future__ import annotations

from zlib import crc32

from evaluators.problem import Problem
from evaluators.tasks.base import Task


def noise(task: Task, problem: Problem, text: str, finish: str) -> float:
    """A number in 0..1 that follows from the text."""
    return crc32(text.encode()) / 2**32
