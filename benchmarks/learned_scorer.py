"""When does tree search pay with a learned scorer, and how good must a value be before it does?

First, on four settings: best-of-N and searches over steps with the same learned process model, at
equal total tokens (generated, plus read by the scorer), three seeds, paired intervals. Then the
gain of search over best-of-N against the quality of the scorer: scorers of graded AUC made from the
exact value by noise (oracles: they know the solution, and read for nothing), the exact value, and
the learned one at its own measured AUC. Prints tables and draws learned_scorer.png.

    python benchmarks/learned_scorer.py [--problems 200] [--seeds 3] [--curve-seeds 1]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluators import load_task
from evaluators.intervals import Interval
from labs.recipes import prm_card
from reasoning import load_model
from reasoning.models.process import load_process_model
from search import BestOfN, compare
from search.best_first import BestFirst
from search.equal_tokens import at_equal_tokens
from search.report import Report

FRESH = 7
"""The seed of the test problems: others than those on which the searches' settings were chosen."""
AUCS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class Setting:
    """A task at a difficulty, the caps to compare at, and the cap of the curve."""

    task: str
    options: tuple[tuple[str, Any], ...]
    budgets: tuple[int, ...]
    curve: int | None = None

    @property
    def label(self) -> str:
        """`expressions ops=8..10`, as the card of the process model has it."""
        shown = (f"{k}={'..'.join(map(str, v)) if isinstance(v, tuple) else v}"
                 for k, v in self.options)  # fmt: skip
        return " ".join([self.task, *shown])


SETTINGS = (
    Setting("expressions", (("ops", (6, 8)),), (144, 224, 384), curve=160),
    Setting("expressions", (("ops", (8, 10)),), (288, 448, 640), curve=256),
    Setting("countdown", (("numbers", 4),), (64, 128, 256), curve=128),
    Setting("countdown", (("numbers", 5),), (96, 192, 384), curve=192),
)


@dataclass(frozen=True)
class Gain:
    """What search won over best-of-N with the same scorer: difference in accuracy."""

    setting: str
    scorer: str
    auc: float
    search: str
    best_of_n: float
    accuracy: float
    difference: Interval


def arms(scorer: str) -> dict[str, Any]:
    """Best-of-N and the search, both with one scorer. The search ends with its first trace: what
    it may spend on top it spends on steps that look wrong."""
    return {
        "best-of-n": BestOfN(scorer=scorer),
        "best-first": BestFirst(scorer=scorer, enough=1),
        "best-first, all": BestFirst(scorer=scorer),
    }


def learned(
    setting: Setting, model: Any, scorer: str, problems: int, seeds: int, out: Path
) -> Report:
    """The arms with the learned scorer at every cap."""
    task = load_task(setting.task, n=problems, seed=FRESH, **dict(setting.options))
    return compare(
        arms(scorer), task, model, setting.budgets, range(seeds),
        out=out / f"learned {setting.label}".replace(" ", "-"), resume=True,
    )  # fmt: skip


def show(setting: Setting, report: Report) -> None:
    """The table, and the differences at equal cap and at equal mean tokens."""
    print(f"\n## {setting.label}\n\n{report.table()}\n\nMinus best-of-n, at equal cap:")
    for row in report.differences("best-of-n"):
        d = row.difference
        print(f"  cap {row.budget}, {row.arm}: {d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})")
    print("At equal mean tokens:")
    for arm in report.arms[1:]:
        for equal in at_equal_tokens(report, arm, "best-of-n"):
            print(f"  cap {equal.budget}: {equal}")


def curve(
    setting: Setting, model: Any, problems: int, seeds: int, out: Path, aucs: Sequence[float]
) -> list[Gain]:
    """What best-first search wins over best-of-N with scorers of graded AUC, at the curve's cap,
    which both spend."""
    task = load_task(setting.task, n=problems, seed=FRESH, **dict(setting.options))
    found = []
    for auc in aucs:
        scorer = f"graded(auc={auc})"
        some = {"best-of-n": BestOfN(scorer=scorer), "best-first": BestFirst(scorer=scorer)}
        report = compare(
            some, task, model, setting.curve or 0, range(seeds),
            out=out / f"graded {auc} {setting.label}".replace(" ", "-"), resume=True,
        )  # fmt: skip
        found.append(gain(setting, report, scorer, auc, str(setting.curve)))
    return found


