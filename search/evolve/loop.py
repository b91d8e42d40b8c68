"""The loop: proposals are made from the database as it was a window ago, and committed in order.

Proposal k is made when programs 0 … k-W are committed (0 alone for the first W), with draws from
(seed, k); results that come early wait. So what is proposed does not depend on which worker was
quicker, and the run is a function of the committed programs: a resumed run commits what the log
holds, makes the proposals in flight again, and goes on. Runs on one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from evaluators.discovery.base import DiscoveryProblem, Evaluation
from evaluators.errors import LabError
from reasoning.ledger import Ledger
from reasoning.logged import CallFailed
from reasoning.runlog import RunLog
from search.evolve.asking import Asker, cost_of
from search.evolve.database import Database, generator
from search.evolve.once import Once
from search.evolve.pool import Pool
from search.evolve.program import Program, Proposal, Request, duplicate
from search.evolve.progress import Meter
from search.evolve.record import KIND, Past, Record, in_order
from search.evolve.settings import Allowance
from search.evolve.streak import Streak

_BURST = 16  # commits before the event loop may see to others


@dataclass(eq=False)
class Slot:
    """A proposal in flight. `record` is there when its result is."""

    k: int
    island: int
    floor: float | None
    key: int = 0
    size: int = 0
    proposal: Proposal | None = None
    cost: dict[str, float] | None = None
    record: Record | None = None


class Loop:
    """One session of a run, from what the log holds to its end."""

    def __init__(
        self,
        problem: DiscoveryProblem,
        database: Database,
        pool: Pool,
        asker: Asker,
        allowance: Allowance,
        window: int,
        meter: Meter,
        improved: Callable[[Program], None],
    ) -> None:
        self.problem, self.database, self.pool, self.asker = problem, database, pool, asker
        self.allowance, self.window, self.meter = allowance, window, meter
        self._improved = improved
        self._slots: dict[int, Slot] = {}
        self._once = Once(problem, pool)
        self._tasks: set[asyncio.Future[Any]] = set()
        self._past: dict[int, Record] = {}
        self._closed = ""
        self._after: asyncio.Future[Any] | None = None
        self._pumping = False
        self._recalled = 0
        self._streak = Streak(window, allowance.evaluations)
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self, log: RunLog, past: Past) -> str:
        """Go on to the end; returns what ended it. Raises what concerns every proposal."""
        timer, loop = None, asyncio.get_running_loop()
        if self.allowance.seconds is not None:
            timer = loop.call_later(self.allowance.seconds, self.guarded, self._close, "seconds")
        try:
            await self._recall(log, past)
            self._pump()
            return await self._over
        finally:
            if timer is not None:
                timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def guarded(self, act: Callable[..., None], *arguments: Any) -> None:
        """Call from the event loop: an error ends the run."""
        if self._over.done():
            return
        try:
            act(*arguments)
        except BaseException as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the run with an error."""
        if not self._over.done():
            self._over.set_exception(error)
        elif self._after is not None:
            self._after.cancel()

    def on_failure(self, work: asyncio.Future[Any]) -> None:
        """Let a failure after the end of the run end this work as well."""
        self._after = work

    # -- from the log -----------------------------------------------------------------

    async def _recall(self, log: RunLog, past: Past) -> None:
        """Commit what the log holds, and make the proposals again that were in flight."""
        self._once.seen = past.seen
        self._past, self._recalled = dict(past.ahead), past.count
        self._pumping = True  # what is proposed on the way waits for all that is in the log
        for at, record in enumerate(islice(in_order(log.events()), past.count)):
            self._commit(record, earlier=True)
            if at % 256 == 0:
                await asyncio.sleep(0)
        self._pumping = False
        if self.database.best is not None:
            self._improved(self.database.best.program)
        if past.count == 0:
            self._begin_start()

    def _begin_start(self) -> None:
        slot = Slot(0, 0, None, proposal=Proposal(self.problem.start, origin="start"))
        self._slots[0] = slot
        self._proposed(slot)

    # -- proposing --------------------------------------------------------------------

    def _follow(self, committed: int) -> None:
        """Make the proposals that this commit makes possible and that are not in the database."""
        start = 1 if committed == 0 else committed + self.window
        for k in range(max(start, self._recalled), committed + self.window + 1):
            if not self._closed:
                self._begin(k)

    def _begin(self, k: int) -> None:
        """Make proposal `k` from the database as it is now."""
        if self.allowance.evaluations is not None and k > self.allowance.evaluations:
            self._close("evaluations")
            return
        home = self.database.home(k)
        island = self.database.islands[home]
        slot = Slot(k, home, self.database.floor(home))
        if k in self._past:
            self._place(slot, self._past.pop(k))
            return
        if not self._tasks and self.asker.ledger.exhausted():
            self._close(self.asker.used_up())
            return
        self._slots[k], self.meter.proposed = slot, k
        rng = generator(self.database.seed, k)
        parents = island.parents(self.asker.proposer.wants, rng)
        request = Request(k, self.problem, home, parents, 0, island.failure)
        attempts = self.database.settings.attempts
        try:
            answer, ledger = self.asker.ask(request, rng, attempts, self._once.known)
        except CallFailed as error:
            self._lose(slot, request, str(error), {})
            return
        if isinstance(answer, Proposal):
            slot.proposal, slot.cost = answer, cost_of(ledger)
            self._proposed(slot)
            return
        task = asyncio.ensure_future(self._await(slot, request, answer, ledger))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _await(
        self, slot: Slot, request: Request, answer: Awaitable[Proposal], ledger: Ledger
    ) -> None:
        try:
            slot.proposal = await answer
            slot.cost = cost_of(ledger)
            if slot.proposal.source is None and ledger.shortened:
                self._closed = self._closed or self.asker.used_up()
            self._proposed(slot)
        except CallFailed as error:
            self.guarded(self._lose, slot, request, str(error), cost_of(ledger))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.fail(error)

    def _place(self, slot: Slot, record: Record) -> None:
        """Take the result of a proposal from the log."""
        slot.record, slot.key = record, record.key
        self._slots[slot.k], self.meter.proposed = slot, slot.k
        if record.program.source is not None:
            self._once.seen.add(record.key, slot.k)

    def _lose(self, slot: Slot, request: Request, why: str, cost: dict[str, float]) -> None:
        """A model call failed: that is the proposal's state."""
        parents = tuple(parent.k for parent in request.parents)
        slot.proposal = Proposal(None, parents, self.asker.proposer.name, why)
        slot.cost = cost
        self._settle(slot, None, lost=True)

    # -- evaluating -------------------------------------------------------------------

    def _proposed(self, slot: Slot) -> None:
        """Evaluate what was proposed, unless an earlier proposal has the same syntax."""
        assert slot.proposal is not None
        source = slot.proposal.source
        if source is None:
            self._settle(slot, None)
            return
        slot.key, slot.size = self._once.syntax(source)

        def done(evaluation: Evaluation | None, retried: bool) -> None:
            if not self._over.done():
                self._settle(slot, evaluation, retried=retried)

        self._once.evaluate(slot.k, source, slot.floor, done)

    def _settle(
        self,
        slot: Slot,
        evaluation: Evaluation | None,
        *,
        lost: bool = False,
        retried: bool = False,
    ) -> None:
        """Log a result, and commit what is next in order."""
        proposal = slot.proposal
        assert proposal is not None
        if slot.k == 0 and (evaluation is None or evaluation.score is None):
            why = evaluation.reason or evaluation.verdict if evaluation else "no source"
            raise LabError(
                f"the starting program of {self.problem.name} has no score: {why}; mend it first"
                " (reasonlab evolve --check FILE says more)"
            )
        program = Program(
            slot.k, proposal.source, slot.island, proposal.parents, proposal.origin, evaluation,
            proposal.reason, prompt=proposal.prompt, response=proposal.response, lost=lost,
            cost=slot.cost or {},
        )  # fmt: skip
        seconds = self.meter.before + self.meter.seconds
        backend = self.pool.backend if evaluation is not None else ""
        slot.record = Record(program, slot.key, slot.size, seconds, retried, backend)
        if self.asker.log is not None:
            self.asker.log.append(KIND, **slot.record.to_row())
        self._pump()

    # -- committing -------------------------------------------------------------------

    def _pump(self) -> None:
        """Commit every program whose turn it is."""
        if self._pumping:
            return
        self._pumping = True
        try:
            for _ in range(_BURST):
                slot = self._slots.get(self.database.commits)
                if slot is None or slot.record is None:
                    break
                del self._slots[slot.k]
                self._once.committed(slot.k, slot.key)
                self._commit(slot.record, earlier=False)
            else:
                asyncio.get_running_loop().call_soon(self.guarded, self._pump)
        finally:
            self._pumping = False
        if self._closed and not self._slots and not self._over.done():
            self._over.set_result(self._closed)

    def _commit(self, record: Record, earlier: bool) -> None:
        program = record.program
        first = self._once.seen.first(record.key) if program.source is not None else None
        if first is not None and first < program.k:
            program = duplicate(program, first)
        commit = self.database.commit(program, record.size)
        if commit.twin is not None:
            program = replace(program, duplicate_of=commit.twin)
        self.meter.add(record, program, commit, earlier)
        self._streak.add(program, earlier)
        if self._streak.dry:
            self._closed = self._closed or "nothing new"
        if commit.improved and not earlier:
            self._improved(program)
        self._follow(program.k)

    def _close(self, why: str) -> None:
        """Make no more proposals; the run ends when those in flight are committed."""
        self._closed = self._closed or why
        self._pump()
