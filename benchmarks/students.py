"""What a student is worth, measured cheaply: greedy and sampled answers to fresh test problems.

Shared by distillation.py and practice.py. Each student is one folder with its result, so that a
command that was interrupted goes on with the students that are left.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from quiet import own

from evaluators import load_task
from evaluators.errors import BadInput
from evaluators.intervals import Interval, bootstrap_interval, paired_bootstrap, wilson_interval
from evaluators.tasks.base import Format
from labs.recipes.measure import GREEDY, SAMPLED, hits
from reasoning import load_model
from reasoning.prompts import PromptStyle

RESULT = "result.json"


@dataclass(frozen=True)
class Exam:
    """Fresh problems of one task: `problems` test instances drawn by `seed`; `samples` are drawn of
    each at temperature 1 beside the greedy answer."""

    task: str
    options: tuple[tuple[str, Any], ...]
    problems: int
    seed: int
    samples: int = 4

    @property
    def label(self) -> str:
        """`expressions ops=2..4`."""
        shown = (f"{k}={'..'.join(map(str, v)) if isinstance(v, tuple) else v}"
                 for k, v in self.options)  # fmt: skip
        return " ".join([self.task, *shown])


@dataclass(frozen=True)
class Marks:
    """One student's: whether the greedy answer to each problem is right, how many of `samples`
    samples are, and the mean tokens of a sample."""

    greedy: Sequence[int]
    right: Sequence[int]
    samples: int
    tokens: float

    @property
    def single(self) -> list[float]:
        """The chance of each problem that one sample is right."""
        return [count / self.samples for count in self.right]

    @property
    def solved(self) -> list[float]:
        """Whether any of the samples is right: pass@samples."""
        return [float(count > 0) for count in self.right]


def sit(model: Any, exam: Exam, format: Format) -> Marks:
    """A model's marks when it is asked in this format."""
    task = load_task(exam.task, "test", exam.problems, exam.seed, **dict(exam.options))
    greedy, _ = hits(model, task, PromptStyle(format), GREEDY)
    right, tokens = hits(model, task, PromptStyle(format), replace(SAMPLED, n=exam.samples))
    return Marks(
        greedy[:, 0].astype(int).tolist(), right.sum(axis=1).tolist(), exam.samples,
        float(tokens.mean()),
    )  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One student: who (`arm`, `seed`), the format it answers in, its marks by exam, TFLOPs that it
    spent itself (training and sampling), TFLOPs of its teacher, processor seconds of the training
    (without those of making its data), and what else is `told`, `exam_seconds` among it."""

    arm: str
    seed: int
    format: Format
    marks: Mapping[str, Marks]
    student: float
    teacher: float
    seconds: float
    told: Mapping[str, Any]


def examined(
    place: str, arm: str, seed: int, format: Format, exams: Sequence[Exam], **told: Any
) -> Result:
    """The result of the model of this name; `told` may hold its costs."""
    model = load_model(place)
    marks, took = clocked(lambda: {exam.label: sit(model, exam, format) for exam in exams})
    costs = {name: told.pop(name, 0.0) for name in ("student", "teacher", "seconds")}
    return Result(arm, seed, format, marks, **costs, told={**told, "exam_seconds": took})


def made(folder: Path, settings: Mapping[str, Any], make: Callable[[Path], Result]) -> Result:
    """The result that `folder` holds, or that of `make(folder/run)`. What is left of a student that
    was interrupted goes on; of its weights only the result is kept. Raises BadInput where the
    folder holds a student of other settings."""
    told = json.loads(json.dumps(settings))
    file = folder / RESULT
    if file.exists():
        held = json.loads(file.read_text("utf-8"))
        if held.pop("settings") != told:
            raise BadInput(f"{folder} holds a student of other settings: choose another --out")
        marks = {label: Marks(**m) for label, m in held.pop("marks").items()}
        return Result(**held, marks=marks)
    folder.mkdir(parents=True, exist_ok=True)
    result = make(folder / "run")
    file.write_text(json.dumps({"settings": told, **asdict(result)}) + "\n", "utf-8")
    shutil.rmtree(folder / "run" / "checkpoints", ignore_errors=True)
    return result


def keep(results: Sequence[Result], tflops: float, file: Path) -> None:
    """Write all results, and the cap that they had, as JSON."""
    told = {"tflops": tflops, "results": [asdict(result) for result in results]}
    file.write_text(json.dumps(told) + "\n", "utf-8")


def clocked(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` returns and the processor seconds it took, those of its children too."""
    began = own()
    return work(), own() - began


def spent_in(place: Path) -> tuple[float, float]:
    """TFLOPs of the student itself and of its teacher, out of the record beside its weights."""
    spent = json.loads((place / "training.json").read_text("utf-8"))["spent"]
    return spent["flops"] / 1e12, spent["teacher"] / 1e12


def values_of(results: Sequence[Result], exam: str, what: str) -> np.ndarray:
    """(problems, seeds) of `greedy`, `single` or `solved`."""
    return np.array([getattr(r.marks[exam], what) for r in results], dtype=float).T


def interval(values: np.ndarray) -> Interval:
    """The mean with its 95 % interval over problems; Wilson's where all values are equal."""
    if values.min() == values.max() and values.max() in (0.0, 1.0):
        return wilson_interval(round(len(values) * values[0, 0]), len(values))
    return bootstrap_interval(values, np.random.default_rng(0))


def difference(one: np.ndarray, other: np.ndarray) -> Interval:
    """The mean of one - other over the same problems and seeds, with its 95 % interval."""
    return paired_bootstrap(one, other, np.random.default_rng(0))


def shown(found: Interval, sign: bool = False) -> str:
    """`.702 (.671 to .733)`."""
    return "{:{f}} ({:{f}} to {:{f}})".format(
        found.value, found.low, found.high, f="+.3f" if sign else ".3f"
    )
