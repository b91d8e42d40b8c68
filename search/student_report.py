"""StudentReport: students side by side, with intervals and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isnan
from typing import Any

import numpy as np

from evaluators.errors import BadInput, UnknownName
from evaluators.intervals import Interval, paired_bootstrap
from evaluators.verdict import ORACLES
from search.report import Report
from search.student_cost import Cost
from search.student_samples import SEED, Sampled
from search.table import Table

SAMPLE = "one sample"
"""The arm of a point that is one sample without any search."""


@dataclass(frozen=True)
class Point:
    """A student under one way of answering: accuracy, and FLOPs of one answer (prompt included;
    tokens that a scorer reads count where its model tells its cost)."""

    student: str
    task: str
    arm: str
    budget: str
    knows: str
    accuracy: Interval
    flops: float
    tokens: float

    @property
    def oracle(self) -> bool:
        return self.knows in ORACLES


@dataclass(frozen=True)
class StudentReport:
    """What `evaluate_students` found. `samples` and `searches` are by student and task;
    `costs` are FLOPs of making each student."""

    students: tuple[str, ...]
    tasks: tuple[str, ...]
    elsewhere: tuple[str, ...]
    baseline: str
    k: int
    temperature: float
    samples: Mapping[tuple[str, str], Sampled] = field(repr=False)
    searches: Mapping[tuple[str, str], Report] = field(repr=False)
    costs: Mapping[str, Cost] = field(repr=False)

    def single(self, student: str, task: str) -> Interval:
        """Mean accuracy of one sample. Raises UnknownName."""
        return self.sampled(student, task).single

    def sampled(self, student: str, task: str) -> Sampled:
        """All figures of a student's samples on a task. Raises UnknownName."""
        if student not in self.students:
            raise UnknownName("student", student, self.students)
        if (student, task) not in self.samples:
            raise UnknownName("task", task, (*self.tasks, *self.elsewhere))
        return self.samples[student, task]

    def difference(
        self, student: str, task: str, k: int | None = None, against: str | None = None
    ) -> Interval | None:
        """Single-sample accuracy (or pass@`k`) minus that of `against` (default: the baseline),
        paired by problem; None where no problem was settled by both. Raises UnknownName."""
        mine, base = self.sampled(student, task), self.sampled(against or self.baseline, task)
        if k is not None and k not in mine.passed:
            raise UnknownName("pass@k", str(k), [str(size) for size in mine.passed])
        first = mine.shares if k is None else mine.passed[k]
        second = base.shares if k is None else base.passed[k]
        return _paired(first, second)

    def search_difference(
        self, student: str, task: str, arm: str, budget: str | int, against: str | None = None
    ) -> Interval | None:
        """Accuracy under one strategy at one budget minus that of another student, paired by
        problem and seed. Raises UnknownName, and BadInput where no strategy was run."""
        values = []
        for name in (student, against or self.baseline):
            if (name, task) not in self.searches:
                raise BadInput(
                    f"no strategy was run on {task} for {name}: give strategies, budgets"
                )
            cells = self.searches[name, task].select(arm, budget)
            values.append({(c.problem, c.seed): float(c.correct) for c in cells
                           if c.state == "done"})  # fmt: skip
        return _paired(*values, names=lambda place: place[0])

    def points(self) -> list[Point]:
        """Every student under one sample and under every strategy and budget."""
        found = []
        for (student, task), one in self.samples.items():
            if task in self.tasks:
                found.append(Point(student, task, SAMPLE, "", "nothing", one.single, one.flops,
                                   one.tokens.value))  # fmt: skip
        for (student, task), report in self.searches.items():
            for row in report.rows():
                cells = report.select(row.arm, row.budget)
                done = [cell.flops for cell in cells if cell.state == "done"]
                if row.accuracy is not None:
                    found.append(Point(student, task, row.arm, row.budget, row.knows, row.accuracy,
                                       float(np.mean(done)), row.tokens))  # fmt: skip
        return found

    def table(self) -> Table:
        """The samples: one row a student and practised task."""
        return self._samples_table(self.tasks, "")

    def forgetting(self) -> Table:
        """The same of the tasks elsewhere, with a word where the paired interval leaves 0 out."""
        return self._samples_table(self.elsewhere, "not practised; ")

    def calibration(self) -> Table:
        """Whether agreement among the samples orders right before wrong (AUC) and means what it
        says (expected calibration error); one row a student and task."""
        head = ("task", "student", "agreement AUC", "calibration error", "no answer")
        rows = []
        for task in (*self.tasks, *self.elsewhere):
            for student in self.students:
                one = self.samples[student, task]
                auc = None if one.agreement is None else one.agreement.auc
                rows.append((task, student, shown(auc), shown(one.error), f"{one.unanswered:.3f}"))
        caption = "the share of a problem's other samples that say the same, as a probability"
        return Table(head, rows, caption)

    def strategies_table(self) -> Table:
        """Accuracy under each strategy at each budget, one row a student."""
        head = ("task", "budget", "strategy", "knows", "student", "accuracy",
                f"minus {self.baseline}", "tokens", "errors")  # fmt: skip
        rows = []
        for task in self.tasks:
            reports = [(s, self.searches[s, task]) for s in self.students
                       if (s, task) in self.searches]  # fmt: skip
            if not reports:
                continue
            for row in reports[0][1].rows():
                for student, report in reports:
                    mine = report.row(row.arm, row.budget)
                    apart = None
                    if student != self.baseline and (self.baseline, task) in self.searches:
                        apart = self.search_difference(student, task, row.arm, row.budget)
                    knows = mine.knows + (" (oracle)" if mine.oracle else "")
                    rows.append((task, row.budget, row.arm, knows, student, shown(mine.accuracy),
                                 shown(apart, "+"), round(mine.tokens, 1),
                                 mine.errors))  # fmt: skip
        return Table(head, rows, "accuracy under search, at most so many tokens a problem")

    def costs_table(self) -> Table:
        """FLOPs of making each student."""
        head = ("student", "pretraining", "training", "teacher")
        rows = [(name, *(f"{x:.2e}" for x in (one.pretraining, one.training, one.teacher)))
                for name, one in self.costs.items()]  # fmt: skip
        return Table(head, rows, "floating-point operations of making each student")

    def to_json(self) -> dict[str, Any]:
        """Every figure as JSON values; values by problem and of empty bins are left out."""
        rows = []
        for (student, task), one in self.samples.items():
            row = {key: value for key, value in asdict(one).items()
                   if key not in ("shares", "passed", "lengths")}  # fmt: skip
            apart = None if student == self.baseline else self.difference(student, task)
            row["difference"] = None if apart is None else asdict(apart)
            rows.append({"student": student, "task": task, "practised": task in self.tasks, **row})
        return _numbers({
            "baseline": self.baseline, "k": self.k, "temperature": self.temperature,
            "samples": rows, "points": [asdict(point) for point in self.points()],
            "costs": {name: asdict(cost) for name, cost in self.costs.items()},
        })  # fmt: skip

    def __str__(self) -> str:
        parts = [self.table()]
        if self.elsewhere:
            parts.append(self.forgetting())
        parts.append(self.calibration())
        if self.searches:
            parts.append(self.strategies_table())
        return "\n\n".join(map(str, [*parts, self.costs_table()]))

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def _samples_table(self, tasks: Sequence[str], note: str) -> Table:
        ks = sorted({k for one in self.samples.values() for k in one.passes if k > 1})
        head = ("task", "student", "one sample", f"minus {self.baseline}", "",
                *(f"pass@{k}" for k in ks), "tokens", "errors")  # fmt: skip
        rows = []
        for task in tasks:
            for student in self.students:
                one = self.samples[student, task]
                apart = None if student == self.baseline else self.difference(student, task)
                rows.append((
                    task, student, shown(one.single), shown(apart, "+"), _word(apart),
                    *(shown(one.passes.get(k)) for k in ks), shown(one.tokens, places=1),
                    one.errors,
                ))  # fmt: skip
        caption = f"{note}{self.k} samples a problem at temperature {self.temperature:g}"
        return Table(head, rows, f"{caption}; in brackets 95 % intervals")


def _paired(
    first: Mapping[Any, float], second: Mapping[Any, float], names: Any = lambda place: place
) -> Interval | None:
    both = sorted(set(first) & set(second))
    if not both:
        return None
    return paired_bootstrap(
        [first[place] for place in both], [second[place] for place in both],
        np.random.default_rng(SEED), [names(place) for place in both],
    )  # fmt: skip


def shown(found: Interval | None, sign: str = "", places: int = 3) -> str:
    """`0.702 (0.671..0.733)`; `sign="+"` for a difference; `-` for None."""
    if found is None:
        return "-"
    form = f"{sign}.{places}f"
    return f"{found.value:{form}} ({found.low:{form}}..{found.high:{form}})"


def _word(apart: Interval | None) -> str:
    """`worse` or `better` where the interval leaves 0 out."""
    if apart is None or not apart.excludes(0.0):
        return ""
    return "better" if apart.value > 0 else "worse"


def _numbers(value: Any) -> Any:
    """JSON values with None for what is no number (the mean of an empty bin)."""
    if isinstance(value, Mapping):
        return {str(key): _numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_numbers(item) for item in value]
    return None if isinstance(value, float) and isnan(value) else value
