"""What independent samples of a model say: single-sample accuracy, pass@k, tokens an answer, and
whether agreement among the samples means what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.calibration import BINS, Calibration, calibration
from evaluators.errors import BadInput
from evaluators.intervals import Interval, bootstrap_interval, wilson_interval
from evaluators.metrics import pass_at_k
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import Context, Solution, Trace
from reasoning.verify import judge
from search.cell import Cell
from search.sampler import Sampler, refuse_greedy, waves

SEED = 20_261
"""Intervals are drawn with this seed, so that they are the same when they are made twice."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JudgedSamples(Sampler):
    """`n` independent samples, each with its verdict; it answers with the first."""

    n: int = 16
    temperature: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n < 1:
            raise BadInput(f"samples: n must be 1 or more, not {self.n}")
        if self.n > 1:
            refuse_greedy(self, "samples")

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """All samples in order; a trace without an answer has no verdict."""
        prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
        traces: list[Trace] = []
        async for wave in waves(prompt, sampling, problem, ctx, n=self.n):
            for trace in wave:
                if trace.answer is not None:
                    said = await judge(ctx.task.verifier, problem, trace.text)
                    trace = replace(trace, verdict=said)
                traces.append(trace)
        first = 0 if traces and traces[0].answer is not None else None
        answer = None if first is None else traces[0].answer
        return Solution(answer, tuple(traces), first)


@dataclass(frozen=True)
class Sampled:
    """One student on one task. `single` is the mean accuracy of one sample, `passes` pass@k by k,
    `tokens` generated in a sample, `flops` spent on it (its prompt included), `unanswered` the
    share of samples without an answer.

    `agreement` sets the share of a problem's other samples with the same answer, as a probability,
    against whether the sample is right (`None` where no sample has an answer); `error` is its
    expected calibration error with an interval over problems. `shares`, `passed` and `lengths` are
    the values by problem, for pairing.
    """

    problems: int
    samples: int
    errors: int
    single: Interval
    passes: Mapping[int, Interval]
    tokens: Interval
    flops: float
    unanswered: float
    agreement: Calibration | None
    error: Interval | None
    shares: Mapping[str, float] = field(repr=False, default_factory=dict)
    passed: Mapping[int, Mapping[str, float]] = field(repr=False, default_factory=dict)
    lengths: Mapping[str, float] = field(repr=False, default_factory=dict)


def measured(cells: Sequence[Cell], task: Task, ks: Sequence[int]) -> Sampled:
    """The figures of the cells of a `JudgedSamples` arm; the samples of a problem's several cells
    (seeds) are taken together. Raises BadInput for a k above the samples, and where no problem was
    settled."""
    groups: dict[str, list[Trace]] = {}
    spent: dict[str, float] = {}
    for cell in cells:
        if cell.state == "done":
            groups.setdefault(cell.problem, []).extend(cell.traces)
            spent[cell.problem] = spent.get(cell.problem, 0.0) + cell.flops
    if not groups:
        reason = next((cell.reason for cell in cells), "there are no cells")
        raise BadInput(f"no problem of {task.name} was settled: {reason}")
    n = np.array([len(group) for group in groups.values()])
    right = np.array([sum(map(_right, group)) for group in groups.values()])
    too_many = [k for k in ks if k < 1 or k > n.min()]
    if too_many:
        raise BadInput(f"pass@{too_many[0]} needs as many samples a problem, not {n.min()}")
    shares = dict(zip(groups, (right / n).tolist(), strict=True))
    passed = {k: dict(zip(groups, pass_at_k(n, right, k).tolist(), strict=True)) for k in ks}
    lengths = {name: float(np.mean([t.tokens for t in group])) for name, group in groups.items()}
    said, true, names = _agreement(groups, task)
    return Sampled(
        problems=len(groups),
        samples=int(n.sum()),
        errors=len({c.problem for c in cells} - set(groups)),
        single=interval(list(shares.values())),
        passes={k: interval(list(values.values())) for k, values in passed.items()},
        tokens=interval(list(lengths.values())),
        flops=sum(spent.values()) / int(n.sum()),
        unanswered=float(np.mean([t.answer is None for g in groups.values() for t in g])),
        agreement=calibration(said, true, names) if said else None,
        error=error_interval(said, true, names) if said else None,
        shares=shares,
        passed=passed,
        lengths=lengths,
    )


def interval(values: Sequence[float]) -> Interval:
    """The mean over problems with its bootstrap interval; where all are 0 or all are 1, that would
    have no width, and Wilson's over the problems stands in its place."""
    if set(values) in ({0.0}, {1.0}):
        return wilson_interval(round(sum(values)), len(values))
    return bootstrap_interval(values, np.random.default_rng(SEED))


def error_interval(
    said: Sequence[float], right: Sequence[bool], problems: Sequence[Hashable],
    resamples: int = 2000, bins: int = BINS,
) -> Interval:  # fmt: skip
    """The expected calibration error with its percentile bootstrap interval over problems.

    The error is a sum of absolute values, so chance makes that of a resample greater: the interval
    is widened to hold the value, and that of a perfectly calibrated model need not reach 0.
    """
    numbers: dict[Hashable, int] = {}
    row = np.array([numbers.setdefault(name, len(numbers)) for name in problems])
    values = np.asarray(said, dtype=float)
    edges = np.arange(bins) / bins
    column = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, bins - 1)
    gaps, counts = np.zeros((len(numbers), bins)), np.zeros(len(numbers))
    np.add.at(gaps, (row, column), values - np.asarray(right, dtype=float))
    np.add.at(counts, row, 1.0)
    rng = np.random.default_rng(SEED)
    each = np.full(len(numbers), 1 / len(numbers))
    weights = rng.multinomial(len(numbers), each, size=resamples)  # (resamples, problems)
    errors = np.abs(weights @ gaps).sum(axis=1) / (weights @ counts)
    low, high = np.quantile(errors, [0.025, 0.975])
    value = float(np.abs(gaps.sum(axis=0)).sum() / counts.sum())
    return Interval(value, min(value, float(low)), max(value, float(high)))


def _right(trace: Trace) -> bool:
    return trace.verdict is not None and trace.verdict.passed is True


def _agreement(
    groups: Mapping[str, Sequence[Trace]], task: Task
) -> tuple[list[float], list[bool], list[str]]:
    """For each sample with an answer: the share of the problem's other samples (those without an
    answer among them) that say the same, whether it is right, and its problem."""
    problems = {problem.id: problem for problem in task.problems}
    said: list[float] = []
    true: list[bool] = []
    names: list[str] = []
    for name, group in groups.items():
        keys: list[Any] = [
            None if t.answer is None else task.answer_key(problems[name], t.text) for t in group
        ]
        votes = Counter(key for key in keys if key is not None)
        if len(group) < 2:
            continue
        for trace, key in zip(group, keys, strict=True):
            if key is not None:
                said.append((votes[key] - 1) / (len(group) - 1))
                true.append(_right(trace))
                names.append(name)
    return said, true, names
