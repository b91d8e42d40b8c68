"""Spend compute: strategies over a model and a scorer, and their comparison at equal budget.

Names are loaded on first use, so that `import search` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from search.evolve.function import evolve as evolve  # the name is the function, not the package

if TYPE_CHECKING:
    from search.ab_mcts import ABMCTS as ABMCTS
    from search.adaptive import Adaptive as Adaptive
    from search.beam import BeamSearch as BeamSearch
    from search.best_first import BestFirst as BestFirst
    from search.best_of_n import BestOfN as BestOfN
    from search.budget_forcing import BudgetForcing as BudgetForcing
    from search.comparison import compare as compare
    from search.comparison import compare_async as compare_async
    from search.deep_conf import DeepConf as DeepConf
    from search.dvts import DVTS as DVTS
    from search.evolve.evolution import Evolution as Evolution
    from search.evolve.opened import open_run as open_run
    from search.evolve.proposers import PROPOSERS as PROPOSERS
    from search.evolve.settings import EvolveSettings as EvolveSettings
    from search.fit import fit_adaptive as fit_adaptive
    from search.mcts import MCTS as MCTS
    from search.particle_filter import ParticleFilter as ParticleFilter
    from search.report import Report as Report
    from search.resample import StepResample as StepResample
    from search.scorers import SCORERS as SCORERS
    from search.self_consistency import SelfConsistency as SelfConsistency
    from search.self_refine import SelfRefine as SelfRefine
    from search.settings import CompareSettings as CompareSettings
    from search.settings import compare_from as compare_from
    from search.single import ChainOfThought as ChainOfThought
    from search.single import Direct as Direct
    from search.strategies import STRATEGIES as STRATEGIES
    from search.strategies import parse as parse
    from search.student_cost import Cost as Cost
    from search.student_report import StudentReport as StudentReport
    from search.students import evaluate_students as evaluate_students
    from search.tool_use import ToolUse as ToolUse
    from search.tree_of_thoughts import TreeOfThoughts as TreeOfThoughts
    from search.uncertainty import Uncertainty as Uncertainty

_HOME = {
    "ABMCTS": "ab_mcts",
    "Adaptive": "adaptive",
    "BeamSearch": "beam",
    "BestFirst": "best_first",
    "BestOfN": "best_of_n",
    "BudgetForcing": "budget_forcing",
    "ChainOfThought": "single",
    "CompareSettings": "settings",
    "Cost": "student_cost",
    "DeepConf": "deep_conf",
    "DVTS": "dvts",
    "Direct": "single",
    "Evolution": "evolve.evolution",
    "EvolveSettings": "evolve.settings",
    "MCTS": "mcts",
    "PROPOSERS": "evolve.proposers",
    "ParticleFilter": "particle_filter",
    "Report": "report",
    "SCORERS": "scorers",
    "STRATEGIES": "strategies",
    "SelfConsistency": "self_consistency",
    "SelfRefine": "self_refine",
    "StepResample": "resample",
    "StudentReport": "student_report",
    "TreeOfThoughts": "tree_of_thoughts",
    "Uncertainty": "uncertainty",
    "ToolUse": "tool_use",
    "compare": "comparison",
    "compare_async": "comparison",
    "compare_from": "settings",
    "evaluate_students": "students",
    "fit_adaptive": "fit",
    "open_run": "evolve.opened",
    "parse": "strategies",
}

__all__ = sorted([*_HOME, "evolve"])


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'search' has no name {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"search.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
