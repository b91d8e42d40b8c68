"""What a comparison compares: strategies as named arms, and budgets, from all that users give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import Any

from evaluators.errors import BadInput
from reasoning.core import Strategy
from reasoning.ledger import Budget
from search.cell import budget_label
from search.strategies import label, parse

Strategies = Mapping[str, Strategy | str] | Sequence[Strategy | str] | Strategy | str
Budgets = Sequence[int | Budget] | int | Budget


def named_arms(strategies: Strategies) -> dict[str, Strategy]:
    """Strategies by the names of their arms. Raises BadInput for what is none, or twice there."""
    if isinstance(strategies, Mapping):
        return {name: _strategy(item) for name, item in strategies.items()}
    if isinstance(strategies, str) or not isinstance(strategies, Sequence):
        strategies = [strategies]
    arms: dict[str, Strategy] = {}
    for item in strategies:
        strategy = _strategy(item)
        if label(strategy) in arms:
            raise BadInput(
                f"strategy {label(strategy)!r} is given twice; name the arms: {{'a': …, 'b': …}}"
            )
        arms[label(strategy)] = strategy
    return arms


def _strategy(item: Strategy | str) -> Strategy:
    if isinstance(item, str):
        return parse(item)
    if isinstance(item, type):
        raise BadInput(f"{item.__name__} is a class: write {item.__name__}()")
    if not isinstance(item, Strategy):
        raise BadInput(f"{item!r} is no strategy: it has no method solve(problem, ctx)")
    return item


def listed_budgets(budgets: Budgets) -> list[Budget]:
    """Budgets in order. Raises BadInput for what is none, or twice there."""
    if isinstance(budgets, Iterable) and not isinstance(budgets, str):
        made = [_budget(item) for item in budgets]
    else:
        made = [_budget(budgets)]
    if not made:
        raise BadInput("compare needs at least one budget (generated tokens a problem)")
    if len({budget_label(b) for b in made}) < len(made):
        raise BadInput(f"budgets must differ: {[budget_label(b) for b in made]}")
    return made


def _budget(item: Any) -> Budget:
    try:
        return item if isinstance(item, Budget) else Budget(tokens=index(item))
    except TypeError as error:
        raise BadInput(f"a budget is a whole number of tokens or a Budget, not {item!r}") from error
