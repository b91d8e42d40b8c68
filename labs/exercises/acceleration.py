"""Lab 10: verify a proposed token, and how many tokens a reading brings."""

from __future__ import annotations

from collections.abc import Sequence

from labs.exercises.exercise import Case, Exercise


def pick(weights: Sequence[float], u: float) -> int:
    """The first index whose cumulative weight exceeds `u` of the total."""
    passed, point = 0.0, u * sum(weights)
    for index, weight in enumerate(weights):
        passed += weight
        if passed > point:
            return index
    return max(range(len(weights)), key=lambda i: weights[i])


def verify(p: Sequence[float], q: Sequence[float], token: int, u: float, v: float) -> int:
    """The token to use when a draft drew `token` from q and the model's distribution is p: kept
    with probability min(1, p / q), else drawn from max(0, p - q) (Leviathan et al. 2023)."""
    if u * q[token] < p[token]:
        return token
    return pick([max(0.0, a - b) for a, b in zip(p, q, strict=True)], v)


def _by_model(p: Sequence[float], q: Sequence[float], token: int, u: float, v: float) -> int:
    return token if u * q[token] < p[token] else pick(p, v)


def _by_difference(p: Sequence[float], q: Sequence[float], token: int, u: float, v: float) -> int:
    gaps = [abs(a - b) for a, b in zip(p, q, strict=True)]
    return token if u * q[token] < p[token] else pick(gaps, v)


def _by_chance_of_model(
    p: Sequence[float], q: Sequence[float], token: int, u: float, v: float
) -> int:
    return token if u < p[token] else verify(p, q, token, 1.0, v)


def _most_likely(p: Sequence[float], q: Sequence[float], token: int, u: float, v: float) -> int:
    return token if token == max(range(len(p)), key=lambda i: p[i]) else pick(p, v)


_P, _Q = [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]

VERIFY = Exercise(
    "my_verify",
    verify,
    [
        Case((_P, _Q, 0, 0.99, 0.5), 0, "the model likes it more than the draft: always keep it"),
        Case((_P, _Q, 2, 0.39, 0.9), 2, "keep it when u is below p[token] / q[token], here 0.4"),
        Case(
            (_P, _Q, 2, 0.41, 0.9), 0, "after a refusal draw from max(0, p - q), made to sum to 1"
        ),
        Case(([0.6, 0.3, 0.1], [0.2, 0.2, 0.6], 2, 0.5, 0.79), 0, "max(0, p - q) is 0.4, 0.1, 0"),
        Case(([0.6, 0.3, 0.1], [0.2, 0.2, 0.6], 2, 0.5, 0.81), 1, "max(0, p - q) is 0.4, 0.1, 0"),
        Case(([0.0, 1.0], [1.0, 0.0], 0, 0.0, 0.3), 1, "a token that the model never draws"),
        Case(([0.1, 0.9], [0.05, 0.95], 0, 0.6, 0.9), 0, "p / q is 2 here: keep it"),
    ],
    {
        "draw from the model": _by_model,
        "draw from the difference": _by_difference,
        "keep with p": _by_chance_of_model,
        "most likely": _most_likely,
        "always keep": lambda p, q, token, u, v: token,
        "always draw": lambda p, q, token, u, v: pick(p, v),
    },
)


def per_reading(a: float, k: int) -> float:
    """Expected tokens that one verifying pass brings when each of k proposals is taken with
    probability a as long as all before it were: 1 + a + ... + a ** k."""
    return float(k + 1) if a == 1 else (1 - a ** (k + 1)) / (1 - a)


PER_READING = Exercise(
    "my_per_reading",
    per_reading,
    [
        Case(
            (0.5, 1), 1.5, "one token is always gained: the model's own; the proposal half the time"
        ),
        Case((0.5, 2), 1.75, "1 + a + a * a: the second counts only if the first was taken"),
        Case((0.0, 4), 1.0, "a draft that is always wrong still leaves the model's own token"),
        Case((1.0, 4), 5.0, "all four proposals and the model's own; do not divide by 1 - a = 0"),
        Case((0.8, 4), 3.3616, "the sum 1 + a + ... + a ** k is (1 - a ** (k + 1)) / (1 - a)"),
        Case((0.9, 0), 1.0, "without proposals it is decoding as usual"),
    ],
    {
        "independent": lambda a, k: 1 + a * k,
        "without its own": lambda a, k: sum(a**i for i in range(1, k + 1)),
        "one too far": lambda a, k: sum(a**i for i in range(k + 2)),
        "all or nothing": lambda a, k: 1 + k * a**k,
        "no limit": lambda a, k: (1 - a ** (k + 1)) / (1 - a) if a < 1 else float("inf"),
    },
)

EXERCISES = (VERIFY, PER_READING)
