"""Problems of several groups (difficulties, numbers of examples) in one run; results by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from evaluators.errors import BadInput
from evaluators.intervals import Interval, bootstrap_interval, wilson_interval
from evaluators.tasks.base import Task
from search.report import Report
from search.table import Table


@dataclass(frozen=True)
class Group:
    """One arm at one budget on one group of problems. `accuracy` (95 % interval) is over settled
    problems, `tokens` their mean spend."""

    name: str
    arm: str
    budget: str
    accuracy: Interval
    tokens: float
    problems: int


def mix(tasks: Mapping[str, Task]) -> Task:
    """The problems of several tasks of one kind as one task. Each problem gets the name of its
    group before its id and as `meta["group"]`. Raises BadInput for tasks of different kinds."""
    if len({type(task) for task in tasks.values()}) != 1:
        raise BadInput("mix takes one task or several of one kind")
    problems = [
        replace(problem, id=f"{name}/{problem.id}", meta={**problem.meta, "group": name})
        for name, task in tasks.items()
        for problem in task.problems
    ]
    return replace(next(iter(tasks.values())), problems=tuple(problems))


def by_group(report: Report) -> list[Group]:
    """Every arm at every budget on every group, in the order of the task's problems.

    A proportion over problems gets Wilson's interval; with several seeds the problems are
    resampled. Raises BadInput for a report without its task.
    """
    if report.task is None:
        raise BadInput("the report does not hold its task: Report.load(path, task=…)")
    group_of = {problem.id: str(problem.meta.get("group", "")) for problem in report.task.problems}
    found = []
    for row in report.rows():
        done = [c for c in report.select(row.arm, row.budget) if c.state == "done"]
        for name in dict.fromkeys(group_of.values()):
            held = [c for c in done if group_of[c.problem] == name]
            if not held:
                continue
            names = [c.problem for c in held]
            hits = [float(c.correct) for c in held]
            if len(set(names)) == len(names):
                accuracy = wilson_interval(int(sum(hits)), len(hits))
            else:
                accuracy = bootstrap_interval(hits, np.random.default_rng(0), names)
            tokens = float(np.mean([c.tokens for c in held]))
            found.append(Group(name, row.arm, row.budget, accuracy, tokens, len(set(names))))
    return found


def group_table(report: Report) -> Table:
    """`by_group` as a table."""
    head = ("group", "strategy", "budget", "accuracy", "95 % interval", "tokens", "problems")
    groups = by_group(report)
    order = {name: at for at, name in enumerate(dict.fromkeys(g.name for g in groups))}
    rows = [
        (g.name, g.arm, g.budget, f"{g.accuracy.value:.2f}",
         f"{g.accuracy.low:.2f}..{g.accuracy.high:.2f}", f"{g.tokens:.0f}", g.problems)
        for g in sorted(groups, key=lambda g: order[g.name])
    ]  # fmt: skip
    return Table(head, rows, report.caption())
