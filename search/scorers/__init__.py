"""What rates traces, whole or partial: SCORERS is the one dict of names.

A scorer says what it had to know (`knows`), its `scale` (`unit` 0..1 or `log`), what the model
must be able to do (`needs`), and, with `partial = True`, that it rates unfinished traces too, as a
search over steps asks of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evaluators.errors import BadInput, LabError
from evaluators.tasks.base import Task
from evaluators.verdict import StepVerifier
from reasoning.core import Scorer
from search.calls import make
from search.scorers.aggregate import Stepwise
from search.scorers.asking import opened
from search.scorers.likelihood import Likelihood
from search.scorers.mixture import Mixture
from search.scorers.outcome import Outcome
from search.scorers.process import Processed
from search.scorers.program import Checked, StepsChecked
from search.scorers.rater import Rater
from search.scorers.self_evaluation import SelfEvaluation
from search.scorers.value import ExactValue, Graded, require_value
from search.scorers.vote import Vote

__all__ = [
    "SCORERS", "Checked", "ExactValue", "Graded", "Likelihood", "Mixture", "Outcome", "Processed",
    "Rater", "SelfEvaluation", "StepsChecked", "Stepwise", "Vote", "refuse_whole", "resolve",
]  # fmt: skip


def _step_verifier(task: Task) -> StepVerifier:
    if task.step_verifier is None:
        raise BadInput(
            f"task {task.name!r} has no step verifier; use scorer 'verifier' or 'likelihood'"
        )
    return task.step_verifier


def _exact(task: Task) -> Any:
    """Whether what stands can still be brought to a right answer: an oracle."""
    require_value(task)
    return ExactValue()


def _graded(task: Task, auc: float = 0.8) -> Any:
    """The exact value seen through noise, of a given AUC: an oracle."""
    require_value(task)
    return Graded(auc)


def _process(
    task: Task, model: str = "tiny-prm", input: str = "trace", aggregate: str = "min",
    sure: float = 1.0, doubt: float = 1.0,
) -> Any:  # fmt: skip
    """What a process model says of a trace's steps."""
    made: Any = Processed  # it checks its settings itself
    return made(model, input, aggregate, sure, doubt)


def _likelihood(task: Task, model: str | None = None) -> Any:
    """The log-probability of the trace, under its writer or another model."""
    return Likelihood(model=None if model is None else opened(model))


def _mean_likelihood(task: Task, model: str | None = None) -> Any:
    """The log-probability of the trace per token."""
    return Likelihood(mean=True, model=None if model is None else opened(model))


def _mixture(task: Task, *parts: str, rule: str = "sum", weights: str = "") -> Any:
    """Several scorers as one: their weighted mean (sum), their product, or the least (min)."""
    try:
        given = tuple(map(float, weights.split()))
    except ValueError as error:
        raise BadInput(f"mixture: weights are numbers with spaces, not {weights!r}") from error
    found = tuple(resolve(part, task) for part in parts)
    return Mixture(found, rule, given)  # type: ignore[arg-type]  # it checks them itself


def _outcome(task: Task, model: str) -> Any:
    """What an outcome model says of a finished trace."""
    return Outcome(model)


def _rater(task: Task, kind: str = "point", model: str | None = None, tokens: int = 256) -> Any:
    """A language model's rating, of each trace (point) or of each pair of them (pair)."""
    return Rater(kind, model, tokens=tokens)  # type: ignore[arg-type]  # it checks them itself


def _self_evaluation(task: Task, model: str | None = None) -> Any:
    """The probability that the model gives to its trace being right."""
    return SelfEvaluation(model)


def _steps_checked(task: Task, rule: str = "share") -> Scorer:
    """The share of steps that the step verifier accepts, or whether it rejects none (all)."""
    return StepsChecked(_step_verifier(task), rule)  # type: ignore[arg-type]  # it checks itself


def _stepwise(task: Task, scorer: str, rule: str = "min") -> Any:
    """The scores of all beginnings of a trace as one: min, product, mean or last."""
    refuse_whole(scorer, task)
    return Stepwise(resolve(scorer, task), rule)  # type: ignore[arg-type]  # it checks itself


def _verifier(task: Task) -> Any:
    """The score of the task's verifier."""
    return Checked(task.verifier)


def _vote(task: Task) -> Any:
    """The share of the traces that answer alike."""
    return Vote()


SCORERS: dict[str, Callable[..., Any]] = {
    "exact-value": _exact,
    "graded": _graded,
    "likelihood": _likelihood,
    "mean-likelihood": _mean_likelihood,
    "mixture": _mixture,
    "outcome-model": _outcome,
    "process-model": _process,
    "rater": _rater,
    "self-evaluation": _self_evaluation,
    "step-verifier": _steps_checked,
    "stepwise": _stepwise,
    "verifier": _verifier,
    "vote": _vote,
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
        return bool(getattr(resolve(name, task), "partial", False))
    except LabError:
        return False
