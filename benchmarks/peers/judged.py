"""What the drivers of peers on a served model share: problems, judges, one task's scores.

Imports `evaluators` of this repository (numpy is all it needs), so that every system is judged by
the same programs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.problem import Problem
from evaluators.tasks import load_task
from evaluators.tasks.base import Task

TEMPERATURE = 0.8


@dataclass(frozen=True)
class Set:
    """The problems of one task."""

    task: Task
    problems: tuple[Problem, ...]
    length: int
    step: int

    @staticmethod
    def read(path: str) -> Set:
        """From the file that `equal_tokens.py` writes."""
        told = json.loads(Path(path).read_text("utf-8"))
        task = load_task(told["task"], n=0)
        problems = tuple(Problem(p["id"], p["fields"], p["answer"]) for p in told["problems"])
        return Set(task, problems, task.max_tokens("chain", "compact"), task.step_tokens("compact"))

    def question(self, problem: Problem) -> str:
        """The prompt, the same for every system."""
        return self.task.render(problem, "chain", "compact")

    def whole(self, problem: Problem, text: str) -> float:
        """The verifier's score of a finished trace."""
        return self.task.verifier.check(problem, text).score

    def steps(self, problem: Problem, text: str) -> float:
        """What a partial trace is worth: on countdown its exact value, else the share of its steps
        that the step verifier accepts."""
        *lines, rest = text.split("\n")
        found = [f"{line}\n" for line in lines] + ([rest] if rest else [])
        if self.task.name == "countdown":
            return self.task.value(problem, found) or 0.0
        judge: Any = self.task.step_verifier
        said = [judge.check(problem, found[: at + 1]).passed for at in range(len(found))]
        if not said:
            return 0.0
        counted = [bool(passed) for passed in said[:-1] if passed is not None]
        counted.append(said[-1] is True)
        return sum(counted) / len(counted)


def write(path: str, rows: list[dict[str, Any]]) -> None:
    """The answers of one run: `{id, text, tokens, calls}` each."""
    Path(path).write_text(json.dumps(rows), "utf-8")
