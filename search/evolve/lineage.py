"""Lineage: every program of a run with its parents, as a graph, read from the run log.

The rows are committed again in the order of their numbers, so that duplicates and islands are what
they were in the run. Also while the run goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.discovery.base import DiscoveryProblem
from reasoning.runlog import read_events, read_settings
from search.evolve.database import Commit, Database
from search.evolve.measured import Measured
from search.evolve.program import Program, duplicate
from search.evolve.record import Record, in_order
from search.evolve.seen import Seen
from search.evolve.settings import Population

if TYPE_CHECKING:
    import networkx as nx


def programs_of(folder: str | Path, problem: DiscoveryProblem) -> Iterator[Program]:
    """The committed programs of a run folder in order, with what became of each, and with the
    validation and held-out scores that were measured."""
    measured = Measured(problem)
    measured.recall(read_events(folder))
    settings = read_settings(folder)
    database = Database(problem, Population(**settings["population"]), settings["seed"])
    for _, program, _ in replayed(read_events(folder), database):
        yield measured.told(program)


def replayed(
    events: Iterable[Mapping[str, Any]], database: Database
) -> Iterator[tuple[Record, Program, Commit]]:
    """Commit the programs of a log to an empty database, in the order of their numbers."""
    seen = Seen()
    for record in in_order(events):
        program = record.program
        if program.source is not None:
            first = seen.add(record.key, program.k)
            if first < program.k:
                program = duplicate(program, first)
        commit = database.commit(program, record.size)
        if commit.twin is not None:
            program = replace(program, duplicate_of=commit.twin)
        yield record, program, commit


def lineage_of(folder: str | Path, problem: DiscoveryProblem) -> nx.DiGraph:
    """The graph: a node for every program (its number), an edge from each parent.

    Node attributes: `source`, `score`, `scores` (one a training instance), `verdict`, `reason`,
    `island`, `origin`, `parents`, `prompt`, `response`, `duplicate_of`, `validation`, `held_out`
    (None where not measured). Of the graph: `best` (the program chosen at the end, else the best on
    training), `direction`, `problem`, `instances` (of the training split).
    """
    import networkx as nx

    graph = nx.DiGraph()
    best: tuple[int, float] | None = None
    for p in programs_of(folder, problem):
        graph.add_node(p.k, **_attributes(p))
        graph.add_edges_from((parent, p.k) for parent in p.parents)
        if p.score is not None and (best is None or problem.better(p.score, best[1])):
            best = p.k, p.score
    chosen = [event["k"] for event in read_events(folder) if event["kind"] == "best"]
    graph.graph.update(
        best=chosen[-1] if chosen else best[0] if best else None,
        direction=problem.direction,
        problem=problem.name,
        instances=list(problem.instances("train")),
    )
    return graph


def _attributes(p: Program) -> dict[str, Any]:
    return {
        "source": p.source, "score": p.score, "verdict": p.verdict, "island": p.island,
        "scores": p.evaluation.scores if p.evaluation else (), "origin": p.origin,
        "reason": (p.evaluation.reason if p.evaluation else "") or p.reason, "parents": p.parents,
        "prompt": p.prompt, "response": p.response, "duplicate_of": p.duplicate_of,
        "validation": p.validation, "held_out": p.held_out,
    }  # fmt: skip
