"""Make text: prompts, models, the budget ledger, the run log. Knows no strategy."""

from __future__ import annotations

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
