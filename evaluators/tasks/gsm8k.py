"""gsm8k: grade-school word problems in English (Cobbe et al. 2021), from a file or from the hub.

The data are not part of this project. A file has one object a line with `question` and `answer`,
a worked solution that ends in `#### 18`. The final number alone is judged; a percent sign, a
currency or a unit after it says nothing, because the question asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from evaluators.answers import Kind, canonical, extract
from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem
from evaluators.tasks import chains, rows
from evaluators.tasks.base import Dialect, Format
from evaluators.tasks.questions import AnswerVerifier, Questions
from evaluators.verdict import Verdict

PATH_VARIABLE = "REASONLAB_GSM8K"
HUB = ("openai/gsm8k", "main")
SPLITS = ("test", "train")
_OTHER_NAMES = "For other fields use the task jsonl:FILE with question=… and answer=…"

# Written for this project; no row of the data set is quoted.
EXAMPLES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "A ferry carries 36 cars on each trip and makes 5 trips a day. On Sunday 24 places stayed "
        "empty in all. How many cars crossed on Sunday?",
        ("Places on 5 trips: 5 * 36 = 180.", "Cars that crossed: 180 - 24 = 156."),
        "156",
    ),
    (
        "Noor reads 14 pages on Monday and twice as many on Tuesday. Her book has 60 pages. How "
        "many pages are left?",
        (
            "Tuesday: 2 * 14 = 28 pages.",
            "Both days: 14 + 28 = 42 pages.",
            "Left: 60 - 42 = 18 pages.",
        ),
        "18",
    ),
    (
        "A baker sells loaves at $3 and rolls at $0.50. One morning she sells 22 loaves and 40 "
        "rolls. How many dollars does she take in?",
        (
            "Loaves: 22 * 3 = 66 dollars.",
            "Rolls: 40 * 0.5 = 20 dollars.",
            "Together: 66 + 20 = 86.",
        ),
        "86",
    ),
    (
        "Of 250 seedlings in a nursery, 20% do not survive the frost. The others are planted in "
        "rows of 8. How many rows are there?",
        (
            "Lost: 250 * 0.2 = 50 seedlings.",
            "Planted: 250 - 50 = 200 seedlings.",
            "Rows: 200 / 8 = 25.",
        ),
        "25",
    ),
    (
        "Two taps fill a trough together. One gives 7 litres a minute, the other 5. The trough "
        "holds 180 litres and already has 36 in it. How many minutes does it take?",
        (
            "Missing: 180 - 36 = 144 litres.",
            "Both taps: 7 + 5 = 12 litres a minute.",
            "Minutes: 144 / 12 = 12.",
        ),
        "12",
    ),
    (
        "Ivo is 4 years older than his sister. In 6 years they will be 40 together. How old is Ivo "
        "now?",
        (
            "Together now: 40 - 2 * 6 = 28 years.",
            "His sister: (28 - 4) / 2 = 12 years.",
            "Ivo: 12 + 4 = 16 years.",
        ),
        "16",
    ),
)


def reference(solution: str) -> str:
    """The final number of a worked solution, without separators. Raises BadInput without one."""
    _, mark, tail = solution.rpartition("####")
    answer = extract(tail if mark else solution, "number")
    number = canonical(answer, "number") if answer else None
    if number is None:
        raise BadInput(f"no final number after '####' in {solution[-60:]!r}")
    return number


@dataclass(frozen=True)
class NumberVerifier(AnswerVerifier):
    """Passes the completion whose final number is the reference's; that may be given as the whole
    worked solution."""

    def check(self, problem: Problem, text: str) -> Verdict:
        if problem.answer is not None and "####" in problem.answer:
            problem = replace(problem, answer=reference(problem.answer))
        return super().check(problem, text)


@dataclass(frozen=True)
class Gsm8k(Questions):
    """Word problems with a final number. Field: `question`; the worked solution is in `meta`."""

    kind: Kind = "number"

    @property
    def verifier(self) -> NumberVerifier:
        return NumberVerifier(self.kind)

    def from_fields(self, fields: Mapping[str, Any]) -> Problem:
        problem = super().from_fields(fields)
        return Problem(problem.id, problem.fields, reference(problem.answer or ""))

    def examples(self, format: Format, dialect: Dialect, k: int) -> list[tuple[str, str]]:
        if not 0 <= k <= len(EXAMPLES):
            raise BadInput(f"gsm8k has {len(EXAMPLES)} worked examples, not {k}")
        shown = []
        for question, steps, answer in EXAMPLES[:k]:
            problem = Problem("gsm8k/example", {"question": question}, answer)
            lines = steps if format == "chain" else ()
            direct = answer if dialect == "compact" else f"Answer: {answer}"
            told = chains.write(lines, answer, dialect) if lines else direct
            shown.append((self.render(problem, format, dialect), told))
        return shown


TASK = Gsm8k("gsm8k")


def load(
    split: str = "test", n: int | None = None, seed: int = 0, path: str | None = None
) -> Gsm8k:
    """Problems of the split `test` or `train`, all or `n` of them drawn by `seed`.

    `path` (or the environment variable REASONLAB_GSM8K) is a JSONL file of that split, or a folder
    with `test.jsonl` or `gsm8k_test.jsonl`; without it the data come from the hub through
    `datasets`. With n=0 nothing is read. Raises BadInput with both remedies where neither works.
    """
    if split not in SPLITS:
        raise UnknownName("split of gsm8k", split, SPLITS)
    if n == 0:
        return TASK  # to judge answers, no data are needed
    source = path or os.environ.get(PATH_VARIABLE)
    found = _from_file(_file(Path(source), split)) if source else _from_hub(split)
    problems = [
        Problem(
            f"gsm8k/{split}/{place}",
            {"question": question},
            answer,
            {"split": split, "solution": solution},
        )
        for place, (question, solution, answer) in enumerate(found)
    ]
    return Gsm8k("gsm8k", rows.choose(problems, n, seed, f"gsm8k {split}"))


def _file(path: Path, split: str) -> Path:
    """The file of a split. Refuses one that by its name is another split's."""
    if path.is_dir():
        names = [f"{split}.jsonl", f"gsm8k_{split}.jsonl"]
        present = [path / name for name in names if (path / name).is_file()]
        if not present:
            raise BadInput(f"the folder {path} has neither {' nor '.join(names)}")
        return present[0]
    for other in SPLITS:
        if other != split and other in path.stem and split not in path.stem:
            raise BadInput(f"{path.name} holds the split {other!r} by its name, not {split!r}")
    return path


