"""Sentences about a comparison, chosen by its measured differences and their intervals.

Nothing is claimed in advance: each function looks at the points, finds the case that its question
asks for, and says so; or says that there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluators.errors import BadInput
from evaluators.intervals import Interval, paired_bootstrap

if TYPE_CHECKING:
    from search.report import Report

GROWTH = 1.25
"""From this ratio of mean tokens on, a larger budget counts as more compute spent."""

Gaps = Mapping[tuple[str, int], Interval]
NO_GAPS: Gaps = {}

KNOWN = {
    "reference": "reads the answer",
    "solution": "could compute the answer",
    "check": "can only check",
    "nothing": "knows nothing",
}


@dataclass(frozen=True)
class Point:
    """One arm at one budget: `correct` maps (problem id, seed) to 0 or 1, `tokens` is the mean
    generated and scored per problem, `knows` what the arm's judge knew."""

    task: str
    strategy: str
    budget: int
    knows: str
    correct: Mapping[tuple[str, int], float]
    tokens: float

    @property
    def accuracy(self) -> float:
        """The share of problems answered rightly."""
        return float(np.mean(list(self.correct.values())))


def points_of(report: Report) -> list[Point]:
    """Every arm at every budget of a report whose budgets are numbers of tokens."""
    found = []
    for row in report.rows():
        done = [c for c in report.select(row.arm, row.budget) if c.state == "done"]
        correct = {(c.problem, c.seed): float(c.correct) for c in done}
        task = report.settings["task"]
        found.append(Point(task, row.arm, int(row.budget), row.knows, correct, row.tokens))
    return found


def difference(a: Point, b: Point) -> Interval | None:
    """Accuracy of `a` minus that of `b` on the runs both have, with its paired 95 % interval.

    `None` when they share no run. Problems are resampled as a whole, with all their seeds.
    """
    keys = sorted(a.correct.keys() & b.correct.keys())
    if not keys:
        return None
    rng = np.random.default_rng(0)
    left, right = [a.correct[k] for k in keys], [b.correct[k] for k in keys]
    return paired_bootstrap(left, right, rng, clusters=[problem for problem, _ in keys])


def three_sentences(points: Sequence[Point], a: str, b: str, equal: Gaps = NO_GAPS) -> list[str]:
    """Where compute helps most, how arms `a` and `b` of equal knowledge compare, where it does not
    help."""
    return [most_gain(points), duel(points, a, b, equal), no_gain(points)]


def even_spend(report: Report, a: str, b: str) -> str:
    """Arm `a` against `b` at equal mean tokens, one line a budget of `a`; or why there is none."""
    from search.equal_tokens import at_equal_tokens

    try:
        found = at_equal_tokens(report, a, b)
    except BadInput as error:
        return f"not measured: {error}"
    return "\n".join(map(str, found)) or f"{a} never spent what {b} was measured at"


def most_gain(points: Sequence[Point]) -> str:
    """The arm that gains most from its smallest to its largest budget."""
    ends = [(first, last) for first, *_, last in _ladders(points)]
    found = [(gain, first, last) for first, last in ends if (gain := difference(last, first))]
    if not found:
        return "No arm ran at two budgets on the same problems, so no gain can be measured."
    gain, first, last = max(found, key=lambda f: f[0].value)
    path = (
        f"on {last.task}, {last.strategy} goes from {_share(first.accuracy)} at {first.budget} to"
        f" {_share(last.accuracy)} at {last.budget} tokens a problem ({_change(gain)})"
    )
    if gain.low > 0:
        return f"More compute helps most here: {path}; its judge {_knows(last)}."
    return f"No arm gains measurably from more compute; the largest difference: {path}."