def gain(setting: Setting, report: Report, scorer: str, auc: float, budget: str) -> Gain:
    """Best-first minus best-of-N at one cap."""
    row = next(
        d for d in report.differences("best-of-n") if d.arm == "best-first" and d.budget == budget
    )
    both = [report.row(arm, budget).accuracy for arm in ("best-of-n", "best-first")]
    first, second = (interval.value if interval else 0.0 for interval in both)
    return Gain(setting.label, scorer, auc, "best-first", first, second, row.difference)


def own_gain(setting: Setting, report: Report, scorer: str, auc: float) -> Gain:
    """The learned scorer's: at equal mean tokens, at the greatest cap that best-of-N was measured
    around; at equal cap where there is none."""
    found = at_equal_tokens(report, "best-first", "best-of-n")
    if not found:
        return gain(setting, report, scorer, auc, str(setting.budgets[-1]))
    last = found[-1]
    return Gain(
        setting.label, scorer, auc, "best-first", last.baseline, last.accuracy, last.difference
    )


def draw(graded: Sequence[Gain], own: Sequence[Gain], path: Path) -> None:
    """Gain against AUC: the graded scorers of each setting as a line, the learned ones as stars."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(0, color="0.6", linewidth=1)
    for at, label in enumerate(dict.fromkeys(g.setting for g in [*graded, *own])):
        color = f"C{at}"
        for rows, form, name in (
            ([g for g in graded if g.setting == label], "o-", f"{label}: graded (oracle)"),
            ([g for g in own if g.setting == label], "*", f"{label}: learned, reading charged"),
        ):
            if rows:
                x, y = [g.auc for g in rows], [g.difference.value for g in rows]
                low = [max(0.0, g.difference.value - g.difference.low) for g in rows]
                high = [max(0.0, g.difference.high - g.difference.value) for g in rows]
                axes.errorbar(
                    x, y, yerr=[low, high], fmt=form, color=color, capsize=3, label=name,
                    markersize=14 if form == "*" else 5, markeredgecolor="black" if form == "*"
                    else color,
                )  # fmt: skip
    axes.set(
        xlabel="AUC of the scorer (good against lost states)",
        ylabel="accuracy of best-first search minus best-of-N, equal tokens",
        title="How good must a value be before tree search pays?",
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def measured(name: str, problems: int) -> Mapping[str, float]:
    """The learned scorer's AUC over all held-out states of each setting."""
    rows = prm_card.measure(load_process_model(name), load_model("tiny"), problems)
    return {r.setting: r.value for r in rows if r.depth == "all" and r.aggregate == "min"}


def main() -> None:
    """Both studies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--curve-seeds", type=int, default=1)
    parser.add_argument("--prm", default="tiny-prm")
    parser.add_argument("--only", default="", help="settings whose label has this in it")
    parser.add_argument("--part", choices=("learned", "curve", "both"), default="both")
    parser.add_argument("--out", type=Path, default=Path("runs/learned-scorer"))
    parser.add_argument("--png", type=Path, default=Path(__file__).with_suffix(".png"))
    chosen = parser.parse_args()
    began, model = time.monotonic(), load_model("tiny")
    scorer = f"process-model(model={chosen.prm},sure=0.9,doubt=4)"
    some = [s for s in SETTINGS if chosen.only in s.label]
    graded: list[Gain] = []
    own: list[Gain] = []
    if chosen.part != "curve":
        auc = measured(chosen.prm, 100)
        print("AUC of the learned scorer:", json.dumps({k: round(v, 4) for k, v in auc.items()}))
        for setting in some:
            report = learned(setting, model, scorer, chosen.problems, chosen.seeds, chosen.out)
            show(setting, report)
            own.append(own_gain(setting, report, scorer, auc[setting.label]))
    if chosen.part != "learned":
        for setting in (s for s in some if s.curve):
            graded += curve(setting, model, chosen.problems, chosen.curve_seeds, chosen.out, AUCS)
    print("\n## Gain of best-first search over best-of-N with the same scorer\n")
    for g in [*graded, *own]:
        d = g.difference
        print(
            f"{g.setting}  {g.scorer:40s} AUC {g.auc:.3f}  best-of-n {g.best_of_n:.3f}"
            f"  best-first {g.accuracy:.3f}  {d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})"
        )
    chosen.out.mkdir(parents=True, exist_ok=True)
    told = [asdict(g) for g in [*graded, *own]]
    (chosen.out / "gains.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    draw(graded, own, chosen.png)
    print(f"\n{time.monotonic() - began:.0f} s; picture: {chosen.png.name}")


if __name__ == "__main__":
    main()
