"""Lab 03: a vote, pass@k, and the choice of a strategy under a budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import comb

from labs.exercises.exercise import Case, Exercise


def majority(answers: Sequence[str | None]) -> str | None:
    """The most frequent answer; the earliest of equals; traces without an answer do not vote."""
    votes = Counter(a for a in answers if a is not None)
    return votes.most_common(1)[0][0] if votes else None


def _last_of_equals(answers: Sequence[str | None]) -> str | None:
    votes = Counter(a for a in answers if a is not None)
    return max(reversed(list(votes)), key=lambda a: votes[a]) if votes else None


def _counts_the_missing(answers: Sequence[str | None]) -> str | None:
    return Counter(answers).most_common(1)[0][0] if answers else None


def _needs_more_than_half(answers: Sequence[str | None]) -> str | None:
    best = majority(answers)
    return best if 2 * list(answers).count(best) > len(answers) else None


MAJORITY = Exercise(
    "my_majority",
    majority,
    [
        Case((["6", "7", "6"],), "6", "count how often each answer occurs"),
        Case((["7", None, None, "6", "6"],), "6", "None is a trace without an answer: no vote"),
        Case((["8", "9", "9", "8"],), "8", "of equals take the one that came first"),
        Case((["3", "4", "5", "4"],), "4", "the most frequent answer need not have half the votes"),
        Case(([None, None],), None, "without any answer there is nothing to return"),
        Case(([],), None, "no traces, no answer"),
    ],
    {
        "first": lambda answers: answers[0] if answers else None,
        "largest": lambda answers: max((a for a in answers if a), default=None),
        "last of equals": _last_of_equals,
        "the missing vote": _counts_the_missing,
        "more than half": _needs_more_than_half,
        "nothing": lambda answers: None,
    },
)


def pass_at_k(n: int, c: int, k: int) -> float:
    """Chance that k of n samples, c of them right, hold a right one (Chen et al. 2021)."""
    return 1.0 - comb(n - c, k) / comb(n, k)


PASS_AT_K = Exercise(
    "my_pass_at_k",
    pass_at_k,
    [
        Case((10, 3, 1), 0.3, "with k = 1 it is the share of right samples"),
        Case(
            (4, 2, 2), 5 / 6, "1 minus the chance that all k are wrong, drawn without replacement"
        ),
        Case((16, 2, 8), 1 - comb(14, 8) / comb(16, 8), "math.comb(n - c, k) / math.comb(n, k)"),
        Case((5, 0, 3), 0.0, "no right sample, no chance"),
        Case((5, 4, 2), 1.0, "with fewer wrong samples than k one of the k must be right"),
    ],
    {
        "with replacement": lambda n, c, k: 1 - (1 - c / n) ** k,
        "share": lambda n, c, k: c / n,
        "any": lambda n, c, k: float(c > 0),
        "linear": lambda n, c, k: min(1.0, k * c / n),
        "all right": lambda n, c, k: comb(c, k) / comb(n, k),
    },
)

Measured = tuple[str, float, float]
"""(strategy, mean tokens per problem, accuracy)"""


def choose(rows: Sequence[Measured], tokens: float) -> str | None:
    """The most accurate strategy that costs at most `tokens`; of equals the cheaper one."""
    payable = [row for row in rows if row[1] <= tokens]
    return min(payable, key=lambda row: (-row[2], row[1]))[0] if payable else None


def _most_accurate(rows: Sequence[Measured], tokens: float) -> str | None:
    return max(rows, key=lambda row: row[2])[0] if rows else None


def _cheapest(rows: Sequence[Measured], tokens: float) -> str | None:
    payable = [row for row in rows if row[1] <= tokens]
    return min(payable, key=lambda row: row[1])[0] if payable else None


def _strictly_below(rows: Sequence[Measured], tokens: float) -> str | None:
    return choose([row for row in rows if row[1] < tokens], tokens)


def _dearest_of_equals(rows: Sequence[Measured], tokens: float) -> str | None:
    payable = [row for row in rows if row[1] <= tokens]
    return max(payable, key=lambda row: (row[2], row[1]))[0] if payable else None


def _value_for_money(rows: Sequence[Measured], tokens: float) -> str | None:
    payable = [row for row in rows if row[1] <= tokens]
    return max(payable, key=lambda row: row[2] / row[1])[0] if payable else None


_ROWS = [("direct", 2.0, 0.1), ("chain", 30.0, 0.4), ("vote", 120.0, 0.5), ("best", 110.0, 0.5)]

CHOOSE = Exercise(
    "my_choice",
    choose,
    [
        Case((_ROWS, 50.0), "chain", "leave out what costs more than the budget, then compare"),
        Case((_ROWS, 500.0), "best", "of equally accurate ones take the cheaper"),
        Case((_ROWS, 30.0), "chain", "a strategy that costs just the budget can be paid"),
        Case((_ROWS, 1.0), None, "when nothing can be paid there is no choice"),
        Case(([("vote", 64.0, 0.3), ("direct", 2.0, 0.35)], 64.0), "direct",
             "more compute is not always better: compare accuracies, not costs"),
    ],
    {
        "most accurate": _most_accurate,
        "cheapest": _cheapest,
        "strictly below": _strictly_below,
        "dearest of equals": _dearest_of_equals,
        "value for money": _value_for_money,
        "first": lambda rows, tokens: rows[0][0],
    },
)  # fmt: skip

EXERCISES = (MAJORITY, PASS_AT_K, CHOOSE)
