"""A task's rendered question as a Prompt: direct, chain of thought, few-shot, role; both dialects.

In the compact dialect everything is one user turn: the role as a first line, worked examples one
after the other with a blank line between, then the question. In the plain dialect the role is the
system turn and each example a user and an assistant turn.
"""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem
from evaluators.tasks.base import Dialect, Format, Task
from reasoning.core import Message, Prompt

ROLES = {
    "terse": "You answer in as few lines as you can, several operations a line.",
    "careful": "You work slowly and write down every single step.",
}
"""Named roles: what they say in the plain dialect. In the compact one the name itself is said,
and the embedded models were trained on these two names."""


@dataclass(frozen=True)
class PromptStyle:
    """How a question is asked: its format, the number of worked examples, and a role (a name out
    of ROLES, or any text)."""

    format: Format = "chain"
    shots: int = 0
    role: str | None = None

    def __post_init__(self) -> None:
        if self.format not in ("direct", "chain"):
            raise UnknownName("prompt format", self.format, ("direct", "chain"))
        if self.shots < 0:
            raise BadInput(f"shots must be 0 or more, not {self.shots}")


def build(task: Task, problem: Problem, style: PromptStyle, dialect: Dialect) -> Prompt:
    """The prompt for one problem. Raises UnknownName where the task lacks the format or has no
    worked examples."""
    if style.format not in task.formats:
        raise UnknownName(f"prompt format for task {task.name!r}", style.format, task.formats)
    question = task.render(problem, style.format, dialect)
    shots = task.examples(style.format, dialect, style.shots) if style.shots else []
    if any(asked == question for asked, _ in shots):  # a training problem may be one of them
        more = task.examples(style.format, dialect, style.shots + 1)
        shots = [shot for shot in more if shot[0] != question]
    if dialect == "compact":
        head = [style.role + "\n"] if style.role else []
        shown = [f"{asked}{answered}\n\n" for asked, answered in shots]
        return Prompt((Message("user", "".join([*head, *shown, question])),))
    messages = [Message("system", ROLES.get(style.role, style.role))] if style.role else []
    for asked, answered in shots:
        messages += [Message("user", asked), Message("assistant", answered)]
    return Prompt((*messages, Message("user", question)))
