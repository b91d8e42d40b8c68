"""Program, what becomes of a proposal, and the protocol of those who propose."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np

from evaluators.discovery.base import DiscoveryProblem, Evaluation
from reasoning.core import Context


@dataclass(frozen=True)
class Program:
    """One candidate: number `k` in the run (0 is the starting program), its source (None where the
    proposer gave none), the island it was made for, the numbers of its parents, how it was made,
    and what it is worth on the training instances (None: known syntax, or no source).

    `duplicate_of` is an earlier program with the same syntax, or one on its island that behaves the
    same. `lost` says that the model calls for it failed. `cost` is what its model calls used
    (`tokens`, `prompt`, `completion`, `calls`, `dollars`). `validation` and `held_out` are scores
    on those instances, where they were measured; no parent's choice ever depends on them.
    """

    k: int
    source: str | None
    island: int
    parents: tuple[int, ...]
    origin: str
    evaluation: Evaluation | None = None
    reason: str = ""
    duplicate_of: int | None = None
    prompt: str = field(default="", repr=False)
    response: str = field(default="", repr=False)
    lost: bool = False
    cost: Mapping[str, float] = field(default_factory=dict, repr=False)
    validation: float | None = None
    held_out: float | None = None

    @property
    def score(self) -> float | None:
        """The mean training score; None for a program that failed or was not evaluated."""
        return self.evaluation.score if self.evaluation else None

    @property
    def verdict(self) -> str:
        """What became of it: one of the ten endings, `duplicate`, `no source` or `lost`."""
        if self.lost:
            return "lost"
        if self.source is None:
            return "no source"
        if self.duplicate_of is not None or self.evaluation is None:
            return "duplicate"
        return self.evaluation.verdict


def duplicate(program: Program, first: int) -> Program:
    """The program as one with the syntax of program `first`. Where it was quicker than that one
    and was evaluated, its evaluation does not count: who is quicker must make no difference."""
    return replace(program, duplicate_of=first, evaluation=None)


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

    `parents` are the numbers of the programs that it was made from (none named: all that the
    request brought), `origin` how (`crossover`, `model`, …), `prompt` and `response` what a model
    read and wrote.
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

    @property
    def name(self) -> str: ...

    @property
    def wants(self) -> int: ...

    def propose(
        self, request: Request, rng: np.random.Generator, ctx: Context | None
    ) -> Proposal | Awaitable[Proposal]: ...
