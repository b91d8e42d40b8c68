"""What `mutate` alone finds: runs of four minutes on two cores, judged on instances nobody saw.

    OMP_NUM_THREADS=1 python benchmarks/discovery.py --out /tmp/discovery > benchmarks/discovery.md
    OMP_NUM_THREADS=1 python benchmarks/discovery.py --seconds 20 --judge 30    # the same, short

A run evolves the policy table from `return 0`, sees its training instances only, and its program is
chosen on validation instances. The judge then packs fresh instances (another seed than the run's),
the same ones with the program, the published heuristic and best fit, and compares in pairs. The
curve follows the best program by training score, judged on the same fresh instances. `--out` keeps
the run folders; one that is there and ended is read, not run again.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.discovery import load_problem
from evaluators.intervals import Interval, bootstrap_interval, paired_bootstrap
from evaluators.sandbox import Sandbox
from search import evolve

PUBLISHED = {"weibull": "funsearch-weibull", "or": "funsearch-or"}
ELSEWHERE = {"weibull-5k": ("weibull-10k", "weibull-100k"), "or-3": ("or-1", "or-2", "or-4")}
"""The families that a family's programs are tried on as they are."""
JUDGE_SEED = 20_261
FEWER = {"weibull-10k": 0.5, "weibull-100k": 0.1}
"""Share of the judge's instances where these are long."""


@dataclass
class Run:
    """One run: what it found, what it spent, and how its best program fared with time."""

    seed: int
    source: str
    train: float
    validation: float | None
    programs: int
    scores: np.ndarray
    curve: list[tuple[int, float]]
    beaten: tuple[int, float] | None


class Judge:
    """Fresh instances of a family, and what the heuristics of old make of them."""

    def __init__(self, family: str, count: int, sandbox: Sandbox) -> None:
        count = max(4, round(count * FEWER.get(family, 1.0)))
        self.family, self.sandbox = family, sandbox
        self.problem: Any = load_problem(
            f"bin-packing:{family}", seed=JUDGE_SEED, train=1, validation=1, held_out=count
        )
        published = PUBLISHED[family.split("-")[0]]
        self.published = np.array(self.problem.reference(published, "held-out"))
        self.best_fit = np.array(self.problem.reference("best-fit", "held-out"))

    def scores(self, source: str) -> np.ndarray:
        """Excess in percent, instance by instance."""
        evaluation = self.problem.evaluate(source, self.sandbox, "held-out")
        if evaluation.verdict != "ok":
            raise RuntimeError(f"{evaluation.verdict}: {evaluation.reason}\n{source}")
        return np.array(evaluation.scores)


def find(family: str, seed: int, judge: Judge, arguments: argparse.Namespace) -> Run:
    """Evolve for the given time, or read the run that is there."""
    folder = Path(arguments.out) / f"{family}-{seed}"
    there = (folder / "events.jsonl").exists()
    run = evolve(
        f"bin-packing:{family}", "mutate", seconds=0.01 if there else arguments.seconds,
        workers=arguments.workers, seed=seed, out=folder, resume=there,
    )  # fmt: skip
    graph, shot = run.lineage(), run.snapshot()
    best = run.best
    assert best is not None and best.source is not None and best.score is not None
    steps = [step for step in run.history if step.best]
    curve = [(s.k, float(judge.scores(graph.nodes[s.k]["source"]).mean())) for s in steps]
    level = judge.best_fit.mean()
    below = [(s.k, s.seconds) for s, (_, e) in zip(steps, curve, strict=True) if e < level]
    return Run(seed, best.source, best.score, best.validation, shot.committed,
               judge.scores(best.source), curve, below[0] if below else None)  # fmt: skip


