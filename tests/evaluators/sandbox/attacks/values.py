"""Odd scores: they must be refused, or come out exactly as they went in, for a scorer to refuse.

Scorers refuse what is not a finite float; so a bool may not become a number on the way, nor a text.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from attacks.case import ANYTHING, Attack, attack

case = partial(attack, "values")

SCORE = """
import numpy

def attack(world):
    return {value}
"""


def score(name: str, text: str, verdicts: str = "ok bad_output", value: Any = ANYTHING) -> Attack:
    """Return this as a score."""
    return case(name, SCORE.format(value=text), verdicts, value=value)


NAN, INF = float("nan"), float("inf")

ATTACKS: list[Attack] = [
    score("true", "True", "ok", True),
    score("none", "None", "ok", None),
    score("text-number", "'1e9'", "ok", "1e9"),
    score("text-constant", "'NaN'", "ok", "NaN"),
    score("nan", "float('nan')", value=NAN),
    score("infinity", "float('inf')", value=INF),
    score("minus-infinity", "-float('inf')", value=-INF),
    score("nan-inside", "[1.0, {'a': float('nan')}]", value=[1.0, {"a": NAN}]),
    score("overflow", "1e308 * 10", value=INF),
    score("huge-integer", "10 ** 400", value=10**400),
    score("huge-negative-integer", "-(10 ** 5000)", "bad_output exception"),
    score("numpy-nan", "numpy.float64('nan')", value=NAN),
    score("numpy-scalar-bool", "numpy.bool_(True)", "ok bad_output", True),
    score("complex", "1e9 + 1j", value=1e9 + 1j),
    score("decimal", "__import__('decimal').Decimal('1e9')", "bad_output exception"),
    score("fraction", "__import__('fractions').Fraction(10**9)", "bad_output exception"),
    score("tiny-number", "5e-324", "ok", 5e-324),
    score("minus-zero", "-0.0", "ok", -0.0),
    score("exact-fraction", "0.1 + 0.2", "ok", 0.30000000000000004),
    score("empty-text", "''", "ok", ""),
    score("empty-list", "[]", "ok", []),
]
