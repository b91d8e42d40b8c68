"""Comparison: the state of one comparison, and the runner that works on its cells.

One cell is one arm at one budget and seed on one problem. `concurrency` workers take the cells in
order; a settled cell is logged before it counts. Made by `search.compare`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, LabError
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Verdict
from reasoning.budget import refuse_uncountable
from reasoning.core import BadPrompt, Context, LanguageModel, SeedPath, Solution
from reasoning.describe import describe, fingerprint
from reasoning.ledger import Budget, Ledger, Row
from reasoning.logged import CallFailed, LoggedModel, responses
from reasoning.runlog import RunLog
from reasoning.verify import JudgeFailed, judge
from search.arms import Budgets, Strategies, listed_budgets, named_arms
from search.cell import Cell, budget_label, failed, scope, settled
from search.progress import Meter, Snapshot, Watcher, watcher_of
from search.report import Report
from search.strategies import knows, refuse_unfit
from search.trees import Trees

HOPELESS = 8
"""When so many cells that were begun first have all failed and none has succeeded, the fault is not
the problems': raise."""

Work = tuple[str, str, int, Problem]  # arm, budget, seed, problem


class Comparison:
    """The state of one comparison. Made and checked here, run once by `run`."""

    def __init__(
        self,
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
    ) -> None:
        self.task, self.model, self.out, self.resume = task, model, out, resume
        self.concurrency = concurrency
        self.arms = named_arms(strategies)
        self.budgets = {budget_label(b): b for b in listed_budgets(budgets)}
        self.seeds = (seeds,) if isinstance(seeds, int) else tuple(seeds)
        self._check()
        self._runs: dict[tuple[str, str, int], Ledger] = {}
        self.cells: dict[tuple[str, str, int, str], Cell] = {}
        self._first: list[tuple[str, str, int, str]] = []
        self.settings = self._settings()
        total = len(self.arms) * len(self.budgets) * len(self.seeds) * len(task.problems)
        places = product(self.arms, self.budgets)
        self._meter = Meter(places, total, watcher_of(progress))
        self._total, self._log, self._past, self._trees = total, None, {}, Trees(out)

    def snapshot(self) -> Snapshot:
        """Progress now."""
        return self._meter.snapshot()

    def report(self) -> Report:
        """The report of the cells that are settled."""
        cells = tuple(self.cells.values())
        return Report(dict(self.settings), cells, self._total, self.task, self._trees)

    async def run_until_stopped(self) -> Report:
        """`run`, or what there is when it was cancelled."""
        try:
            return await self.run()
        except asyncio.CancelledError:
            return self.report()

    async def run(self) -> Report:
        """Work on every cell that is not settled, and report."""
        if self.out is not None:
            self._log = RunLog(self.out, self.settings, resume=self.resume)
        try:
            self._recall()
            todo = iter(list(self._work()))
            width = min(self.concurrency, self._total)
            workers = [asyncio.create_task(self._worker(todo)) for _ in range(width)]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    if not worker.cancelling():  # twice would cut the time to log what came
                        worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        finally:
            if self._log is not None:
                self._log.close()
            self._meter.finish()
        return self.report()

    # -- inside -----------------------------------------------------------------------

    def _check(self) -> None:
        for what, given in (("task", self.task), ("model", self.model)):
            if isinstance(given, str):
                raise BadInput(f"compare takes a {what}, not its name: load_{what}({given!r})")
        if not self.arms:
            raise BadInput("compare needs at least one strategy")
        if not self.task.problems:
            raise BadInput(f"task {self.task.name!r} has no problems: load it with n=…")
        if self.concurrency < 1:
            raise BadInput(f"concurrency must be 1 or more, not {self.concurrency}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise BadInput(f"seeds must be different numbers, at least one: {list(self.seeds)}")
        ids = [problem.id for problem in self.task.problems]
        if len(set(ids)) < len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise BadInput(f"task {self.task.name!r} has two problems {twice!r}: ids must differ")
        for strategy in self.arms.values():
            refuse_unfit(strategy, self.task, self.model)
        for budget in self.budgets.values():
            refuse_uncountable(budget, self.model)

    def _settings(self) -> dict[str, Any]:
        return {
            "strategies": {name: describe(arm) for name, arm in self.arms.items()},
            "knows": {name: knows(arm, self.task) for name, arm in self.arms.items()},
            "budgets": {name: asdict(budget) for name, budget in self.budgets.items()},
            "seeds": list(self.seeds),
            "task": self.task.name,
            "problems": len(self.task.problems),
            "data": fingerprint(self.task.problems),
            "judges": [describe(self.task.verifier), describe(self.task.step_verifier)],
            "dialect": self.model.dialect,
            "model": json.loads(json.dumps(dict(self.model.fingerprint()), default=str)),
        }

    def _work(self) -> Iterator[Work]:
        for seed, budget, arm in product(self.seeds, self.budgets, self.arms):
            for problem in self.task.problems:
                place = (arm, budget, seed, problem.id)
                if place not in self.cells:
                    yield arm, budget, seed, problem

    def _recall(self) -> None:
        """Take settled cells and logged responses from an earlier session."""
        if self._log is None:
            return
        for event in self._log.events():
            if event["kind"] == "cell":
                cell = Cell.from_row(event)
                self.cells[cell.place] = cell
        self.cells = {at: cell for at, cell in self.cells.items() if cell.state == "done"}
        for cell in self.cells.values():
            self._meter.add(cell, earlier=True)
            self._run_ledger(cell.arm, cell.budget, cell.seed).carry(cell.as_charge())
        self._carry_lost()
        done = frozenset(scope(*place) for place in self.cells)
        self._past = responses(self._log.events(), done)

    def _carry_lost(self) -> None:
        """Charge the runs with what calls without an answer have cost in earlier sessions."""
        assert self._log is not None
        lost = [event for event in self._log.events() if event["kind"] == "lost"]
        if not lost:
            return
        places = product(self.arms, self.budgets, self.seeds, self.task.problems)
        runs = {scope(a, b, s, problem.id): (a, b, s) for a, b, s, problem in places}
        for event in lost:
            row = Row("lost", "", event["scope"], dollars=event["dollars"], lost="before")
            self._run_ledger(*runs[event["scope"]]).carry(row)

    def _run_ledger(self, arm: str, budget: str, seed: int) -> Ledger:
        """The caps on a whole run of one arm; its clock starts with the arm's first problem."""
        caps = self.budgets[budget]
        run_wide = Budget(seconds=caps.seconds, dollars=caps.dollars)
        return self._runs.setdefault((arm, budget, seed), Ledger(run_wide))

    async def _worker(self, todo: Iterator[Work]) -> None:
        for arm, budget, seed, problem in todo:
            cell = await self._solve(arm, budget, seed, problem)
            if self._log is not None:
                self._log.append("cell", **cell.to_row())
            self.cells[cell.place] = cell
            self._meter.add(cell)

    async def _solve(self, arm: str, budget: str, seed: int, problem: Problem) -> Cell:
        place, caps = (arm, budget, seed, problem.id), self.budgets[budget]
        if len(self._first) < HOPELESS:
            self._first.append(place)
        per_problem = Budget(caps.tokens, caps.calls, caps.flops)
        ledger = Ledger(per_problem, parent=self._run_ledger(arm, budget, seed))
        model = LoggedModel(self.model, self._log, scope(*place), self._past)
        events = self._events(scope(*place))
        context = Context(self.task, model, ledger, SeedPath(seed, (problem.id,)), events)
        began = time.monotonic()
        try:
            solution = await self.arms[arm].solve(problem, context)
            verdict = await self._verdict(problem, _sound(solution, arm))
        except (CallFailed, JudgeFailed) as error:
            self._give_up_if_hopeless(error, place)
            return failed(place, error, ledger, time.monotonic() - began)
        seconds = time.monotonic() - began
        self._trees.keep(place, solution.tree, self._log)
        return settled(place, solution, verdict, ledger, seconds)

    def _events(self, where: str) -> Callable[..., None]:
        """What a strategy reports of its progress, for the log."""

        def tell(kind: str, **data: Any) -> None:
            if self._log is not None and kind != "tree":  # a growing tree is for those who look on
                self._log.append("event", scope=where, name=kind, data=describe(data))

        return tell

    async def _verdict(self, problem: Problem, solution: Solution) -> Verdict:
        """The task's verdict on the chosen answer, for the accuracy: no arm knows it."""
        if solution.answer is None:
            return Verdict(0.0, False, None, "no answer")
        chosen = solution.chosen
        text = solution.answer if chosen is None else solution.traces[chosen].text
        return await judge(self.task.verifier, problem, text)

    def _give_up_if_hopeless(self, error: LabError, place: tuple[str, str, int, str]) -> None:
        # Judged by the cells that were begun first: of those in flight the failing ones end first.
        ended = {*self.cells, place}
        first = all(at in ended for at in self._first) and len(self._first) == HOPELESS
        # a long question fails at once, before any short one is answered: only all of them tell
        enough = len(ended) >= self._total if isinstance(error.__cause__, BadPrompt) else first
        if enough and all(cell.state == "error" for cell in self.cells.values()):
            raise LabError(f"the first {len(ended)} problems all failed: {error}") from error


def _sound(solution: Any, arm: str) -> Solution:
    """What a strategy returned. Raises BadInput where it is no Solution or names no trace."""
    if not isinstance(solution, Solution):
        raise BadInput(f"strategy {arm!r} must return a Solution, not {type(solution).__name__}")
    if solution.chosen is not None and not 0 <= solution.chosen < len(solution.traces):
        raise BadInput(
            f"strategy {arm!r} chose trace {solution.chosen} of {len(solution.traces)}: `chosen`"
            " counts from 0, None is no trace"
        )
    return solution
