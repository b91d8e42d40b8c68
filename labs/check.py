"""`reasonlab check TASK FILE.jsonl`: judge completions, one JSON verdict a line, accuracy last.

A row is `{"gold": …, "completion": …}`, judged against the reference answer, or
`{"problem": {the task's own fields}, "completion": …}`, judged by the task's own verifier.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, CannotJudge, LabError
from evaluators.problem import Problem
from evaluators.tasks import load_task
from evaluators.tasks.base import Task
from evaluators.tasks.operator import ReferenceVerifier
from evaluators.verdict import Verdict, Verifier


@dataclass(frozen=True)
class Row:
    """One line to judge: where it stands (`file:line`), the problem, what was written."""

    place: str
    problem: Problem
    completion: str
    by_reference: bool


def read_rows(task: Task, path: Path) -> Iterator[Row]:
    """The rows of a JSONL file, blank lines skipped. Raises BadInput naming file and line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"cannot read {path}: {reason}") from error
    # Not splitlines(): a completion may hold U+2028, which JSON leaves unescaped.
    for at, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield read_row(task, line, f"{path}:{at}")


def read_row(task: Task, line: str, place: str) -> Row:
    """One line of the file as a Row. Raises BadInput naming the place and what is wanted."""
    try:
        data = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadInput(f"{place}: not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("completion"), str):
        raise BadInput(f'{place}: a row needs "completion", a string')
    if ("problem" in data) == ("gold" in data):
        raise BadInput(f'{place}: a row needs either "problem" or "gold" beside "completion"')
    if "gold" in data:
        gold = data["gold"]
        if isinstance(gold, bool) or not isinstance(gold, str | int | float):
            raise BadInput(f'{place}: "gold" must be a string or a number, not {gold!r}')
        return Row(place, Problem(place, {}, str(gold)), data["completion"], True)
    if not isinstance(data["problem"], dict):
        raise BadInput(f'{place}: "problem" must hold the task\'s own fields, as an object')
    try:
        problem = own_problem(task, data["problem"])
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from error
    return Row(place, problem, data["completion"], False)


def own_problem(task: Task, fields: dict[str, Any]) -> Problem:
    """A problem from the task's own fields. Raises BadInput where the task cannot."""
    make = getattr(task, "from_fields", None)
    if make is None:
        raise BadInput(f'task {task.name!r} takes no "problem"; give "gold" instead')
    return make(fields)


def reference_judge(task: Task, place: str) -> Verifier | ReferenceVerifier:
    """The judge that compares with `gold`. Raises BadInput for answers that are not unique."""
    if task.verifier.knows == "reference":
        return task.verifier
    if task.verifier.knows == "check":
        raise BadInput(
            f"{place}: many answers to {task.name} are right, so no gold answer decides;"
            ' give "problem" with the task\'s own fields'
        )
    # The task's own verifier would compute the answer from fields that a gold row does not have.
    return ReferenceVerifier()


def judge(task: Task, row: Row) -> Verdict:
    """The verdict on one row; `passed` is None where the problem cannot be judged. Raises BadInput
    naming the place, for a reference without answer."""
    verifier = reference_judge(task, row.place) if row.by_reference else task.verifier
    try:
        return verifier.check(row.problem, row.completion)
    except CannotJudge as error:
        return Verdict(0.0, None, None, str(error))
    except BadInput as error:
        raise BadInput(f"{row.place}: {error}") from error


def as_json(verdict: Verdict) -> str:
    """A verdict as one line: score, passed, answer, reason."""
    names = ("score", "passed", "answer", "reason")
    return json.dumps({name: getattr(verdict, name) for name in names}, ensure_ascii=False)


def check(task_name: str, path: Path) -> Iterator[str]:
    """The output lines of the command: one verdict a row, then the accuracy.

    Every row is read before the first is judged, so a bad file prints no verdict. Raises
    UnknownName and BadInput.
    """
    task = load_task(task_name, n=0)
    rows = list(read_rows(task, path))
    if not rows:
        raise BadInput(f"{path} holds no rows")
    for row in rows:
        if row.by_reference:
            reference_judge(task, row.place)
    correct = judged = 0
    for row in rows:
        verdict = judge(task, row)
        correct += verdict.passed is True
        judged += verdict.passed is not None
        yield as_json(verdict)
    if judged < len(rows):
        yield f"not judged {len(rows) - judged} of {len(rows)} rows: the problem is at fault"
    if not judged:
        raise LabError("no row could be judged; the reasons stand in the lines above")
    yield f"accuracy {correct / judged:.4f} ({correct}/{judged})"


def run(argv: list[str]) -> int:
    """The command: print the verdicts and the accuracy."""
    parser = argparse.ArgumentParser(
        "reasonlab check", description="Judge completions, one JSON verdict a line, accuracy last."
    )
    parser.add_argument("task", help="countdown, expressions, chain-sum, gsm8k, jsonl, …")
    parser.add_argument(
        "file", type=Path, help='rows {"gold": …, "completion": …} or {"problem": {…}, …}'
    )
    arguments = parser.parse_args(argv)
    for line in check(arguments.task, arguments.file):
        print(line, flush=True)
    return 0
