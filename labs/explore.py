"""Searches of one problem that run in the background and can be watched while they grow.

    run = explore(["best-first", "beam"], task, model, problem, budget=512)
    run.stop(); run.wait()

Several strategies run side by side, each under a budget of its own. Each draws what it would draw
alone: the same seed paths, the same ledger.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import (
    Completion,
    Context,
    LanguageModel,
    Prompt,
    Sampling,
    SeedPath,
    Solution,
    Strategy,
)
from reasoning.ledger import Budget, Ledger
from reasoning.logged import LoggedModel
from reasoning.loop import start
from search.strategies import label, parse, refuse_unfit
from search.tree.tree import SearchTree


@dataclass(eq=False)
class Search:
    """One strategy at work on the problem. `tree` is there as soon as it has begun to grow one,
    `solution` when it has ended by itself, `error` where it failed."""

    name: str
    strategy: Strategy
    ledger: Ledger
    tree: SearchTree | None = None
    solution: Solution | None = None
    error: BaseException | None = field(default=None, repr=False)


class Exploration:
    """Strategies at work on one problem, in the background. Made by `explore`."""

    def __init__(
        self, searches: Sequence[Search], task: Task, model: LanguageModel, problem: Problem,
        seed: int, pace: float,
    ) -> None:  # fmt: skip
        self.searches, self.task, self.model, self.problem = tuple(searches), task, model, problem
        self.seed, self.stopped = seed, False
        self._states: dict[tuple[int, int], str | None] = {}
        self._handle = start(self._run(pace))

    @property
    def trees(self) -> list[SearchTree | None]:
        """The trees so far, in the order of the strategies."""
        return [search.tree for search in self.searches]

    @property
    def solutions(self) -> list[Solution | None]:
        """What has been answered so far, in the order of the strategies."""
        return [search.solution for search in self.searches]

    def done(self) -> bool:
        """Whether all have ended."""
        return self._handle.done()

    def stop(self) -> None:
        """Ask all to end, and return at once. What has grown stays."""
        if not self.done():
            self.stopped = True
            self._handle.stop()

    def wait(self, timeout: float | None = None) -> Exploration:
        """Wait for the end. Raises what a strategy raised, and TimeoutError after `timeout`
        seconds. In a cell: `await asyncio.to_thread(run.wait)`, so that Stop works meanwhile."""
        try:
            self._handle.result(timeout)
        except concurrent.futures.CancelledError:
            self.stopped = True
        return self

    def states(self, search: Search) -> dict[int, str]:
        """The state at every node of a search, as the task writes it; {} where it cannot."""
        found, tree, at = {}, search.tree, self.searches.index(search)
        for node in [] if tree is None else tree.nodes[:]:
            key = (at, node.id)
            if key not in self._states:
                texts = cast(SearchTree, tree).texts(node)
                self._states[key] = self.task.state_text(self.problem, texts)
            text = self._states[key]
            if text is not None:
                found[node.id] = text
        return found

    async def _run(self, pace: float) -> None:
        works = [asyncio.ensure_future(self._solve(search, pace)) for search in self.searches]
        try:
            await asyncio.gather(*works)
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    async def _solve(self, search: Search, pace: float) -> None:
        def look(kind: str, **data: Any) -> None:
            if kind == "tree":
                search.tree = data["tree"]

        model = cast(LanguageModel, Paced(self.model, pace)) if pace > 0 else self.model
        path = SeedPath(self.seed, (self.problem.id,))
        context = Context(self.task, LoggedModel(model), search.ledger, path, look)
        try:
            search.solution = await search.strategy.solve(self.problem, context)
            if isinstance(search.solution.tree, SearchTree):
                search.tree = search.solution.tree
        except Exception as error:
            search.error = error
            raise


class Paced:
    """A model that begins each wave of calls `pace` seconds late, so that eyes can follow."""

    def __init__(self, model: LanguageModel, pace: float) -> None:
        self._model, self._pace = model, pace
        self._wave: asyncio.Future[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        """As the model's own, after the pause. The calls of a wave go on in their order."""
        if self._wave is None or self._wave.done():
            self._wave = asyncio.ensure_future(asyncio.sleep(self._pace))
        await asyncio.shield(self._wave)
        return await self._model.generate(prompt, sampling, ledger, seed)


def explore(
    strategies: str | Strategy | Sequence[str | Strategy],
    task: Task,
    model: LanguageModel,
    problem: Problem | str | int = 0,
    *,
    budget: int | Budget = 512,
    seed: int = 0,
    pace: float = 0.0,
) -> Exploration:
    """Start searches of one problem in the background and return at once.

    `strategies` are one or several, as text or objects; `problem` is one of the task's, by itself,
    id or place in the list; `budget` are tokens for each strategy, or a Budget. `pace` is a pause
    in seconds before every wave of calls. Raises LabError for what cannot work, before any call.
    """
    several = isinstance(strategies, Sequence) and not isinstance(strategies, str)
    given: Any = strategies if several else [strategies]
    made = [parse(each) if isinstance(each, str) else each for each in given]
    if not made:
        raise BadInput("explore needs at least one strategy")
    if pace < 0:
        raise BadInput(f"pace is a pause in seconds, 0 or more, not {pace}")
    for strategy in made:
        refuse_unfit(strategy, task, model)
    caps = Budget(tokens=budget) if isinstance(budget, int) else budget
    searches = [Search(label(each), each, Ledger(caps)) for each in made]
    return Exploration(searches, task, model, problem_of(task, problem), seed, pace)


def problem_of(task: Task, problem: Problem | str | int) -> Problem:
    """A problem of the task by itself, its id, or its place. Raises BadInput."""
    if isinstance(problem, Problem):
        return problem
    if isinstance(problem, int):
        if not 0 <= problem < len(task.problems):
            raise BadInput(f"task {task.name!r} holds {len(task.problems)} problems, no {problem}")
        return task.problems[problem]
    found = next((each for each in task.problems if each.id == problem), None)
    if found is None:
        raise BadInput(f"task {task.name!r} holds no problem {problem!r}: its problems have ids"
                       f" such as {task.problems[0].id if task.problems else 'none'}")  # fmt: skip
    return found
