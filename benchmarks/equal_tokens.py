"""Equal tokens on one served model: this project's searches against its-hub's and treequest's.

    OMP_NUM_THREADS=1 python benchmarks/equal_tokens.py --peers DIR > benchmarks/equal_tokens.md

`tiny` is served by this project's OpenAI-compatible server; every system draws from it with the
same prompts and temperature, and is judged by the same programs: whole answers by the task's
verifier, steps by its step verifier (expressions) or by their exact value (countdown). All of them
may know the solution: every row is an oracle's, and all know the same. Peers run in environments of
their own (made where they are not there).

its-hub caps samples, not tokens: it gets the number of samples that costs TOKENS on average, as
measured on training problems. treequest caps nothing; it is run until TOKENS are generated. Then
our strategies solve each problem with exactly the tokens that the peer has generated on it, or
fewer. So each row compares two systems at the same tokens on the same problems; the interval is a
paired bootstrap. The settings of ours were chosen on other problems (the tasks' difficulty too: on
easier ones all systems were alike).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from evolve import environment

from evaluators import load_task
from evaluators.metrics import paired_bootstrap
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning import load_model
from reasoning.core import Context, LanguageModel, SeedPath
from reasoning.ledger import Budget, Ledger
from reasoning.loop import run
from search import parse

HERE = Path(__file__).parent
TASKS: dict[str, dict[str, Any]] = {"expressions": {"ops": (8, 10)}, "countdown": {"numbers": 4}}
TOKENS = {"expressions": 240, "countdown": 100}
"""Generated tokens a problem: a few samples."""

OURS = {
    "expressions": ("step-resample(tries=8)", "mcts", "beam-search"),
    "countdown": ("mcts(scorer=exact-value)", "beam-search(scorer=exact-value)"),
}
"""For each task the best first, by other problems."""

PEERS = (
    ("its-hub", "BestOfN", "best-of-n"),
    ("its-hub", "BeamSearch", "beam-search"),
    ("its-hub", "ParticleFiltering", "particle-filter"),
    ("treequest", "ABMCTSA, answers", "ab-mcts-answers"),
    ("treequest", "ABMCTSA, steps", "ab-mcts-steps"),
    ("treequest", "StandardMCTS, steps", "mcts-steps"),
)
SERVE = """
import sys
from labs.server.listen import Server
with Server("tiny") as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
"""The server, in a process of its own, until its standard input is closed: it ends with us."""

AT_ONCE = 32
SIZES = (2, 4, 6, 8, 12, 16)
"""Numbers of samples that its-hub may be given: multiples of its beam width."""

TRIAL = 20
"""Training problems on which its-hub's number of samples is found."""


@dataclass(frozen=True)
class Arm:
    """What one system made of every problem: right or wrong, and tokens generated."""

    right: list[float]
    tokens: list[int]

    @property
    def accuracy(self) -> float:
        return float(np.mean(self.right))


def judged(task: Task, problem: Problem, text: str) -> float:
    """1 for a right answer."""
    return float(bool(text) and task.verifier.check(problem, text).passed is True)


# -- peers --------------------------------------------------------------------------------


