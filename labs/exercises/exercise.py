"""What an exercise is, and how an attempt is checked without ever breaking the notebook."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """Arguments, the wanted result, and a hint for who misses it."""

    args: tuple[Any, ...]
    want: Any
    hint: str


@dataclass(frozen=True)
class Exercise:
    """One exercise: the name its function must have, a right function, and cases.

    `wrong` are plausible mistakes; a test asserts that every one of them is caught.
    """

    name: str
    reference: Callable[..., Any]
    cases: Sequence[Case]
    wrong: Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class Report:
    """The outcome of an attempt: whether all cases hold, and one sentence."""

    passed: bool
    message: str


def same(got: Any, want: Any) -> bool:
    """Equality, with numbers to one part in a million; a truth value equals no number. An array or
    number of numpy is taken as the list or number that it holds."""
    if isinstance(got, np.generic | np.ndarray):
        got = got.tolist()
    if isinstance(got, bool) or isinstance(want, bool):
        return type(got) is type(want) and got == want
    if isinstance(want, int | float) and isinstance(got, int | float):
        return math.isclose(got, want, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(want, Sequence) and not isinstance(want, str):
        return (
            isinstance(got, Sequence)
            and not isinstance(got, str)
            and len(got) == len(want)
            and all(map(same, got, want))
        )
    return type(got) is type(want) and bool(got == want)


def attempt(task: Exercise, function: Callable[..., Any]) -> Report:
    """Run `function` on every case, on copies of the arguments. Errors become the report."""
    for case in task.cases:
        shown = ", ".join(map(repr, case.args))
        try:
            got = function(*copy.deepcopy(case.args))
        except Exception as error:
            raised = f"{type(error).__name__}: {error}"
            return Report(False, f"for {shown} it raised {raised}; hint: {case.hint}")
        if not same(got, case.want):
            return Report(False, f"for {shown} want {case.want!r}, got {got!r}; hint: {case.hint}")
    return Report(True, f"right on all {len(task.cases)} cases")
