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
from search import calls
from search.conformance.pace import Kind, Pace
from search.conformance.policies import Drawn, InTurn, Mostly, Policy, Sure
from search.conformance.process import Process
from search.conformance.scripted import ScriptedModel
from search.conformance.toy import ExactScorer, Seen, ToyTask
from search.scorers import SCORERS

T = TypeVar("T")
Writes = Literal["drawn", "in turn", "sure", "mostly"]


@dataclass(frozen=True)
class Case:
    """A process, what the model writes (`policies.py`), what may be spent, when calls are answered,
    and the seed. `scorer` is given to a strategy that takes one: `exact`, or `charged`, which also
    spends tokens on reading. `favours` are the paths that the model takes for right (by default
    the best one).
    """

    process: Process
    writes: Writes = "drawn"
    tokens: int | None = None
    calls: int | None = None
    pace: Kind = "at once"
    seed: int = 0
    scorer: Literal["exact", "charged"] = "exact"
    favours: tuple[str, ...] = ()
    dialect: Literal["compact", "plain"] = "compact"

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
    model.on_call, model.dialect = on_call, case.dialect
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


def scorers_of(strategy: Any) -> list[str]:
    """The settings of a strategy that hold a scorer, or the name of one."""
    if is_dataclass(strategy):
        named = {f.name: str(f.type) for f in fields(strategy) if f.init}
    else:
        named = dict.fromkeys(getattr(strategy, "__dict__", ()), "")
    return [name for name, kind in named.items() if _is_scorer(name, kind, getattr(strategy, name))]


def judged_by(strategy: Any, scorer: ExactScorer) -> Any:
    """The strategy with this scorer in place of every one that it has, and so the strategies that
    it is made of."""
    if not is_dataclass(strategy):
        changed = copy(strategy)
        for name in scorers_of(strategy):
            setattr(changed, name, scorer)
        return changed
    settings: dict[str, Any] = dict.fromkeys(scorers_of(strategy), scorer)
    for f in fields(strategy):
        if f.init and hasattr(getattr(strategy, f.name), "solve"):
            settings[f.name] = judged_by(getattr(strategy, f.name), scorer)
    return replace(cast(Any, strategy), **settings) if settings else strategy


def _is_scorer(name: str, kind: str, value: Any) -> bool:
    if isinstance(value, str) and ("Scorer" in kind or name == "scorer"):
        called = calls.read(value)
        return called is not None and called[0] in SCORERS
    return hasattr(value, "score") and hasattr(value, "scale")
