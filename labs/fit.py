"""Which strategies can work on a task with a model: the others are one sentence, not a crash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluators.errors import LabError
from evaluators.tasks.base import Task
from reasoning.core import LanguageModel, Strategy
from search.strategies import parse, refuse_unfit


def fitting(
    strategies: Sequence[str] | Mapping[str, Strategy | str], task: Task, model: LanguageModel
) -> dict[str, Strategy]:
    """The strategies that can run, by name, ready for `compare`; prints why each other cannot.

    Raises UnknownName and BadInput for a text that is no strategy: that is a mistake, not a lack.
    """
    named = strategies if isinstance(strategies, Mapping) else {text: text for text in strategies}
    able: dict[str, Strategy] = {}
    for name, given in named.items():
        strategy = parse(given) if isinstance(given, str) else given
        try:
            refuse_unfit(strategy, task, model)
        except LabError as error:
            print(f"left out: {error}")
        else:
            able[name] = strategy
    return able
