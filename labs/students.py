"""`reasonlab students`: what trained models are worth, side by side: tables, charts, JSON."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from labs.training_data import named
from search.calls import split


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab students",
        description="Measure models on the same problems: single-sample accuracy, pass@k, tokens a"
        " sample, calibration; accuracy under strategies at equal budget; what they forgot. A"
        " student is NAME or LABEL=NAME, where NAME is what --model takes elsewhere; a task is"
        " NAME(options), such as 'countdown(numbers=4)'. The first student is the baseline.",
    )
    made.add_argument("students", nargs="+", help="base=tiny-weak star=hf:runs/star/model")
    made.add_argument("--task", required=True, help="tasks, separated by commas")
    made.add_argument("--elsewhere", default="", help="tasks that were not practised")
    made.add_argument("--strategy", default="", help="strategies, separated by commas")
    made.add_argument(
        "--budget", default="", help="generated tokens a problem, separated by commas"
    )
    made.add_argument("--problems", type=int, default=200, help="test problems of each task")
    made.add_argument("--task-seed", type=int, default=0)
    made.add_argument("--k", type=int, default=16, help="samples a problem")
    made.add_argument("--temperature", type=float, default=1.0, help="of the samples")
    made.add_argument("--seed", default="0", help="run seeds, separated by commas")
    made.add_argument("--baseline", help="the student that the others are compared with")
    made.add_argument(
        "--questions", type=float, default=1e4,
        help="the chart's second panel shares the cost of making a student by so many questions",
    )  # fmt: skip
    made.add_argument("--pretraining", action="store_true", help="count what pretraining cost too")
    made.add_argument("--out", type=Path, help="folder of the run: logs, tables, charts")
    made.add_argument("--resume", action="store_true", help="go on with the run in --out")
    return made


def tasks_of(text: str, problems: int, seed: int) -> dict[str, Any]:
    """`"countdown(numbers=4),expressions"` as test tasks by that text. Raises BadInput."""
    from evaluators import load_task

    found = {}
    for part in split(text):
        name, options = named(part)
        found[part] = load_task(name, "test", problems, seed, **options)
    return found


def students_of(given: Sequence[str]) -> dict[str, str]:
    """Names by label. Raises BadInput for a label that is given twice."""
    found: dict[str, str] = {}
    for text in given:
        label, equals, name = text.partition("=")
        if not equals or ":" in label:  # hf:FOLDER may have a sign of its own
            label = name = text
        if not label or not name:
            raise BadInput(f"a student is NAME or LABEL=NAME, not {text!r}")
        if label in found:
            raise BadInput(f"two students are called {label!r}: give them labels, a={name}")
        found[label] = name
    return found


def whole_numbers(text: str, what: str) -> list[int]:
    """`"32,128"` as numbers. Raises BadInput."""
    try:
        return [int(part) for part in split(text)]
    except ValueError as error:
        raise BadInput(f"{what} takes whole numbers, not {text!r}") from error


def run(argv: list[str]) -> int:
    """The command: measure, print, leave tables, charts and figures in the run folder."""
    given = parser().parse_args(argv)
    from search.strategies import parse
    from search.students import evaluate_students

    students = students_of(given.students)
    arms = [parse(text) for text in split(given.strategy)]
    budgets = whole_numbers(given.budget, "--budget")
    if bool(arms) != bool(budgets):
        raise BadInput("--strategy and --budget go together: give both, or neither")
    tasks = tasks_of(given.task, given.problems, given.task_seed)
    other = tasks_of(given.elsewhere, given.problems, given.task_seed)
    try:
        report = evaluate_students(
            students, tasks, strategies=arms, budgets=budgets, elsewhere=other, k=given.k,
            temperature=given.temperature, seeds=whole_numbers(given.seed, "--seed"),
            baseline=given.baseline, out=given.out, resume=given.resume,
        )  # fmt: skip
    except KeyboardInterrupt as stop:
        again = shlex.join([*argv, *([] if given.resume else ["--resume"])])
        lost = "nothing was kept; give --out FOLDER to be able to resume"
        advice = f"continue with: reasonlab students {again}"
        raise KeyboardInterrupt(advice if given.out else lost) from stop
    print(report)
    if given.out is not None:
        from labs.student_figures import compute_chart

        (given.out / "students.txt").write_text(f"{report}\n", "utf-8")
        told = json.dumps(report.to_json(), indent=1, allow_nan=False)
        (given.out / "students.json").write_text(told + "\n", "utf-8")
        names = ["students.txt", "students.json"]
        for number, label in enumerate(report.tasks):
            chart = compute_chart(
                report, label, questions=(None, given.questions), pretraining=given.pretraining
            )  # fmt: skip
            names.append(f"compute-{number + 1}.png")
            chart.savefig(given.out / names[-1], dpi=110)
        print(f"saved: {', '.join(names)} in {given.out}")
    return 1 if any(one.errors for one in report.samples.values()) else 0
