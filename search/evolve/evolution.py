"""Evolution: a run as its user sees it, while it goes on and afterwards."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.discovery.base import Evaluation, Split
from evaluators.errors import BadInput
from reasoning.loop import Handle
from reasoning.loop import run as run_on_loop
from search.evolve.measured import Measured
from search.evolve.program import Program
from search.evolve.progress import Meter, Snapshot, Step, Watcher
from search.evolve.session import Plan, State, run_session

if TYPE_CHECKING:
    import networkx as nx

    from search.evolve.dashboard import Dashboard
    from search.evolve.report import EvolveReport


class Evolution:
    """A run of evolutionary code search. Made by `evolve`.

    `start` goes on in the background, `stop` ends it (what was committed stays, `start` goes on
    from there), `wait` returns it when it has ended. `best`, `history`, `snapshot()` and
    `lineage()` may be read at any time. Without `out` the run's folder is temporary and goes with
    this object.
    """

    def __init__(
        self,
        plan: Plan,
        out: str | Path | None = None,
        *,
        resume: bool = False,
        watcher: Watcher | None = None,
    ) -> None:
        self.plan, self.problem = plan, plan.problem
        self._resume, self._watcher = resume, watcher
        if out is None:
            self.folder = Path(tempfile.mkdtemp(prefix="evolution-"))
            weakref.finalize(self, shutil.rmtree, self.folder, True)
            self._resume = True  # `start` after `stop`
        else:
            self.folder = Path(out)
        self._state = self._fresh()
        self._handle: Handle[str] | None = None

    # -- running ----------------------------------------------------------------------

    def start(self) -> Evolution:
        """Go on in the background; returns at once. What cannot work raises in `wait`."""
        if self._handle is not None and not self._handle.done():
            return self
        work = self._session()
        self._handle = Handle(work, self.snapshot)
        return self

    def stop(self) -> None:
        """Ask the run to end now; returns at once, `wait` waits for the end."""
        if self._handle is not None:
            self._handle.stop()

    def done(self) -> bool:
        """Whether it has ended, or never began."""
        return self._handle is None or self._handle.done()

    def wait(self, timeout: float | None = None) -> Evolution:
        """This object, when the run has ended. Raises what the run raised, TimeoutError after
        `timeout` seconds (the run goes on)."""
        if self._handle is None:
            raise BadInput("this evolution has not been started: call start()")
        self._handle.result(timeout)
        return self

    def run(self) -> Evolution:
        """Run to the end. Ctrl-C stops it, keeps what was committed, and raises."""
        run_on_loop(self._session(stoppable=False))
        return self

    async def run_async(self) -> Evolution:
        """Run to the end on the caller's own event loop."""
        await self._session(stoppable=False)
        return self

    async def _session(self, stoppable: bool = True) -> str:
        self._state = self._fresh()
        resume, self._resume = self._resume, True
        try:
            return await run_session(self.plan, self.folder, resume, self._state)
        except asyncio.CancelledError:
            if stoppable:
                return "stopped"
            raise

    def _fresh(self) -> State:
        meter = Meter(self.plan.allowance.evaluations, self._watcher)
        return State(meter, Measured(self.problem))

    # -- what is there ----------------------------------------------------------------

    @property
    def best(self) -> Program | None:
        """The program that was chosen on validation; while the run goes on, the best by training
        score so far (None before the first). With its validation and held-out scores."""
        state = self._state
        if state.chosen is not None or state.database is None or state.database.best is None:
            return state.chosen
        return state.measured.told(state.database.best.program)

    @property
    def history(self) -> list[Step]:
        """One step each time an island's best score changed."""
        return self._state.meter.course()

    def snapshot(self) -> Snapshot:
        """Progress now."""
        return self._state.meter.snapshot()

    @property
    def report(self) -> EvolveReport:
        """Counts, times and scores of the run."""
        from search.evolve.report import report_of

        return report_of(self)

    def lineage(self) -> nx.DiGraph:
        """Every program with its parents, read from the log (see `search.evolve.lineage`)."""
        from search.evolve.lineage import lineage_of

        return lineage_of(self.folder, self.problem)

    def dashboard(self, **marks: float) -> Dashboard:
        """A live view for a notebook; `marks` are levels to compare with, by name."""
        from search.evolve.dashboard import Dashboard

        return Dashboard(self, marks)

    def spent(self) -> tuple[float, float, int, str]:
        """Processor seconds of this session beside the programs' own, the programs' own, how many
        workers were replaced, and the back-end of the sandbox."""
        state = self._state
        pool = state.pool
        replaced, backend = (pool.replaced, pool.backend) if pool else (0, "")
        return state.cpu, state.meter.programs_cpu, replaced, backend

    def measured(self) -> Mapping[tuple[str, Split], Evaluation]:
        """Evaluations beside the search: (number of a program or `baseline/NAME`, split)."""
        return dict(self._state.measured.found)
