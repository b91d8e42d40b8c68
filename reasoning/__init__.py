"""Make text and learn from it: prompts, models, the budget ledger, the run log, traces, training.
Knows no strategy.

What trains is loaded on first use, so that `import reasoning` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reasoning.core import (
    Completion,
    Context,
    LanguageModel,
    Message,
    Prompt,
    Sampling,
    Scorer,
    SeedPath,
    Solution,
    Step,
    Strategy,
    TokenScores,
    Trace,
    Usage,
)
from reasoning.ledger import Budget, Ledger
from reasoning.models import MODELS, load_model

if TYPE_CHECKING:
    from reasoning.data.collect import collect_traces as collect_traces
    from reasoning.data.solver import solver_traces as solver_traces
    from reasoning.data.traces import Traces as Traces
    from reasoning.train.practice import Practice as Practice
    from reasoning.train.rl import grpo as grpo
    from reasoning.train.rl import rloo as rloo
    from reasoning.train.sft import sft as sft
    from reasoning.train.star import star as star

_HOME = {
    "star": "train.star",
    "Traces": "data.traces",
    "collect_traces": "data.collect",
    "solver_traces": "data.solver",
    "Practice": "train.practice",
    "grpo": "train.rl",
    "rloo": "train.rl",
    "sft": "train.sft",
}

__all__ = [
    "MODELS",
    "Budget",
    "Completion",
    "Context",
    "LanguageModel",
    "Ledger",
    "Message",
    "Prompt",
    "Sampling",
    "Scorer",
    "SeedPath",
    "Solution",
    "Step",
    "Strategy",
    "TokenScores",
    "Trace",
    "Usage",
    "load_model",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"reasoning.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'reasoning' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
