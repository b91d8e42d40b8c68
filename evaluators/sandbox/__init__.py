"""Untrusted code: run where it can do no harm, its answers taken as plain data."""

from evaluators.sandbox.outcome import ENDINGS, Ending, Limits, Outcome
from evaluators.sandbox.sandbox import NoSandbox, Sandbox, Session, WeakSandbox

__all__ = [
    "ENDINGS",
    "Ending",
    "Limits",
    "NoSandbox",
    "Outcome",
    "Sandbox",
    "Session",
    "WeakSandbox",
]
