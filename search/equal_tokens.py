"""Two arms at equal mean tokens: an equal cap is not an equal spend when one arm stops early.

The baseline's accuracy between its budgets is interpolated linearly in the logarithm of the tokens
it really spent. Problems are resampled with everything that was measured on them, tokens included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.errors import BadInput
from evaluators.metrics import Interval
from search.report import RESAMPLING_SEED, Report

Floats = NDArray[np.float64]
RESAMPLES = 4000


@dataclass(frozen=True)
class EqualTokens:
    """`arm` at `budget` spent `tokens` a problem; `baseline` is its accuracy at so many tokens,
    `difference` arm minus baseline with its 95 % interval. `same_knowledge`: the judges of both
    knew the same."""

    arm: str
    against: str
    budget: str
    tokens: float
    accuracy: float
    baseline: float
    difference: Interval
    same_knowledge: bool

    def __str__(self) -> str:
        d = self.difference
        return (
            f"{self.arm} at {self.tokens:.0f} tokens: {self.accuracy:.3f}, {self.against} there:"
            f" {self.baseline:.3f}, difference {d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})"
        )


def at_equal_tokens(report: Report, arm: str, against: str) -> list[EqualTokens]:
    """Each budget of `arm` whose mean tokens lie inside what `against` was measured at.

    Raises UnknownName for an arm that is not there and BadInput when the two share no problem that
    both settled at every budget.
    """
    hits, tokens = zip(*(_by_problem(report, name) for name in (arm, against)), strict=True)
    shared = sorted(set(hits[0]) & set(hits[1]))
    if not shared:
        raise BadInput(f"{arm} and {against} share no problem that both settled at every budget")
    right, spent = (
        np.array([[table[side][p] for p in shared] for side in (0, 1)]) for table in (hits, tokens)
    )  # (2, problems, budgets)
    rng = np.random.default_rng(RESAMPLING_SEED)
    picks = rng.integers(len(shared), size=(RESAMPLES, len(shared)))
    known = report.settings["knows"]
    found = []
    for at, budget in enumerate(report.budgets):
        x = float(spent[0, :, at].mean())
        reach = spent[1].mean(axis=0)
        if not reach.min() <= x <= reach.max():
            continue
        there = _interpolated(x, spent[1], right[1])
        gaps = [
            right[0, p, at].mean() - _interpolated(spent[0, p, at].mean(), spent[1, p], right[1, p])
            for p in picks
        ]
        low, high = np.percentile(gaps, [2.5, 97.5])
        accuracy = float(right[0, :, at].mean())
        gap = Interval(accuracy - there, float(low), float(high))
        found.append(
            EqualTokens(arm, against, budget, x, accuracy, there, gap, known[arm] == known[against])
        )
    return found


def _by_problem(report: Report, arm: str) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Mean correctness and tokens of each problem at every budget, seeds averaged; only problems
    that were settled at every budget."""
    hits: dict[str, list[list[float]]] = {}
    tokens: dict[str, list[list[float]]] = {}
    for index, budget in enumerate(report.budgets):
        for cell in report.select(arm, budget):
            if cell.state == "done":
                for table, value in ((hits, float(cell.correct)), (tokens, float(cell.tokens))):
                    table.setdefault(cell.problem, [[] for _ in report.budgets])[index].append(
                        value
                    )
    whole = [p for p, row in hits.items() if all(row)]
    means = (
        {p: np.array([float(np.mean(x)) for x in t[p]]) for p in whole} for t in (hits, tokens)
    )
    first, second = means
    return first, second


def _interpolated(x: float, spent: Floats, right: Floats) -> float:
    """Accuracy of a baseline at `x` mean tokens: arrays are (problems, budgets). Less than one
    token counts as one, as in the chart."""
    at, accuracy = np.maximum(spent.mean(axis=0), 1.0), right.mean(axis=0)
    order = np.argsort(at)
    return float(np.interp(np.log(max(x, 1.0)), np.log(at[order]), accuracy[order]))
