"""Soundness: whether the steps of a trace hold, which a right answer does not tell."""

from __future__ import annotations

from evaluators.tasks import TASKS, load_task
from evaluators.tasks.base import Task
from evaluators.tasks.chains import is_wait
from reasoning.data.rows import TraceRow
from reasoning.train.labels import cut
from reasoning.verify import verdict_of


def task_of(name: str) -> Task | None:
    """The task of this name without problems; None where there is none here."""
    return load_task(name, n=0) if name.partition(":")[0] in TASKS else None


def flaw(row: TraceRow, task: Task | None) -> str | None:
    """The first step that the task's step verifier rejects and that the trace does not take back
    at once, with the reason; None for a sound trace. A step that cannot be parsed is no flaw. A
    trace that nobody can judge step by step has the flaw of that."""
    judge = None if task is None else task.step_verifier
    if judge is None or task is None:
        return f"nobody judges the steps of {row.task}"
    problem, steps = row.asked(), cut(row.prefix + row.text, task.boundary)
    for at in range(len(steps)):
        verdict = verdict_of(judge, problem, steps[: at + 1])
        taken_back = at + 1 < len(steps) and is_wait(steps[at + 1])
        if verdict.passed is False and not taken_back:
            return f"{steps[at].strip()}: {verdict.reason}"
    return None
