"""The loop closed: search makes traces, traces make a better policy, the better policy searches
better. How far does it climb, where does it stall, and does GRPO get further at equal compute?

From tiny-weak, on two tasks mixed. Each round of the loop solves fresh training problems by a
search over steps that draws a rejected step again, keeps the right traces, and trains the base on
those of all rounds so far; the next round searches with what came out. The search asks the step
verifier, which on expressions could compute the answer: on training problems that is no cheating,
but it is more than the others are told. Beside it, at the same FLOPs (sampling, searching and
training; judging is free for all): the same rounds on independent samples, and GRPO, also at half
of them. Every student answers the same fresh test problems: one sample, pass@16, agreement, search
at equal budget, and two tasks that were not practised. Prints tables, writes closed_loop.png and
all figures as JSON. An interrupted command goes on where it stopped.

    python benchmarks/closed_loop.py [--rounds 4] [--problems 400] [--test 100] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from quiet import own

from evaluators import load_task
from evaluators.tasks.base import Task
from reasoning.models import embedded_folder
from reasoning.train.methods import METHODS, recipe_of
from reasoning.train.practice import Practice
from search import StepResample, evaluate_students
from search.student_report import StudentReport, shown
from search.table import Table

BASE = "tiny-weak"
SEARCH = StepResample(restarts=3, temperature=1.0)
TASKS: Mapping[str, dict[str, Any]] = {
    "countdown": {"numbers": 4}, "expressions": {"ops": (4, 8)}
}  # fmt: skip
ELSEWHERE: Mapping[str, dict[str, Any]] = {
    "chain-sum": {"terms": 2, "digits": 3}, "countdown": {"numbers": 5}
}  # fmt: skip
POOL = 6000
"""Training problems of each task, from which a round draws."""
FRESH = 31
"""The seed of the test problems: the settings were chosen on training problems."""
ARMS = {
    "self-consistency": "self-consistency(temperature=1.0)",
    "best-of-n": "best-of-n(temperature=1.0)",
    "step-resample": "step-resample(temperature=1.0)",
}
BUDGETS = (128, 384)
ROUNDS: dict[str, Any] = {
    "epochs": 3.0, "lr": 5e-4, "batch": 32, "keep": 2, "gather": True, "save_every": 100_000
}  # fmt: skip
"""Each round trains on the traces of all rounds so far: in trials on training problems it ended
higher so than on those of the last round alone."""
GRPO: dict[str, Any] = {
    "steps": 100_000, "lr": 4e-4, "batch": 16, "samples": 16, "warmup": 0.05, "decay": 0.3,
    "max_tokens": 128, "save_every": 100_000,
}  # fmt: skip


def label(name: str, options: Mapping[str, Any]) -> str:
    """`expressions ops=4..8`."""
    shown = (f"{k}={'..'.join(map(str, v)) if isinstance(v, tuple) else v}"
             for k, v in options.items())  # fmt: skip
    return " ".join([name, *shown])


def loaded(wanted: Mapping[str, dict[str, Any]], split: str, n: int, seed: int) -> dict[str, Task]:
    """Tasks by label."""
    return {label(t, o): load_task(t, split, n, seed, **o) for t, o in wanted.items()}


class Clock:
    """Processor seconds by part, kept in a file so that an interrupted command tells them all."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.seconds: dict[str, float] = {}
        if file.is_file():
            self.seconds = json.loads(file.read_text("utf-8"))

    def timed(self, part: str, work: Callable[[], Any]) -> Any:
        """What `work` returns; its seconds are added to those of the part."""
        began = own()
        try:
            return work()
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + own() - began
            self._file.write_text(json.dumps(self.seconds) + "\n", "utf-8")


def trained(method: str, data: Any, folder: Path, **settings: Any) -> dict[str, Any]:
    """Train the base by a method; the record beside the weights."""
    place = METHODS[method].train()(
        data, embedded_folder(BASE), folder, recipe_of(method, settings), progress, None
    )
    return json.loads((place / "training.json").read_text("utf-8"))


def progress(row: Mapping[str, Any]) -> None:
    """One line a round."""
    if "kept" in row:
        print(
            f"  round {row['round']}: {row['solved']} of {row['problems']} problems solved,"
            f" {row['kept']} traces kept, {row['flops'] / 1e12:.2f} TFLOP",
            flush=True,
        )


def flops_of(rounds: Sequence[Mapping[str, Any]]) -> list[float]:
    """FLOPs up to the end of each round."""
    total, found = 0.0, []
    for one in rounds:
        total += one["flops"]
        found.append(total)
    return found


def climb(report: StudentReport, spent: Mapping[str, float]) -> Table:
    """One row a student: what it had cost, one sample and pass@16 on each task."""
    head = ["student", "TFLOP"]
    for task in report.tasks:
        head += [f"{task}: one sample", "minus base", "pass@16"]
    rows = []
    for student in report.students:
        row: list[str] = [student, f"{spent[student] / 1e12:.2f}"]
        for task in report.tasks:
            one = report.sampled(student, task)
            apart = None if student == report.baseline else report.difference(student, task)
            row += [shown(one.single), shown(apart, "+"), shown(one.passes[16])]
        rows.append(row)
    return Table(head, rows, "what each round is worth: 16 samples a problem at temperature 1")


