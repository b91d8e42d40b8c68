"""The hidden-operator task with fewer of its examples shown, and with a prompt of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Dialect, Format, Task
from evaluators.tasks.operator import Operator

Writer = Callable[[Sequence[tuple[int, int, int]], tuple[int, int]], str]
"""(examples (a, b, result), question (a, b)) -> prompt"""


def shown(task: Task, shots: int) -> Task:
    """The same questions with only the first `shots` of their examples. Raises BadInput where a
    problem has fewer."""
    if any(len(problem.fields["examples"]) < shots for problem in task.problems):
        raise BadInput(f"not every problem has {shots} examples: load the task with more shots")
    fewer = [
        replace(p, fields={**p.fields, "examples": p.fields["examples"][:shots]})
        for p in task.problems
    ]
    return replace(task, problems=tuple(fewer))


def wordless(examples: Sequence[tuple[int, int, int]], question: tuple[int, int]) -> str:
    """Examples and question as the embedded models read them: `3@4=7`, then `?2@6=`."""
    lines = [f"{a}@{b}={result}" for a, b, result in examples]
    return "\n".join([*lines, "?{}@{}=".format(*question)])


@dataclass(frozen=True)
class OwnPrompt(Operator):
    """operator, asked with a prompt that `write` makes. In the plain dialect a line is added that
    says how to answer."""

    write: Writer = field(default=wordless, compare=False)

    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        shown = [(a, b, y) for a, b, y in problem.fields["examples"]]
        prompt = self.write(shown, (problem.fields["a"], problem.fields["b"]))
        return (
            prompt if dialect == "compact" else f"{prompt}\nReply with one line: Answer: <number>"
        )
