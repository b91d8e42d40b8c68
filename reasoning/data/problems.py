"""Problems in files: one a line, so that what a model wrote can be asked as a task."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.data.rows import question

AnyTask = TypeVar("AnyTask", bound=Task)


def save(problems: Sequence[Problem], path: str | Path) -> Path:
    """One problem a line (`id`, `fields`, `answer`, `meta`, and `question` where the fields have
    one, so that `jsonl:FILE` reads it too); the file is there when it is whole."""
    place = Path(path)
    draft = place.with_name(place.name + ".new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8", errors="surrogatepass") as file:
            for problem in problems:
                asked = {k: v for k, v in problem.fields.items() if k in ("question", "choices")}
                line = {**question(problem), **asked}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        os.replace(draft, place)
    except OSError as error:
        raise BadInput(f"{place} cannot be written: {error}") from error
    return place


def read(path: str | Path) -> list[Problem]:
    """What `save` wrote. Raises BadInput naming the line that cannot be read."""
    place = Path(path)
    try:
        lines = place.read_text("utf-8", "surrogatepass").split("\n")
    except OSError as error:
        raise BadInput(f"{place} cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            known = {name: row[name] for name in ("id", "fields", "answer", "meta")}
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"line {number} of {place} is no problem: {error}") from error
        found.append(Problem(**known))
    return found


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
