"""The built-in proposer at work: what it finds with the database, and in a whole run."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import cloudpickle
import numpy as np
import pytest

from evaluators.discovery.base import DiscoveryProblem, Evaluation, Split
from search import evolve
from search.evolve.database import Database, generator
from search.evolve.mutate import Mutator
from search.evolve.program import Program, Request
from search.evolve.settings import Population
from search.evolve.syntax import syntax_key

cloudpickle.register_pickle_by_value(sys.modules[__name__])

X = np.linspace(-2.0, 3.0, 11)


class Curve(DiscoveryProblem):
    """The mean distance of f(x) from a curve at a few points; programs are the mutator's own, so
    the test runs them without a sandbox."""

    name, function, direction = "curve", "f", "minimise"
    skeleton, description = "import numpy as np\n\n\ndef f(x):\n    return 0\n", "fit the curve"

    def __init__(self, target: str) -> None:
        self.wanted = eval(target, {"np": np, "x": X})

    @property
    def start(self) -> str:
        return "def f(x):\n    return 0\n"

    def instances(self, split: Split) -> Sequence[str]:
        return ["all"]

    def evaluate(
        self, source: str, sandbox: Any, split: Split = "train", floor: float | None = None
    ) -> Evaluation:
        space: dict[str, Any] = {"np": np}
        with np.errstate(all="ignore"):
            try:
                exec(source, space)
                distance = np.mean(np.abs(space["f"](X) - self.wanted))
            except ArithmeticError:
                return Evaluation("exception")
        if not np.isfinite(distance):
            return Evaluation("invalid")
        score = round(float(distance), 12)
        return Evaluation("ok", score, (score,), behaviour=repr(score))

    def fingerprint(self) -> Mapping[str, Any]:
        return {"wanted": self.wanted.tolist()}


def solve(problem, most, seed):
    """How many programs it took to fit exactly; `most` where they were not enough."""
    mutator = Mutator()
    database = Database(problem, Population.of(dict(mutator.prefers)), seed)
    source, origin, parents = problem.start, "start", ()
    for k in range(most):
        made = Program(k, source, 0, parents, origin, problem.evaluate(source, None))
        database.commit(made, syntax_key(source)[1])
        if made.score == 0:
            return k
        rng = generator(seed, k)
        picked = database.islands[0].parents(2, rng)
        proposal = mutator.propose(Request(k + 1, problem, 0, picked), rng)
        assert proposal.source is not None
        source, origin, parents = proposal.source, proposal.origin, proposal.parents
    return most


@pytest.mark.parametrize(
    ("target", "most", "seed"),
    [("x**2 + x", 400, 0), ("2 * x + 7", 3000, 0), ("np.where(x < 1, 5, x)", 3000, 2)],
)
def test_it_finds_a_curve_exactly_from_return_0(target, most, seed):
    assert solve(Curve(target), most, seed) < most


def test_a_whole_run_finds_a_curve_exactly_and_twice_the_same_way():
    runs = [evolve(Curve("x**2 + x"), "mutate", evaluations=900, workers=1, seed=3) for _ in "ab"]
    first, second = (run.best for run in runs)
    assert first is not None and second is not None
    assert first.score == 0
    assert (first.source, first.k) == (second.source, second.k)
    assert "selection" in str(runs[0].plan.settings["population"])
    assert runs[0].plan.population.selection == "tournament"
