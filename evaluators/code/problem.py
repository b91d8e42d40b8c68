"""Programming problems with unit tests and samples of solutions, in the format of HumanEval.

A problem is `{"task_id", "prompt", "entry_point", "test", "canonical_solution"}`; `test` defines
`check(candidate)` or asserts at its top level (Chen et al. 2021). A sample is
`{"task_id", "completion"}`. Files are JSONL, gzipped or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from evaluators.tasks import rows

NEEDED = ("prompt", "entry_point", "test")
TEXTS = (*NEEDED, "canonical_solution")
PROBLEM = '{"task_id": …, "prompt": …, "entry_point": …, "test": …}'
SAMPLE = '{"task_id": …, "completion": …}'


@dataclass(frozen=True)
class CodeProblem:
    """One problem: the beginning of a program, the function wanted, the tests that decide.

    `canonical_solution` is a completion that is known to pass, where there is one: it tells a
    problem that cannot be judged from a candidate that fails.
    """

    task_id: str
    prompt: str
    entry_point: str
    test: str
    canonical_solution: str | None = None

    @staticmethod
    def from_fields(fields: Mapping[str, Any], where: str = "a problem") -> CodeProblem:
        """The problem in a row. Raises BadInput, with `where`, for a field that is not there."""
        for name in NEEDED:
            if not isinstance(fields.get(name), str) or not (name == "prompt" or fields[name]):
                raise BadInput(
                    f"{where}: it needs the field {name!r}, a text; a problem is {PROBLEM}, with"
                    ' "canonical_solution" where there is one'
                )
        solution = fields.get("canonical_solution")
        if not isinstance(solution, str | None):
            raise BadInput(f"{where}: the field 'canonical_solution' must be a text")
        try:
            "".join(fields.get(name) or "" for name in TEXTS).encode()
        except UnicodeEncodeError as error:
            raise BadInput(f"{where}: no Unicode text (half a surrogate pair)") from error
        if not fields["entry_point"].isidentifier():
            raise BadInput(
                f"{where}: the entry_point {fields['entry_point']!r} is no function name"
            )
        task_id = str(fields.get("task_id", fields["entry_point"]))
        prompt, entry_point, test = (fields[name] for name in NEEDED)
        return CodeProblem(task_id, prompt, entry_point, test, solution or None)


@dataclass(frozen=True)
class Sample:
    """One completion, and the line of its file (from 1)."""

    task_id: str
    completion: str
    line: int


def read_problems(path: Path) -> dict[str, CodeProblem]:
    """The problems of a file by task_id, in its order. Raises BadInput naming the line."""
    found: dict[str, CodeProblem] = {}
    lines: dict[str, int] = {}
    for line, row in rows.read(path, PROBLEM):
        where = f"{path}, line {line}"
        if not isinstance(row.get("task_id"), str | int):
            raise BadInput(f"{where}: it needs the field 'task_id'; a problem is {PROBLEM}")
        problem = CodeProblem.from_fields(row, where)
        if problem.task_id in found:
            first = lines[problem.task_id]
            raise BadInput(
                f"{where}: the task_id {problem.task_id!r} was given on line {first} already"
            )
        found[problem.task_id], lines[problem.task_id] = problem, line
    return found


def read_samples(path: Path, problems: Mapping[str, CodeProblem]) -> list[Sample]:
    """The samples of a file. Raises BadInput naming the line and a task_id that is no problem's."""
    found = []
    for line, row in rows.read(path, SAMPLE):
        where = f"{path}, line {line}"
        for name, kinds in (("task_id", str | int), ("completion", str)):
            if not isinstance(row.get(name), kinds):
                raise BadInput(f"{where}: it needs the field {name!r}; a sample is {SAMPLE}")
        task_id = str(row["task_id"])
        if task_id not in problems:
            known = next(iter(problems))
            raise BadInput(
                f"{where}: no problem has the task_id {task_id!r} (the problems' look like"
                f" {known!r}); give the problems file that the samples were drawn for"
            )
        found.append(Sample(task_id, row["completion"], line))
    return found
