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
    from reasoning.data.chats import import_chats as import_chats
    from reasoning.data.collect import collect_traces as collect_traces
    from reasoning.data.decontaminate import decontaminate as decontaminate
    from reasoning.data.pairs import pairs_from as pairs_from
    from reasoning.data.rationalise import rationalise as rationalise
    from reasoning.data.select import select as select
    from reasoning.data.solver import solver_traces as solver_traces
    from reasoning.data.traces import Traces as Traces
    from reasoning.data.trees import tree_labels as tree_labels
    from reasoning.data.trees import tree_pairs as tree_pairs
    from reasoning.data.trees import tree_traces as tree_traces
    from reasoning.data.views import view as view
    from reasoning.data.writing import write_problems as write_problems
    from reasoning.train.logits import distill_logits as distill_logits
    from reasoning.train.on_policy import distill_on_policy as distill_on_policy
    from reasoning.train.ppo import ppo as ppo
    from reasoning.train.practice import Practice as Practice
    from reasoning.train.preference import dpo as dpo
    from reasoning.train.quantised import quantise as quantise
    from reasoning.train.rl import grpo as grpo
    from reasoning.train.rl import rloo as rloo
    from reasoning.train.sft import sft as sft
    from reasoning.train.star import star as star

_HOME = {
    "distill_logits": "train.logits",
    "distill_on_policy": "train.on_policy",
    "star": "train.star",
    "Traces": "data.traces",
    "collect_traces": "data.collect",
    "decontaminate": "data.decontaminate",
    "import_chats": "data.chats",
    "pairs_from": "data.pairs",
    "select": "data.select",
    "view": "data.views",
    "write_problems": "data.writing",
    "rationalise": "data.rationalise",
    "solver_traces": "data.solver",
    "tree_labels": "data.trees",
    "tree_pairs": "data.trees",
    "tree_traces": "data.trees",
    "Practice": "train.practice",
    "dpo": "train.preference",
    "grpo": "train.rl",
    "ppo": "train.ppo",
    "quantise": "train.quantised",
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
