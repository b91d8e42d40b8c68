"""collect_traces: reasoning traces of a task's problems by any strategy, verified, as rows.

Many problems run at once, so that a local model decodes them in one batch and a server answers them
together. Every verdict is kept, wrong traces too: selecting comes after. With a folder every
response is logged when it comes, and the same call goes on after an interruption; see `cache.py`
for what is found again when prompts, models or code have changed.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, overload

from evaluators.errors import BadInput, UnknownName
from evaluators.tasks.base import Task
from reasoning.core import LanguageModel, Strategy
from reasoning.data.collection import Collection
from reasoning.data.progress import Watcher
from reasoning.data.samples import Samples
from reasoning.data.traces import FILE, Traces
from reasoning.ledger import Budget
from reasoning.loop import Handle, run

__all__ = ["FILE", "Collecting", "collect_traces", "collect_traces_async"]


@overload
def collect_traces(
    task: Task, model: LanguageModel, strategy: Strategy | None = ..., k: int | None = ..., *,
    out: str | Path | None = ..., seed: int = ..., budget: int | Budget | None = ...,
    concurrency: int = ..., progress: bool | Watcher | None = ..., trees: bool = ...,
    wait: Literal[True] = ..., **sampling: Any,
) -> Traces: ...  # fmt: skip
@overload
def collect_traces(
    task: Task, model: LanguageModel, strategy: Strategy | None = ..., k: int | None = ..., *,
    out: str | Path | None = ..., seed: int = ..., budget: int | Budget | None = ...,
    concurrency: int = ..., progress: bool | Watcher | None = ..., trees: bool = ...,
    wait: Literal[False], **sampling: Any,
) -> Collecting: ...  # fmt: skip
def collect_traces(
    task: Task, model: LanguageModel, strategy: Strategy | None = None, k: int | None = None, *,
    out: str | Path | None = None, seed: int = 0, budget: int | Budget | None = None,
    concurrency: int = 64, progress: bool | Watcher | None = None, trees: bool = False,
    wait: bool = True, **sampling: Any,
) -> Traces | Collecting:  # fmt: skip
    """Traces of every problem of the task, in the problems' order: a list of TraceRow.

    Without a strategy `k` (8) independent samples a problem; `sampling` are then settings of
    `Samples` (temperature, format, shots, …). A strategy runs `k` (1) times, and all its traces are
    rows. `budget` caps tokens, calls and flops of one run on one problem (a number means tokens),
    seconds and dollars of all. `out` is a folder where the same call goes on; it then also holds
    `traces.jsonl`. `concurrency` problems run at once. `trees` keeps the search trees of strategies
    that grow one. `progress`: None shows a line in a terminal, True always, False never; a function
    gets a `Collected` at most five times a second. With `wait=False` it returns a Collecting.

    A call or a verifier that fails makes its problem an error, counted in the result's `errors`;
    what concerns every problem (a wrong option, a full disk, a server that is not there) raises
    LabError. Ctrl-C raises after what was answered has been logged.
    """
    how = _strategy(strategy, k, sampling)
    runs = 1 if strategy is None or k is None else k
    collection = Collection(
        task, model, how, runs, out=out, seed=seed, budget=budget,
        concurrency=concurrency, progress=progress, trees=trees,
    )  # fmt: skip
    return run(collection.run()) if wait else Collecting(collection)


async def collect_traces_async(
    task: Task, model: LanguageModel, strategy: Strategy | None = None, k: int | None = None, *,
    out: str | Path | None = None, seed: int = 0, budget: int | Budget | None = None,
    concurrency: int = 64, progress: bool | Watcher | None = None, trees: bool = False,
    **sampling: Any,
) -> Traces:  # fmt: skip
    """`collect_traces` inside a coroutine, on the caller's own event loop."""
    how = _strategy(strategy, k, sampling)
    runs = 1 if strategy is None or k is None else k
    return await Collection(
        task, model, how, runs, out=out, seed=seed, budget=budget,
        concurrency=concurrency, progress=progress, trees=trees,
    ).run()  # fmt: skip


class Collecting(Handle[Traces]):
    """A collection in the background: `stop()`, `done()`, `progress`, `rows()`, `result()`.

    After `stop`, `result` holds the traces of the problems that were done.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        super().__init__(collection.run_until_stopped(), collection.snapshot)

    def rows(self) -> Traces:
        """The traces of the problems that are done by now."""
        return self._collection.traces()


def _strategy(strategy: Strategy | None, k: int | None, sampling: dict[str, Any]) -> Strategy:
    if strategy is None:
        known = [field.name for field in fields(Samples)]
        for name in sampling:
            if name not in known:
                raise UnknownName("setting of collect_traces", name, known)
        return Samples(8 if k is None else k, **sampling)
    if isinstance(strategy, (str, type)) or not isinstance(strategy, Strategy):
        raise BadInput(
            f"collect_traces takes a strategy object, such as BestOfN(8), not {strategy!r}"
            " (search.parse reads one from text)"
        )
    if sampling:
        raise BadInput(
            f"{', '.join(sampling)}: set on the strategy itself; here they are for plain samples"
        )
    if k is not None and k < 1:
        raise BadInput(f"k must be 1 or more runs of the strategy, not {k}")
    return strategy
