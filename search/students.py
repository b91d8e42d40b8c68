"""evaluate_students: what trained models are worth, side by side on the same problems.

Single-sample accuracy, pass@k, tokens a sample and calibration from independent samples; accuracy
under each strategy at equal budget; what they forgot of tasks they did not practise. Every student
sees the same problems and draws from the same seed paths; differences are paired by problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, UnknownName
from evaluators.tasks.base import Task
from reasoning.core import LanguageModel
from reasoning.ledger import Budget
from search.arms import Budgets, Strategies, named_arms
from search.comparison import compare
from search.progress import Watcher
from search.student_cost import Cost, cost_of
from search.student_report import StudentReport
from search.student_samples import JudgedSamples, measured

Students = Mapping[str, LanguageModel | str] | Sequence[LanguageModel | str] | LanguageModel
Tasks = Mapping[str, Task] | Sequence[Task] | Task


def evaluate_students(
    students: Students,
    tasks: Tasks,
    *,
    strategies: Strategies = (),
    budgets: Budgets = (),
    searched: Sequence[str] | None = None,
    elsewhere: Tasks = (),
    k: int = 16,
    ks: Sequence[int] = (4, 16),
    temperature: float = 1.0,
    seeds: Sequence[int] = (0,),
    baseline: str | None = None,
    costs: Mapping[str, Cost] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    concurrency: int = 64,
    progress: bool | Watcher | None = None,
) -> StudentReport:
    """Measure students on `tasks`, and what they kept of the tasks `elsewhere`.

    `students` are models or their names, by label where it is a mapping; `baseline` (default: the
    first) is what the others are compared with. `k` samples a problem are drawn at `temperature`,
    for pass@k with each of `ks` that is not above it. `strategies` run on `tasks` at each of
    `budgets` for the students `searched` (None: all); without budgets none runs. `costs` of
    making a student replace what its records say. `out` is a folder of run folders, where `resume`
    repeats no call that was answered. Raises LabError for what cannot work, before the first call
    where it can be known.
    """
    models = _labelled(students, "student")
    main, other = _labelled(tasks, "task"), _labelled(elsewhere, "task")
    if not models or not main:
        raise BadInput("evaluate_students needs at least one student and one task")
    if twice := sorted(set(main) & set(other)):
        raise BadInput(f"{twice[0]!r} is both practised and elsewhere: leave one of them out")
    first = next(iter(models)) if baseline is None else baseline
    if first not in models:
        raise BadInput(f"baseline {first!r} is none of the students: {', '.join(models)}")
    if costs and (unknown := sorted(set(costs) - set(models))):
        raise BadInput(f"costs name {unknown[0]!r}, which is none of {', '.join(models)}")
    for name in searched or ():
        if name not in models:
            raise UnknownName("student", name, models)
    drawer = JudgedSamples(k, temperature=temperature)
    arms = named_arms(strategies) if _any(strategies) and _any(budgets) else {}
    common: dict[str, Any] = {
        "seeds": seeds, "resume": resume, "concurrency": concurrency, "progress": progress
    }  # fmt: skip
    samples, searches, found = {}, {}, {}
    for name, given in models.items():
        model = _opened(given)
        try:
            found[name] = (costs or {}).get(name) or cost_of(given)
            for label, task in {**main, **other}.items():
                place = None if out is None else Path(out) / _file(name) / _file(label)
                report = compare(
                    {"samples": drawer}, task, model, Budget(),
                    out=None if place is None else place / "samples", **common,
                )  # fmt: skip
                cells = report.select("samples", report.budgets[0])
                samples[name, label] = measured(cells, task, [size for size in ks if size <= k])
                if arms and label in main and (searched is None or name in searched):
                    searches[name, label] = compare(
                        arms, task, model, budgets,
                        out=None if place is None else place / "search", **common,
                    )  # fmt: skip
        finally:
            if isinstance(given, str):
                _close(model)
    return StudentReport(
        tuple(models), tuple(main), tuple(other), first, k, temperature, samples, searches, found
    )


def _labelled(given: Any, what: str) -> dict[str, Any]:
    """By label: the mapping's, or names. Raises BadInput for two of one name."""
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, (str, Task)) or not isinstance(given, Sequence):
        given = [given]
    found: dict[str, Any] = {}
    for item in given:
        name = item if isinstance(item, str) else item.name
        if name in found:
            raise BadInput(f"two {what}s are called {name!r}: give them labels, {{'a': …}}")
        found[name] = item
    if what == "task" and (names := [name for name, one in found.items() if isinstance(one, str)]):
        raise BadInput(
            f"evaluate_students takes tasks, not their names: load_task({names[0]!r})"
        )  # fmt: skip
    return found


def _any(given: Any) -> bool:
    return not isinstance(given, (Sequence, Mapping)) or len(given) > 0


def _opened(given: LanguageModel | str) -> LanguageModel:
    from reasoning.models import load_model

    return load_model(given)


def _close(model: Any) -> None:
    close = getattr(model, "close", None)
    if close is not None:
        close()


def _file(label: str) -> str:
    """A label as the name of a folder: injective, and no path of its own."""
    kept = (c if c.isalnum() or c in "-_=.," else f"%{ord(c):x}%" for c in label)
    name = "".join(kept)
    return f"%{name}" if name.startswith(".") else name
