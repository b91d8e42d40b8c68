"""Traces without a model: written by the exact solvers, along random correct paths, or the answers
alone. Each is verified like any other; lines that are wrong on purpose are read, never learned.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Dialect, Task
from evaluators.tasks.writers import Written, write
from reasoning.core import SeedPath
from reasoning.data.code import code_of
from reasoning.data.rows import Piece, TraceRow, digest, instance_of, question
from reasoning.data.traces import Traces, says, stamp, told
from reasoning.prompts import PromptStyle, build
from reasoning.train.labels import cut
from reasoning.verify import JudgeFailed, verdict_of


def solver_traces(
    task: Task, kind: str = "shortest", k: int = 1, *, dialect: Dialect = "compact", seed: int = 0,
    labels: bool = False,
) -> Traces:  # fmt: skip
    """`k` traces of every problem, equal ones of a problem once, in the problems' order.

    `kind` is one of `evaluators.tasks.writers.KINDS`: `shortest`, `random` (legal correct paths
    drawn at random), `answer` (asked directly), and more where the task has them. `labels` adds the
    exact value of every step (`Task.value`). A problem that its writer cannot solve is in the
    result's `errors`. Raises UnknownName for a kind that the task lacks, BadInput for no problems.
    """
    if not task.problems:
        raise BadInput(f"task {task.name!r} has no problems: load it with n=…")
    if k < 1:
        raise BadInput(f"k must be 1 or more traces a problem, not {k}")
    version = code_of([task, task.verifier]) or "unknown"
    rows: list[TraceRow] = []
    errors: dict[str, str] = {}
    for problem in task.problems:
        found: dict[str, TraceRow] = {}
        try:
            for at in range(k):
                path = SeedPath(seed, ("solver", kind, problem.id, at))
                rng = np.random.Generator(np.random.Philox(key=np.array(path.key, np.uint64)))
                written = write(task, problem, kind, dialect, rng)
                row = _row(task, problem, written, kind, dialect, path, version)
                found.setdefault(row.text, _labelled(row, task) if labels else row)
        except (BadInput, JudgeFailed) as error:
            errors[problem.id] = str(error)
        rows += found.values()
    if not rows:
        raise BadInput(
            f"no problem of {task.name!r} could be solved: {next(iter(errors.values()))}"
        )
    return Traces(rows, errors=errors)


def _row(
    task: Task, problem: Problem, written: Written, kind: str, dialect: Dialect, path: SeedPath,
    version: str,
) -> TraceRow:  # fmt: skip
    asked = json.loads(json.dumps(question(problem)))
    instance = instance_of(task.name, problem)
    prompt = build(task, problem, PromptStyle(written.format), dialect)
    verdict = verdict_of(task.verifier, problem, written.text)
    lines = written.text.splitlines(keepends=True)
    pieces: list[Piece] = []
    for at, line in enumerate(lines):
        source = "forced" if at in written.errors else "model"
        if pieces and pieces[-1].source == source:
            pieces[-1] = Piece(pieces[-1].text + line, source)
        else:
            pieces.append(Piece(line, source))
    return TraceRow(
        id=digest([task.name, asked, "solver", kind, dialect, written.text]),
        task=task.name, split=str(problem.meta.get("split", "")), seed=path.seed, problem=asked,
        instance=instance, messages=prompt.messages, pieces=tuple(pieces), finish="eos",
        answer=task.extract(written.text), gold=problem.answer, prefix=prompt.prefix,
        dialect=dialect, teacher={"model": "solver", "strategy": kind, "seed": path.text},
        verdict=told(task.verifier, verdict, version),
        dedup_key=says(instance, written.text), created=stamp(),
    )  # fmt: skip


def _labelled(row: TraceRow, task: Task) -> TraceRow:
    """The row with the exact value of every step."""
    problem, steps = row.asked(), cut(row.text, task.boundary)
    values = tuple(task.value(problem, steps[: at + 1]) for at in range(len(steps)))
    return replace(row, labels=values)
