"""`reasonlab traces show`: traces on the screen, each step with its verdict."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.errors import BadInput
from labs.traces import MARKS, judge_steps, visible
from search.sampler import pieces

if TYPE_CHECKING:
    from evaluators.tasks.base import Task
    from reasoning.data.rows import TraceRow


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab traces show", description="Print traces, each step with its verdict."
    )
    made.add_argument("files", type=Path, nargs="+", help="traces; folders of collections")
    made.add_argument("--verdict", choices=("right", "wrong", "any"), default="any")
    made.add_argument("--problem", help="only of the problem with this id")
    made.add_argument("--n", type=int, default=4, help="how many")
    return made


def heading(row: TraceRow) -> str:
    """One line on a trace: its question, verdict, answer, length, end."""
    asked = row.messages[-1].content if row.messages else ""
    parts = [row.problem.get("id", row.id), visible(asked)]
    if row.verdict is None:
        parts.append("not judged")
    else:
        reason = row.verdict.get("reason") or "no reason told"
        parts.append("right" if row.correct else f"wrong ({reason})")
    parts += [f"{row.n_tokens} tokens", f"ended by {row.finish}"]
    return " · ".join([*parts, "with a hint"] if row.hint_used else parts)


def as_text(row: TraceRow, task: Task | None) -> str:
    """A trace with its steps behind their marks; values of steps where the row has them."""
    boundary = "\n" if task is None else task.boundary
    texts = pieces(row.prefix + row.text, boundary)
    marks = [MARKS[None]] * len(texts)
    if task is not None:
        marks = [step.mark for step in judge_steps(task, row.asked(), row.prefix + row.text)]
    labels = row.labels if row.labels and len(row.labels) == len(texts) else [None] * len(texts)
    lines = [heading(row)]
    for mark, text, value in zip(marks, texts, labels, strict=True):
        told = "" if value is None else f"    [{value:.2g}]"
        lines.append(f"  {mark} {visible(text)}{told}")
    return "\n".join(lines)


def run(argv: list[str]) -> int:
    """The command. 1 where there is none of the traces that were asked for."""
    given = parser().parse_args(argv)
    from labs.traces_files import rows_in, tasks_by_name

    if given.n < 1:
        raise BadInput(f"--n must be 1 or more, not {given.n}")
    rows = rows_in(given.files)
    tasks = tasks_by_name(rows)
    if given.problem is not None:
        rows = [row for row in rows if row.problem.get("id") == given.problem]
    if given.verdict != "any":
        right = given.verdict == "right"
        rows = [row for row in rows if row.verdict is not None and row.correct == right]
    for row in rows[: given.n]:
        print(as_text(row, tasks.get(row.task)), end="\n\n")
    print(f"{min(len(rows), given.n)} of {len(rows)} traces")
    return 0 if rows else 1
