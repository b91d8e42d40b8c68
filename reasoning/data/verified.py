"""The answer of a problem that nobody solved yet: a program's, or what most samples agree on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import LanguageModel, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.logged import CallFailed
from reasoning.prompts import PromptStyle, build


@dataclass(frozen=True)
class Answered:
    """An answer (None where answers are only checked: the problem has one), who vouches for it, and
    the share of the samples that agree."""

    answer: str | None
    by: Literal["program", "agreement"]
    share: float | None = None


async def answered(
    task: Task, problem: Problem, solver: LanguageModel, ledger: Ledger, seed: SeedPath, *,
    samples: int = 5, agree: float = 0.6,
) -> Answered | str:  # fmt: skip
    """The problem's answer, or why it has none that can be trusted.

    The program's: the task computed an answer, or its exact value says that there is one. Else the
    most frequent answer of `samples` chains of the solver where a share of `agree` of all of them
    gave it (Wang et al. 2023, "Self-consistency": agreement goes with being right; it is no proof).
    """
    if problem.answer is not None:
        return Answered(problem.answer, "program")
    value = task.value(problem, [])
    if value is not None:
        return Answered(None, "program") if value == 1.0 else "without a solution"
    sampling = Sampling(task.max_tokens("chain", solver.dialect), 0.8, n=samples)
    prompt = build(task, problem, PromptStyle(), solver.dialect)
    try:
        drawn = await solver.generate(prompt, sampling, ledger, seed)
    except CallFailed as error:
        return f"call failed: {error}"
    ended = [task.answer_key(problem, c.text) for c in drawn if c.finish == "eos"]
    votes = Counter(key for key in ended if key)
    if not votes:
        return "not answered"
    winner, count = votes.most_common(1)[0]
    if count / samples < agree:
        return "without agreement"
    return Answered(winner, "agreement", count / samples)
