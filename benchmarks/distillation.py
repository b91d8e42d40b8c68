"""One student per training method at equal student FLOPs: what does each method teach tiny-student?

tiny-student has never seen a chain. From it, on two tasks mixed and at one cap on the student's own
FLOPs (its training and its sampling; the teacher's compute is a column), three seeds each:

- answers only: the right answers to all problems, asked directly
- random correct traces: of all problems, written by an exact solver along random legal paths
- teacher traces: chains sampled from `tiny`, those that the verifier passed
- logits: the same chains with tiny's token distributions (forward KL)
- on-policy: the same problems; at first the teacher's chains, at last the student's own, under the
  teacher's token distributions (forward KL; --more adds reverse KL)
- STaR, GRPO: practice with the verifier, no teacher. A student that cannot write chains samples
  hardly a right one (the table's second line), so it practises direct answers, which it can

Every student answers fresh test problems in its own format. Prints a table and paired differences,
and writes all of it as JSON. An interrupted command goes on with the students that are left.

    python benchmarks/distillation.py [--seeds 3] [--tflops 1] [--only teacher] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from students import (
    Exam,
    Result,
    clocked,
    difference,
    examined,
    interval,
    keep,
    made,
    shown,
    spent_in,
    values_of,
)

from evaluators import load_task
from evaluators.tasks.base import Format, Task
from reasoning import load_model
from reasoning.data.collect import collect_traces
from reasoning.data.rows import TraceRow
from reasoning.data.select import select
from reasoning.data.solver import solver_traces
from reasoning.models import embedded_folder
from reasoning.prompts import PromptStyle
from reasoning.train.methods import METHODS, recipe_of
from reasoning.train.practice import Practice

STUDENT, TEACHER = "tiny-student", "tiny"
EASY: Mapping[str, dict[str, Any]] = {
    "expressions": {"ops": (2, 4)}, "countdown": {"numbers": (3, 4)}
}  # fmt: skip
PROBLEMS, SAMPLES = 3000, 2
"""Training problems of each task, and the teacher's samples of each."""
EXAMS = tuple(
    Exam(task, tuple(options.items()), problems=400, seed=2_026) for task, options in EASY.items()
)
BASE: dict[str, Any] = {
    "optimiser": "muon", "lr": 3e-3, "warmup": 0.03, "steps": 100_000, "save_every": 1_000_000
}  # fmt: skip
"""For all: the cap on FLOPs ends a run, not the steps."""
WATCHED: dict[str, Any] = {"batch": 48, "teacher": TEACHER, "max_new_tokens": 48}
"""For a student whose own traces a teacher reads; it writes no more tokens than this."""


@dataclass(frozen=True)
class Arm:
    """How a student is made: a training method, what it learns from, the format it answers in, and
    settings of the recipe beside BASE."""

    method: str
    data: str
    format: Format
    settings: Mapping[str, Any]


ARMS: dict[str, Arm] = {
    "answers only": Arm("sft", "answer", "direct", {"batch": 96, "lr": 7e-4}),
    "random correct traces": Arm("sft", "random", "chain", {"batch": 48}),
    "teacher traces": Arm("sft", "teacher", "chain", {"batch": 48}),
    "logits": Arm("logits", "teacher", "chain", {"batch": 48, "teacher": TEACHER}),
    "on-policy": Arm("on-policy", "teacher", "chain", {**WATCHED, "divergence": "forward"}),
    "STaR": Arm(
        "star", "practice", "direct", {"batch": 96, "lr": 7e-4, "rounds": 3, "problems": 3000}
    ),
    "GRPO": Arm(
        "grpo", "practice", "direct",
        {"batch": 32, "samples": 8, "optimiser": "adamw", "lr": 4e-4, "max_tokens": 16,
         "probe_every": 0},
    ),
}  # fmt: skip

MORE: dict[str, Arm] = {
    "on-policy, reverse KL": Arm(
        "on-policy", "teacher", "chain", {**WATCHED, "divergence": "reverse"}
    ),
}
"""Beside the table: settings that were tried and left."""

REFERENCES: Mapping[str, tuple[str, Format]] = {
    "before, direct": (STUDENT, "direct"),
    "before, chain": (STUDENT, "chain"),
    "teacher, chain": (TEACHER, "chain"),
}
"""The student before training in both formats, and the teacher."""


def tasks(seed: int) -> list[Task]:
    """The training problems of a seed: other ones than those of the other seeds."""
    return [
        load_task(name, "train", PROBLEMS, seed=100 + seed, **dict(options))
        for name, options in EASY.items()
    ]


@cache
def traces(kind: str, seed: int, out: Path) -> tuple[list[TraceRow], float, float]:
    """Rows to learn from: of the exact solvers (`answer`, `random`), or the teacher's that the
    verifier passed; the teacher's TFLOPs, and processor seconds."""

    def make() -> tuple[list[TraceRow], float]:
        if kind != "teacher":
            return [row for task in tasks(seed) for row in solver_traces(task, kind, seed=seed)], 0
        found = [
            collect_traces(
                task, load_model(TEACHER), k=SAMPLES, seed=seed, progress=False,
                out=out / f"teacher-{seed}-{task.name}",
            ) for task in tasks(seed)
        ]  # fmt: skip
        rows = select([row for some in found for row in some], each=SAMPLES)
        return list(rows), sum(some.spent.flops for some in found) / 1e12

    (rows, teacher), seconds = clocked(make)
    return rows, teacher, seconds


