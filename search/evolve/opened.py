"""open_run: a run's folder as an Evolution to look at, also while another process writes it."""

from __future__ import annotations

from pathlib import Path

from evaluators.discovery.base import DiscoveryProblem
from evaluators.errors import BadInput
from reasoning.runlog import read_events, read_settings
from search.evolve.database import Database
from search.evolve.evolution import Evolution
from search.evolve.lineage import replayed
from search.evolve.measured import Measured
from search.evolve.progress import Meter
from search.evolve.session import State
from search.evolve.settings import Population
from search.evolve.verify import problem_of


class Opened(Evolution):
    """A run as its folder tells it at the time of opening; it cannot be started."""

    def __init__(self, folder: Path, problem: DiscoveryProblem, state: State) -> None:
        self.folder, self.problem, self._state, self._handle = folder, problem, state, None

    def start(self) -> Evolution:
        raise BadInput(
            f"{self.folder} was opened to be looked at; go on with evolve(…, out=…, resume=True)"
        )


def open_run(folder: str | Path, problem: DiscoveryProblem | None = None) -> Evolution:
    """The run in a folder: best, history, lineage, report, dashboard. `problem` is loaded as the
    run's settings name it, unless it is given. Raises BadInput for a folder without a run."""
    settings = read_settings(folder)
    problem = problem or problem_of(settings)
    last: dict[str, dict] = {}
    for event in read_events(folder):
        if event["kind"] in ("session", "best", "ended"):
            last[event["kind"]] = event
    total = last.get("session", {}).get("allowance", {}).get("evaluations")
    meter, measured = Meter(total, None), Measured(problem)
    measured.recall(read_events(folder))
    database = Database(problem, Population(**settings["population"]), settings["seed"])
    meter.attach(database, measured)
    state = State(meter, measured, database)
    chosen, seconds, tokens, dollars = last.get("best", {}).get("k"), 0.0, 0.0, 0.0
    for record, program, commit in replayed(read_events(folder), database):
        meter.add(record, program, commit, earlier=False)
        meter.proposed = program.k
        seconds = max(seconds, record.seconds)
        tokens += program.cost.get("tokens", 0)
        dollars += program.cost.get("dollars", 0)
        if program.k == chosen:
            state.chosen = program
    meter.spent = lambda: (int(tokens), dollars)
    if state.chosen is not None:
        state.chosen = measured.told(state.chosen)
    meter.close(last.get("ended", {}).get("by", "not finished"), seconds)
    return Opened(Path(folder), problem, state)
