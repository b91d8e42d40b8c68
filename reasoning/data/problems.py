"""Problems in files: one a line, so that what a model wrote can be asked as a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.data.lines import read_lines, save_lines
from reasoning.data.rows import question

AnyTask = TypeVar("AnyTask", bound=Task)


def save(problems: Sequence[Problem], path: str | Path) -> Path:
    """One problem a line (`id`, `fields`, `answer`, `meta`, and `question` where the fields have
    one, so that `jsonl:FILE` reads it too); the file is there when it is whole."""
    place = Path(path)
    try:
        save_lines((_line(problem) for problem in problems), place)
    except OSError as error:
        raise BadInput(f"{place} cannot be written: {error}") from error
    return place


def read(path: str | Path) -> list[Problem]:
    """What `save` wrote. Raises BadInput naming the line that cannot be read."""
    return read_lines(Path(path), _problem)


def with_problems(task: AnyTask, path: str | Path) -> AnyTask:
    """The task with the problems of a file. Raises BadInput for problems that it cannot ask."""
    problems = read(path)
    for problem in problems:
        try:
            task.render(problem, task.formats[0], "plain")
        except (KeyError, TypeError) as error:
            raise BadInput(
                f"problem {problem.id!r} of {path} is none of task {task.name!r}: it has no {error}"
            ) from error
    return replace(task, problems=tuple(problems))


def _line(problem: Problem) -> dict[str, Any]:
    asked = {k: v for k, v in problem.fields.items() if k in ("question", "choices")}
    return {**question(problem), **asked}


def _problem(row: Any) -> Problem:
    try:
        return Problem(**{name: row[name] for name in ("id", "fields", "answer", "meta")})
    except (KeyError, TypeError) as error:
        raise BadInput(f"this is no problem (id, fields, answer, meta): {error}") from error
