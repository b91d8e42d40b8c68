"""jsonl:FILE: one's own questions, one JSON object a line.

`{"question": "…", "answer": "…"}`, with `id` and `choices` where there are any. Which fields these
are, and how answers are compared (`math`, `number`, `exact`, `choice`), are options.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from evaluators.answers import KINDS, Kind, canonical
from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem
from evaluators.tasks import rows
from evaluators.tasks.base import Dialect, Format
from evaluators.tasks.questions import Questions

_NAMED = "Name the field by {}=…"


@dataclass(frozen=True)
class OwnQuestions(Questions):
    """The questions of a file. There are no worked examples to show before them."""

    def examples(self, format: Format, dialect: Dialect, k: int) -> list[tuple[str, str]]:
        if k:
            raise BadInput(f"{self.name} has no worked examples; ask with shots=0")
        return []


TASK = OwnQuestions("jsonl")


def load(
    split: str = "test",
    n: int | None = None,
    seed: int = 0,
    path: str | None = None,
    question: str = "question",
    answer: str = "answer",
    id: str = "id",
    verifier: str = "math",
    choices: str = "choices",
) -> OwnQuestions:
    """The questions of the file `path`, all or `n` of them drawn by `seed`.

    `question`, `answer`, `id` and `choices` name the fields; `verifier` is math, number, exact or
    choice. Under `choice` the field `choices`, where a row has it, is a list of texts or an object
    from letter to text, and the answer is a letter or one of the texts. A file has one split:
    `split` is only recorded. Raises BadInput and UnknownName, naming line and fields.
    """
    if verifier not in KINDS:
        raise UnknownName("verifier", verifier, KINDS)
    kind = cast(Kind, verifier)
    if n == 0:
        return OwnQuestions("jsonl", kind=kind)  # to judge answers, no file is needed
    if not path:
        raise BadInput("jsonl needs a file: load_task('jsonl:FILE') or path=FILE")
    file = Path(path)
    name = f"jsonl:{file.stem}"
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for line, row in rows.read(file):
        where = f"{file}, line {line}"
        key = rows.text_field(row, id, where, _NAMED.format("id")) if id in row else str(line)
        if key in lines:
            raise BadInput(f"{where}: the id {key!r} was given on line {lines[key]} already")
        lines[key] = line
        fields: dict[str, Any] = {
            "question": rows.text_field(row, question, where, _NAMED.format("question"))
        }
        if kind == "choice" and row.get(choices) is not None:
            fields["choices"] = _choices(row[choices], where, choices)
        told = rows.text_field(row, answer, where, _NAMED.format("answer"))
        if kind == "choice":
            told = _letter(told, fields.get("choices") or {}, where)
        meta = {"split": split, "line": line}
        problems.append(Problem(f"{name}/{key}", fields, told, meta))
    return OwnQuestions(name, rows.choose(problems, n, seed, str(file)), kind)


def _choices(value: Any, where: str, name: str) -> dict[str, str]:
    """Letter to text, in order. Raises BadInput for anything but a list or object of texts."""
    if isinstance(value, list):
        value = dict(zip(string.ascii_uppercase, value, strict=False)) if len(value) <= 26 else None
    texts = isinstance(value, Mapping) and all(
        isinstance(x, str | int | float) for x in value.values()
    )
    letters = texts and all(canonical(key, "choice") == key for key in value)
    if not letters or len(value) < 2:
        raise BadInput(
            f"{where}: field {name!r} must be a list of 2 to 26 texts or an object from capital "
            "letter to text"
        )
    return {key: str(text) for key, text in value.items()}


def _letter(told: str, choices: Mapping[str, str], where: str) -> str:
    """The reference as a letter. A text wins over a letter, so that `A` among the texts is one."""
    named = [letter for letter, text in choices.items() if text.strip() == told]
    if len(named) == 1:
        return named[0]
    letter = canonical(told, "choice")
    if letter is None or (choices and letter not in choices):
        known = ", ".join(choices) or "a letter"
        raise BadInput(
            f"{where}: the answer {told!r} is none of the choices ({known}) nor one text"
        )
    return letter
