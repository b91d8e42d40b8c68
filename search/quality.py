"""How good the scorer of an arm was: its scores against the verdicts on what it rated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.agreement import Agreement, agreement
from evaluators.calibration import Calibration, calibration, within
from evaluators.errors import BadInput
from evaluators.intervals import Interval, bootstrap_interval
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.verify import verdict_of
from search.cell import Cell, scope

if TYPE_CHECKING:
    from search.report import Report
    from search.tree.tree import SearchTree

SEED = 20_260
"""Intervals are drawn with this seed, so that they are the same when they are made twice."""

Rated = tuple[str, float, bool]  # problem, score, whether it is right


@dataclass(frozen=True)
class ScorerQuality:
    """What the scorer of `arm` knew, cost and was worth at `budget`.

    `finished` sets its scores of finished traces against the verifier's verdicts, `inside` is their
    mean AUC within a problem (that of the traces among which it has to choose), `agreement` its
    decisions (a score of `accept` or more) against the verifier's. `steps` sets its scores of
    unfinished traces in the trees against the exact value, where the task can tell it. Calibration
    and agreement are for scores in 0..1; other scales have an AUC only. `read` are the tokens that
    scorers read a problem; `unscored` finished traces have no score.
    """

    arm: str
    budget: str
    knows: str
    read: float
    problems: int
    unscored: int
    finished: Calibration | None
    inside: Interval | None
    agreement: Agreement | None
    steps: Calibration | None
    accept: float

    def __str__(self) -> str:
        lines = [
            f"{self.arm} at {self.budget}: its judge knows {self.knows} and read {self.read:.1f}"
            f" tokens a problem; {self.problems} problems"
        ]
        if self.finished is not None:
            inside = "" if self.inside is None else f", within a problem {_shown(self.inside)}"
            lines.append(f"  finished traces: {_told(self.finished)}{inside}")
        if self.agreement is not None and self.agreement.accuracy is not None:
            lines.append(
                f"  with the verifier, accepting from {self.accept:g}: agrees on"
                f" {_shown(self.agreement.accuracy)}, kappa {self.agreement.kappa:.3f}"
            )
        if self.steps is not None:
            lines.append(f"  unfinished traces against the exact value: {_told(self.steps)}")
        if self.unscored:
            lines.append(f"  {self.unscored} finished traces without a score")
        return "\n".join(lines)

    __repr__ = __str__


def quality_of(
    report: Report, arm: str, budget: str | int | None = None, accept: float = 0.5
) -> ScorerQuality:
    """The quality of an arm's scorer at one budget (default: the last). Raises UnknownName, and
    BadInput where the report lacks its task or no trace has a score."""
    if report.task is None:
        raise BadInput("the report does not hold its task: Report.load(path, task=...)")
    label = report.budgets[-1] if budget is None else str(budget)
    cells = [cell for cell in report.select(arm, label) if cell.state == "done"]
    problems = {problem.id: problem for problem in report.task.problems}
    rated, unscored = _finished(cells, problems, report.task)
    steps = _steps(report, cells, problems)
    if not rated and not steps:
        raise BadInput(
            f"{arm} at {label} left no scored trace: take an arm with a scorer, such as best-of-n"
        )
    names = [name for name, _, _ in rated]
    scores, right = [score for _, score, _ in rated], [good for _, _, good in rated]
    areas = list(within(scores, right, names).values())
    rng = np.random.default_rng(SEED)
    unit = all(0 <= score <= 1 for score in scores)
    return ScorerQuality(
        arm, label, report.settings["knows"][arm],
        float(np.mean([cell.scored for cell in cells])), len({cell.problem for cell in cells}),
        unscored, _measured(rated), bootstrap_interval(areas, rng) if areas else None,
        agreement([score >= accept for score in scores], right) if rated and unit else None,
        _measured(steps), accept,
    )  # fmt: skip


def _measured(rated: list[Rated]) -> Calibration | None:
    if not rated:
        return None
    names, scores, right = zip(*rated, strict=True)
    unit = all(0 <= score <= 1 for score in scores)
    return calibration(scores, right, names, probabilities=unit)


def _finished(
    cells: list[Cell], problems: dict[str, Problem], task: Task
) -> tuple[list[Rated], int]:
    rated: list[Rated] = []
    unscored = 0
    for cell in cells:
        judged: dict[str, bool] = {}
        for trace in cell.traces:
            if trace.finish != "eos" or trace.score is None:
                unscored += trace.finish == "eos"
                continue
            if trace.text not in judged:
                check = partial(verdict_of, task.verifier, problems[cell.problem])
                verdict = trace.verdict or check(trace.text)
                judged[trace.text] = verdict.passed is True
            rated.append((cell.problem, trace.score, judged[trace.text]))
    return rated, unscored


def _steps(report: Report, cells: list[Cell], problems: dict[str, Problem]) -> list[Rated]:
    """The scored nodes that end no trace, against the exact value of where they stand."""
    if report.trees is None or report.task is None or type(report.task).value is Task.value:
        return []
    wanted = {scope(*cell.place): problems[cell.problem] for cell in cells}
    found: dict[str, list[Rated]] = {}
    for name, tree in report.trees.every():
        if name in wanted:  # of two trees of a cell that was resumed, the last one counts
            found[name] = list(_valued(tree, wanted[name], report.task))
    return [rated for name in wanted for rated in found.get(name, [])]


def _valued(tree: SearchTree, problem: Problem, task: Task) -> Iterator[Rated]:
    for node in tree.nodes[1:]:
        if node.score is None or node.over or node.whole or node.same_as >= 0:
            continue
        value = task.value(problem, tree.texts(node))
        if value is not None:
            yield problem.id, node.score, value >= 0.5


def _told(found: Calibration) -> str:
    text = f"{found.n}, {found.base:.3f} right"
    if found.auc is not None:
        text += f", AUC {_shown(found.auc)}"
    if found.bins:
        text += f", Brier {found.brier:.3f}, calibration error {found.ece:.3f}"
    return text


def _shown(found: Any) -> str:
    return f"{found.value:.3f} ({found.low:.3f}..{found.high:.3f})"