def report(family: str, runs: Sequence[Run], judge: Judge) -> list[str]:
    """A family's section."""
    count = len(judge.published)
    lines = [
        f"## {family}", "",
        f"{count} fresh instances. Excess over the L1 bound in percent, mean (95 % interval);"
        " differences in pairs, program minus heuristic.", "",
        "| seed | programs | train | validation | fresh instances | minus published |"
        " minus best fit | below best fit after |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for run in runs:
        k, seconds = run.beaten or (0, float("nan"))
        lines.append(
            f"| {run.seed} | {run.programs:,} | {run.train:.3f} |"
            f" {run.validation:.3f} | {_told(_mean(run.scores))} |"
            f" {_told(_less(run.scores, judge.published))} |"
            f" {_told(_less(run.scores, judge.best_fit))} | {seconds:.1f} s ({k:,} programs) |"
        )
    mean = np.mean([run.scores for run in runs], axis=0)
    lines.append(
        f"| mean | | | | **{_told(_mean(mean))}** | **{_told(_less(mean, judge.published))}** |"
        f" {_told(_less(mean, judge.best_fit))} | |"
    )
    best = min(runs, key=lambda run: run.validation if run.validation is not None else run.train)
    lines += [
        f"| published | | | | {_told(_mean(judge.published))} | | | |",
        f"| best fit | | | | {_told(_mean(judge.best_fit))} | | | |", "",
        f"The program of seed {best.seed} (the best on validation):", "", "```python",
        best.source.strip(), "```", "",
    ]  # fmt: skip
    return lines


def elsewhere(family: str, runs: Sequence[Run], count: int, sandbox: Sandbox) -> list[str]:
    """The same programs on families that they were not evolved for."""
    lines = [
        f"The programs of {family} as they are on instances of other families:", "",
        "| family | instances | by seed | mean | minus published | published | best fit |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for other in ELSEWHERE[family]:
        judge = Judge(other, count, sandbox)
        scores = [judge.scores(run.source) for run in runs]
        mean = np.mean(scores, axis=0)
        lines.append(
            f"| {other} | {len(mean)} | {', '.join(f'{s.mean():.3f}' for s in scores)} |"
            f" {_told(_mean(mean))} | {_told(_less(mean, judge.published))} |"
            f" {judge.published.mean():.3f} | {judge.best_fit.mean():.3f} |"
        )
    return [*lines, ""]


def cap_set(seeds: Sequence[int], arguments: argparse.Namespace) -> list[str]:
    """`cap-set:6` until it has 112 vectors or the time is up."""
    lines = [
        "## cap-set:6", "", "The run is stopped when it has 112 vectors, the largest there is.", "",
        "| seed | vectors | after | programs | verified |", "|---|---|---|---|---|",
    ]  # fmt: skip
    shortest = ""
    for seed in seeds:
        folder = Path(arguments.out) / f"cap-set-6-{seed}"
        there = (folder / "events.jsonl").exists()
        run = evolve(
            "cap-set:6", "mutate", seconds=0.01 if there else arguments.seconds,
            workers=arguments.workers, seed=seed, out=folder, resume=there, wait=False,
        )  # fmt: skip
        while not run.done():
            time.sleep(0.2)
            best = run.best
            if best is not None and (best.score or 0) >= 112:
                run.stop()
        run.wait()
        best, steps = run.best, [step for step in run.history if step.best]
        assert best is not None and best.source is not None
        with Sandbox() as sandbox:
            check = run.problem.verify(run.problem.artefact(best.source, sandbox))
        lines.append(
            f"| {seed} | {best.score:.0f} | {steps[-1].seconds:.0f} s | {steps[-1].k:,} |"
            f" {'yes' if check.valid and check.score == best.score else check.reason} |"
        )
        if best.score == 112 and (not shortest or len(best.source) < len(shortest)):
            shortest = best.source
    if shortest:
        lines += ["", "The shortest program that found 112:", "", "```python", shortest.strip(),
                  "```"]  # fmt: skip
    return [*lines, ""]


def draw(found: dict[str, list[Run]], judges: dict[str, Judge], path: Path) -> None:
    """Excess on the fresh instances over programs, a line a seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.0 + 4.6 * len(found), 3.8), layout="constrained")
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, (family, runs) in zip(panels, found.items(), strict=True):
        judge = judges[family]
        for colour, run in zip(("#0072b2", "#d55e00", "#009e73", "#cc79a7"), runs, strict=False):
            ks = [max(k, 1) for k, _ in run.curve] + [run.programs]
            values = [value for _, value in run.curve] + [run.curve[-1][1]]
            axes.step(ks, values, where="post", color=colour, label=f"seed {run.seed}", lw=1.3)
        axes.axhline(judge.best_fit.mean(), color="#777777", ls=":", label="best fit")
        axes.axhline(judge.published.mean(), color="#000000", ls="--", label="FunSearch, published")
        low = min(run.scores.mean() for run in runs)
        axes.set_ylim(0.93 * low, 1.15 * judge.best_fit.mean())
        axes.set_xscale("log")
        axes.set_yscale("log")
        ticks = [t for t in (0.5, 0.6, 0.7, 0.8, 1, 1.5, 2, 3, 3.5, 4, 5, 6) if t > 0.93 * low]
        axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
        axes.minorticks_off()
        axes.set_xlabel("programs")
        axes.set_title(f"bin-packing:{family}, {len(judge.published)} fresh instances")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("excess over the L1 bound, %")
    panels[0].legend(fontsize="small")
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--families", nargs="*", default=list(ELSEWHERE))
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--judge", type=int, default=60, help="fresh instances a family")
    parser.add_argument("--out", default="", help="folder for the runs")
    parser.add_argument("--plot", default="benchmarks/discovery.png")
    parser.add_argument("--no-cap-set", action="store_true")
    arguments = parser.parse_args()
    arguments.out = arguments.out or tempfile.mkdtemp(prefix="discovery-")
    print("# What `mutate` finds by itself\n")
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} x {platform.machine()}, load"
        f" {os.getloadavg()[0]:.1f} at the start; {arguments.seconds:.0f} s a run,"
        f" {arguments.workers} workers, from `return 0`.\n",
        flush=True,
    )
    found: dict[str, list[Run]] = {}
    judges: dict[str, Judge] = {}
    with Sandbox() as sandbox:
        for family in arguments.families:
            judge = judges[family] = Judge(family, arguments.judge, sandbox)
            found[family] = [find(family, seed, judge, arguments) for seed in arguments.seeds]
            print("\n".join(report(family, found[family], judge)), flush=True)
            more = elsewhere(family, found[family], arguments.judge, sandbox)
            print("\n".join(more), flush=True)
    if found:
        draw(found, judges, Path(arguments.plot))
        print(f"![excess on fresh instances over programs]({Path(arguments.plot).name})\n")
    if not arguments.no_cap_set:
        print("\n".join(cap_set(arguments.seeds, arguments)))


def _mean(scores: np.ndarray) -> Interval:
    return bootstrap_interval(scores, np.random.default_rng(1))


def _less(scores: np.ndarray, others: np.ndarray) -> Interval:
    return paired_bootstrap(scores, others, np.random.default_rng(1))


def _told(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


if __name__ == "__main__":
    main()
