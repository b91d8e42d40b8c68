"""What a started countdown chain is worth, and what is left of the problem."""

from __future__ import annotations

from evaluators.problem import Problem
from evaluators.tasks.base import END_THINK
from evaluators.tasks.chains import Chain
from evaluators.tasks.countdown_chain import follow
from evaluators.tasks.countdown_solver import reachable

MAX_SOLVED = 6
"""Numbers left up to which the exact value is told; for more it would take seconds."""


def value_of(problem: Problem, chain: Chain) -> float | None:
    """1 where the numbers left can reach the target by legal lines, 0 where not or after a wrong
    line; `None` for a line that cannot be read and for too many numbers."""
    progress = follow(problem, chain.lines)
    if progress.error is not None:
        return None if progress.unparsed else 0.0
    left = [int(value) for value, _ in progress.left]
    return float(reachable(left, problem.fields["target"])) if len(left) <= MAX_SOLVED else None


def text_of(problem: Problem, chain: Chain) -> str | None:
    """The problem that is left, greatest number first, and a final answer; `None` after a wrong
    line and one that cannot be read."""
    progress = follow(problem, chain.lines)
    if progress.error is not None:
        return None
    left = sorted((int(value) for value, _ in progress.left), reverse=True)
    end = "" if chain.answer is None else END_THINK + chain.answer
    return f"{' '.join(map(str, left))}={problem.fields['target']}{end}"
