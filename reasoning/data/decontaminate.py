"""Decontamination: no trace of a held-out question is learned from.

Questions are compared by their canonical instance (the same numbers in another order are the same
question) and by their text; comparing runs of words, as is done for prose, would flag every
question of a templated task, and is offered for prose only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import THINK, Dialect, Task
from evaluators.tasks.instances import split_of
from reasoning.data.diversity import words
from reasoning.data.rows import TraceRow, instance_of


def _countdown(fields: Mapping[str, Any]) -> str:
    from evaluators.tasks.countdown import key_of

    return key_of(fields["numbers"], fields["target"])


def _expressions(fields: Mapping[str, Any]) -> str:
    from evaluators.tasks import arithmetic
    from evaluators.tasks.expressions import key_of

    return key_of(arithmetic.parse(fields["expression"]))


def _chain_sum(fields: Mapping[str, Any]) -> str:
    from evaluators.tasks.chain_sum import key_of

    return key_of(fields["terms"])


KEYS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "countdown": _countdown,
    "expressions": _expressions,
    "chain-sum": _chain_sum,
}
"""Task -> its canonical key from a problem's fields: the same for the same question in another
order. Test instances of these tasks are told by their key alone."""


def canonical(task: str, problem: Problem) -> str:
    """The canonical instance of a question: from its fields where the task is one of KEYS, else as
    `instance_of` has it."""
    if task in KEYS:
        try:
            return f"{task}|{KEYS[task](problem.fields)}"
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"problem {problem.id} is none of task {task!r}: {error}") from error
    return instance_of(task, problem)


@dataclass(frozen=True)
class Dropped:
    """A row that was taken out, and why."""

    row: TraceRow
    reason: str


@dataclass(frozen=True)
class Clean:
    """Rows without held-out questions, and what was taken out."""

    rows: tuple[TraceRow, ...]
    dropped: tuple[Dropped, ...]
    held_out: int

    def __str__(self) -> str:
        """What was kept, and why the rest was not."""
        total = len(self.rows) + len(self.dropped)
        counts = Counter(each.reason for each in self.dropped)
        why = "".join(f"; taken out {n}: {reason}" for reason, n in counts.items())
        return (
            f"{len(self.rows)} of {total} traces kept, held against {self.held_out} questions{why}"
        )

    def told(self) -> dict[str, Any]:
        """Counts as JSON values."""
        return {
            "kept": len(self.rows),
            "held_out": self.held_out,
            "dropped": dict(Counter(each.reason for each in self.dropped)),
        }


def normal(text: str) -> str:
    """A question's text without what does not change it: case, white space, the opened tag."""
    return " ".join(text.replace(THINK, " ").casefold().split())


def decontaminate(
    rows: Iterable[TraceRow], held_out: Iterable[Task] = (), *, words_in_common: int | None = None
) -> Clean:
    """The rows whose question is neither a test instance nor held out.

    A row goes when it says that it is of the split `test`, when its canonical instance is one of
    the tenth that a generated task keeps for testing, or when it is an instance or has the text of
    a problem of `held_out`. With `words_in_common` (13 in Brown et al. 2020, appendix C) it goes
    also when its question has a run of so many words in common with a held-out one: for prose.
    Raises BadInput for a row whose question cannot be read.
    """
    guard = HeldOut(held_out, words_in_common)
    kept, dropped = [], []
    for row in rows:
        reason = guard.why(row)
        if reason is None:
            kept.append(row)
        else:
            dropped.append(Dropped(row, reason))
    return Clean(tuple(kept), tuple(dropped), guard.size)


class HeldOut:
    """Questions that must not be learned from: those of `tasks`, and the test instances of the
    tasks in KEYS. `size` is the number of questions of `tasks`."""

    def __init__(self, tasks: Iterable[Task] = (), words_in_common: int | None = None) -> None:
        if words_in_common is not None and words_in_common < 1:
            raise BadInput(f"words_in_common must be 1 or more, not {words_in_common}")
        held = [(task, problem) for task in tasks for problem in task.problems]
        self.size, self._run = len(held), words_in_common
        self._instances = {canonical(task.name, problem) for task, problem in held}
        self._texts = {text for task, problem in held for text in _asked(task, problem)}
        self._runs = {run for text in self._texts for run in _runs(text, words_in_common)}

    def why(self, row: TraceRow) -> str | None:
        """Why a row has to go, or None."""
        if row.split == "test":
            return "of the split test"
        if row.instance in self._instances:
            return "a held-out instance"
        return self.why_not(row.task, row.asked(), _questions(row))

    def why_not(self, task: str, problem: Problem, asked: Iterable[str] = ()) -> str | None:
        """Why a problem of this task, asked in these words (`normal`), must not be learned from,
        or None."""
        key = canonical(task, problem)
        if key in self._instances:
            return "a held-out instance"
        if task in KEYS and split_of(key.partition("|")[2]) == "test":
            return "an instance kept for testing"
        texts = set(asked)
        if texts & self._texts:
            return "a held-out question's text"
        if any(run in self._runs for text in texts for run in _runs(text, self._run)):
            return f"{self._run} words in a row of a held-out question"
        return None


def _asked(task: Task, problem: Problem) -> list[str]:
    """A problem's text in every form in which it may be asked."""
    dialects: tuple[Dialect, ...] = ("compact", "plain")
    return [normal(task.render(problem, f, d)) for f in task.formats for d in dialects]


def _questions(row: TraceRow) -> set[str]:
    """What the row's prompt asks: its last turn, and the last block of it (worked examples stand
    before that)."""
    if not row.messages:
        return set()
    last = row.messages[-1].content
    return {normal(last), normal(last.rpartition("\n\n")[2])} - {""}


def _runs(text: str, size: int | None) -> list[tuple[str, ...]]:
    if size is None:
        return []
    found = words(text)
    return [tuple(found[at : at + size]) for at in range(len(found) - size + 1)]
