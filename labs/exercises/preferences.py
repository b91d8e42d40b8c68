"""Lab 08: what a preference costs, what DPO makes of it, advantages in a group and in time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from labs.exercises.exercise import Case, Exercise


def preference_loss(chosen: float, rejected: float) -> float:
    """Minus the log of the chance that the chosen one wins, by Bradley and Terry's model (Ouyang
    et al. 2022, equation 1)."""
    return math.log1p(math.exp(-(chosen - rejected)))


PREFERENCE = Exercise(
    "my_preference_loss",
    preference_loss,
    [
        Case((0.0, 0.0), math.log(2), "no difference: a coin, so the loss is ln 2"),
        Case((2.0, 0.0), preference_loss(2.0, 0.0),
             "-ln(sigmoid(chosen - rejected)), where sigmoid(x) = 1 / (1 + exp(-x))"),
        Case((5.0, 3.0), preference_loss(2.0, 0.0), "only the difference counts"),
        Case((0.0, 3.0), preference_loss(0.0, 3.0), "wrong order: about the difference itself"),
    ],
    {
        "the chance, not its log": lambda c, r: 1 / (1 + math.exp(r - c)),
        "the other way round": lambda c, r: preference_loss(r, c),
        "a hinge": lambda c, r: max(0.0, 1 - (c - r)),
        "of the chosen alone": lambda c, r: preference_loss(c, 0.0),
        "with the wrong sign": lambda c, r: -preference_loss(c, r),
    },
)  # fmt: skip


def dpo_loss(
    chosen: float, rejected: float, start_chosen: float, start_rejected: float, beta: float
) -> float:
    """The same loss, where a trace's reward is beta times the log of how much likelier it has
    become since the start (Rafailov et al. 2023, equation 7)."""
    return preference_loss(beta * (chosen - start_chosen), beta * (rejected - start_rejected))


DPO = Exercise(
    "my_dpo_loss",
    dpo_loss,
    [
        Case((-5.0, -9.0, -5.0, -9.0, 0.1), math.log(2),
             "nothing has changed since the start: both rewards are 0"),
        Case((-4.0, -9.0, -5.0, -9.0, 0.5), dpo_loss(-4.0, -9.0, -5.0, -9.0, 0.5),
             "the reward of a trace is beta * (log-probability now - at the start)"),
        Case((-7.0, -14.0, -5.0, -9.0, 0.1), dpo_loss(-7.0, -14.0, -5.0, -9.0, 0.1),
             "both fell, the rejected one further: that counts as a gain"),
        Case((-4.0, -8.0, -5.0, -9.0, 2.0), math.log(2), "both rose alike: no preference"),
    ],
    {
        "without the start": lambda c, r, sc, sr, b: preference_loss(b * c, b * r),
        "beta outside": lambda c, r, sc, sr, b: b * preference_loss(c - sc, r - sr),
        "without beta": lambda c, r, sc, sr, b: preference_loss(c - sc, r - sr),
        "the rejected added": lambda c, r, sc, sr, b: preference_loss(b * (c - sc), b * (sr - r)),
        "chosen only": lambda c, r, sc, sr, b: preference_loss(b * (c - sc), 0.0),
    },
)  # fmt: skip


def group_advantages(rewards: Sequence[float]) -> list[float]:
    """Each reward less the mean, by the spread (n - 1 below it); zeros where all are equal (Shao et
    al. 2024, section 4.1.2)."""
    mean = sum(rewards) / len(rewards)
    spread = math.sqrt(sum((r - mean) ** 2 for r in rewards) / (len(rewards) - 1))
    return [(r - mean) / spread if spread > 0 else 0.0 for r in rewards]


def _population(rewards: Sequence[float]) -> list[float]:
    mean = sum(rewards) / len(rewards)
    spread = math.sqrt(sum((r - mean) ** 2 for r in rewards) / len(rewards))
    return [(r - mean) / spread if spread > 0 else 0.0 for r in rewards]


def _variance(rewards: Sequence[float]) -> list[float]:
    mean = sum(rewards) / len(rewards)
    spread = sum((r - mean) ** 2 for r in rewards) / (len(rewards) - 1)
    return [(r - mean) / spread if spread > 0 else 0.0 for r in rewards]


def _unguarded(rewards: Sequence[float]) -> list[float]:
    mean = sum(rewards) / len(rewards)
    spread = math.sqrt(sum((r - mean) ** 2 for r in rewards) / (len(rewards) - 1))
    return [(r - mean) / spread for r in rewards]


_ONE_RIGHT = [1.0, 0.0, 0.0, 0.0]

GROUP = Exercise(
    "my_group_advantages",
    group_advantages,
    [
        Case((_ONE_RIGHT,), group_advantages(_ONE_RIGHT),
             "(reward - mean) / spread, the spread with n - 1 below the sum of squares"),
        Case(([1.0, 1.0, 0.0, 0.0],), group_advantages([1.0, 1.0, 0.0, 0.0]),
             "half are right: they gain what the others lose"),
        Case(([0.0, 0.0, 0.0],), [0.0, 0.0, 0.0], "all equal: nothing can be learned, all 0"),
        Case(([1.0, 1.0],), [0.0, 0.0], "all right is all equal, too"),
    ],
    {
        "the rewards": lambda rewards: list(rewards),
        "without the spread": lambda rewards: [r - sum(rewards) / len(rewards) for r in rewards],
        "n below the spread": _population,
        "the variance for the spread": _variance,
        "all equal forgotten": _unguarded,
    },
)  # fmt: skip


def advantages(
    rewards: Sequence[float], values: Sequence[float], trace_decay: float
) -> list[float]:
    """Generalised advantages of one trace without discount (Schulman et al. 2016, equation 16):
    `values` has one entry a token, and after the last one there is nothing, 0."""
    found, later = [], 0.0
    for t in reversed(range(len(rewards))):
        after = values[t + 1] if t + 1 < len(values) else 0.0
        later = rewards[t] + after - values[t] + trace_decay * later
        found.append(later)
    return found[::-1]


def _forgets_the_end(
    rewards: Sequence[float], values: Sequence[float], decay: float
) -> list[float]:
    found, later = [], 0.0
    for t in reversed(range(len(rewards))):
        after = values[min(t + 1, len(values) - 1)]
        later = rewards[t] + after - values[t] + decay * later
        found.append(later)
    return found[::-1]


def _squared(rewards: Sequence[float], values: Sequence[float], decay: float) -> list[float]:
    return advantages(rewards, values, decay**2)


_R, _V = [0.0, 0.0, 1.0], [0.2, 0.5, 0.4]

ADVANTAGES = Exercise(
    "my_advantages",
    advantages,
    [
        Case((_R, _V, 0.0), [0.3, -0.1, 0.6],
             "with decay 0: reward + next value - this value; after the last token the value is 0"),
        Case((_R, _V, 1.0), [0.8, 0.5, 0.6],
             "with decay 1: the rewards that still come, less this value"),
        Case((_R, _V, 0.5), advantages(_R, _V, 0.5), "from the back: surprise + decay * later"),
        Case(([1.0], [0.25], 0.9), [0.75], "one token: reward less value"),
    ],
    {
        "the surprise only": lambda r, v, d: advantages(r, v, 0.0),
        "the rewards to go": lambda r, v, d: advantages(r, [0.0] * len(v), 1.0),
        "the last value again": _forgets_the_end,
        "decay squared": _squared,
        "from the front": lambda r, v, d: advantages(r[::-1], v[::-1], d)[::-1],
    },
)  # fmt: skip

EXERCISES = (PREFERENCE, DPO, GROUP, ADVANTAGES)
