"""TraceRow: one reasoning trace with its question, verdict and origin, as plain data.

A row says everything that a view or a later check needs; files hold one row a line (JSONL).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import END_THINK, THINK
from reasoning.core import Finish, Message, Source
from reasoning.data.lines import read_lines, save_lines


@dataclass(frozen=True)
class Piece:
    """Text of a trace and where it came from; only the model's is learned."""

    text: str
    source: Source = "model"


@dataclass(frozen=True)
class TraceRow:
    """One trace.

    `problem` is the question as data (id, fields, answer, meta), so that a changed verifier can
    judge again; `instance` its canonical key, the same for the same question in another order.
    `messages` and `prefix` are the prompt that was asked. `pieces` are the trace's text in order.
    `teacher` names what wrote it: model, its fingerprint, strategy, sampling, seed path. `verdict`
    holds checker, version, score, passed and reason, or None where nobody judged. `score` is what
    the strategy's scorer gave. `parent_id` is the row that this one was made from, `hint_used` says
    that the answer was shown to its writer, `dedup_key` is shared by rows that say the same.
    `labels` are values of steps in 0..1 (None: unknown), one for each step of `text`, where known.
    """

    id: str
    task: str
    split: str
    seed: int
    problem: Mapping[str, Any]
    instance: str
    messages: tuple[Message, ...]
    pieces: tuple[Piece, ...]
    finish: Finish
    answer: str | None = None
    gold: str | None = None
    prefix: str = ""
    dialect: Literal["compact", "plain"] = "compact"
    teacher: Mapping[str, Any] = field(default_factory=dict)
    n_tokens: int = 0
    logprob: float | None = None
    verdict: Mapping[str, Any] | None = None
    score: float | None = None
    labels: tuple[float | None, ...] | None = None
    parent_id: str | None = None
    hint_used: bool = False
    dedup_key: str = ""
    created: str = ""

    @property
    def text(self) -> str:
        """Everything after the prompt, forced text and a tool's words included."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def thinking(self) -> str:
        """The reasoning, without tags and answer; the whole text where no tag ends it."""
        text = (self.prefix + self.text).removeprefix(THINK)
        head, end, _ = text.rpartition(END_THINK)
        return head if end else text

    @property
    def correct(self) -> bool:
        """Whether a verifier passed it."""
        return self.verdict is not None and self.verdict.get("passed") is True

    def asked(self) -> Problem:
        """The question as a Problem."""
        return Problem(**self.problem)

    def to_json(self) -> dict[str, Any]:
        """JSON values with `thinking` beside them; `from_json` reads them."""
        messages, pieces = map(vars, self.messages), map(vars, self.pieces)  # asdict copies values
        plain = {**vars(self), "messages": list(messages), "pieces": list(pieces)}
        return {**plain, "thinking": self.thinking}

    @staticmethod
    def from_json(row: Mapping[str, Any]) -> TraceRow:
        """A row from its JSON values. Raises BadInput for values that are no row."""
        try:
            known = {key: value for key, value in row.items() if key != "thinking"}
            labels = known.get("labels")
            return TraceRow(
                **{**known,
                   "messages": tuple(Message(**m) for m in known["messages"]),
                   "pieces": tuple(Piece(**p) for p in known["pieces"]),
                   "labels": None if labels is None else tuple(labels)}
            )  # fmt: skip
        except (TypeError, KeyError, AttributeError) as error:
            raise BadInput(
                f"this is no trace row ({error}); import chats with `reasonlab traces import`"
            ) from error


def question(problem: Problem) -> dict[str, Any]:
    """A problem as the JSON values of `TraceRow.problem`."""
    return {
        "id": problem.id, "fields": dict(problem.fields),
        "answer": problem.answer, "meta": dict(problem.meta),
    }  # fmt: skip


def instance_of(task: str, problem: Problem) -> str:
    """The canonical key of a question: the task's own, or a hash of its fields."""
    key = problem.meta.get("key")
    if key is None:
        key = digest(dict(problem.fields))
    return f"{task}|{key}"


def digest(value: Any) -> str:
    """A hash of JSON values, the same in every process."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def fingerprint(rows: Iterable[TraceRow]) -> str:
    """A hash of what rows teach (prompt, pieces, verdict, labels), in their order."""
    made = blake2b(digest_size=16)
    for row in rows:
        seen = [[asdict(m) for m in row.messages], row.prefix, [asdict(p) for p in row.pieces],
                row.finish, row.correct, row.labels]  # fmt: skip
        made.update(digest(seen).encode())
    return made.hexdigest()


def save(rows: Sequence[TraceRow], path: Path) -> None:
    """One row a line; the file is there when it is whole."""
    save_lines((row.to_json() for row in rows), path)


def read(path: Path) -> list[TraceRow]:
    """What `save` wrote. Raises BadInput naming the line that cannot be read."""
    return read_lines(path, TraceRow.from_json)
