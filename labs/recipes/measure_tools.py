"""What a calculator is worth to `tiny-tools`: the rows of its card.

The same weights with the calculator answering and with results of their own, beside `tiny`: one
greedy chain, and majority votes at equal generated tokens. Test instances only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from evaluators import load_task
from evaluators.intervals import paired_bootstrap
from evaluators.tasks.base import Task
from labs.recipes.measure import Row, chain_against_direct, mean, named, share
from reasoning.core import LanguageModel
from search import ChainOfThought, SelfConsistency, ToolUse, compare
from search.cell import Cell

LARGE = {"leaf": 99, "most": 9999}
BUDGETS = (64, 128, 256)
CALLED, OWN, OTHER = "calculator", "results of its own", "tiny"


def greedy(model: LanguageModel, n: int) -> list[Row]:
    """One greedy chain: accuracy, generated tokens, and calls of the calculator."""
    rows = []
    for ops in (2, 3, 4, 5):
        options: dict[str, Any] = {"ops": ops, **LARGE}
        task = load_task("expressions", n=n, **options)
        called = _cells(ToolUse(), task, model, 256)
        arms = {
            CALLED: called,
            OWN: _cells(ChainOfThought(), task, model, 256),
            OTHER: _cells(ChainOfThought(), task, _tiny(), 256),
        }
        setting = named("expressions", options)
        for name, cells in arms.items():
            right = [cell.correct for cell in cells]
            rows.append(share("greedy chain", f"{setting}, {name}", right))
        rows.append(mean("tokens a chain", f"{setting}, {CALLED}", [c.tokens for c in called]))
        rows.append(mean("calls a chain", f"{setting}, {CALLED}", [_calls(c) for c in called]))
    return rows


def equal_tokens(model: LanguageModel, n: int) -> list[Row]:
    """Majority of the samples that a budget of generated tokens pays, and the gain in pairs."""
    options: dict[str, Any] = {"ops": (3, 5), **LARGE}
    task = load_task("expressions", n=n, **options)
    rows = []
    for budget in BUDGETS:
        arms = {
            CALLED: _cells(ToolUse(n=None, temperature=0.8), task, model, budget),
            OWN: _cells(SelfConsistency(), task, model, budget),
            OTHER: _cells(SelfConsistency(), task, _tiny(), budget),
        }
        setting = f"expressions ops=3..5 leaf=99 most=9999, {budget} tokens"
        for name, cells in arms.items():
            rows.append(share("majority", f"{setting}, {name}", [c.correct for c in cells]))
        right = {name: [float(c.correct) for c in cells] for name, cells in arms.items()}
        for name in (OWN, OTHER):
            gain = paired_bootstrap(right[CALLED], right[name], np.random.default_rng(0))
            what = f"{setting}, {CALLED} against {name}"
            rows.append(Row("gain in pairs", what, gain.value, gain.low, gain.high, n))
    return rows


def _tiny() -> LanguageModel:
    from reasoning.models import load_model

    return load_model("tiny")


def _cells(strategy: Any, task: Task, model: LanguageModel, budget: int) -> Sequence[Cell]:
    report = compare({"arm": strategy}, task, model, [budget], progress=False)
    by_id = {cell.problem: cell for cell in report.cells}
    return [by_id[problem.id] for problem in task.problems]


def _calls(cell: Cell) -> float:
    steps = [step for trace in cell.traces for step in trace.steps]
    return float(sum(step.source == "tool" for step in steps))


PARTS: dict[str, Callable[[LanguageModel, int], list[Row]]] = {
    "One greedy chain": greedy,
    "Equal generated tokens": equal_tokens,
    "What it keeps of tiny": chain_against_direct,
}


def measure(
    model: LanguageModel, n: int = 200, progress: Callable[[str], None] = lambda part: None
) -> dict[str, list[dict[str, Any]]]:
    """Every part of the card, as plain data."""
    out = {}
    for title, part in PARTS.items():
        progress(title)
        out[title] = [asdict(row) for row in part(model, n)]
    return out
