"""`reasonlab demo`, the main job: ways of reasoning at equal token budgets on two tasks.

Trains nothing. Prints and saves (under runs/demo) the chart, the tables, and three sentences that
are computed from the measurements.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.errors import BadInput

if TYPE_CHECKING:
    from reasoning.core import LanguageModel
    from search.report import Report

STEPS = "step-resample"
SAMPLES = "best-of-n(stop=first-accepted)"
"""The two arms that are set against each other: both stop at the first accepted trace, and their
judges know the same."""

ARMS = (
    "direct",
    "chain-of-thought",
    "self-consistency",
    "best-of-n(scorer=mean-likelihood)",
    SAMPLES,
    STEPS,
)


@dataclass(frozen=True)
class Setting:
    """A task's difficulty, and the budgets (generated tokens a problem) that suit its chains."""

    options: Mapping[str, Any]
    budgets: tuple[int, ...]


TASKS = {
    "expressions": Setting({"ops": (8, 10)}, (128, 256, 512)),
    "countdown": Setting({"numbers": 4}, (32, 128, 512)),
}
PROBLEMS, FAST_PROBLEMS = 100, 12


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab demo",
        description="Compare ways of reasoning at equal token budgets on two tasks: chart, tables"
        " and three sentences. Trains nothing.",
    )
    made.add_argument("--model", default="tiny", help="see `reasonlab models`")
    made.add_argument("--problems", type=int, help=f"problems a task ({PROBLEMS})")
    made.add_argument("--seed", type=int, default=0, help="another seed draws other samples")
    made.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the results")
    return made


def measure(model: LanguageModel, problems: int, seed: int) -> list[Report]:
    """One comparison a task, every arm at every budget."""
    from evaluators.tasks import load_task
    from search import compare

    reports = []
    for name, setting in TASKS.items():
        caps = ", ".join(map(str, setting.budgets))
        print(f"{name}: {problems} problems, {len(ARMS)} strategies, {caps} tokens", flush=True)
        task = load_task(name, split="test", n=problems, **setting.options)
        reports.append(compare(list(ARMS), task, model, list(setting.budgets), seeds=[seed]))
    return reports


def save(reports: Sequence[Report], sentences: Sequence[str], folder: Path) -> list[Path]:
    """Write chart, tables (text and CSV), every cell with its traces, and the sentences."""
    from labs.figures import side_by_side
    from labs.summary import summary

    folder.mkdir(parents=True, exist_ok=True)
    chart = folder / "chart.png"
    side_by_side(reports).savefig(chart, dpi=130)
    text = "\n\n".join(summary(report) for report in reports)
    (folder / "table.txt").write_text(text + "\n\n" + "\n".join(sentences) + "\n", "utf-8")
    for report in reports:
        report.to_csv(folder / f"{report.settings['task']}.csv")
        report.to_jsonl(folder / f"{report.settings['task']}.jsonl")
    return sorted(folder.iterdir())


def run(argv: list[str]) -> int:
    """The command: measure, print, save."""
    options = parser().parse_args(argv)
    fast = FAST_PROBLEMS if os.environ.get("REASONLAB_FAST") else PROBLEMS
    problems = fast if options.problems is None else options.problems
    if problems < 1:
        raise BadInput(f"--problems must be 1 or more, not {problems}")
    began = time.monotonic()
    from labs.findings import points_of, three_sentences
    from labs.summary import summary
    from reasoning import load_model
    from search.equal_tokens import at_equal_tokens

    model = load_model(options.model)
    try:
        reports = measure(model, problems, options.seed)
    except KeyboardInterrupt as stop:
        again = "the demo keeps nothing half-done; `reasonlab compare --out …` can be resumed"
        raise KeyboardInterrupt(again) from stop
    equal = {
        (report.settings["task"], int(at.budget)): at.difference
        for report in reports
        for at in at_equal_tokens(report, STEPS, SAMPLES)
    }
    points = [point for report in reports for point in points_of(report)]
    sentences = three_sentences(points, STEPS, SAMPLES, equal)
    files = save(reports, sentences, options.out)
    for report in reports:
        print(f"\n{summary(report)}")
    print("\nWhat is seen:")
    for number, sentence in enumerate(sentences, 1):
        print(f"{number}. {sentence}")
    print(f"\nchart: {options.out / 'chart.png'}")
    print(f"saved: {', '.join(file.name for file in files)} in {options.out}")
    print(f"{time.monotonic() - began:.0f} s")
    return 0
