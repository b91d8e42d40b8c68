"""Plan: what an adaptive strategy has learned, as plain data: how to predict the difficulty of a
problem, and what every option solves and spends at each difficulty.

Difficulty is predicted from what is known before a problem is solved: the length of the question,
its numbers and operations, and, of a few probe samples, their likelihood and whether they agree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import log
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import Trace
from search.allocate import allocate, bin_of
from search.vote import tally

BEFORE = ("length", "operations", "numbers")
"""Features of the question alone."""

PROBED = ("likelihood", "agreement", "spread")
"""Features of the probe samples beside those."""


def features(
    problem: Problem, task: Task, question: str, probes: Sequence[Trace]
) -> dict[str, float]:
    """What is known of a problem: `length` of the rendered question in characters, how many
    `operations` and `numbers` stand in it; of the probes the mean log-probability of a token
    (`likelihood`), the share of the leading answer (`agreement`), and the number of different
    answers (`spread`). Never the reference answer."""
    found = {
        "length": float(len(question)),
        "operations": float(len(re.findall(r"[-+*/×÷]", question))),
        "numbers": float(len(re.findall(r"\d+", question))),
    }
    if not probes:
        return found
    told = [(t.logprob, t.tokens) for t in probes if t.logprob is not None]
    tokens = sum(count for _, count in told)
    groups = tally(probes, problem, task)
    leading = len(groups[0].members) if groups else 0
    return {
        **found,
        "likelihood": sum(value for value, _ in told) / tokens if tokens else 0.0,
        "agreement": leading / len(probes),
        "spread": float(len(groups)),
    }


@dataclass(frozen=True)
class Option:
    """A strategy as text, and the most tokens that it may spend on one problem, probes included
    (None: what the budget allows)."""

    strategy: str
    tokens: int | None = None


@dataclass(frozen=True)
class Predictor:
    """One way to predict difficulty, and what was measured with it.

    `probes` samples are drawn first. The prediction is `constant` plus the sum of `weights` times
    features: the greater, the easier. `borders` cut it into bins; `shares` (bins,), `accuracy` and
    `spent` (bins, options) were measured on training problems, `probing` is what the probes spent
    on nearly all (95 %) of them. `mean` and `cap` are the accuracies that the allocation reached on
    training problems that it was not fitted on, by budget in tokens: under that mean, and under
    that cap on every problem.
    """

    probes: int
    weights: Mapping[str, float]
    constant: float
    borders: tuple[float, ...]
    shares: tuple[float, ...]
    accuracy: tuple[tuple[float, ...], ...]
    spent: tuple[tuple[float, ...], ...]
    probing: float = 0.0
    mean: Mapping[int, float] = field(default_factory=dict)
    cap: Mapping[int, float] = field(default_factory=dict)

    def predict(self, known: Mapping[str, float]) -> float:
        """The predicted ease of a problem with these features."""
        return self.constant + sum(w * known[name] for name, w in self.weights.items())

    def bin(self, ease: float) -> int:
        """The bin of a prediction; 0 holds the hardest problems."""
        return bin_of(ease, self.borders)

    def choose(
        self, options: Sequence[Option], mean: float | None, cap: int | None
    ) -> tuple[int, ...]:
        """The option of each bin, under a mean spend, a cap on each problem, or both."""
        able = [i for i, o in enumerate(options) if cap is None or (o.tokens or 0) <= cap]
        if not able:  # all are cut by the cap: the smallest is
            able = [min(range(len(options)), key=lambda i: options[i].tokens or 0)]
        right = [[row[i] for i in able] for row in self.accuracy]
        spent = [[row[i] for i in able] for row in self.spent]
        limit = float("inf") if mean is None else mean
        return tuple(able[i] for i in allocate(self.shares, right, spent, limit))


@dataclass(frozen=True)
class Plan:
    """The options, and the predictors among which a budget chooses. `made` says of what it was
    fitted: task, problems, model, seeds."""

    options: tuple[Option, ...]
    predictors: tuple[Predictor, ...]
    made: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def only(option: Option, probes: int = 0) -> Plan:
        """The plan that always takes this option."""
        rest = Predictor(probes, {}, 0.0, (), (1.0,), ((1.0,),), ((0.0,),))
        return Plan((option,), (rest,))

    def choose(self, mean: float | None, cap: int | None) -> tuple[Predictor, tuple[Option, ...]]:
        """The predictor that did best at this budget, and the option of each of its bins. One
        whose probes would use up half the cap is not taken where another is there."""
        light = [p for p in self.predictors if cap is None or p.probing <= cap / 2]

        def promise(predictor: Predictor) -> float:
            table = predictor.cap if mean is None else predictor.mean
            goal = cap if mean is None else mean
            if not table:
                return 0.0
            if goal is None:
                return table[max(table)]
            return table[min(table, key=lambda b: abs(log(b / max(goal, 1))))]

        best = max(light or self.predictors, key=promise)
        return best, tuple(self.options[i] for i in best.choose(self.options, mean, cap))

    # -- files ------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the plan as JSON."""
        Path(path).write_text(json.dumps({"kind": "plan", **asdict(self)}, indent=1) + "\n")

    @staticmethod
    def load(path: str | Path) -> Plan:
        """A plan from its file. Raises BadInput for a file that holds none."""
        try:
            row = json.loads(Path(path).read_text("utf-8"))
            if row.pop("kind") != "plan":
                raise ValueError("its kind is not 'plan'")
            options = tuple(Option(**option) for option in row["options"])
            if not options or not row["predictors"]:
                raise ValueError("it has no options or no predictors")
            return Plan(options, tuple(_predictor(p) for p in row["predictors"]), row["made"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(
                f"{path} is no plan ({error}): make one with fit_adaptive(…) and its save(…)"
            ) from error


def _predictor(row: Mapping[str, Any]) -> Predictor:
    tables: dict[str, Any] = {
        name: {int(b): v for b, v in row[name].items()} for name in ("mean", "cap")
    }
    for name in ("accuracy", "spent"):
        tables[name] = tuple(tuple(line) for line in row[name])
    for name in ("borders", "shares"):
        tables[name] = tuple(row[name])
    return Predictor(**{**row, **tables})
