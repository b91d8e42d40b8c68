"""Collection: the state of one collection of traces, and the runner that works on its problems."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, LabError
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.budget import refuse_uncountable
from reasoning.core import BadPrompt, Context, LanguageModel, SeedPath, Solution, Strategy
from reasoning.data.branches import TraceTree, taken
from reasoning.data.cache import Cache, Kept
from reasoning.data.code import code_of, models_of
from reasoning.data.progress import Collected, Meter, Watcher, watcher_of
from reasoning.data.purse import Purse
from reasoning.data.rows import TraceRow, digest, question
from reasoning.data.traces import FILE, Heard, Origin, Traces, rows_of, write
from reasoning.describe import describe
from reasoning.ledger import Budget, Ledger
from reasoning.logged import CallFailed, Responses
from reasoning.verify import JudgeFailed

HOPELESS = 8
"""When so many problems that were begun first have all failed, the fault is not theirs: raise."""


@dataclass(frozen=True)
class Item:
    """One run of the strategy on one problem. `key` finds its parsed rows, `scope` its responses;
    without a key (the code cannot be told) rows are always made anew."""

    problem: Problem
    question: dict[str, Any]
    seed: SeedPath
    scope: str
    key: str | None


class Collection:
    """The state of one collection. Made and checked here, run once by `run`."""

    def __init__(
        self, task: Task, model: LanguageModel, strategy: Strategy, runs: int = 1, *,
        out: str | Path | None = None, seed: int = 0, budget: int | Budget | None = None,
        concurrency: int = 64, progress: bool | Watcher | None = None, trees: bool = False,
        file: str | None = FILE,
    ) -> None:  # fmt: skip
        self.file = file
        self.task, self.model, self.strategy = task, model, strategy
        self.runs, self.seed, self.concurrency, self.trees = runs, seed, concurrency, trees
        self.out = None if out is None else Path(out)
        self.budget = budget if isinstance(budget, Budget) else Budget(tokens=budget)
        self._check()
        self._model = _plain(dict(model.fingerprint()))
        readers = [_plain(dict(each.fingerprint())) for each in models_of(strategy)]
        self._scope = digest([self._model, readers])
        judges = [task, task.verifier, task.step_verifier]
        self._judge = code_of(judges) or "unknown"
        self._code = code_of([*judges, strategy, Traces()])
        self.settings = self._settings()
        self.items = list(self._items())
        self._kept: dict[SeedPath, Kept] = {}
        self._errors: dict[SeedPath, str] = {}
        self._unpaid: set[SeedPath] = set()
        self._begun: list[SeedPath] = []
        self._fresh = 0
        self._run = Ledger(Budget(seconds=self.budget.seconds, dollars=self.budget.dollars))
        self._meter = Meter(len(self.items), watcher_of(progress))
        self._cache: Cache | None = None
        self._past: Responses = {}

    def snapshot(self) -> Collected:
        """Progress now."""
        return self._meter.snapshot()

    def traces(self) -> Traces:
        """The rows of what is done, in the order of the problems."""
        rows: list[TraceRow] = []
        trees: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for item in self.items:
            kept = self._kept.get(item.seed)
            if kept is not None:
                rows += kept.rows
                if kept.tree is not None:
                    trees[_place(item)] = TraceTree.from_json(kept.tree)
            elif item.seed in self._errors:
                errors[_place(item)] = self._errors[item.seed]
        return Traces(
            rows, errors=errors, unpaid=len(self._unpaid), spent=self._run.spent, trees=trees
        )

    async def run_until_stopped(self) -> Traces:
        """`run`, or what there is when it was cancelled."""
        try:
            return await self.run()
        except asyncio.CancelledError:
            return self.traces()

    async def run(self) -> Traces:
        """Work on every problem that is not done."""
        about = {"method": "collect", "task": self.task.name}
        with nullcontext() if self.out is None else Cache(self.out, about) as cache:
            self._cache = cache
            try:
                todo = iter(self._recall())
                workers = [
                    asyncio.create_task(self._worker(todo))
                    for _ in range(min(self.concurrency, len(self.items)))
                ]
                try:
                    await asyncio.gather(*workers)
                finally:
                    for worker in workers:
                        if not worker.cancelling():  # twice would cut the time to log what came
                            worker.cancel()
                    await asyncio.gather(*workers, return_exceptions=True)
            finally:
                self._meter.finish()
            traces = self.traces()
            if self.out is not None and self.file is not None:
                write(traces, self.out / self.file)
        return traces

    # -- inside -----------------------------------------------------------------------

    def _check(self) -> None:
        for what, given in (("task", self.task), ("model", self.model)):
            if isinstance(given, str):
                raise BadInput(
                    f"collect_traces takes a {what}, not its name: load_{what}({given!r})"
                )
        if not self.task.problems:
            raise BadInput(f"task {self.task.name!r} has no problems: load it with n=…")
        if self.concurrency < 1:
            raise BadInput(f"concurrency must be 1 or more, not {self.concurrency}")
        ids = [problem.id for problem in self.task.problems]
        if len(set(ids)) < len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise BadInput(f"task {self.task.name!r} has two problems {twice!r}: ids must differ")
        prepare = getattr(self.strategy, "prepare", None)
        if prepare is not None:
            prepare(self.task)
        needs = getattr(self.strategy, "needs", None)
        missing = sorted((frozenset() if needs is None else needs(self.task)) - self.model.can)
        if missing:
            raise BadInput(
                f"{type(self.strategy).__name__} needs a model that can {', '.join(missing)}, which"
                f" {self.model.name!r} cannot: use a local model, or another strategy"
            )
        refuse_uncountable(self.budget, self.model)

    def _settings(self) -> dict[str, Any]:
        """What decides the rows, beside the problem."""
        task = {f.name: getattr(self.task, f.name) for f in fields(self.task)}
        del task["problems"]
        return _plain({
            "strategy": describe(self.strategy),
            "seed": self.seed,
            "budget": asdict(self.budget),
            "task": [type(self.task).__name__, describe(task)],
            "judges": [describe(self.task.verifier), describe(self.task.step_verifier)],
            "model": self._model,
            "dialect": self.model.dialect,
            "trees": self.trees,
        })  # fmt: skip

    def _items(self) -> Iterator[Item]:
        for problem in self.task.problems:
            try:
                asked = json.loads(json.dumps(question(problem)))
            except (TypeError, ValueError) as error:
                raise BadInput(f"problem {problem.id!r} is no JSON: {error}") from error
            for at in range(self.runs):
                parts = (problem.id,) if at == 0 else (problem.id, "run", at)
                scope = f"{self._scope}|{SeedPath(self.seed, parts).text}"
                key = None
                if self._code is not None:
                    key = digest([self._code, self.settings, asked, at])
                yield Item(problem, asked, SeedPath(self.seed, parts), scope, key)

    def _recall(self) -> list[Item]:
        """Take what the folder has; returns the items that are left to do."""
        if self._cache is None:
            return self.items
        keys = {item.key: item.question for item in self.items if item.key is not None}
        known = self._cache.parsed(keys)
        left = []
        for item in self.items:
            kept = None if item.key is None else known.get(item.key)
            if kept is None:
                left.append(item)
                continue
            self._kept[item.seed] = kept
            self._run.carry(kept.spent)
            self._meter.add(kept.rows, 0, earlier=True)
        scopes = [item.scope for item in left]
        self._past = self._cache.responses(scopes)
        for row in self._cache.lost(scopes):
            self._run.carry(row)
        self._cache.log.append("session", settings=self.settings, code=self._code, runs=self.runs)
        return left

    async def _worker(self, todo: Iterator[Item]) -> None:
        for item in todo:
            await self._collect(item)

    async def _collect(self, item: Item) -> None:
        if len(self._begun) < HOPELESS:
            self._begun.append(item.seed)
        caps = self.budget
        ledger = Purse(Budget(caps.tokens, caps.calls, caps.flops), parent=self._run)
        log = None if self._cache is None else self._cache.log
        heard = Heard(self.model, log, item.scope, self._past)
        context = Context(self.task, heard, ledger, item.seed)
        try:
            solution = _sound(await self.strategy.solve(item.problem, context), self.strategy)
            rows = await rows_of(solution, item.problem, item.question, heard, self._origin)
        except (CallFailed, JudgeFailed) as error:
            self._fail(item, error)
            return
        tree = self._tree(solution, item) if self.trees else None
        kept = self._kept[item.seed] = Kept(tuple(rows), ledger.spent, tree)
        self._fresh += 1
        ended = solution.stopped_by != "budget" and rows
        if ledger.cut or (not ended and self._run.exhausted()):  # a later session may pay
            self._unpaid.add(item.seed)
        elif self._cache is not None and item.key is not None:
            self._cache.keep(item.key, item.scope, kept)
        self._meter.add(rows, ledger.spent.tokens)

    def _tree(self, solution: Solution, item: Item) -> dict[str, Any] | None:
        tree = taken(
            solution.tree, task=self.task.name, question=item.question, dialect=self.model.dialect,
            seed=self.seed, teacher=self._origin.teacher,
        )  # fmt: skip
        return None if tree is None else _plain(tree.to_json())

    def _fail(self, item: Item, error: LabError) -> None:
        self._errors[item.seed] = str(error)
        if self._cache is not None:
            self._cache.log.append("error", scope=item.scope, reason=str(error))
        self._meter.add((), 0, error=True)
        self._give_up_if_hopeless(error)

    def _give_up_if_hopeless(self, error: LabError) -> None:
        # Judged by those that were begun first: of those in flight the failing ones end first.
        first = self._begun[:HOPELESS]
        enough = len(first) == HOPELESS and all(seed in self._errors for seed in first)
        if isinstance(error.__cause__, BadPrompt):  # fails at once, before others are answered
            enough = len(self._errors) == len(self.items)
        if enough and not self._fresh:
            raise LabError(f"the first {len(self._errors)} problems all failed: {error}") from error

    @property
    def _origin(self) -> Origin:
        teacher = {
            "model": self.model.name, "fingerprint": digest(self._model),
            "strategy": type(self.strategy).__name__, "settings": self.settings["strategy"],
        }  # fmt: skip
        return Origin(self.task, self.seed, teacher, self._judge)


def _plain(value: Any) -> Any:
    """As JSON would give it back."""
    return json.loads(json.dumps(value, default=str))


def _place(item: Item) -> str:
    """The problem's id, with the number of the run where it is not the first."""
    return "/run/".join(map(str, (item.problem.id, *item.seed.parts[2:])))


def _sound(solution: Any, strategy: Strategy) -> Solution:
    if not isinstance(solution, Solution):
        raise BadInput(
            f"strategy {type(strategy).__name__} must return a Solution, not"
            f" {type(solution).__name__}"
        )
    return solution
