"""Untrusted code: run where it can do no harm, its answers taken as plain data."""

from evaluators.sandbox.outcome import ENDINGS, Ending, Limits, Outcome

__all__ = ["ENDINGS", "Ending", "Limits", "Outcome"]
