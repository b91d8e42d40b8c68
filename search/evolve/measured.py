"""Measured: what programs and baselines are worth beside the search, by program and split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evaluators.discovery.base import DiscoveryProblem, Evaluation, Split
from search.evolve.program import Program

KIND = "measured"

Key = tuple[str, Split]
"""A program's number as text, or `baseline/NAME`; and the split."""


class Measured:
    """Evaluations on the validation and held-out instances."""

    def __init__(self, problem: DiscoveryProblem) -> None:
        self.problem = problem
        self.found: dict[Key, Evaluation] = {}

    def recall(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take what a log holds."""
        for event in events:
            if event["kind"] == KIND:
                self.found[event["who"], event["split"]] = Evaluation.from_row(event["evaluation"])

    def score(self, program: Program, split: Split) -> float | None:
        """A program's score on a split, where it was measured."""
        found = self.found.get((str(program.k), split))
        return found.score if found else None

    def told(self, program: Program) -> Program:
        """The program with its validation and held-out scores."""
        return replace(
            program,
            validation=self.score(program, "validation"),
            held_out=self.score(program, "held-out"),
        )

    def choose(self, finalists: Sequence[Program]) -> Program | None:
        """The best on validation of those that have a score there; else the first, which is the
        best on training."""
        best, top = finalists[0] if finalists else None, None
        for program in finalists:
            score = self.score(program, "validation")
            if score is not None and (top is None or self.problem.better(score, top)):
                best, top = program, score
        return best
