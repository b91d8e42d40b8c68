"""The rules that a strategy is held to: RULES is the one dict of their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from search.conformance.report import Finding
from search.conformance.rules.counting import budget, counts, ledger
from search.conformance.rules.growing import deep, growth
from search.conformance.rules.judging import look_ahead, optimum, steering, values
from search.conformance.rules.repeating import anywhere, names, order, other_seeds, resume, seeds
from search.conformance.rules.using import ends, sound, used
from search.conformance.subject import Subject

__all__ = ["RULES"]

RULES: dict[str, Callable[[Subject], Iterator[Finding]]] = {
    "sound": sound,
    "optimum": optimum,
    "values": values,
    "steering": steering,
    "look-ahead": look_ahead,
    "names": names,
    "order": order,
    "seeds": seeds,
    "other seeds": other_seeds,
    "ledger": ledger,
    "budget": budget,
    "ends": ends,
    "used": used,
    "counts": counts,
    "growth": growth,
    "anywhere": anywhere,
    "resume": resume,
    "deep": deep,
}
"""Name -> what yields the findings. It raises NotApplicable where the rule asks for something that
the strategy was not seen to do."""
