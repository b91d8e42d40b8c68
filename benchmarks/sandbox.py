"""Time isolated candidates against the same warm interpreter without isolation, and other ways.

    OMP_NUM_THREADS=1 python benchmarks/sandbox.py > benchmarks/sandbox.md   # five minutes
    OMP_NUM_THREADS=1 python benchmarks/sandbox.py --rounds 5                # half a minute

A candidate is a module of its own text that imports numpy and works for one millisecond. Each way
runs slices of candidates, in turn and in a new order every round, so that other load meets all of
them; a driver is a process that runs one candidate after the other, as one worker of a search
does. Processor time is that of the driver and of everything below it: its own, that of children
that ended, and, from /proc, that of those that live on. "Unsafe fork" is the same interpreter, the
same forks, limits and codec with isolation off (back-end `process`), so its difference is what
isolation costs; the interval is a bootstrap over the rounds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.intervals import bootstrap_interval
from evaluators.sandbox import Sandbox

SOURCE = """# candidate {number}
import numpy

def score(rounds):
    row, total = numpy.arange(64.0), 0.0
    for i in range(rounds):
        total += float((row * i).sum())
    return total
"""
FRESH = """
import json, sys
source, rounds = json.load(sys.stdin)
space = {}
exec(compile(source, "candidate", "exec"), space)
print(json.dumps(space["score"](rounds)))
"""
WAYS = {
    "bwrap": ("bubblewrap and seccomp", 100),
    "landlock": ("Landlock and seccomp", 100),
    "process": ("none: unsafe fork of the same warm interpreter", 100),
    "multiprocessing": ("none: `multiprocessing.Process` and a queue", 100),
    "fresh": ("none: a fresh interpreter", 5),
    "exec": ("none: `exec` in process", 200),
}
"""What isolates, and candidates in a slice."""
UNSAFE, WANTED = "process", 1.5

Score = Callable[[str, int], float]


def in_sandbox(backend: str, stack: ExitStack) -> Score:
    """Candidates by a sandbox with this back-end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the weak one warns: it is meant here
        sandbox = stack.enter_context(Sandbox(backend))

    def score(source: str, rounds: int) -> float:
        outcome = sandbox.call(source, "score", (rounds,))
        if not outcome.ok:
            raise SystemExit(f"{backend}: {outcome}")
        return outcome.value

    return score


def in_place(source: str, rounds: int) -> float:
    """`exec` here and now."""
    space: dict[str, Any] = {}
    exec(compile(source, "candidate", "exec"), space)
    return space["score"](rounds)


def in_process(source: str, rounds: int) -> float:
    """A process of multiprocessing's for each, its answer by a queue, as peers do."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_put, args=(queue, source, rounds))
    child.start()
    value = queue.get(timeout=60)
    child.join()
    queue.close()
    return value


def _put(queue: Any, source: str, rounds: int) -> None:
    queue.put(in_place(source, rounds))


def in_fresh(source: str, rounds: int) -> float:
    """A new interpreter for each."""
    words, text = [sys.executable, "-c", FRESH], json.dumps([source, rounds])
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def spent() -> float:
    """Processor seconds of this process and of everything that is or was below it."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    below: dict[int, list[tuple[int, int]]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            below.setdefault(int(words[1]), []).append(
                (int(entry.name), sum(map(int, words[11:15])))
            )
    todo, tick = [os.getpid()], os.sysconf("SC_CLK_TCK")
    while todo:
        for pid, ticks in below.get(todo.pop(), []):
            total += ticks / tick
            todo.append(pid)
    return total


def drive() -> None:
    """One driver: reads `[way, candidates, rounds, first number]`, answers with two times."""
    with ExitStack() as stack:
        ways: dict[str, Score] = {
            "multiprocessing": in_process, "fresh": in_fresh, "exec": in_place,
        }  # fmt: skip
        for line in sys.stdin:
            way, candidates, rounds, first = json.loads(line)
            if way not in ways:
                ways[way] = in_sandbox(way, stack)
            sources = [SOURCE.format(number=first + i) for i in range(candidates)]
            before, start = spent(), time.perf_counter()
            values = {ways[way](source, rounds) for source in sources}
            wall = time.perf_counter() - start
            if len(values) != 1:
                raise SystemExit(f"{way} answered {values}")
            print(json.dumps([spent() - before, wall]), flush=True)