def student(name: str, seed: int, cap: float, out: Path) -> Result:
    """One student, trained and examined."""
    arm = {**ARMS, **MORE}[name]
    settings = {**BASE, **arm.settings, "flops": cap * 1e12, "seed": seed}

    def make(folder: Path) -> Result:
        teacher, before = 0.0, 0.0
        if arm.data == "practice":
            pairs = tuple((task, 1.0) for task in tasks(seed))
            data: Any = Practice(pairs, PromptStyle(arm.format))
        else:
            data, teacher, before = traces(arm.data, seed, out)
        train = METHODS[arm.method].train()
        recipe = recipe_of(arm.method, settings)
        place, seconds = clocked(
            lambda: train(data, embedded_folder(STUDENT), folder, recipe, heard(name, seed))
        )
        flops, more = spent_in(place)
        told = {"data": arm.data, "rows": len(data), "rows_seconds": before}
        return examined(
            f"hf:{place}", name, seed, arm.format, EXAMS,
            student=flops, teacher=teacher + more, seconds=seconds, **told,
        )  # fmt: skip

    asked = {"arm": asdict(arm), "recipe": settings, "problems": PROBLEMS, "k": SAMPLES,
             "tasks": EASY, "exams": [asdict(exam) for exam in EXAMS]}  # fmt: skip
    return made(out / name.replace(" ", "-") / f"seed-{seed}", asked, make)


def heard(name: str, seed: int) -> Callable[[dict[str, Any]], None]:
    """Progress on standard error, one line in fifty."""

    def hear(row: dict[str, Any]) -> None:
        if "step" in row and row["step"] % 50 == 0:
            told = {k: round(v, 4) for k, v in row.items() if k in ("loss", "reward")}
            share = f"{row.get('flops', 0) / 1e12:.3f} TFLOP"
            print(f"  {name}, seed {seed}: step {row['step']}, {share} {told}", file=sys.stderr)

    return hear


def reference(name: str, model: str, format: Format, out: Path) -> Result:
    """A model that was not trained here."""
    asked = {"model": model, "format": format, "exams": [asdict(exam) for exam in EXAMS]}
    folder = out / name.replace(", ", "-")
    return made(folder, asked, lambda _: examined(model, name, 0, format, EXAMS))


def table(rows: Mapping[str, Sequence[Result]]) -> str:
    """A line a method: greedy accuracy on each task with its 95 % interval and its least and
    greatest seed, then that of one sample, and the costs (means over seeds)."""
    heads = ["method", "format"]
    for exam in EXAMS:
        heads += [f"{exam.label}: greedy", "seeds", "one sample"]
    heads += ["tokens an answer", "student TFLOP", "teacher TFLOP", "processor s"]
    lines = [heads, ["---"] * len(heads)]
    for name, some in rows.items():
        cells = [name, some[0].format]
        for exam in EXAMS:
            greedy = values_of(some, exam.label, "greedy")
            each = greedy.mean(axis=0)
            cells += [shown(interval(greedy)), f"{each.min():.3f}-{each.max():.3f}",
                      f"{values_of(some, exam.label, 'single').mean():.3f}"]  # fmt: skip
        tokens = [m.tokens for r in some for m in r.marks.values()]
        cells.append(f"{sum(tokens) / len(tokens):.1f}")
        for what, form in (("student", ".2f"), ("teacher", ".2f"), ("seconds", ".0f")):
            cells.append(f"{sum(getattr(r, what) for r in some) / len(some):{form}}")
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def differences(rows: Mapping[str, Sequence[Result]], baseline: str) -> list[str]:
    """Every method minus the baseline: the same problems, the same seeds."""
    found = []
    for name, some in rows.items():
        if name == baseline or len(some) != len(rows[baseline]):
            continue
        told = []
        for exam in EXAMS:
            one, other = (values_of(rows[n], exam.label, "greedy") for n in (name, baseline))
            told.append(f"{exam.task} {shown(difference(one, other), sign=True)}")
        found.append(f"- {name}: {'; '.join(told)}")
    return found


def minutes(results: Sequence[Result]) -> float:
    """Processor-minutes of all students, those of earlier sessions too: their data (the teacher's
    traces of a seed once), training and exams."""
    data: dict[tuple[str, int], float] = {}
    for result in results:
        which = str(result.told.get("data", "")), result.seed
        data[which] = max(data.get(which, 0.0), float(result.told.get("rows_seconds", 0.0)))
    work = (result.seconds + float(result.told["exam_seconds"]) for result in results)
    return (sum(data.values()) + sum(work)) / 60


def main() -> None:
    """All students, then the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tflops", type=float, default=1.0, help="cap on each student's own")
    parser.add_argument("--only", default="", help="methods whose name has one of a,b,… in it")
    parser.add_argument("--more", action="store_true", help="methods beside the table, too")
    parser.add_argument("--out", type=Path, default=Path("runs/distillation"))
    parser.add_argument("--json", type=Path, help="where all results go (default: in --out)")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    some = {**ARMS, **MORE} if chosen.more else ARMS
    names = [name for name in some if any(part in name for part in chosen.only.split(","))]
    rows: dict[str, list[Result]] = {name: [] for name in names}
    for seed in range(chosen.seeds):
        for name in names:
            rows[name].append(student(name, seed, chosen.tflops, chosen.out))
    before = {name: [reference(name, *how, chosen.out)] for name, how in REFERENCES.items()}
    print(f"{chosen.tflops} TFLOP a student, {chosen.seeds} seeds\n")
    print(table({**before, **rows}))
    if "answers only" in rows:
        print("\nGreedy accuracy minus that of answers only:\n")
        print("\n".join(differences(rows, "answers only")))
    results = [result for some in (*before.values(), *rows.values()) for result in some]
    file = chosen.json or chosen.out / "distillation.json"
    keep(results, chosen.tflops, file)
    print(f"\n{minutes(results):.1f} processor-minutes; results: {file.name}")


if __name__ == "__main__":
    main()
