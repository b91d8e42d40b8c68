"""What a search costs beside its model: this project, treequest and its-hub.

    OMP_NUM_THREADS=1 python benchmarks/searching.py --peers DIR > benchmarks/searching.md
    OMP_NUM_THREADS=1 python benchmarks/searching.py                  # ours alone

A model and a scorer that answer at once (`peers/steps.py`) give every system the same toy: traces
of 12 steps. One call is one node. Ours is a whole run with its log on disk; the peers log nothing.
The peers come from the package index, each in an environment of its own under --peers (made where
it is not there). Processor time is that of the search's process, from the start of the search to
its result; every run is a process of its own, systems take turns. A peer that has not reached its
count after --seconds is stopped: its rate is that of what it did.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evolve import environment
from quiet import undisturbed

HERE = Path(__file__).parent
OTHERS = 0.08
"""The share of all processors that others may take while a run is measured."""

TIMES, GROWTH, ADDED = 10.0, 1.2, 0.3
"""What is asked: nodes a second over treequest's, cost of a node at 10,000 over that at 1,000,
processor milliseconds a call."""


@dataclass(frozen=True)
class System:
    """How a system is run: its label, its command before the count, what follows the count, and the
    counts that it is taken to."""

    label: str
    command: tuple[str, ...]
    after: tuple[str, ...] = ()
    counts: tuple[int, ...] = (1_000, 10_000)


OURS = "ours: MCTS"
COPYING = "treequest: StandardMCTS, as its README calls it"
IN_PLACE = "treequest: StandardMCTS, inplace=True"


def systems(peers: Path | None, seconds: float) -> list[System]:
    """All of them, ours first."""
    run = str(HERE / "peers" / "run_ours_search.py")
    found = [
        System(label, (sys.executable, run, name))
        for label, name in (
            (OURS, "mcts"),
            ("ours: ABMCTS", "ab-mcts"),
            ("ours: BeamSearch", "beam-search"),
            ("ours: BestOfN", "best-of-n"),
        )
    ]
    if peers is not None:
        python = str(environment(peers, "treequest"))
        run = str(HERE / "peers" / "run_treequest.py")
        found += [
            System(label, (python, run, name), (str(seconds),))
            for label, name in (
                (COPYING, "mcts"),
                (IN_PLACE, "mcts-inplace"),
                ("treequest: ABMCTSA, as its README calls it", "ab-mcts"),
                ("treequest: ABMCTSA, inplace=True", "ab-mcts-inplace"),
            )
        ]
        python = str(environment(peers, "its-hub"))
        run = str(HERE / "peers" / "run_its_hub.py")
        found += [
            System("its-hub: BeamSearch", (python, "-W", "ignore", run, "beam-search")),
            System("its-hub: BestOfN", (python, "-W", "ignore", run, "best-of-n")),
        ]
    return found


def once(system: System, count: int) -> dict[str, Any]:
    """One run: what it printed. Raises RuntimeError where it failed."""
    path = str(HERE.parent) if system.label.startswith("ours") else ""
    done = subprocess.run(
        [*system.command, str(count), *system.after], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{system.label}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(every: list[System], repeats: int, until: float) -> dict[tuple[str, int], list[dict]]:
    """Runs by system and count; a system that did not reach 1,000 is not asked for 10,000."""
    made: dict[tuple[str, int], list[dict]] = {}
    for _ in range(repeats):
        for system in every:
            for count in system.counts:
                before = made.get((system.label, system.counts[0]), [])
                if count > system.counts[0] and before and before[-1]["calls"] < 0.9 * before[-1][
                    "asked"
                ]:  # fmt: skip
                    continue
                print(f"{system.label}, {count:,}", file=sys.stderr)
                found, share = undisturbed(lambda s=system, c=count: once(s, c), OTHERS, until)
                made.setdefault((system.label, count), []).append(
                    {**found, "asked": count, "others": share}
                )
    return made


def table(made: dict[tuple[str, int], list[dict]]) -> None:
    """One row a system and count: medians."""
    print("| system | asked | nodes | nodes/s | nodes per processor second | processor ms a node |")
    print("|---|---|---|---|---|---|")
    for (label, count), runs in made.items():
        nodes = statistics.median(run["calls"] for run in runs)
        wall = statistics.median(run["calls"] / run["wall"] for run in runs)
        rate = statistics.median(run["calls"] / run["cpu"] for run in runs)
        print(f"| {label} | {count:,} | {nodes:,.0f} | {wall:,.0f} | {rate:,.0f} |", end=" ")
        print(f"{1e3 / rate:.3f} |")
    print()


def claims(made: dict[tuple[str, int], list[dict]]) -> None:
    """The figures that are asked for, each with what is asked."""

    def cost(label: str, count: int) -> float:
        return statistics.median(1e3 * run["cpu"] / run["calls"] for run in made[label, count])

    def rate(label: str, count: int) -> float:
        return statistics.median(run["calls"] / run["wall"] for run in made[label, count])

    small, large = cost(OURS, 1_000), cost(OURS, 10_000)
    print(
        f"- processor time a model call of MCTS, all told: {small:.3f} ms at 1,000, {large:.3f} ms"
    )
    print(f"  at 10,000 (asked: at most {ADDED:g} added to the model's own)")
    print(f"- cost of a node at 10,000 over that at 1,000: **{large / small:.2f}**", end=" ")
    print(f"(asked: at most {GROWTH:g})")
    for peer in (COPYING, IN_PLACE):
        for count in (1_000, 10_000):
            if (peer, count) in made:
                ratio = rate(OURS, count) / rate(peer, count)
                work = cost(peer, count) / cost(OURS, count)
                reached = statistics.median(run["calls"] for run in made[peer, count])
                print(f"- nodes a second at {count:,}, ours over {peer}: **{ratio:.1f}**", end=" ")
                print(f"(asked: {TIMES:g}); processor time {work:.1f}", end="")
                short = f"; it was stopped after {reached:,.0f} nodes" if reached < count else ""
                print(short)


def main() -> None:
    """Measure, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, help="folder for the peers' environments")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=40, help="that a peer may take")
    parser.add_argument("--patience", type=float, default=0, help="minutes to wait for quiet")
    given = parser.parse_args()
    made = measure(
        systems(given.peers, given.seconds), given.repeats, time.monotonic() + 60 * given.patience
    )
    today, python = datetime.now(UTC).date(), platform.python_version()
    others = max(run["others"] for runs in made.values() for run in runs)
    print("# Search: what it costs beside its model\n")
    print(
        f"{today}, Python {python}, {os.cpu_count()} processors, `python benchmarks/searching.py`."
    )
    print(f"Medians of {given.repeats} runs; other processes took at most {others:.0%} of the")
    print("processors.\n")
    table(made)
    claims(made)


if __name__ == "__main__":
    main()
