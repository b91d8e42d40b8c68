"""The shape of a written chain, shared by the tasks that are solved step by step.

Compact: one step a line, `</think>`, the answer. Plain: one step a line, `Answer: …`. A line
`wait` takes the last step back that still stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.tasks.base import END_THINK

WAIT = "wait"
_ANSWER = re.compile(r"^\s*answer\s*[:=]\s*(.*)$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Chain:
    """A completion taken apart: the lines that stand, the final answer's text or `None`."""

    lines: tuple[str, ...]
    answer: str | None


def read(text: str) -> Chain:
    """Take a completion apart.

    The answer is what follows the last `</think>` or `Answer:`. A text of one line without either
    is a direct answer.
    """
    head, mark, tail = text.rpartition(END_THINK)
    if mark:
        return Chain(standing(head.splitlines()), tail.strip() or None)
    lines = text.strip().splitlines()
    for at in range(len(lines) - 1, -1, -1):
        match = _ANSWER.match(lines[at])
        if match:
            return Chain(standing(lines[:at]), match.group(1).strip() or None)
    if len(lines) == 1:
        return Chain((), lines[0].strip() or None)
    return Chain(standing(lines), None)


def standing(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that no `wait` took back, blank lines dropped."""
    stack: list[str] = []
    for line in lines:
        line = line.strip()
        if line.rstrip(".!,").lower() == WAIT:
            if stack:
                stack.pop()
        elif line:
            stack.append(line)
    return tuple(stack)


def is_answer(step: str) -> bool:
    """Whether a step is the final one (`</think>9` or `Answer: 9`)."""
    return END_THINK in step or _ANSWER.match(step.strip()) is not None


def is_wait(step: str) -> bool:
    """Whether a step takes the last one back."""
    return step.strip().rstrip(".!,").lower() == WAIT


def write(lines: Sequence[str], answer: str, dialect: str) -> str:
    """A completion in the given dialect."""
    body = "".join(line + "\n" for line in lines)
    return body + (f"{END_THINK}{answer}" if dialect == "compact" else f"Answer: {answer}")
