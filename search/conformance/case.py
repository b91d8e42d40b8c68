"""Case: one small problem a strategy is run on, told in full, so that a finding can be repeated.

`replay(strategy, case)` runs it again and gives everything that was seen.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, cast

from reasoning.core import Context, LanguageModel, SeedPath, Solution
from reasoning.ledger import Budget, Ledger
from reasoning.logged import LoggedModel, responses
from reasoning.runlog import RunLog
from search.conformance.pace import Kind, Pace
from search.conformance.policies import Drawn, InTurn, Mostly, Policy, Sure
from search.conformance.process import Process
from search.conformance.scripted import ScriptedModel
from search.conformance.toy import ExactScorer, Seen, ToyTask

T = TypeVar("T")
Writes = Literal["drawn", "in turn", "sure", "mostly"]


@dataclass(frozen=True)
class Case:
    """A process, what the model writes (`policies.py`), what may be spent, when calls are answered,
    and the seed. `scorer` is given to a strategy that takes one: `exact`, or `charged`, which also
    spends tokens on reading.
    """

    process: Process
    writes: Writes = "drawn"
    tokens: int | None = None
    calls: int | None = None
    pace: Kind = "at once"
    seed: int = 0
    scorer: Literal["exact", "charged"] = "exact"
    favours: tuple[str, ...] = ()

    def policy(self) -> Policy:
        """A model's policy, fresh."""
        best = self.favours or (self.process.best,)
        if self.writes == "drawn":
            return Drawn()
        if self.writes == "in turn":
            return InTurn(best)
        return Sure(best[0]) if self.writes == "sure" else Mostly(best[0])


@dataclass
class Run:
    """What came of a case: the solution (None where the strategy raised `error`), the ledger, the
    model with all its calls, what the judges saw, and the responses as a run log would hold them.
    `running` calls were still under way when the strategy returned."""

    case: Case
    model: ScriptedModel
    ledger: Ledger
    seen: Seen
    solution: Solution | None = None
    error: BaseException | None = None
    running: int = 0
    log: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def made(self) -> Solution:
        """The solution. Raises what the strategy raised."""
        if self.error is not None:
            raise Broke(self.case, self.error) from self.error
        assert self.solution is not None
        return self.solution


class Broke(Exception):
    """A strategy that raised on a case."""

    def __init__(self, case: Case, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.case = case


class _Memory:
    """The part of a run log that a LoggedModel writes to."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []

    def append(self, kind: str, **data: Any) -> None:
        self.events.append(json.loads(json.dumps({"kind": kind, **data})))


async def solve(
    strategy: Any,
    case: Case,
    past: list[Mapping[str, Any]] | None = None,
    on_call: Callable[[], None] | None = None,
) -> Run:
    """The strategy on the case; with `past`, logged responses are answered from there and all
    others logged, as in a run. `on_call` is called at every call that is made."""
    seen = Seen()
    problem = case.process.problem("process")
    task = ToyTask("toy", (problem,), seen)
    model = ScriptedModel(case.process, case.policy(), Pace(case.pace))
    model.on_call = on_call
    ledger = Ledger(Budget(case.tokens, case.calls))
    run = Run(case, model, ledger, seen)
    asked: LanguageModel = cast(LanguageModel, model)
    memory = _Memory()
    if past is not None:
        known = responses(past, frozenset())
        asked = cast(LanguageModel, LoggedModel(asked, cast(RunLog, memory), "toy", known))
    ctx = Context(task, asked, ledger, SeedPath(case.seed, (problem.id,)))
    try:
        judged = judged_by(strategy, ExactScorer(seen, case.scorer == "charged"))
        run.solution = await judged.solve(problem, ctx)
        if not isinstance(run.solution, Solution):
            raise TypeError(f"solve must return a Solution, not {type(run.solution).__name__}")
    except Exception as error:
        run.error, run.solution = error, None
    run.running, run.log = model.running, memory.events
    return run


def replay(strategy: Any, case: Case) -> Run:
    """Run a case again, from a script, a notebook cell or any thread."""
    return away(lambda: asyncio.run(solve(strategy, case)))


def away(work: Callable[[], T]) -> T:
    """What the work returns, done in a thread of its own, where no event loop is running."""
    found: list[T] = []
    failed: list[BaseException] = []

    def body() -> None:
        try:
            found.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=body, name="conformance", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def takes_scorer(strategy: Any) -> bool:
    """Whether a scorer can be given to the strategy: its setting is called `scorer`."""
    return hasattr(strategy, "scorer")


def judged_by(strategy: Any, scorer: ExactScorer) -> Any:
    """The strategy with this scorer, where it takes one, and so the strategies it is made of."""
    if is_dataclass(strategy) and not isinstance(strategy, type):
        inner = {
            f.name: judged_by(value, scorer)
            for f in fields(strategy)
            if hasattr(value := getattr(strategy, f.name), "solve")
        }
        if takes_scorer(strategy):
            inner["scorer"] = scorer
        return replace(strategy, **inner) if inner else strategy
    if takes_scorer(strategy):
        strategy = copy(strategy)
        strategy.scorer = scorer
    return strategy
