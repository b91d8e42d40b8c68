"""Accuracy against the length of a chain: over all chains, and inside each problem.

Over all chains length is confounded with difficulty: hard problems take long chains and are missed
more often. Inside one problem the difficulty is the same for every chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from evaluators.errors import BadInput
from evaluators.intervals import Interval, bootstrap_interval, wilson_interval
from search.report import Report

NEAR = 0.1
"""Within this share of the problem's median length a chain counts as `usual`."""

KINDS = ("shorter", "usual", "longer")


Row = tuple[str, int, bool]
"""(problem, tokens of a chain, whether it is right)"""


@dataclass(frozen=True)
class Chain:
    """One finished chain: its problem, its generated tokens, and whether its answer is right."""

    problem: str
    tokens: int
    right: bool


@dataclass(frozen=True)
class Bucket:
    """A value with its 95 % interval over problems, and the chains and problems behind it.
    `value` is `None` where there were no chains."""

    label: str
    value: Interval | None
    chains: int
    problems: int

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.label}: not measured"
        interval = f"{self.value.low:.2f} to {self.value.high:.2f}"
        return f"{self.label}: {self.value.value:.2f} ({interval}; {self.problems} problems)"


def bucket(label: str, hits: Mapping[str, bool]) -> Bucket:
    """The share of problems with a hit, one entry a problem, with Wilson's interval."""
    value = wilson_interval(sum(hits.values()), len(hits)) if hits else None
    return Bucket(label, value, len(hits), len(hits))


def chains_of(report: Report, arm: str, budget: str | int) -> list[Chain]:
    """The chains of an arm that ended by themselves, judged by the task's verifier.

    A chain that was cut is left out: its length is that of the cap, not its own. Raises BadInput
    for a report without its task.
    """
    if report.task is None:
        raise BadInput("the report does not hold its task: Report.load(path, task=…)")
    problems = {problem.id: problem for problem in report.task.problems}
    verifier = report.task.verifier
    return [
        Chain(
            cell.problem,
            trace.tokens,
            verifier.check(problems[cell.problem], trace.text).passed is True,
        )
        for cell in report.select(arm, budget)
        for trace in cell.traces
        if trace.finish == "eos"
    ]


def pooled(chains: Sequence[Chain], parts: int = 4) -> list[Bucket]:
    """Accuracy in `parts` buckets of about equally many chains, by length, all problems together.

    Chains of one length stay in one bucket. The problem is the unit of resampling.
    """
    if not chains:
        return []
    edges = np.quantile([c.tokens for c in chains], np.linspace(0, 1, parts + 1)[1:-1])
    places = [int(np.searchsorted(edges, c.tokens)) for c in chains]
    buckets = []
    for place in sorted(set(places)):
        held = [c for c, at in zip(chains, places, strict=True) if at == place]
        low, high = min(c.tokens for c in held), max(c.tokens for c in held)
        buckets.append(_bucket(f"{low}" if low == high else f"{low} to {high}", held))
    return buckets


def kind(chain: Chain, usual: float) -> str:
    """Whether a chain is shorter or longer than its problem's median length, or about `usual`."""
    if chain.tokens < (1 - NEAR) * usual:
        return "shorter"
    return "longer" if chain.tokens > (1 + NEAR) * usual else "usual"


def within(chains: Sequence[Chain]) -> list[Bucket]:
    """How much more accurate shorter and longer chains are than the usual ones of the same
    problem: the mean difference over the problems that have both."""
    by_problem: dict[str, list[Chain]] = {}
    for chain in chains:
        by_problem.setdefault(chain.problem, []).append(chain)
    found: dict[str, list[float]] = {"shorter": [], "longer": []}
    counts = dict.fromkeys(found, 0)
    for held in by_problem.values():
        usual = median(c.tokens for c in held)
        sorted_out = {name: [c for c in held if kind(c, usual) == name] for name in KINDS}
        for name, gaps in found.items():
            if sorted_out[name] and sorted_out["usual"]:
                gaps.append(_share(sorted_out[name]) - _share(sorted_out["usual"]))
                counts[name] += len(sorted_out[name])
    return [
        Bucket(name, bootstrap_interval(gaps, _rng()) if gaps else None, counts[name], len(gaps))
        for name, gaps in found.items()
    ]


def beside_usual(buckets: Sequence[Bucket]) -> str:
    """What `within` found, one line a kind: more accurate, less accurate, or not to be told apart
    from the usual chains of the same problems."""
    lines = []
    for each in buckets:
        if each.value is None:
            lines.append(f"{each.label} chains: no problem has them and usual ones")
            continue
        gap = each.value
        if gap.low > 0:
            verdict = "are more accurate than"
        else:
            verdict = "are less accurate than" if gap.high < 0 else "cannot be told apart from"
        lines.append(
            f"{each.label} chains {verdict} usual ones of the same problem ({gap.value:+.2f}, 95 %"
            f" interval {gap.low:+.2f} to {gap.high:+.2f}; {each.problems} problems)"
        )
    return "\n".join(lines)


def over_problems(
    statistic: Callable[[list[Row]], float | None], chains: Sequence[Chain], draws: int = 400
) -> Interval | None:
    """A statistic of rows (problem, tokens, right) with its percentile bootstrap interval over
    problems, or `None` where it has no value. A problem that is drawn twice counts as two.

    Draws without a value are left out. (Efron and Tibshirani 1993, chapter 13.)
    """
    held: dict[str, list[Chain]] = {}
    for chain in chains:
        held.setdefault(chain.problem, []).append(chain)
    value = statistic([(c.problem, c.tokens, c.right) for c in chains])
    if value is None:
        return None
    rng, names, found = _rng(), list(held), [value]
    for _ in range(draws):
        picks = rng.integers(len(names), size=len(names))
        drawn = statistic(
            [(f"{at}", c.tokens, c.right) for at, i in enumerate(picks) for c in held[names[i]]]
        )
        if drawn is not None:
            found.append(drawn)
    low, high = np.quantile(found, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _bucket(label: str, held: Sequence[Chain]) -> Bucket:
    names = [c.problem for c in held]
    value = bootstrap_interval([float(c.right) for c in held], _rng(), names)
    return Bucket(label, value, len(held), len(set(names)))


def _share(held: Sequence[Chain]) -> float:
    return sum(c.right for c in held) / len(held)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)
