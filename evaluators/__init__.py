"""Judge: problems, tasks, verdicts, answers, metrics. Knows no model and no search."""

from evaluators.errors import BadInput, LabError, UnknownName
from evaluators.problem import Problem
from evaluators.tasks import TASKS, load_task
from evaluators.verdict import StepVerifier, Verdict, Verifier

__all__ = [
    "TASKS", "BadInput", "LabError", "Problem", "StepVerifier", "UnknownName", "Verdict",
    "Verifier", "load_task",
]  # fmt: skip