class Peer:
    """One algorithm of a peer, run in its own environment."""

    def __init__(self, folder: Path, package: str, kind: str, url: str) -> None:
        self.python, self.kind, self.url = str(environment(folder, package)), kind, url
        self.script = str(HERE / "peers" / f"served_{package.replace('-', '_')}.py")

    def solve(self, task: Task, size: int) -> tuple[Arm, list[dict[str, Any]]]:
        """All problems; `size` is samples for its-hub, tokens for treequest."""
        with tempfile.TemporaryDirectory() as folder:
            told, answers = Path(folder) / "problems.json", Path(folder) / "answers.json"
            rows = [
                {"id": p.id, "fields": dict(p.fields), "answer": p.answer} for p in task.problems
            ]
            told.write_text(json.dumps({"task": task.name, "problems": rows}), "utf-8")
            done = subprocess.run(
                [self.python, "-W", "ignore", self.script, self.kind, self.url, str(told),
                 str(answers), str(size)],
                capture_output=True, text=True,
                env={**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            if done.returncode:
                raise RuntimeError(f"{self.kind}: {done.stderr[-2000:]}")
            found = json.loads(answers.read_text("utf-8"))
        right = [judged(task, p, row["text"]) for p, row in zip(task.problems, found, strict=True)]
        return Arm(right, [row["tokens"] for row in found]), found

    def samples(self, trial: Task, tokens: int) -> int:
        """The number of samples that costs nearest to so many tokens on average."""
        found: dict[int, float] = {}
        for size in SIZES:
            made, _ = self.solve(trial, size)
            found[size] = abs(float(np.mean(made.tokens)) - tokens)
            if np.mean(made.tokens) > tokens:
                break
        return min(found, key=lambda size: found[size])


# -- ours ---------------------------------------------------------------------------------


def ours(strategy: str, task: Task, model: LanguageModel, tokens: list[int]) -> Arm:
    """One strategy, each problem with its own budget."""
    how, gate = parse(strategy), asyncio.Semaphore(AT_ONCE)

    async def one(problem: Problem, most: int) -> tuple[float, int]:
        async with gate:
            ledger = Ledger(Budget(tokens=most))
            ctx = Context(task, model, ledger, SeedPath(0, (problem.id,)))
            solution = await how.solve(problem, ctx)
            chosen = solution.chosen
            text = "" if chosen is None else solution.traces[chosen].text
            spent = sum(row.completion for row in ledger.rows)
            assert spent <= most
            return judged(task, problem, text), spent

    async def every() -> list[tuple[float, int]]:
        return await asyncio.gather(*map(one, task.problems, tokens))

    made = run(every())
    return Arm([right for right, _ in made], [spent for _, spent in made])


# -- the table ----------------------------------------------------------------------------


def compare(name: str, given: argparse.Namespace, url: str, model: LanguageModel) -> None:
    """All rows of one task."""
    task = load_task(name, split="test", n=given.problems, seed=41, **TASKS[name])
    trial = load_task(name, split="train", n=TRIAL, seed=77, **TASKS[name])
    best, *others = OURS[name]
    print(f"## {name}, {len(task.problems)} problems\n")
    print("| system | size | accuracy | tokens | ours | accuracy | tokens | ours minus theirs |")
    print("|---|---|---|---|---|---|---|---|")
    tops: dict[str, tuple[float, str]] = {}
    for package, label, kind in PEERS:
        began = time.monotonic()
        peer = Peer(given.peers, package, kind, url)
        size = peer.samples(trial, TOKENS[name]) if package == "its-hub" else TOKENS[name]
        theirs, rows = peer.solve(task, size)
        late = sum(row.get("late", 0) for row in rows)
        arms = [best, *others] if label == "BestOfN" else [best]
        for strategy in arms:
            mine = ours(strategy, task, model, theirs.tokens)
            gap = paired_bootstrap(mine.right, theirs.right, np.random.default_rng(0))
            said = f"**{gap.value:+.3f}** ({gap.low:+.3f} to {gap.high:+.3f})"
            shown = "samples" if package == "its-hub" else "tokens"
            print(f"| {package} {label} | {size} {shown} | {theirs.accuracy:.3f} |", end=" ")
            print(f"{np.mean(theirs.tokens):.0f} | {strategy} | {mine.accuracy:.3f} |", end=" ")
            print(f"{np.mean(mine.tokens):.0f} | {said} |", flush=True)
            if strategy == best and theirs.accuracy >= tops.get(package, (-1.0, ""))[0]:
                tops[package] = (theirs.accuracy, f"{label}: {said}")
        took = time.monotonic() - began
        print(
            f"{name}: {package} {label}, {took:.0f} s, {late} calls after an end", file=sys.stderr
        )
    print()
    for package, (_, said) in tops.items():
        print(f"- our {best} minus {package}'s best here, {said}")
    print()


def main() -> None:
    """Serve, compare, print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, required=True, help="folder for their environments")
    parser.add_argument("--problems", type=int, default=300)
    given = parser.parse_args()
    began = time.monotonic()
    today, python = datetime.now(UTC).date(), platform.python_version()
    print("# Equal tokens on one served model\n")
    print(f"{today}, Python {python}, `python benchmarks/equal_tokens.py`: `tiny` behind", end=" ")
    print("`reasonlab serve`,\ntemperature .8; 95 % intervals of paired differences.\n")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        model = load_model(f"openai:tiny@{url}", concurrency=AT_ONCE)
        for name in TASKS:
            compare(name, given, url, model)
    finally:
        server.kill()
    print(f"wall time {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
