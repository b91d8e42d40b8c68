"""Session: opens the log, puts the parts of a run together, goes on to its end, closes all."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluators.discovery.base import DiscoveryProblem
from reasoning.core import LanguageModel
from reasoning.ledger import Budget, Ledger, Row
from reasoning.logged import Responses, responses
from reasoning.runlog import RunLog
from search.evolve.asking import Asker
from search.evolve.database import Database
from search.evolve.gate import Gate
from search.evolve.loop import Loop
from search.evolve.measured import Measured
from search.evolve.pool import Pool
from search.evolve.program import Program, Proposer
from search.evolve.progress import Meter
from search.evolve.record import Past, scope
from search.evolve.settings import Allowance, Population
from search.evolve.side import Side


@dataclass(frozen=True)
class Plan:
    """All that a run is made of. `settings` is what the log compares when a run is resumed."""

    problem: DiscoveryProblem
    proposer: Proposer
    model: LanguageModel | None
    population: Population
    allowance: Allowance
    seed: int
    window: int
    workers: int
    sandbox: str | None
    settings: dict[str, Any]


@dataclass
class State:
    """What can be seen of a session from outside while it runs."""

    meter: Meter
    measured: Measured
    database: Database | None = None
    chosen: Program | None = None
    pool: Pool | None = None
    cpu: float = field(default=0.0)


async def run_session(plan: Plan, folder: Path, resume: bool, state: State) -> str:
    """One session; returns what ended the run. Cancelled, it keeps what was committed."""
    log = RunLog(folder, plan.settings, resume=resume)
    began, ended = time.process_time(), "error"
    pool = None
    try:
        past = Past.of(log.events())
        database = Database(plan.problem, plan.population, plan.seed)
        meter = state.meter
        meter.before = past.seconds
        allowed = plan.allowance
        log.append("session", allowance=vars(allowed), workers=plan.workers)
        ledger = Ledger(Budget(tokens=allowed.tokens, seconds=allowed.seconds,
                               dollars=allowed.dollars))  # fmt: skip
        ledger.carry(_carried(past))
        answered: Responses = {}
        if plan.model is not None:
            settled = frozenset(map(scope, (*range(past.count), *past.ahead)))
            answered = responses(log.events(), settled)
        asker = Asker(plan.proposer, plan.model, Gate(ledger), log,
                      answered, plan.seed)  # fmt: skip
        failures: list[BaseException] = []
        loop: Loop | None = None

        def failed(error: BaseException) -> None:
            failures.append(error)
            if loop is not None:
                loop.fail(error)

        pool = Pool(plan.problem, plan.workers, plan.sandbox, failed, folder)
        side = Side(plan.problem, pool, log, state.measured, failed)
        state.measured.recall(log.events())
        loop = Loop(plan.problem, database, pool, asker, allowed, plan.window, meter, side.improved)
        meter.spent = lambda: (int(ledger.spent.tokens), float(ledger.spent.dollars))
        meter.attach(database, state.measured)
        state.database, state.pool = database, pool
        pool.start()
        try:
            reason = await loop.run(log, past)
            if failures:  # as the run was ending
                raise failures[0]
            finishing = asyncio.ensure_future(side.finish(database.finalists))
            loop.on_failure(finishing)
            try:
                state.chosen = await finishing
            except asyncio.CancelledError:
                if failures:
                    raise failures[0] from None
                raise
        finally:
            await side.cancel()
        ended = reason
        log.append("ended", by=ended)
        return ended
    except asyncio.CancelledError:
        ended = "stopped"
        raise
    except Exception as error:
        ended = str(error) or type(error).__name__
        raise
    finally:
        if pool is not None:
            state.cpu += pool.cpu
            pool.close()
        state.cpu += time.process_time() - began
        log.close()
        state.meter.finish(ended)


def _carried(past: Past) -> Row:
    cost = past.cost
    return Row(
        "carried", "", "", prompt=int(cost["prompt"]), completion=int(cost["completion"]),
        calls=int(cost["calls"]), dollars=cost["dollars"], tokens=int(cost["tokens"]),
    )  # fmt: skip
