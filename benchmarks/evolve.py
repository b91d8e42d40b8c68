"""What a candidate costs beside its own work: this project, OpenEvolve and LLM4AD.

    OMP_NUM_THREADS=1 python benchmarks/evolve.py --peers DIR --kill > benchmarks/evolve.md
    OMP_NUM_THREADS=1 python benchmarks/evolve.py --quick          # ours alone, to 1,000, once

A model that answers at once gives every system programs of 1 ms of work (`peers/work.py`), none
like another; two workers each. The peers come from the package index, each into an environment of
its own under --peers (made where it is not there; never inside the repository). Both candidates a
second and processor time (of the whole process tree) count from the 10th candidate on, so that
none has the start-up in it. Systems take turns. For --patience minutes a run that others have
disturbed is made again. --kill kills runs of 20,000 instant evaluations with SIGKILL and takes them
up again.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from killing import killing
from peers import tree
from peers.work import turns_for
from quiet import undisturbed

from evaluators.sandbox import probe

HERE = Path(__file__).parent
FIRST = 10
"""The candidate from which time and processor time are counted."""

LEAST = 5.0
"""How many times the candidates a second of either peer ours should reach at 1,000."""

OURS = "ours, isolated"
OTHERS = 0.08
"""The share of all processors that others may take while a run is measured."""

GROWTH = 1.15
"""How much processor time a candidate may grow from 100 to 10,000."""


@dataclass
class Passage:
    """One run: when each evaluation ended, and processor seconds when the count passed a mark."""

    stamps: list[float] = field(default_factory=list)
    spent: dict[int, tuple[int, float]] = field(default_factory=dict)

    def rate(self, count: int) -> float:
        """Candidates a second from number FIRST to number `count`."""
        return (count - FIRST) / (self.stamps[count - 1] - self.stamps[FIRST - 1])

    def late_rate(self, count: int) -> float:
        """Candidates a second over the last tenth before number `count`."""
        part = count // 10
        return part / (self.stamps[count - 1] - self.stamps[count - 1 - part])

    def cost(self, count: int, since: int = FIRST) -> float:
        """Processor milliseconds a candidate between the marks `since` and `count`."""
        (low, early), (high, late) = self.spent[since], self.spent[count]
        return 1e3 * (late - early) / (high - low)


def passage(command: list[str], stamps: Path, marks: list[int], patience: float) -> Passage:
    """Run a system to its end and watch it. Raises RuntimeError where it does less than asked."""
    stamps.unlink(missing_ok=True)
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        made, left, size = Passage(), list(marks), 0
        deadline = time.monotonic() + patience
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
            if stamps.exists() and left and stamps.stat().st_size > size:
                size = stamps.stat().st_size
                count = stamps.read_bytes().count(b"\n")
                while left and count >= left[0]:
                    made.spent[left.pop(0)] = (count, tree.seconds(process.pid))
        for pid in tree.descendants(process.pid) if process.poll() is None else []:
            os.kill(pid, 9)
        process.wait()
        lines = stamps.read_text().splitlines() if stamps.exists() else []
        made.stamps = sorted(float(line.split()[0]) for line in lines)
        if len(made.stamps) < marks[-1] or left:
            said.seek(0)
            raise RuntimeError(
                f"{' '.join(command)}: {len(made.stamps)} of {marks[-1]} evaluations\n"
                f"{said.read()[-2000:]}"
            )
    return made


# -- the peers ----------------------------------------------------------------------------


def environment(folder: Path, name: str) -> Path:
    """The interpreter of a peer's own environment, made where it is not there."""
    if HERE.parent.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise SystemExit("--peers must be a folder outside the repository")
    python = folder / name / "bin" / "python"
    if not python.exists():
        print(f"installing {name} into {folder / name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
        want = HERE / "peers" / f"{name}.txt"
        pip = [str(python), "-m", "pip", "install", "--quiet", "-r", str(want)]
        subprocess.run(pip, check=True, stdout=sys.stderr)
    return python


def systems(peers: Path | None, turns: int, stamps: Path) -> dict[str, tuple[list[str], list[int]]]:
    """Each system's command (COUNT stands for the number) and the counts that it is taken to."""
    ours = [sys.executable, str(HERE / "peers" / "run_ours.py"), "COUNT", str(turns), str(stamps)]
    found = {OURS: (ours, [100, 1_000, 10_000])}
    if peers is not None:
        for name, label, counts, more in (
            ("openevolve", "OpenEvolve (not isolated)", [100, 1_000], []),
            ("llm4ad", "LLM4AD, forking, programs kept", [100, 1_000], ["fork", "kept"]),
            ("llm4ad", "LLM4AD, forking, nothing kept", [100, 1_000], ["fork", "lost"]),
            ("llm4ad", "LLM4AD, as it comes (spawning)", [20], ["spawn", "kept"]),
            ("llm4ad", "LLM4AD, in process (no end to a loop)", [100, 1_000], ["thread", "kept"]),
        ):
            python = str(environment(peers, name))
            driver = str(HERE / "peers" / f"run_{name}.py")
            command = [python, driver, "COUNT", str(turns), str(stamps), *(["2"] if more else [])]
            found[label] = ([*command, *more], counts)
    return found


def throughput(peers: Path | None, repeats: int, largest: int, patience: float) -> None:
    """Measure and print the tables."""
    until = time.monotonic() + 60 * patience
    turns, _ = undisturbed(turns_for, OTHERS, until)
    with tempfile.TemporaryDirectory() as folder:
        stamps = Path(folder) / "stamps"
        made: dict[str, list[Passage]] = {}
        every = systems(peers, turns, stamps)
        shares: list[float] = []

        def measured(label: str, count: int, marks: list[int]) -> Passage:
            print(f"{label}, to {count}", file=sys.stderr)
            full = [str(count + 5) if c == "COUNT" else c for c in every[label][0]]
            found, share = undisturbed(lambda: passage(full, stamps, marks, 1800), OTHERS, until)
            shares.append(share)
            return found

        for _ in range(repeats):
            for label, (_, counts) in every.items():
                counts = [c for c in counts if c <= largest]
                extra = [9 * counts[-1] // 10] if counts[-1] > 1_000 else []
                marks = sorted([FIRST, *counts, *extra])
                made.setdefault(label, []).append(measured(label, counts[-1], marks))
        short = [measured(OURS, 100, [FIRST, 100]).cost(100) for _ in range(2 * repeats)]
    _print_throughput(made, short, turns, max(shares))


def _print_throughput(
    made: dict[str, list[Passage]], short: list[float], turns: int, others: float
) -> None:
    backend = next((name for name, said in probe().items() if said.works), "none")
    print(f"## Throughput\n\nSandbox: {backend}. {turns} turns of the loop are 1 ms of work.")
    print(f"Medians of {len(made[OURS])} runs, in which other processes took at most", end=" ")
    print(f"{others:.0%} of the processors.\n")
    print("| system | programs | candidates/s | over the last tenth | processor ms |")
    print("|---|---|---|---|---|")
    ours, at = made[OURS], 1_000
    for label, runs in made.items():
        for count in (20, 100, 1_000, 10_000):
            if count in runs[0].spent:
                rate = statistics.median(run.rate(count) for run in runs)
                late = statistics.median(run.late_rate(count) for run in runs)
                cost = statistics.median(run.cost(count) for run in runs)
                print(f"| {label} | {count:,} | {rate:.3g} | {late:.3g} | {cost:.3g} |")
    print()
    for label, runs in made.items():
        if label == OURS or at not in runs[0].spent:
            continue
        pairs = list(zip(ours, runs, strict=True))
        ratios = [a.rate(at) / b.rate(at) for a, b in pairs]
        ratio = statistics.median(ratios)
        asked = "" if "no end" in label else f", asked {LEAST:g}"
        told = f"(least {min(ratios):.1f}{asked})"
        print(f"- candidates a second to {at:,}, ours over {label}:")
        print(f"  **{ratio:.1f}** {told};", end=" ")
        late = statistics.median(a.late_rate(at) / b.late_rate(at) for a, b in pairs)
        cost = statistics.median(b.cost(at) / a.cost(at) for a, b in pairs)
        print(
            f"  over the last tenth {late:.1f}; processor time a candidate, theirs over ours,",
            end=" ",
        )
        print(f"{cost:.1f}")
    if 10_000 in ours[0].spent:
        early = statistics.median([*short, *(run.cost(100) for run in ours)])
        whole = statistics.median(run.cost(10_000) for run in ours)
        last = statistics.median(run.cost(10_000, 9_000) for run in ours)
        print(f"- processor time a candidate of ours: {early:.2f} ms over the first 100 (median of")
        print(
            f"  {len(short) + len(ours)} runs), {whole:.2f} ms over 10,000, {last:.2f} ms over the"
        )
        print(f"  last 1,000: **{whole / early:.2f}** and **{last / early:.2f}** times", end=" ")
        print(f"(asked: at most {GROWTH:g})")


def main() -> None:
    """Measure, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, help="folder for the peers' environments")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--patience", type=float, default=0, help="minutes to wait for quiet")
    parser.add_argument("--quick", action="store_true", help="once, to 1,000")
    parser.add_argument("--kill", action="store_true", help="kill runs and take them up again")
    parser.add_argument("--only-kill", action="store_true")
    parser.add_argument("--evaluations", type=int, default=20_000, help="of the killed run")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    tree.adopt_orphans()
    print("# Evolution: throughput, growth, kills\n")
    today, python = datetime.now(UTC).date(), platform.python_version()
    print(
        f"{today}, Python {python}, {os.cpu_count()} processors, `python benchmarks/evolve.py`.\n"
    )
    if not given.only_kill:
        throughput(given.peers, 1 if given.quick else given.repeats,
                   1_000 if given.quick else 10_000, given.patience)  # fmt: skip
    if given.kill or given.only_kill:
        killing(given.evaluations, given.kills, given.seed)


if __name__ == "__main__":
    main()