def steps_up(report: StudentReport, names: Sequence[str]) -> Table:
    """Each round against the one before it."""
    head = ["round", *(f"{task}: minus the round before" for task in report.tasks)]
    rows = [
        [name, *(shown(report.difference(name, t, against=before), "+") for t in report.tasks)]
        for before, name in pairwise(names)
    ]
    return Table(head, rows, "where it stalls: single-sample accuracy, paired by problem")


def against(report: StudentReport, last: str, others: Sequence[str]) -> Table:
    """The loop's last round against what else the same FLOPs bought."""
    head = ["minus", *(f"{t}: {what}" for t in report.tasks for what in ("one sample", "pass@16"))]
    rows = [
        [name, *(shown(report.difference(last, task, k, against=name), "+")
                 for task in report.tasks for k in (None, 16))]
        for name in others
    ]  # fmt: skip
    return Table(head, rows, f"{last} minus the others, paired by problem")


def draw(report: StudentReport, spent: Mapping[str, float], lines: Mapping[str, Sequence[str]],
         path: Path) -> None:  # fmt: skip
    """Accuracy against the FLOPs spent on training, one panel a task."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.2), layout="constrained")
    panels = figure.subplots(1, len(report.tasks), sharey=True)
    for axes, task in zip(panels, report.tasks, strict=True):
        for at, (name, students) in enumerate(lines.items()):
            x = [spent[s] / 1e12 for s in students]
            for found, form, what in (
                ([report.single(s, task) for s in students], "o-", "one sample"),
                ([report.sampled(s, task).passes[16] for s in students], "s:", "pass@16"),
            ):
                low = [max(0.0, i.value - i.low) for i in found]
                high = [max(0.0, i.high - i.value) for i in found]
                axes.errorbar(
                    x, [i.value for i in found], yerr=[low, high], fmt=form, color=f"C{at}",
                    capsize=3, label=f"{name}, {what}",
                )  # fmt: skip
        axes.set(title=task, xlabel="TFLOP of sampling, searching and training", ylim=(-0.02, 1.02))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy, 95 % interval")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--problems", type=int, default=400, help="training problems a round")
    parser.add_argument("--test", type=int, default=100, help="test problems of each task")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/closed-loop"))
    parser.add_argument("--png", type=Path, default=Path(__file__).with_suffix(".png"))
    chosen = parser.parse_args()
    out: Path = chosen.out
    out.mkdir(parents=True, exist_ok=True)
    clock = Clock(out / "seconds.json")
    practice = Practice.of(list(loaded(TASKS, "train", POOL, 500 + chosen.seed).values()))
    common = {**ROUNDS, "rounds": chosen.rounds, "problems": chosen.problems, "seed": chosen.seed}

    print("loop: search makes the traces")
    loop = clock.timed("loop", lambda: trained(
        "star", (practice, SEARCH), out / "loop", k=2, **common))  # fmt: skip
    cap = loop["spent"]["flops"]
    print("star: independent samples make the traces")
    star = clock.timed("star", lambda: trained(
        "star", practice, out / "star", k=8, flops=cap, sampling=0.6, **common
    ))  # fmt: skip
    grpo = {}
    for name, share in (("grpo half", 0.5), ("grpo", 1.0)):
        print(name)
        grpo[name] = clock.timed(name, lambda name=name, share=share: trained(
            "grpo", practice, out / name.replace(" ", "-"), flops=cap * share, seed=chosen.seed,
            **GRPO))  # fmt: skip

    students, spent = {"base": BASE}, {"base": 0.0}
    for at, flops in enumerate(flops_of(loop["rounds"]), 1):
        students[f"loop {at}"] = f"hf:{out / 'loop' / f'round-{at}' / 'model'}"
        spent[f"loop {at}"] = flops
    loops = list(students)
    for name, made in {"star": star, **grpo}.items():
        students[name] = f"hf:{out / name.replace(' ', '-') / 'model'}"
        spent[name] = made["spent"]["flops"]
    last, others = loops[-1], [name for name in students if name not in loops]
    report = clock.timed("measuring", lambda: evaluate_students(
        students, loaded(TASKS, "test", chosen.test, FRESH), strategies=ARMS, budgets=BUDGETS,
        elsewhere=loaded(ELSEWHERE, "test", chosen.test // 2, FRESH), k=16, ks=(4, 16),
        out=out / "measured", resume=True, progress=False,
    ))  # fmt: skip

    for part in (climb(report, spent), steps_up(report, loops), against(report, last, others),
                 report.strategies_table(), report.forgetting(), report.calibration()):  # fmt: skip
        print(f"\n{part}")
    lines = {"loop (search)": loops, "star (samples)": ["base", "star"], "grpo": ["base", *grpo]}
    draw(report, spent, lines, chosen.png)
    told = {**report.to_json(), "spent": spent, "seconds": clock.seconds,
            "rounds": {"loop": loop["rounds"], "star": star["rounds"]}}  # fmt: skip
    (out / "closed_loop.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    parts = ", ".join(f"{part} {seconds:.0f}" for part, seconds in clock.seconds.items())
    print(f"\nprocessor seconds: {parts}; {sum(clock.seconds.values()) / 60:.1f} minutes in all")


if __name__ == "__main__":
    main()
