"""Traces made by hand, for tests of what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evaluators.tasks.expressions import Expressions
from reasoning.core import Message
from reasoning.data.rows import Piece, TraceRow, instance_of, question

TASK = Expressions("expressions")


def row(
    name: int | str, text: str, passed: bool | None = True, asked: str = "1+2*3", **more: Any
) -> TraceRow:
    """A trace of the question `asked`, written in one piece, of as many tokens as signs."""
    problem = replace(TASK.parse_problem(asked), id=f"expressions/{asked}")
    verdict = None if passed is None else {"passed": passed, "score": float(passed)}
    made = TraceRow(
        id=f"r{name}", task="expressions", split="train", seed=0, problem=question(problem),
        instance=instance_of("expressions", problem),
        messages=(Message("user", f"{asked}<think>"),), pieces=(Piece(text),), finish="eos",
        answer=text.rpartition("</think>")[2], verdict=verdict, n_tokens=len(text),
    )  # fmt: skip
    return replace(made, **more)
