"""Program, what becomes of a proposal, and the protocol of those who propose."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from evaluators.discovery.base import DiscoveryProblem, Evaluation
from reasoning.core import Context


@dataclass(frozen=True)
class Program:
    """One candidate: number `k` in the run (0 is the starting program), its source (None where the
    proposer gave none), the island it was made for, the numbers of its parents, how it was made,
    and what it is worth on the training instances (None: a duplicate, or no source)."""

    k: int
    source: str | None
    island: int
    parents: tuple[int, ...]
    origin: str
    evaluation: Evaluation | None = None
    reason: str = ""
    duplicate_of: int | None = None
    prompt: str = ""
    response: str = ""

    @property
    def score(self) -> float | None:
        return self.evaluation.score if self.evaluation else None


@dataclass(frozen=True)
class Request:
    """What a proposer works from: proposal `k` for an island, and programs of that island, worst
    first, best last. `attempt` counts up when what it proposed first was a duplicate. `failure` is
    the latest program of the island that failed, to be told to a model."""

    k: int
    problem: DiscoveryProblem
    island: int
    parents: tuple[Program, ...]
    attempt: int = 0
    failure: Program | None = None


@dataclass(frozen=True)
class Proposal:
    """What a proposer returns: a program's source, or None and the reason why there is none.

    `parents` are the numbers of the programs that it was made from, `origin` how (`crossover`,
    `model`, …), `prompt` and `response` what a model read and wrote.
    """

    source: str | None
    parents: tuple[int, ...] = ()
    origin: str = ""
    reason: str = ""
    prompt: str = field(default="", repr=False)
    response: str = field(default="", repr=False)


@runtime_checkable
class Proposer(Protocol):
    """Writes programs. `wants` is how many parents a request should bring. `propose` draws only
    from `rng`, and calls a model only through `ctx` (its model, ledger and seed path); one that
    needs neither may be a plain function."""

    name: str
    wants: int

    def propose(
        self, request: Request, rng: np.random.Generator, ctx: Context | None
    ) -> Proposal | Awaitable[Proposal]: ...
