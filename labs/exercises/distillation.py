"""Lab 07: two divergences, what is left of one when few tokens are kept, and equal compute."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from labs.exercises.exercise import Case, Exercise

Distribution = Sequence[float]
"""Probabilities of the tokens, in the order of the vocabulary."""


def kl(p: Distribution, q: Distribution) -> float:
    """KL(p‖q) in nats; what p cannot do counts nothing."""
    return sum(a * log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def _zero_counts(p: Distribution, q: Distribution) -> float:
    return sum(a * (log(a) - log(b)) for a, b in zip(p, q, strict=True))


_P, _Q = [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]

KL = Exercise(
    "my_kl",
    kl,
    [
        Case((_P, _Q), 0.25 * log(2), "sum p * log(p / q) over the tokens"),
        Case(([0.75, 0.25, 0.0], _P), 0.75 * log(1.5), "a token with p = 0 counts nothing"),
        Case((_P, _P), 0.0, "nothing separates a distribution from itself"),
        Case(([0.9, 0.1], [0.5, 0.5]), 0.9 * log(1.8) + 0.1 * log(0.2),
             "one of the terms is negative here: no absolute values, no squares"),
    ],
    {
        "the other way round": lambda p, q: kl(q, p),
        "bits": lambda p, q: kl(p, q) / log(2),
        "cross-entropy": lambda p, q: -sum(a * log(b) for a, b in zip(p, q, strict=True)),
        "absolute values": lambda p, q: sum(
            abs(a * log(a / b)) for a, b in zip(p, q, strict=True) if a > 0
        ),
        "log of nothing": _zero_counts,
        "mean": lambda p, q: kl(p, q) / len(p),
    },
)  # fmt: skip


def grouped_kl(p: Distribution, q: Distribution, k: int) -> float:
    """KL(p‖q) where all but p's k likeliest tokens are one event."""
    order = sorted(range(len(p)), key=lambda i: -p[i])
    kept, rest = order[:k], order[k:]
    grouped = [[*(d[i] for i in kept), sum(d[i] for i in rest)] for d in (p, q)]
    return kl(*grouped)


def _drops_the_rest(p: Distribution, q: Distribution, k: int) -> float:
    kept = sorted(range(len(p)), key=lambda i: -p[i])[:k]
    return sum(p[i] * log(p[i] / q[i]) for i in kept if p[i] > 0)


def _scales_up(p: Distribution, q: Distribution, k: int) -> float:
    kept = sorted(range(len(p)), key=lambda i: -p[i])[:k]
    mass = [sum(d[i] for i in kept) for d in (p, q)]
    return kl([p[i] / mass[0] for i in kept], [q[i] / mass[1] for i in kept])


def _likeliest_of_q(p: Distribution, q: Distribution, k: int) -> float:
    order = sorted(range(len(q)), key=lambda i: -q[i])
    grouped = [[*(d[i] for i in order[:k]), sum(d[i] for i in order[k:])] for d in (p, q)]
    return kl(*grouped)


def _first_tokens(p: Distribution, q: Distribution, k: int) -> float:
    return kl([*p[:k], sum(p[k:])], [*q[:k], sum(q[k:])])


_WIDE, _FLAT = [0.1, 0.6, 0.05, 0.25], [0.3, 0.3, 0.2, 0.2]

GROUPED = Exercise(
    "my_grouped_kl",
    grouped_kl,
    [
        Case((_WIDE, _FLAT, 2), 0.6 * log(2) + 0.25 * log(1.25) + 0.15 * log(0.3),
             "the k likeliest of p stay, all others become one event with their sum"),
        Case((_WIDE, _FLAT, 1), 0.6 * log(2) + 0.4 * log(4 / 7),
             "one kept token, one event for the other three"),
        Case((_WIDE, _FLAT, 4), kl(_WIDE, _FLAT), "with k = V nothing is grouped: the KL itself"),
        Case(([0.5, 0.5, 0.0], [0.2, 0.3, 0.5], 2), 0.5 * log(2.5) + 0.5 * log(5 / 3),
             "a rest that p cannot do counts nothing"),
    ],
    {
        "drops the rest": _drops_the_rest,
        "scales the kept ones up": _scales_up,
        "the student's likeliest": _likeliest_of_q,
        "the first k": _first_tokens,
        "the whole": lambda p, q, k: kl(p, q),
        "the other way round": lambda p, q, k: grouped_kl(q, p, k),
    },
)  # fmt: skip


def affordable(
    flops: float, parameters: int, prompt: int, trace: int, own: float
) -> int:  # fmt: skip
    """The traces that a student can learn from: 6 N FLOPs a token learned (prompt and trace), 2 N
    more a token of the share `own` that it writes itself."""
    tokens = prompt + trace
    return int(flops // ((6 + 2 * own) * parameters * tokens))


AFFORDABLE = Exercise(
    "my_traces",
    affordable,
    [
        Case((1.2e9, 200_000, 10, 40, 0.0), 20, "6 N FLOPs for every token of prompt and trace"),
        Case((1.2e9, 200_000, 10, 40, 1.0), 15, "writing costs 2 N more for each token"),
        Case((1.2e9, 200_000, 10, 40, 0.5), 17, "only the share `own` is written by the student"),
        Case((1e9, 200_000, 10, 40, 0.0), 16, "a trace that is not paid in full does not count"),
        Case((1e6, 200_000, 10, 40, 0.0), 0, "a budget may be too small for one"),
    ],
    {
        "forward alone": lambda f, n, p, t, own: int(f // (2 * n * (p + t))),
        "no prompt": lambda f, n, p, t, own: int(f // ((6 + 2 * own) * n * t)),
        "writing is free": lambda f, n, p, t, own: int(f // (6 * n * (p + t))),
        "all is written": lambda f, n, p, t, own: int(f // (8 * n * (p + t))),
        "rounded up": lambda f, n, p, t, own: -int(-f // ((6 + 2 * own) * n * (p + t))),
        "a fraction": lambda f, n, p, t, own: f / ((6 + 2 * own) * n * (p + t)),
    },
)

EXERCISES = (KL, GROUPED, AFFORDABLE)
