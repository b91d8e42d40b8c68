"""A scripted evolution with the attributes of a real one: for the views of a run, without a run."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np

START = "def priority(item, remaining):\n    return 0\n"


@dataclass(frozen=True)
class Seen:
    """A snapshot's fields that the dashboard reads."""

    committed: int = 0
    total: int | None = None
    evaluated: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    best: Any = None
    held_out: float | None = None
    islands: tuple[float | None, ...] = ()
    per_second: float = 0.0
    dollars: float = 0.0
    seconds: float = 0.0
    stopped_by: str = ""


@dataclass(frozen=True)
class Step:
    """A row of a run's history: an island's new best."""

    k: int
    island: int
    score: float
    best: bool = False
    held_out: float | None = None


class Scripted:
    """Commits `pace` programs at every look, up to `total`; a new best every tenth."""

    def __init__(self, total: int = 500, islands: int = 4, pace: int = 25) -> None:
        self.problem = SimpleNamespace(
            name="toy:<1>", direction="minimise", better=lambda a, b: a < b
        )
        self.total, self.pace, self.k, self.stops = total, pace, 0, 0
        self.count, self.history = islands, []
        self.verdicts = {"ok": 0, "duplicate": 0, "exception": 0}
        self.ended, self.best = threading.Event(), None

    def done(self) -> bool:
        return self.ended.is_set()

    def stop(self) -> None:
        self.stops += 1
        self.ended.set()

    def wait(self) -> None:
        self.ended.wait()

    def step(self) -> None:
        """Commit one program."""
        k, island = self.k, self.k % self.count
        score = 1 + 4 / (1 + k / 30) + 0.1 * island
        self.verdicts[("ok", "ok", "duplicate", "exception")[k % 4]] += 1
        if k % 10 < self.count:
            new = self.best is None or score < self.best.score
            self.history.append(Step(k, island, score, new, score + 0.2 if new else None))
            if new:
                source = f"def f(x):\n    return x < {k}\n"
                self.best = SimpleNamespace(k=k, score=score, origin="mutation", source=source)
        self.k += 1

    def snapshot(self) -> Seen:
        for _ in range(0 if self.done() else min(self.pace, self.total + 1 - self.k)):
            self.step()
        if self.k > self.total:
            self.ended.set()
        held_out = None if self.best is None else self.best.score + 0.2
        return Seen(
            self.k, self.total, sum(self.verdicts.values()), dict(self.verdicts), self.best,
            held_out, (0.0,) * self.count, 100.0, 1.5, 0.0,
            "stopped" if self.stops else "evaluations",
        )  # fmt: skip


def lineage(count: int = 200, islands: int = 4, seed: int = 0) -> nx.DiGraph:
    """A grown graph of `count` programs: two parents, a score that falls, some that fail."""
    rng, graph = np.random.default_rng(seed), nx.DiGraph()
    graph.add_node(0, source=START, score=4.0, scores=(3.9, 4.1), verdict="ok", reason="", island=0,
                   origin="", parents=(), prompt="", response="", duplicate_of=None)  # fmt: skip
    scored = [0]
    for k in range(1, count):
        recent = scored[-40:]
        parents = tuple(dict.fromkeys(int(p) for p in rng.choice(recent, 2)))
        base = graph.nodes[parents[0]]
        fails, score = rng.random() < 0.2, base["score"] * rng.normal(1.0, 0.08)
        source = base["source"].replace("return ", f"return {k} * item + ")
        graph.add_node(
            k, source=source, score=None if fails else float(score), island=k % islands,
            scores=() if fails else (float(score) - 0.1, float(score) + 0.1),
            verdict="exception" if fails else "ok", parents=parents, duplicate_of=None,
            reason="ZeroDivisionError: division by zero" if fails else "", prompt="", response="",
            origin="crossover" if len(parents) > 1 else "mutation",
        )  # fmt: skip
        graph.add_edges_from((p, k) for p in parents)
        if not fails:
            scored = sorted([*scored, k], key=lambda i: -graph.nodes[i]["score"])
    graph.graph.update(
        best=scored[-1], direction="minimise", problem="toy:<1>", instances=("one", "two")
    )
    return graph
