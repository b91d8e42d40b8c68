"""compare: strategies x budgets x seeds x problems on one model, into a Report.

Many problems run at once, so that a local model decodes them in one batch and a server answers
them together. Settled cells and every response are logged when `out` names a folder; a run that was
stopped or killed is resumed from there. A failed call, a question that the model cannot read or a
verifier that breaks down makes its problem an `error`; what concerns every problem (a wrong name, a
wrong option, a full disk) raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, overload

from evaluators.tasks.base import Task
from reasoning.core import LanguageModel
from reasoning.loop import Handle, run
from search.arms import Budgets, Strategies
from search.progress import Watcher
from search.report import Report
from search.runner import Comparison


@overload
def compare(
    strategies: Strategies, task: Task, model: LanguageModel,
    budgets: Budgets, seeds: Sequence[int] = ..., *,
    out: str | Path | None = ..., resume: bool = ..., concurrency: int = ...,
    progress: bool | Watcher | None = ..., wait: Literal[True] = ...,
) -> Report: ...  # fmt: skip
@overload
def compare(
    strategies: Strategies, task: Task, model: LanguageModel,
    budgets: Budgets, seeds: Sequence[int] = ..., *,
    out: str | Path | None = ..., resume: bool = ..., concurrency: int = ...,
    progress: bool | Watcher | None = ..., wait: Literal[False],
) -> Running: ...  # fmt: skip
def compare(
    strategies: Strategies,
    task: Task,
    model: LanguageModel,
    budgets: Budgets,
    seeds: Sequence[int] = (0,),
    *,
    out: str | Path | None = None,
    resume: bool = False,
    concurrency: int = 64,
    progress: bool | Watcher | None = None,
    wait: bool = True,
) -> Report | Running:
    """Compare strategies at equal budgets on the task's problems.

    `strategies` are objects or texts (`"best-of-n(n=8)"`), or a dict that names them. `budgets`
    are generated tokens a problem, or Budget objects. `out` is a run folder; `resume` goes on with
    the one that is there, repeating no call that was answered. `concurrency` problems run at once.
    `progress`: None shows a line in a terminal, True always, False never; a function gets a
    Snapshot at most five times a second. With `wait=False` it returns at once, with a Running.
    Raises LabError for what cannot work, before the first call; Ctrl-C raises after what was
    answered has been logged.
    """
    comparison = Comparison(
        strategies, task, model, budgets, seeds,
        out=out, resume=resume, concurrency=concurrency, progress=progress,
    )  # fmt: skip
    return run(comparison.run()) if wait else Running(comparison)


async def compare_async(
    strategies: Strategies,
    task: Task,
    model: LanguageModel,
    budgets: Budgets,
    seeds: Sequence[int] = (0,),
    *,
    out: str | Path | None = None,
    resume: bool = False,
    concurrency: int = 64,
    progress: bool | Watcher | None = None,
) -> Report:
    """`compare` inside a coroutine, on the caller's own event loop."""
    comparison = Comparison(
        strategies, task, model, budgets, seeds,
        out=out, resume=resume, concurrency=concurrency, progress=progress,
    )  # fmt: skip
    return await comparison.run()


class Running(Handle[Report]):
    """A comparison in the background: `stop()`, `done()`, `progress`, `report()`, `result()`.

    After `stop`, `result` is the report of what had been settled (`complete` is False).
    """

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        super().__init__(comparison.run_until_stopped(), comparison.snapshot)

    def report(self) -> Report:
        """The report of what is settled by now."""
        return self._comparison.report()
