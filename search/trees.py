"""The settled search trees of a comparison: written into its run log, or kept in memory packed.

A report reads the one that is asked for; it never holds them all. Token ids are left out: the log's
responses have them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.errors import BadInput, UnknownName
from reasoning.runlog import EVENTS, RunLog
from search.cell import scope
from search.tree.save import from_rows, to_rows
from search.tree.tree import SearchTree

if TYPE_CHECKING:
    from search.report import Report

Place = tuple[str, str, int, str]  # arm, budget, seed, problem

_MARK = b'{"kind":"tree",'


class Trees:
    """The trees by the place of their cell. `folder` is the run folder they are read from; without
    one they are kept here."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._packed: dict[Place, bytes] = {}

    def keep(self, place: Place, tree: Any, log: RunLog | None) -> None:
        """Store what a strategy left as its tree; what is no SearchTree is passed over."""
        if not isinstance(tree, SearchTree):
            return
        head, rows = to_rows(tree, leave_out=("ids",))
        if log is not None:
            log.append("tree", scope=scope(*place), head=head, rows=rows)
        else:
            text = json.dumps([head, rows], separators=(",", ":"))
            self._packed[place] = zlib.compress(text.encode(), 1)

    def get(self, place: Place) -> SearchTree | None:
        """The tree of one cell; None where it has none."""
        if self.folder is None:
            packed = self._packed.get(place)
            return None if packed is None else from_rows(*json.loads(zlib.decompress(packed)))
        found, wanted = None, scope(*place)
        for event in self._events():
            if event["scope"] == wanted:
                found = event
        return None if found is None else from_rows(found["head"], found["rows"])

    def every(self) -> Iterator[tuple[str, SearchTree]]:
        """All trees, each with the scope of its cell; a cell that was resumed may have two, of
        which the last counts."""
        if self.folder is None:
            for place, packed in self._packed.items():
                yield scope(*place), from_rows(*json.loads(zlib.decompress(packed)))
            return
        for event in self._events():
            yield event["scope"], from_rows(event["head"], event["rows"])

    def _events(self) -> Iterator[dict[str, Any]]:
        """The events of trees alone: no other line is read beyond its first words."""
        assert self.folder is not None
        path = self.folder / EVENTS
        if not path.exists():
            return
        with path.open("rb") as file:
            for line in file:
                if line.startswith(_MARK) and line.endswith(b"\n"):
                    yield json.loads(line.decode("utf-8", "surrogatepass"))


def tree_of(
    report: Report, problem: str, arm: str | None, budget: str | int | None, seed: int | None
) -> SearchTree:
    """The tree that `Report.tree` is asked for. Raises UnknownName and BadInput."""
    settings = report.settings
    if report.trees is None:
        raise BadInput("the trees are in the run folder: Report.load(FOLDER)")
    for what, name, known in (
        ("arm", arm, report.arms),
        ("budget", None if budget is None else str(budget), report.budgets),
        ("seed", None if seed is None else str(seed), tuple(map(str, settings["seeds"]))),
        ("problem", problem, tuple(dict.fromkeys(cell.problem for cell in report.cells))),
    ):
        if name is not None and name not in known:
            raise UnknownName(what, name, known)
    budgets = report.budgets[::-1] if budget is None else (str(budget),)
    seeds = settings["seeds"] if seed is None else (seed,)
    for each in report.arms if arm is None else (arm,):
        for cap in budgets:
            for number in seeds:
                tree = report.trees.get((each, cap, number, problem))
                if tree is not None:
                    return tree
    asked = "no strategy" if arm is None else f"{arm}"
    raise BadInput(
        f"{asked} left a tree of problem {problem!r}: those over steps (best-first, …) grow one,"
        " and it is stored when the problem is settled"
    )
