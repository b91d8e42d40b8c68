"""STRATEGIES, the one dict of strategy names, and strategies as text: `best-of-n(n=8)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, fields, is_dataclass
from typing import Any

from evaluators.errors import BadInput, UnknownName
from evaluators.tasks.base import Task
from evaluators.verdict import Knows
from reasoning.core import LanguageModel, Strategy
from search import calls
from search.ab_mcts import ABMCTS
from search.adaptive import Adaptive
from search.beam import BeamSearch
from search.best_first import BestFirst
from search.best_of_n import BestOfN
from search.budget_forcing import BudgetForcing
from search.deep_conf import DeepConf
from search.dvts import DVTS
from search.mcts import MCTS
from search.particle_filter import ParticleFilter
from search.resample import StepResample
from search.self_consistency import SelfConsistency
from search.self_refine import SelfRefine
from search.single import ChainOfThought, Direct
from search.tool_use import ToolUse
from search.tree_of_thoughts import TreeOfThoughts
from search.uncertainty import Uncertainty

STRATEGIES: dict[str, type[Strategy]] = {
    "direct": Direct,
    "chain-of-thought": ChainOfThought,
    "self-consistency": SelfConsistency,
    "best-of-n": BestOfN,
    "beam-search": BeamSearch,
    "best-first": BestFirst,
    "dvts": DVTS,
    "mcts": MCTS,
    "ab-mcts": ABMCTS,
    "tree-of-thoughts": TreeOfThoughts,
    "particle-filter": ParticleFilter,
    "step-resample": StepResample,
    "budget-forcing": BudgetForcing,
    "tool-use": ToolUse,
    "deep-conf": DeepConf,
    "self-refine": SelfRefine,
    "uncertainty": Uncertainty,
    "adaptive": Adaptive,
}


def parse(text: str) -> Strategy:
    """A strategy from `"best-of-n"`, `"best-of-n(8)"` or `"best-of-n(n=8,scorer=likelihood)"`.

    Values are numbers, true, false, none, or text (in quotes or brackets where it has a comma, like
    `scorer=mixture(step-verifier,likelihood)`). Raises UnknownName for a strategy or an option that
    does not exist, BadInput for anything else.
    """
    call = calls.read(text)
    if call is None:
        raise BadInput(f"{text!r} is no strategy; write it like best-of-n(n=8,scorer=likelihood)")
    name, found = call
    if name not in STRATEGIES:
        raise UnknownName("strategy", name, STRATEGIES)
    known = options(STRATEGIES[name])
    given: dict[str, Any] = {}
    for position, (key, value) in enumerate(found):
        if not key:
            first = next((f.name for f in known.values() if not f.kw_only), None)
            if position or first is None:
                raise BadInput(f"option {value!r} of {name} needs its name: name=value")
            key = first
        if key not in known:
            raise UnknownName(f"option of {name}", key, known)
        if key in given:
            raise BadInput(f"option {key!r} of {name} is given twice")
        given[key] = calls.value(value, str(known[key].type), f"{name}: {key}")
    return STRATEGIES[name](**given)


def options(kind: type) -> dict[str, Field[Any]]:
    """The settings of a strategy class by name, its own before those of asking."""
    own_first = sorted(fields(kind), key=lambda f: f.kw_only is True) if is_dataclass(kind) else []
    return {f.name: f for f in own_first}


def label(strategy: Strategy) -> str:
    """A strategy as text, with the settings that differ from their defaults: what `parse` reads,
    unless a setting is an object."""
    names = {kind: name for name, kind in STRATEGIES.items()}
    name = names.get(type(strategy), type(strategy).__name__)
    changed = [
        f"{f.name}={calls.shown(getattr(strategy, f.name))}"
        for f in options(type(strategy)).values()
        if getattr(strategy, f.name) != f.default
    ]
    return f"{name}({','.join(changed)})" if changed else name


def knows(strategy: Strategy, task: Task) -> Knows:
    """What the judge had to know that chooses a strategy's answer."""
    ask: Callable[[Task], Knows] | None = getattr(strategy, "knows", None)
    return "nothing" if ask is None else ask(task)


def refuse_unfit(strategy: Strategy, task: Task, model: LanguageModel) -> None:
    """Raises LabError, before any call, where a strategy cannot work on the task or the model."""
    prepare = getattr(strategy, "prepare", None)
    if prepare is not None:
        prepare(task)
    needs: Callable[[Task], frozenset[str]] | None = getattr(strategy, "needs", None)
    missing = sorted((frozenset() if needs is None else needs(task)) - model.can)
    if missing:
        wanted = " and ".join(_ABLE.get(name, name) for name in missing)
        raise BadInput(
            f"{label(strategy)} needs a model that can {wanted}, which {model.name!r} cannot:"
            " use a local model such as 'tiny', or another strategy or scorer"
        )
    for name in getattr(model, "ignores", ()):
        if getattr(strategy, name, 0):
            raise BadInput(
                f"{label(strategy)} sets {name}, which {model.name!r} is not known to take: leave"
                " it at 0, or use top_p"
            )


_ABLE = {
    "continue": "continue a started answer",
    "logprobs": "report log-probabilities",
    "score": "score a given text",
}
