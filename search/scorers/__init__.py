"""What rates traces, whole or partial: SCORERS is the one dict of names.

A scorer says what it had to know (`knows`), its `scale` (`unit` 0..1 or `log`), what the model
must be able to do (`needs`), and, with `partial = True`, that it rates unfinished traces too, as a
search over steps asks of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evaluators.errors import BadInput, UnknownName
from evaluators.tasks.base import Task
from evaluators.verdict import StepVerifier
from reasoning.core import Scorer
from search.scorers.likelihood import Likelihood
from search.scorers.program import Checked, StepsChecked
from search.scorers.vote import Vote

__all__ = ["SCORERS", "Checked", "Likelihood", "StepsChecked", "Vote", "refuse_whole", "resolve"]


def _step_verifier(task: Task) -> StepVerifier:
    if task.step_verifier is None:
        raise BadInput(
            f"task {task.name!r} has no step verifier; use scorer 'verifier' or 'likelihood'"
        )
    return task.step_verifier


SCORERS: dict[str, Callable[[Task], Any]] = {
    "likelihood": lambda task: Likelihood(),
    "mean-likelihood": lambda task: Likelihood(mean=True),
    "step-verifier": lambda task: StepsChecked(_step_verifier(task)),
    "verifier": lambda task: Checked(task.verifier),
    "vote": lambda task: Vote(),
}
"""Name -> what makes the Scorer of a task."""


def resolve(scorer: str | Scorer, task: Task) -> Scorer:
    """A scorer by name, for a task; an object is returned as it is. Raises UnknownName."""
    if not isinstance(scorer, str):
        return scorer
    if scorer not in SCORERS:
        raise UnknownName("scorer", scorer, SCORERS)
    return SCORERS[scorer](task)


def refuse_whole(scorer: str | Scorer, task: Task) -> None:
    """Raises BadInput for a scorer that rates finished traces only: a search over steps asks for
    partial ones."""
    found = resolve(scorer, task)
    if not getattr(found, "partial", False):
        able = sorted(name for name in SCORERS if _partial(name, task))
        raise BadInput(
            f"scorer {scorer if isinstance(scorer, str) else type(scorer).__name__!r} rates"
            f" finished traces only; a search over steps takes {', '.join(able)}, or an object with"
            " partial = True"
        )


def _partial(name: str, task: Task) -> bool:
    try:
        return bool(getattr(SCORERS[name](task), "partial", False))
    except BadInput:
        return False
