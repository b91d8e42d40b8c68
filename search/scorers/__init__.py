"""What rates traces, whole or partial: SCORERS is the one dict of names.

A scorer says what it had to know (`knows`), its `scale` (`unit` 0..1 or `log`), what the model
must be able to do (`needs`), and, with `partial = True`, that it rates unfinished traces too, as a
search over steps asks of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evaluators.errors import BadInput
from evaluators.tasks.base import Task
from evaluators.verdict import StepVerifier
from reasoning.core import Scorer
from search.calls import make
from search.scorers.likelihood import Likelihood
from search.scorers.process import Processed
from search.scorers.program import Checked, StepsChecked
from search.scorers.value import ExactValue, Graded, require_value
from search.scorers.vote import Vote

__all__ = [
    "SCORERS", "Checked", "ExactValue", "Graded", "Likelihood", "Processed",
    "StepsChecked", "Vote", "refuse_whole", "resolve",
]  # fmt: skip


def _step_verifier(task: Task) -> StepVerifier:
    if task.step_verifier is None:
        raise BadInput(
            f"task {task.name!r} has no step verifier; use scorer 'verifier' or 'likelihood'"
        )
    return task.step_verifier


def _exact(task: Task) -> Scorer:
    require_value(task)
    return ExactValue()


def _graded(task: Task, auc: float = 0.8) -> Scorer:
    require_value(task)
    return Graded(auc)


def _process(
    task: Task, model: str = "tiny-prm", input: str = "trace", aggregate: str = "min"
) -> Scorer:
    return Processed(model, input, aggregate)  # type: ignore[arg-type]  # it checks them itself


SCORERS: dict[str, Callable[..., Any]] = {
    "exact-value": _exact,
    "graded": _graded,
    "likelihood": lambda task: Likelihood(),
    "mean-likelihood": lambda task: Likelihood(mean=True),
    "process-model": _process,
    "step-verifier": lambda task: StepsChecked(_step_verifier(task)),
    "verifier": lambda task: Checked(task.verifier),
    "vote": lambda task: Vote(),
}
"""Name -> what makes the Scorer of a task, its further parameters being the scorer's options."""


def resolve(scorer: str | Scorer, task: Task) -> Scorer:
    """A scorer by name, for a task, with options like `graded(auc=0.9)`; an object is returned as
    it is. Raises UnknownName, and BadInput for an option or a task that it cannot take."""
    return make(scorer, "scorer", SCORERS, task) if isinstance(scorer, str) else scorer


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