def duel(points: Sequence[Point], a: str, b: str, equal: Gaps = NO_GAPS) -> str:
    """Arms `a` and `b` on every task at the middle budget that both ran at, if they know the same.

    `equal` holds their difference at equal mean tokens, by (task, budget), where it was measured.
    """
    parts = []
    for task in dict.fromkeys(point.task for point in points):
        mine = {p.budget: p for p in points if (p.task, p.strategy) == (task, a)}
        other = {p.budget: p for p in points if (p.task, p.strategy) == (task, b)}
        shared = sorted(mine.keys() & other.keys())
        if not shared:
            continue
        budget = shared[len(shared) // 2]
        x, y = mine[budget], other[budget]
        gap = difference(x, y)
        if x.knows != y.knows:
            parts.append(f"on {task} their judges do not know the same, so nothing is claimed")
        elif gap is not None:
            even = equal.get((task, budget))
            spent = f"; at equal mean tokens {_change(even)}" if even else ""
            parts.append(
                f"on {task}, where the judge {_knows(x)}, {a} {_compared(gap)} {b}"
                f" ({_share(x.accuracy)} and {_share(y.accuracy)} at {budget} tokens, mean spent"
                f" {x.tokens:.0f} and {y.tokens:.0f}; {_change(gap)}{spent})"
            )
    if not parts:
        return f"{a} and {b} did not both run, so they are not compared."
    return f"At equal cap and equal knowledge: {'; '.join(parts)}."


def against(points: Sequence[Point], base: str) -> str:
    """Every other arm beside arm `base` under the same cap, one line each: ahead, behind, or not
    to be told apart; nothing is claimed where their judges do not know the same."""
    bases = {(p.task, p.budget): p for p in points if p.strategy == base}
    lines = []
    for point in points:
        other = bases.get((point.task, point.budget))
        if point.strategy == base or other is None:
            continue
        gap = difference(point, other)
        if point.knows != other.knows:
            said = f"is not compared with {base!r}: their judges do not know the same"
        elif gap is None:
            said = f"is not compared with {base!r}: no problem was answered by both"
        else:
            said = f"{_compared(gap)} {base!r} ({_change(gap)})"
        lines.append(f"under a cap of {point.budget} tokens {point.strategy!r} {said}")
    return "\n".join(lines) or f"nothing ran beside {base!r}"


def no_gain(points: Sequence[Point]) -> str:
    """The step to a larger spend whose gain is the most clearly small: of those whose interval
    holds zero or less, the one with the lowest upper end (a wide interval proves little)."""
    steps = [
        (gain, less, more)
        for ladder in _ladders(points)
        for at, less in enumerate(ladder)
        for more in ladder[at + 1 :]
        if more.tokens >= GROWTH * less.tokens and (gain := difference(more, less)) is not None
    ]
    idle = [step for step in steps if step[0].low <= 0]
    if idle:
        gain, less, more = min(idle, key=lambda s: s[0].high)
        effect = "loses accuracy" if gain.high < 0 else "gains nothing measurable"
        return (
            f"More compute does not always help: on {more.task}, {more.strategy} {effect} from"
            f" {less.budget} to {more.budget} tokens ({_share(less.accuracy)} to"
            f" {_share(more.accuracy)}; {_change(gain)}), though it spends"
            f" {more.tokens / less.tokens:.1f} times as many (mean {less.tokens:.0f} and"
            f" {more.tokens:.0f})."
        )
    if not steps:
        return "No arm spent more tokens at a larger budget, so none shows what more compute buys."
    gain, less, more = min(steps, key=lambda s: s[0].value)
    return (
        "In this run every arm that spent more tokens gained; the smallest gain is that of"
        f" {more.strategy} on {more.task} from {less.budget} to {more.budget} tokens"
        f" ({_change(gain)})."
    )


def _ladders(points: Sequence[Point]) -> list[list[Point]]:
    """The points of each arm that ran at two budgets or more, cheapest first."""
    arms: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        if point.correct:
            arms.setdefault((point.task, point.strategy), []).append(point)
    ladders = [sorted(arm, key=lambda c: c.budget) for arm in arms.values()]
    return [ladder for ladder in ladders if len(ladder) > 1]


def _knows(point: Point) -> str:
    return KNOWN.get(point.knows, point.knows)


def _compared(gap: Interval) -> str:
    if gap.low > 0:
        return "is ahead of"
    return "is behind" if gap.high < 0 else "cannot be told apart from"


def _share(x: float) -> str:
    return f"{x:.2f}"


def _change(gap: Interval) -> str:
    return f"{gap.value:+.2f}, 95 % interval {gap.low:+.2f} to {gap.high:+.2f}"
