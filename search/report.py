"""Report: what a comparison measured, by arm and budget, with intervals, and down to each trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.errors import UnknownName
from evaluators.intervals import Interval, accuracy_interval, paired_bootstrap
from evaluators.tasks.base import Task
from evaluators.verdict import ORACLES
from reasoning.runlog import read_events, read_settings
from search import report_file
from search.cell import Cell
from search.table import Table
from search.trees import Trees, tree_of
from search.view import ProblemView

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from search.quality import ScorerQuality
    from search.tree.tree import SearchTree

RESAMPLING_SEED = 20_260
"""Intervals are drawn with this seed, so a report that is made twice is the same."""


@dataclass(frozen=True)
class Row:
    """One arm at one budget. Tokens, calls and seconds are means per problem; `accuracy` is over
    settled problems (None without one), `errors` counts the others."""

    arm: str
    budget: str
    knows: str
    accuracy: Interval | None
    settled: int
    errors: int
    prompt: float
    cached: float
    completion: float
    scored: float
    discarded: float
    lost: float
    calls: float
    seconds: float

    @property
    def oracle(self) -> bool:
        """Whether the answer was chosen by a judge that read or could compute it."""
        return self.knows in ORACLES

    @property
    def tokens(self) -> float:
        """Mean tokens that count against the budget."""
        return self.completion + self.scored + self.lost


@dataclass(frozen=True)
class Difference:
    """Accuracy of `arm` minus that of `baseline` on the problems that both settled."""

    arm: str
    baseline: str
    budget: str
    difference: Interval
    problems: int
    same_knowledge: bool


@dataclass(frozen=True)
class Report:
    """The cells of a comparison. `complete` unless it was stopped."""

    settings: Mapping[str, Any]
    cells: tuple[Cell, ...] = field(repr=False)
    total: int = 0
    task: Task | None = field(default=None, repr=False, compare=False)
    trees: Trees | None = field(default=None, repr=False, compare=False)

    @property
    def complete(self) -> bool:
        return len(self.cells) == self.total

    @property
    def arms(self) -> tuple[str, ...]:
        """Labels of the strategies, in the order given."""
        return tuple(self.settings["strategies"])

    @property
    def budgets(self) -> tuple[str, ...]:
        """Labels of the budgets, in the order given."""
        return tuple(self.settings["budgets"])

    def row(self, arm: str, budget: str | int) -> Row:
        """One arm at one budget. Raises UnknownName."""
        cells = self.select(arm, budget)
        done = [cell for cell in cells if cell.state == "done"]
        hits, problems = [float(c.correct) for c in done], [c.problem for c in done]
        accuracy = accuracy_interval(hits, _rng(), problems) if done else None

        def mean(name: str) -> float:
            return float(np.mean([getattr(cell, name) for cell in done])) if done else 0.0

        return Row(
            arm, str(budget), self.settings["knows"][arm], accuracy, len(done),
            len(cells) - len(done), *(mean(name) for name in _MEANS),
        )  # fmt: skip

    def rows(self) -> list[Row]:
        """Every arm at every budget that has a cell."""
        present = {(cell.arm, cell.budget) for cell in self.cells}
        return [
            self.row(arm, budget)
            for budget in self.budgets
            for arm in self.arms
            if (arm, budget) in present
        ]

    def select(self, arm: str, budget: str | int) -> list[Cell]:
        """The cells of one arm at one budget, in order of seed and problem. Raises UnknownName."""
        if arm not in self.arms:
            raise UnknownName("arm", arm, self.arms)
        if str(budget) not in self.budgets:
            raise UnknownName("budget", str(budget), self.budgets)
        found = [c for c in self.cells if c.arm == arm and c.budget == str(budget)]
        return sorted(found, key=lambda cell: (cell.seed, cell.problem))

    def differences(self, baseline: str | None = None) -> list[Difference]:
        """Each arm against `baseline` (default: the first arm) at each budget, paired by problem
        and seed, with 95 % bootstrap intervals over problems."""
        against = self.arms[0] if baseline is None else baseline
        pairs = [(b, arm) for b in self.budgets for arm in self.arms if arm != against]
        found = (self._difference(arm, against, budget) for budget, arm in pairs)
        return [difference for difference in found if difference is not None]

    def differences_table(self, baseline: str | None = None) -> Table:
        """`differences` as a table; arms whose judge knew something else are marked."""
        head = ("budget", "strategy", "minus", "difference", "95 % interval", "problems", "judges")
        rows = [
            (d.budget, d.arm, d.baseline, f"{d.difference.value:+.3f}",
             f"{d.difference.low:+.3f}..{d.difference.high:+.3f}", d.problems,
             "knew the same" if d.same_knowledge else "knew different things")
            for d in self.differences(baseline)
        ]  # fmt: skip
        return Table(head, rows, f"paired differences in accuracy, {self.caption()}")

    def _difference(self, arm: str, against: str, budget: str) -> Difference | None:
        base = {(c.problem, c.seed): c for c in self.select(against, budget) if c.state == "done"}
        mine = [
            cell
            for cell in self.select(arm, budget)
            if cell.state == "done" and (cell.problem, cell.seed) in base
        ]
        if not mine:
            return None
        first = [float(cell.correct) for cell in mine]
        second = [float(base[cell.problem, cell.seed].correct) for cell in mine]
        names = [cell.problem for cell in mine]
        known = self.settings["knows"]
        return Difference(
            arm, against, budget, paired_bootstrap(first, second, _rng(), names),
            len(set(names)), known[arm] == known[against],
        )  # fmt: skip

    def table(self) -> Table:
        """The numbers as a table: text when printed, HTML in a notebook. Its caption says why the
        first problem failed that did."""
        reasons = (cell.reason for cell in self.cells if cell.state == "error")
        why = next((f" (the first: {reason})" for reason in reasons), "")
        return Table(_HEAD, [_shown(row) for row in self.rows()], self.caption() + why)

    def caption(self) -> str:
        """Task, model, number of problems, what they cost in dollars, and what is missing."""
        problems, seeds = self.settings["problems"], len(self.settings["seeds"])
        text = f"{self.settings['task']}, model {self.settings['model'].get('name', '?')}: "
        text += f"{problems} problems" + (f" x {seeds} seeds" if seeds > 1 else "")
        dollars = sum(cell.dollars for cell in self.cells)
        text += f"; {dollars:.3g} dollars" if dollars else ""
        if not self.complete:
            text += f"; stopped: {len(self.cells)} of {self.total} settled"
        errors = sum(cell.state == "error" for cell in self.cells)
        return text + (f"; {errors} errors, not counted as wrong" if errors else "")

    def problem(self, problem: str, arm: str | None = None) -> ProblemView:
        """Everything that was done on one problem: traces with steps, verdicts and tokens. Raises
        UnknownName."""
        cells = [c for c in self.cells if c.problem == problem and arm in (None, c.arm)]
        if not cells:
            raise UnknownName("problem", problem, {cell.problem for cell in self.cells})
        cells.sort(key=lambda c: (self.budgets.index(c.budget), self.arms.index(c.arm), c.seed))
        return ProblemView(problem, tuple(cells), self.task)

    def tree(
        self, problem: str, arm: str | None = None, budget: str | int | None = None,
        seed: int | None = None,
    ) -> SearchTree:  # fmt: skip
        """The search tree of one problem, by default of the first arm that grew one, at the last
        budget and the first seed. Raises UnknownName, and BadInput where there is none."""
        return tree_of(self, problem, arm, budget, seed)

    def scorer_quality(self, arm: str, budget: str | int | None = None) -> ScorerQuality:
        """How good the arm's scorer was, at the last budget unless one is named: AUC, calibration
        and agreement with the verifier, what it knew and read. Raises UnknownName and BadInput."""
        from search.quality import quality_of

        return quality_of(self, arm, budget)

    def facts(self) -> list[dict[str, Any]]:
        """What is the same whenever the run is repeated or resumed: everything but times and what
        was cached."""
        places = sorted(self.cells, key=lambda cell: cell.place)
        return [cell.facts() for cell in places]

    def plot(self, path: str | Path | None = None) -> Figure:
        """Accuracy against generated tokens a problem, with intervals; saved if `path` is given."""
        from search.plot import draw

        figure = draw(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def to_csv(self, path: str | Path) -> None:
        """One line for every arm and budget, every number in a column of its own."""
        rows = [{**asdict(row), "oracle": row.oracle, "tokens": row.tokens} for row in self.rows()]
        for row in rows:
            interval = row.pop("accuracy") or {"value": "", "low": "", "high": ""}
            row.update({name: interval[key] for name, key in _BOUNDS})
        head = list(rows[0]) if rows else []
        Table(head, [[row[name] for name in head] for row in rows]).to_csv(path)

    def to_jsonl(self, path: str | Path) -> None:
        """The settings in the first line, then one cell a line; `load` reads it."""
        report_file.write(Path(path), self.settings, self.total, self.cells)

    @staticmethod
    def load(path: str | Path, task: Task | None = None) -> Report:
        """A report from a run folder (also one that is being written) or from a `to_jsonl` file.
        With `task`, drill-down shows the step verifier's verdicts. Raises BadInput."""
        if Path(path).is_dir():
            settings, events, trees = read_settings(path), read_events(path), Trees(path)
            count = (len(settings[k]) for k in ("strategies", "budgets", "seeds"))
            total = int(np.prod([*count, settings["problems"]]))
        else:
            (settings, total, events), trees = report_file.read(Path(path)), None
        last = {}
        for event in events:
            if event["kind"] == "cell":
                cell = Cell.from_row(event)
                last[cell.place] = cell
        return Report(settings, tuple(last.values()), total, task, trees)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def __str__(self) -> str:
        return str(self.table())


_MEANS = ("prompt", "cached", "completion", "scored", "wasted", "lost", "calls", "seconds")

_BOUNDS = (("accuracy", "value"), ("low", "low"), ("high", "high"))

_HEAD = ("budget", "strategy", "accuracy", "95 % interval", "knows", "tokens", "prompt", "cached",
         "completion", "scorer", "discarded", "lost", "calls", "seconds", "settled",
         "errors")  # fmt: skip


def _shown(row: Row) -> Sequence[str | float | int]:
    if row.accuracy is None:
        accuracy, interval = "-", "-"
    else:
        accuracy = f"{row.accuracy.value:.3f}"
        interval = f"{row.accuracy.low:.3f}..{row.accuracy.high:.3f}"
    return (
        row.budget, row.arm, accuracy, interval, row.knows + (" (oracle)" if row.oracle else ""),
        *(round(x, 1) for x in (row.tokens, row.prompt, row.cached, row.completion, row.scored,
                                row.discarded, row.lost, row.calls)),
        round(row.seconds, 3), row.settled, row.errors,
    )  # fmt: skip


def _rng() -> np.random.Generator:
    return np.random.default_rng(RESAMPLING_SEED)
