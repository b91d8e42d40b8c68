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

SIZES = ((2, 99), (3, 99), (4, 99), (5, 99), (3, 999))
"""Operations, and the greatest number in the question."""

BUDGETS = (64, 128, 256)
CALLED, OWN, OTHER = "calculator", "results of its own", "tiny"


def greedy(model: LanguageModel, n: int) -> list[Row]:
    """One greedy chain: accuracy, generated tokens, and calls of the calculator."""
    rows = []
    for options in ({"ops": ops, "leaf": leaf, "most": 9999} for ops, leaf in SIZES):
        task = load_task("expressions", n=n, **options)  # type: ignore[arg-type]
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
    task = load_task("expressions", n=n, ops=(3, 5), leaf=99, most=9999)
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


def sums(model: LanguageModel, n: int) -> list[Row]:
    """Sums of two numbers look like expressions, and are called; longer ones go by columns."""
    rows = []
    for options in ({"terms": 2, "digits": 3}, {"terms": 3, "digits": 4}):
        task = load_task("chain-sum", n=n, **options)  # type: ignore[arg-type]
        for name, arm in ((CALLED, ToolUse()), (OWN, ChainOfThought())):
            right = [cell.correct for cell in _cells(arm, task, model, 256)]
            rows.append(share("greedy chain", f"{named('chain-sum', options)}, {name}", right))
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
    "Sums": sums,
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
