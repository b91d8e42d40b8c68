"""fit_adaptive: a plan for `Adaptive` out of training problems.

Every option (a strategy at a budget) is run on every training problem, with and without probes.
Difficulty is predicted by least squares from the features of a problem; problems of about equal
prediction share a bin. What is chosen from is measured by cross-validation: how many bins, and
whether probes are worth their tokens (Snell et al. 2024, arXiv:2408.03314, section 3.2: bins,
the best strategy of each, on problems that it was not fitted on).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import Context, LanguageModel, Solution
from reasoning.describe import fingerprint
from reasoning.ledger import Budget
from search.adaptive import Adaptive
from search.allocate import bin_of, edges, fitted
from search.cell import Cell
from search.comparison import compare
from search.plan import BEFORE, PROBED, Option, Plan, Predictor, features
from search.report import Report
from search.sampler import Sampler

Floats = NDArray[np.float64]


def fit_adaptive(
    task: Task,
    model: LanguageModel,
    strategies: Sequence[str],
    budgets: Sequence[int],
    *,
    probes: int = 2,
    bins: int = 4,
    folds: int = 5,
    seeds: Sequence[int] = (0,),
    ask: Sampler | None = None,
    concurrency: int = 64,
) -> Adaptive:
    """An Adaptive strategy fitted on the task's problems: load it with `split="train"`, and some
    hundred problems, of all the difficulties that are to come.

    `strategies` are texts such as `self-consistency`; with each of `budgets` (tokens a problem)
    they make the options. `probes` samples may be drawn to predict with (0: only the question is
    looked at), in the manner of `ask`, which the strategies should share so that probes serve as
    their first samples. Raises BadInput for less than `folds` problems, no option, and numbers
    that cannot be.
    """
    options = tuple(Option(text, tokens) for text in strategies for tokens in sorted(budgets))
    if not options or len(task.problems) < max(2, folds):
        raise BadInput(
            f"fit_adaptive needs a strategy, a budget and at least {max(2, folds)} problems"
        )
    if min(budgets) < 1 or probes < 0 or bins < 1:
        raise BadInput(
            f"fit_adaptive: budgets are 1 token or more, probes 0 or more, bins 1 or more, not"
            f" {list(budgets)}, {probes}, {bins}"
        )
    asked = ask or Sampler()
    found = []
    for count in sorted({0, probes}):
        measured = _measure(task, model, options, count, asked, seeds, concurrency)
        for wanted in sorted({1, bins}):
            if wanted > 1 or not count:  # with one bin nothing is predicted: no probes
                found.append(_validated(measured, options, wanted, folds, sorted(budgets)))
    made = {
        "task": task.name, "problems": len(task.problems), "data": fingerprint(task.problems),
        "model": model.name, "seeds": list(seeds), "dialect": model.dialect,
    }  # fmt: skip
    settings = {name: getattr(asked, name) for name in Sampler.__dataclass_fields__}
    return Adaptive(plan=Plan(options, tuple(found), made), **settings)


@dataclass(frozen=True)
class Measured:
    """What training has shown, a row for every problem and seed: `known` (rows, features) by the
    names `names`, `right` and `spent` (rows, options), the tokens of the probes `probing` (rows,),
    and which problem it was, `which` (rows,)."""

    probes: int
    names: tuple[str, ...]
    known: Floats
    right: Floats
    spent: Floats
    probing: Floats
    which: NDArray[np.intp]

    def take(self, rows: NDArray[np.intp]) -> Measured:
        """These problems only."""
        return replace(
            self, known=self.known[rows], right=self.right[rows], spent=self.spent[rows],
            probing=self.probing[rows], which=self.which[rows],
        )  # fmt: skip


def predictor(measured: Measured, bins: int) -> Predictor:
    """A predictor with at most `bins` bins and its tables, fitted on all that was measured.

    What it predicts is the share of the options that solve a problem.
    """
    *weights, constant = fitted(measured.known, measured.right.mean(axis=1))
    ease = measured.known @ np.array(weights) + constant
    borders = edges(ease, bins)
    at = np.array([bin_of(each, borders) for each in ease])
    rows = [at == b for b in range(len(borders) + 1)]
    return Predictor(
        measured.probes if bins > 1 else 0,
        dict(zip(measured.names, weights, strict=True)) if borders else {},
        constant,
        borders,
        tuple(float(r.mean()) for r in rows),
        tuple(tuple(measured.right[r].mean(axis=0).tolist()) for r in rows),
        tuple(tuple(measured.spent[r].mean(axis=0).tolist()) for r in rows),
        float(np.quantile(measured.probing, 0.95)),
    )


def promised(
    fitted_on: Predictor, options: Sequence[Option], held_out: Measured,
    mean: float | None, cap: int | None,
) -> Floats:  # fmt: skip
    """Whether each held-out row is solved by the option that the predictor has for it, (rows,).

    What has spent more than the cap is not; and nothing is where the predictor cannot keep the
    mean, because its probes cost too much.
    """
    chosen = fitted_on.choose(options, mean, cap)
    if mean is not None:
        shares, spent = fitted_on.shares, fitted_on.spent
        if sum(s * spent[b][o] for b, (s, o) in enumerate(zip(shares, chosen, strict=True))) > mean:
            return np.zeros(len(held_out.right))
    weights = np.array([fitted_on.weights.get(name, 0.0) for name in held_out.names])
    ease = held_out.known @ weights + fitted_on.constant
    at = np.array([chosen[fitted_on.bin(each)] for each in ease])
    rows = np.arange(len(at))
    return held_out.right[rows, at] * (held_out.spent[rows, at] <= (cap or np.inf))


def _validated(
    measured: Measured, options: Sequence[Option], bins: int, folds: int, budgets: Sequence[int]
) -> Predictor:
    """A predictor with the accuracies that it reached on folds it was not fitted on."""
    part = measured.which % folds  # the seeds of a problem stay together
    hits: dict[tuple[str, int], list[Floats]] = {}
    for fold in range(folds):
        fit = predictor(measured.take(np.flatnonzero(part != fold)), bins)
        held = measured.take(np.flatnonzero(part == fold))
        for budget in budgets:
            for kind, mean, cap in (("mean", budget, None), ("cap", None, budget)):
                found = promised(fit, options, held, mean, cap)
                hits.setdefault((kind, budget), []).append(found)
    tables = {
        kind: {b: float(np.concatenate(hits[kind, b]).mean()) for b in budgets}
        for kind in ("mean", "cap")
    }
    return replace(predictor(measured, bins), **tables)


@dataclass(frozen=True)
class _Probes(Sampler):
    """Draws the probes and nothing else."""

    count: int = 1

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        asked = {name: getattr(self, name) for name in Sampler.__dataclass_fields__}
        probing = Adaptive(plan=Plan.only(Option("self-consistency")), **asked)
        traces = await probing.probe(self.count, problem, ctx)
        return Solution(None, tuple(traces), None)


def _measure(
    task: Task, model: LanguageModel, options: Sequence[Option], probes: int, ask: Sampler,
    seeds: Sequence[int], concurrency: int,
) -> Measured:  # fmt: skip
    """Every option on every problem, by the strategy that will be used."""
    asked = {name: getattr(ask, name) for name in Sampler.__dataclass_fields__}
    arms = {
        str(i): Adaptive(plan=Plan.only(option, probes), **asked)
        for i, option in enumerate(options)
    }
    looking = {"probes": _Probes(count=probes, **asked)} if probes else {}
    report = compare(
        {**arms, **looking}, task, model, [Budget()], seeds,
        concurrency=concurrency, progress=False,
    )  # fmt: skip
    names = BEFORE + (PROBED if probes else ())
    if "logprobs" not in model.can:
        names = tuple(name for name in names if name != "likelihood")
    rows = [(problem, seed) for seed in seeds for problem in task.problems]
    cells = {arm: _by_place(report, arm) for arm in report.arms}
    rows = [at for at in rows if all((at[0].id, at[1]) in table for table in cells.values())]
    if len(rows) < 2:
        raise BadInput("fit_adaptive: no training problem could be run; the calls failed")
    known, probing, which = [], [], []
    number = {problem.id: index for index, problem in enumerate(task.problems)}
    for problem, seed in rows:
        cell = cells["probes"][problem.id, seed] if probes else None
        traces = () if cell is None else cell.traces
        question = task.render(problem, ask.format, model.dialect)
        seen = features(problem, task, question, traces)
        known.append([seen[name] for name in names])
        which.append(number[problem.id])
        probing.append(0.0 if cell is None else float(cell.tokens))
    table = [[cells[arm][problem.id, seed] for arm in arms] for problem, seed in rows]
    right = np.array([[float(cell.correct) for cell in row] for row in table])
    spent = np.array([[float(cell.tokens) for cell in row] for row in table])
    return Measured(
        probes, names, np.array(known), right, spent, np.array(probing), np.array(which)
    )


def _by_place(report: Report, arm: str) -> dict[tuple[str, int], Cell]:
    cells = report.select(arm, report.budgets[0])
    return {(cell.problem, cell.seed): cell for cell in cells if cell.state == "done"}