def calibrate() -> int:
    """How many rounds of a candidate's loop take a millisecond of processor time."""
    space: dict[str, Any] = {}
    exec(SOURCE.format(number=0), space)
    times = []
    for _ in range(1000):
        start = time.process_time()
        space["score"](500)
        times.append(time.process_time() - start)
    return round(500 * 0.001 / statistics.median(times))


class Drivers:
    """So many drivers, which run the same slice at the same time."""

    def __init__(self, number: int, work: int) -> None:
        words = [sys.executable, __file__, "--driver"]
        pipe = subprocess.PIPE
        self.all = [
            subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) for _ in range(number)
        ]
        self.work, self.used = work, 0
        for way in WAYS:
            self.slice(way, 10)

    def slice(self, way: str, candidates: int) -> tuple[float, float]:
        """Processor milliseconds a candidate, and candidates a second of all drivers together."""
        start = time.perf_counter()
        for driver in self.all:
            assert driver.stdin
            driver.stdin.write(json.dumps([way, candidates, self.work, self.used]) + "\n")
            driver.stdin.flush()
            self.used += candidates
        processor = 0.0
        for driver in self.all:
            assert driver.stdout
            processor += json.loads(driver.stdout.readline())[0]
        total = candidates * len(self.all)
        return 1000 * processor / total, total / (time.perf_counter() - start)

    def close(self) -> None:
        """End them."""
        for driver in self.all:
            driver.communicate()


Times = dict[str, list[tuple[float, float]]]


def measure(number: int, rounds: int, work: int) -> Times:
    """Every way so many times, with so many drivers."""
    drivers, order = Drivers(number, work), random.Random(number)
    times: Times = {way: [] for way in WAYS}
    for done in range(rounds):
        for way in order.sample(list(WAYS), len(WAYS)):
            times[way].append(drivers.slice(way, WAYS[way][1]))
        print(f"{number} drivers, round {done + 1} of {rounds}", file=sys.stderr)
    drivers.close()
    return times


def table(one: Times, two: Times) -> list[str]:
    """Markdown: medians over the rounds, and ratios to the unsafe fork's."""
    lines = ["| isolation | processor, ms a candidate | times the unsafe fork | candidates/s, one "
             "driver | times the unsafe fork | two drivers | times the unsafe fork |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for way, (name, _) in WAYS.items():
        cells = [name]
        for times, column, digits in ((one, 0, 2), (one, 1, 0), (two, 1, 0)):
            values = [row[column] for row in times[way]]
            ratios = [a / row[column] for a, row in zip(values, times[UNSAFE], strict=True)]
            cells += [
                f"{statistics.median(values):,.{digits}f}",
                f"{statistics.median(ratios):.2f}",
            ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def cost(times: Times, way: str) -> str:
    """What isolation costs: the difference to the unsafe fork, with its interval."""
    pairs = zip(times[way], times[UNSAFE], strict=True)
    differences = [a[0] - b[0] for a, b in pairs]
    found = bootstrap_interval(differences, np.random.default_rng(0))
    middle = statistics.median(differences)
    return f"{found.value:.2f} ms ({found.low:.2f} to {found.high:.2f}; median {middle:.2f})"


def main() -> None:
    """Measure and print the page."""
    parser = argparse.ArgumentParser(description="Time isolated candidates.")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--driver", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.driver:
        return drive()
    work, load = calibrate(), os.getloadavg()[0]
    one, two = (measure(number, options.rounds, work) for number in (1, 2))
    cores = {1: "one core", 2: "two cores"}.get(os.cpu_count() or 0, f"{os.cpu_count()} cores")
    print("# Isolated candidates, measured\n")
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {cores} ({platform.machine()}), load {load:.1f} at the "
        f"start, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}, "
        f"{'root' if os.geteuid() == 0 else 'an ordinary user'}, `python benchmarks/sandbox.py`.\n"
        f"Candidates import numpy and work for 1 ms; medians of {options.rounds} interleaved "
        "rounds.\n"
    )
    print("\n".join(table(one, two)))
    print()
    for drivers, times in (("one driver", one), ("two drivers", two)):
        for way in ("bwrap", "landlock"):
            said = cost(times, way)
            print(f"- {WAYS[way][0]}, {drivers}: isolation costs {said} of processor time a "
                  f"candidate (at most {WANTED} wanted).")  # fmt: skip


if __name__ == "__main__":
    main()
