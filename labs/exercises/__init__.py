"""Exercises of the labs: `f = exercise(my_f)` checks and always returns a function that works."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from evaluators.errors import UnknownName
from labs.exercises import (
    acceleration,
    adapters,
    chain,
    compute,
    distillation,
    evolution,
    inference,
    preferences,
    trace_data,
    tree_search,
)
from labs.exercises.exercise import Case, Exercise, attempt

__all__ = ["EXERCISES", "Case", "Exercise", "exercise"]

Function = TypeVar("Function", bound=Callable)

EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise
    for lab in (
        inference,
        chain,
        compute,
        tree_search,
        evolution,
        trace_data,
        distillation,
        adapters,
        preferences,
        acceleration,
    )
    for exercise in lab.EXERCISES
}
"""Name of the reader's function -> its exercise."""


def exercise(function: Function) -> Function:
    """Check `function` (found by its name), print a tick or the first miss with a hint.

    Returns `function` if it is right, else the reference, so that later cells work either way.
    Raises UnknownName for a function that no exercise asks for.
    """
    name = function.__name__
    if name not in EXERCISES:
        raise UnknownName("exercise", name, EXERCISES)
    report = attempt(EXERCISES[name], function)
    if report.passed:
        print(f"✓ {name}: {report.message}")
        return function
    print(f"✗ {name}: {report.message}")
    print("  The next cells use the reference until yours is right.")
    return EXERCISES[name].reference  # type: ignore[return-value]