def _from_file(path: Path) -> list[tuple[str, str, str]]:
    found = []
    for line, row in rows.read(path):
        where = f"{path}, line {line}"
        question = rows.text_field(row, "question", where, _OTHER_NAMES)
        solution = rows.text_field(row, "answer", where, _OTHER_NAMES)
        found.append((question, solution, _reference(solution, where)))
    return found


def _from_hub(split: str) -> list[tuple[str, str, str]]:
    remedy = (
        f"Remedy: give a local file by load_task('gsm8k', path='gsm8k_{split}.jsonl') or by the "
        f"environment variable {PATH_VARIABLE}, or make the hub reachable (pip install datasets, "
        "and a network)"
    )
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise BadInput(
            f"gsm8k has no local file and datasets is not installed. {remedy}"
        ) from error
    try:
        data = cast(Iterable[Any], load_dataset(*HUB, split=split))
    except Exception as error:  # the hub's client raises errors of five libraries
        raise BadInput(
            f"gsm8k has no local file and the hub gave none ({type(error).__name__}: {error}). "
            + remedy
        ) from error
    return [
        (row["question"], row["answer"], _reference(row["answer"], f"hub row {place}"))
        for place, row in enumerate(data)
    ]


def _reference(solution: str, where: str) -> str:
    try:
        return reference(solution)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error
