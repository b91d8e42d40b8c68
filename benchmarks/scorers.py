"""How well does each scorer tell right from wrong, and what does it read?

The model's own sampled traces, whole and after each step, are rated by every scorer of the list;
whole ones are set against the verifier's verdicts, beginnings against the exact value of where they
stand. Prints a table a setting; nothing here is timed.

    python benchmarks/scorers.py [--problems 200] [--samples 4] [--scorers likelihood,rater,...]
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from evaluators import load_task
from evaluators.calibration import Calibration, calibration, within
from evaluators.intervals import bootstrap_interval
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from labs.compare import split_list
from reasoning import load_model
from reasoning.core import Context, LanguageModel, Scorer, SeedPath, Trace
from reasoning.ledger import Ledger
from reasoning.loop import run
from search.best_first import BestFirst
from search.scorers import resolve
from search.table import Table
from search.tree.grow import Grower

SETTINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("expressions", {"ops": 6}), ("expressions", {"ops": 8}),
    ("countdown", {"numbers": 4}), ("countdown", {"numbers": 5}),
)  # fmt: skip
SCORERS = "likelihood,mean-likelihood,self-evaluation,vote,step-verifier,graded(auc=0.8)"
HEAD = ("scorer", "knows", "AUC, finished", "inside a problem", "calibration error",
        "AUC, beginnings", "tokens read a trace")  # fmt: skip

Rows = list[tuple[Problem, tuple[list[Trace], list[Trace]]]]  # finished traces, beginnings


async def traces(task: Task, model: LanguageModel, samples: int) -> Rows:
    """Chains of every problem, written step by step: the finished traces, and each beginning."""

    async def one(problem: Problem) -> tuple[Problem, tuple[list[Trace], list[Trace]]]:
        ctx = Context(task, model, Ledger(), SeedPath(0, (problem.id,)))
        grower = Grower(BestFirst(), problem, ctx, scorer=None, merge=False)
        [front] = await grower.expand([(grower.tree.root, samples)])
        while front := [node for node in front if not node.closed]:
            made = await grower.expand([(node, 1) for node in front])
            front = list(chain.from_iterable(made))
        tree = grower.tree
        parts = [node for node in tree.nodes[1:] if not node.over]
        return problem, (
            [tree.trace(node) for node in tree.finished()],
            [tree.trace(node) for node in parts],
        )

    return list(await asyncio.gather(*map(one, task.problems)))


async def rated(
    task: Task, model: LanguageModel, scorer: Scorer, rows: Rows, which: int
) -> tuple[list[list[float | None]], int]:
    """The scorer's scores of the finished traces (0) or the beginnings (1), and what it read."""
    ledgers = [Ledger() for _ in rows]
    calls = [
        scorer.score(problem, pair[which], Context(task, model, ledger, SeedPath(0, (problem.id,))))
        for (problem, pair), ledger in zip(rows, ledgers, strict=True)
    ]
    found = await asyncio.gather(*calls)
    return list(found), sum(ledger.spent.tokens for ledger in ledgers)


def measured(
    rows: Rows, truth: Sequence[Sequence[float | None]], given: Sequence[Sequence[float | None]]
) -> tuple[Calibration, str]:
    """Calibration of what was scored, and the mean AUC inside a problem."""
    items = [
        (row[0].id, score, value == 1)
        for row, values, scores in zip(rows, truth, given, strict=True)
        for value, score in zip(values, scores, strict=True)
        if score is not None and value is not None
    ]
    names, scores, right = zip(*items, strict=True)
    unit = all(0 <= score <= 1 for score in scores)
    areas = list(within(scores, right, names).values())
    inside = bootstrap_interval(areas, np.random.default_rng(0)) if areas else None
    told = "-" if inside is None else f"{inside.value:.3f} ({inside.low:.3f}..{inside.high:.3f})"
    return calibration(scores, right, names, probabilities=unit), told


def shown(found: Calibration) -> str:
    """The area with its interval."""
    area = found.auc
    return "-" if area is None else f"{area.value:.3f} ({area.low:.3f}..{area.high:.3f})"


def table(
    name: str, options: dict[str, Any], model: LanguageModel, scorers: Sequence[str],
    problems: int, samples: int,
) -> Table:  # fmt: skip
    """One setting."""
    task = load_task(name, n=problems, **options)
    rows = run(traces(task, model, samples))
    exact = resolve("exact-value", task)
    truths = [run(rated(task, model, exact, rows, which))[0] for which in (0, 1)]
    lines = []
    for text in scorers:
        scorer = resolve(text, task)
        given, read = run(rated(task, model, scorer, rows, 0))
        whole, inside = measured(rows, truths[0], given)
        part = "-"
        if getattr(scorer, "partial", False):
            given, _ = run(rated(task, model, scorer, rows, 1))
            part = shown(measured(rows, truths[1], given)[0])
        gap = f"{whole.ece:.3f}" if whole.bins else "-"
        known = scorer.knows + (" (oracle)" if scorer.knows in ("solution", "reference") else "")
        reading = f"{read / max(1, whole.n):.1f}"
        lines.append((text, known, shown(whole), inside, gap, part, reading))
    count = sum(len(pair[0]) for _, pair in rows)
    base = np.mean([v for values in truths[0] for v in values if v is not None])
    setting = " ".join([name, *(f"{k}={v}" for k, v in options.items())])
    return Table(HEAD, lines, f"{setting}: {count} finished traces, {base:.3f} right")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--scorers", default=SCORERS, help="separated by commas")
    chosen = parser.parse_args()
    model, names = load_model(chosen.model), split_list(chosen.scorers)
    for name, options in SETTINGS:
        print(table(name, options, model, names, chosen.problems, chosen.samples), flush=True)
        print()


if __name__ == "__main__":
    main()
