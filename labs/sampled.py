"""How often one sample of a model is right, and one of k: models side by side on one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluators.intervals import Interval, bootstrap_interval
from evaluators.tasks.base import Task
from labs.recipes.measure import SAMPLED, hits
from reasoning.core import LanguageModel
from reasoning.prompts import PromptStyle


@dataclass(frozen=True)
class Sampled:
    """A model's mean single-sample accuracy with its interval over problems, the share of problems
    that one of `k` samples solves, and the mean tokens of a sample."""

    model: str
    single: Interval
    any: float
    k: int
    tokens: float


def sampled(models: Mapping[str, LanguageModel], task: Task, k: int = 8) -> list[Sampled]:
    """Each model's chains at temperature 1, `k` a problem."""
    found = []
    for name, model in models.items():
        right, tokens = hits(model, task, PromptStyle(), replace(SAMPLED, n=k))
        single = bootstrap_interval(right.mean(axis=1).tolist(), np.random.default_rng(0))
        found.append(Sampled(name, single, float(right.any(axis=1).mean()), k,
                             float(tokens.mean())))  # fmt: skip
    return found


def told(rows: Sequence[Sampled]) -> str:
    """The models as a text table."""
    width = max(len(row.model) for row in rows)
    lines = [f"{'model'.ljust(width)}  one sample (95 %)    one of {rows[0].k}  tokens"]
    lines += [
        f"{row.model.ljust(width)}  {row.single.value:.2f} ({row.single.low:.2f} to"
        f" {row.single.high:.2f})  {row.any:>9.2f}  {row.tokens:>6.0f}"
        for row in rows
    ]
    return "\n".join(lines)
