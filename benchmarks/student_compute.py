"""A small student that may search, or a bigger model that answers at once: accuracy against total
compute, the making of the student shared by few or by many questions.

tiny-student learns from chains of `tiny` on two tasks mixed (those that the verifier passed). Then
both answer the same fresh test problems: greedily, by vote, and by best-of-N with a verifier (on
countdown it only checks; on expressions it knows the answer and is an oracle). FLOPs count the
prompt and what was generated; making the student counts its training and the teacher's traces, not
the pretraining of either. Prints tables and break-even points, draws student_compute_TASK.png. An
interrupted command goes on where it stopped.

    python benchmarks/student_compute.py [--tflops 2.4] [--test 100] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from quiet import own

from evaluators import load_task
from labs.student_figures import break_even, compute_chart
from reasoning import load_model
from reasoning.data.collect import collect_traces
from reasoning.data.select import select
from reasoning.models import embedded_folder
from reasoning.train.methods import METHODS, recipe_of
from search import Cost, StudentReport, evaluate_students
from search.student_cost import cost_of
from search.student_report import Point
from search.table import Table

TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "expressions ops=2..4": ("expressions", {"ops": (2, 4)}),
    "countdown numbers=3..4": ("countdown", {"numbers": (3, 4)}),
}
PROBLEMS, SAMPLES = 3000, 2
"""Training problems of each task, and the teacher's samples of each."""
ARMS = {
    "greedy": "chain-of-thought",
    "vote": "self-consistency",
    "best-of-n": "best-of-n",
}
BUDGETS = (48, 96, 192, 384)
QUESTIONS = (None, 2e4, 1e6)
FRESH = 47
"""The seed of the test problems."""


def distilled(out: Path, tflops: float) -> tuple[str, Cost]:
    """The student's folder, and what its making cost."""
    teacher = load_model("tiny")
    rows, spent = [], 0.0
    for name, options in TASKS.values():
        task = load_task(name, "train", PROBLEMS, 300, **options)
        made = collect_traces(task, teacher, k=SAMPLES, out=out / f"traces-{name}", progress=False)
        rows += select(made, each=SAMPLES)
        spent += made.spent.flops
    settings = {"optimiser": "muon", "lr": 3e-3, "batch": 48, "warmup": 0.03, "steps": 100_000,
                "flops": tflops * 1e12, "save_every": 100_000}  # fmt: skip
    place = METHODS["sft"].train()(
        rows, embedded_folder("tiny-student"), out / "student", recipe_of("sft", settings),
        lambda row: None, None,
    )  # fmt: skip
    return f"hf:{place}", cost_of(str(place)) + Cost(teacher=spent)


def beside(report: StudentReport, task: str, arm: str, budget: int) -> Table:
    """The student's ways by what one answer costs, beside one way of the bigger model whose judge
    knew the same; and where they are at least as accurate, after how many questions its making is
    paid."""
    points = [point for point in report.points() if point.task == task]
    [bigger] = [p for p in points if (p.student, p.arm, p.budget) == ("tiny", arm, str(budget))]
    rows = [told(report, task, bigger, bigger)]
    for point in sorted(points, key=lambda p: p.flops):
        again = point.arm == "greedy" and point.budget != str(BUDGETS[0])  # the same at every cap
        if point.student == "student" and point.knows == bigger.knows and not again:
            rows.append(told(report, task, point, bigger))
    head = ("who", "how", "budget", "accuracy", "95 % interval", "MFLOP an answer",
            "paid for after questions")  # fmt: skip
    return Table(head, rows, f"{task}: the student beside the bigger model's {arm}")


def told(report: StudentReport, task: str, point: Point, bigger: Point) -> tuple[str, ...]:
    """One row of it."""
    after = None if point is bigger else break_even(report, task, point, bigger)
    paid = "" if point is bigger else "never: dearer" if after is None else f"{after:,.0f}"
    if point.accuracy.value < bigger.accuracy.value:
        paid = "less accurate"
    found, how = point.accuracy, point.arm + (" (oracle)" if point.oracle else "")
    return (point.student, how, point.budget, f"{found.value:.3f}",
            f"{found.low:.3f}..{found.high:.3f}", f"{point.flops / 1e6:.1f}", paid)  # fmt: skip


def main() -> None:
    """Distil, measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tflops", type=float, default=2.4, help="of the student's training")
    parser.add_argument("--test", type=int, default=100, help="test problems of each task")
    parser.add_argument("--out", type=Path, default=Path("runs/student-compute"))
    parser.add_argument("--png", type=Path, default=Path(__file__).with_suffix(".png"))
    chosen = parser.parse_args()
    began = own()
    student, cost = distilled(chosen.out, chosen.tflops)
    made = own() - began
    tasks = {label: load_task(name, "test", chosen.test, FRESH, **options)
             for label, (name, options) in TASKS.items()}  # fmt: skip
    report = evaluate_students(
        {"tiny": "tiny", "student": student}, tasks, strategies=ARMS, budgets=BUDGETS, k=8, ks=(8,),
        costs={"student": cost}, out=chosen.out / "measured", resume=True, progress=False,
    )  # fmt: skip
    print(report)
    for task in report.tasks:
        print(f"\n{beside(report, task, 'greedy', BUDGETS[0])}")
        print(f"\n{beside(report, task, 'best-of-n', BUDGETS[0])}")
        place = chosen.png.with_stem(f"{chosen.png.stem}_{task.split()[0]}")
        compute_chart(report, task, questions=QUESTIONS).savefig(place, dpi=110)
    (chosen.out / "student_compute.json").write_text(
        json.dumps(report.to_json(), indent=1) + "\n", "utf-8"
    )
    print(f"\nprocessor seconds: {made:.0f} for the student, {own() - began - made:.0f} to measure")


if __name__ == "__main__":
    main()
