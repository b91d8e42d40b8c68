"""The policy table: `priority(item, remaining)` is called once, on every item size and every
remaining capacity, in the sandbox; we rank the table and pack the instances ourselves.

There is nothing to look ahead at: the program never sees an item. Early end: a program is cut once
its excesses so far, with 0 for every instance still to come (no packing is below the L1 bound), put
the mean above the floor; so one that could reach the floor is never cut. `behaviour` is a digest
of what each item size that occurs would choose, best first, down to the empty bin: programs
that differ in numbers but never in a choice agree in it. A program that is cut has another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.discovery.arithmetic import is_arithmetic
from evaluators.discovery.base import Evaluation, Split, failed, not_again
from evaluators.discovery.bin_packing.instances import Drawn, Given, Instance
from evaluators.discovery.bin_packing.packing import name_bins
from evaluators.discovery.bin_packing.problem import (
    BinPacking,
    allowance,
    describe,
    scored,
)
from evaluators.discovery.skeleton import in_program
from evaluators.errors import BadInput
from evaluators.sandbox.outcome import Limits, Outcome

if TYPE_CHECKING:
    from evaluators.sandbox import Sandbox

WIDEST = 1000  # the largest capacity a table may have: 8 MB

SKELETON = '''"""Online bin packing: an item goes, on arrival, into the bin it wants most."""

import numpy as np


@evolve
def priority(item, remaining):
    """How much an item wants a bin; of equal priorities the fullest bin is taken.

    item: sizes of items, an integer array. remaining: capacity left in a bin, an integer array of
    the same shape; an empty bin has all of it left. Returns an array of numbers.
    """
    return 0


def table(capacity):
    """Priorities by item size (rows, from 1) and remaining capacity (columns, from 0)."""
    sizes, left = np.arange(1, capacity + 1), np.arange(capacity + 1)
    item, remaining = np.meshgrid(sizes, left, indexing="ij")
    with np.errstate(all="ignore"):
        found = np.asarray(priority(item, remaining))
    if found.dtype.kind not in "biuf":
        raise TypeError(f"priority returned {found.dtype}, not real numbers")
    return found.astype(np.float64)
'''

DESCRIPTION = """\
Online bin packing. Items arrive one by one; each must at once go, for good, into a bin that has
room for it. priority(item, remaining) says how much an item of size `item` wants a bin that has
`remaining` capacity left: the bin of the highest priority gets it, the fullest of several. An empty
bin (remaining equal to the capacity {capacity}) is always there. Both arguments are integer numpy
arrays of one shape that hold every item size and every remaining capacity at once, so write
vectorised code without `if` on them (np.where, arithmetic, comparisons), and return an array of
that shape or a number. Only cells with item <= remaining matter. No nan there. Fewer bins are
better: {items}. Best fit is `return item - remaining`; good heuristics avoid leaving small gaps
that no item fills."""

BASELINES = {
    "best-fit": "def priority(item, remaining):\n    return item - remaining\n",
    "funsearch-or": '''def priority(item, remaining):
    """FunSearch on OR-3 (Nature 2024), except that ties go to the fullest bin."""
    gap = remaining - item
    edges = [gap <= 2, gap <= 3, gap <= 5, gap <= 7, gap <= 9, gap <= 12, gap <= 15, gap <= 21]
    return np.select(edges, [4, 3, 2, 1, 0.9, 0.95, 0.97, 0.98], 0.99)
''',
}


@dataclass(frozen=True)
class Group:
    """Neighbouring instances of equal capacity and length: items (instances, n), the sizes that
    occur, L1 bounds."""

    capacity: int
    items: np.ndarray
    sizes: np.ndarray
    bounds: np.ndarray


class TableProblem(BinPacking):
    """Online bin packing by policy table; see the module."""

    style = "table"
    text = SKELETON

    def __init__(self, name: str, source: Drawn | Given) -> None:
        super().__init__(name, source)
        widest = source.widest
        if widest > WIDEST:
            raise BadInput(
                f"capacity {widest} is too large for a policy table (at most {WIDEST});"
                " use skeleton=priority"
            )
        self.limits = Limits(wall=6.0, output_bytes=max(1 << 20, 8 * (widest + 1) ** 2 + 65536))
        about = describe(source.split("train"))
        self.description = DESCRIPTION.format(capacity=widest, items=about)
        self._stacked: dict[str, list[Group]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stacked": {}}

    @property
    def baselines(self) -> Mapping[str, str]:
        return BASELINES

    @property
    def hints(self) -> Mapping[str, Any]:
        return {
            "terms": {"gap": "remaining - item"},
            "constants": (self.source.widest,),
        }

    def warm(self) -> None:
        """Compile or load the kernels, and draw the training instances."""
        from evaluators.discovery.bin_packing.kernels import pack_all, preferences

        chosen = preferences(np.zeros((3, 3)))
        pack_all(chosen, np.ones((1, 2), np.int32), np.ones(1), 1.0, np.zeros(1, np.int64))
        self._groups("train")

    def evaluate(
        self, source: str, sandbox: Sandbox, split: Split = "train", floor: float | None = None
    ) -> Evaluation:
        """Mean excess over the L1 bound; see the module for early end and `behaviour`."""
        from evaluators.discovery.bin_packing.kernels import pack_all

        many = len(self.cases(split))
        most = allowance(floor, many)
        digest = hashlib.blake2b(digest_size=16)
        chosen: dict[int, np.ndarray] = {}
        outcomes: list[Outcome] = []
        scores: list[float] = []
        for group in self._groups(split):
            if group.capacity not in chosen:
                made = self._choices(source, sandbox, group.capacity, outcomes)
                if isinstance(made, Evaluation):
                    return made
                chosen[group.capacity] = made
            order = chosen[group.capacity]
            digest.update(order[group.sizes].tobytes())
            bins = np.zeros(len(group.items), np.int64)
            done = pack_all(order, group.items, group.bounds, most - sum(scores), bins)
            scores += (100.0 * (bins[:done] / group.bounds[:done] - 1.0)).tolist()
            if sum(scores) > most:
                break
        return scored(scores, many, digest.hexdigest(), outcomes)

    def audit(self, source: str, sandbox: Sandbox) -> str:
        """A program that draws at random gives another table the second time."""
        if is_arithmetic(source):
            return ""
        tables = []
        for _ in range(2):
            made = self._choices(source, sandbox, self.cases("train")[0].capacity, [])
            if isinstance(made, Evaluation):
                return not_again(made)
            tables.append(made)
        same = np.array_equal(tables[0], tables[1])
        return "" if same else "its table differs from call to call, so no score repeats"

    def packings(
        self, source: str, sandbox: Sandbox, split: Split
    ) -> list[tuple[Instance, Sequence[int]]] | Evaluation:
        from evaluators.discovery.bin_packing.kernels import pack

        chosen: dict[int, np.ndarray] = {}
        packed: list[tuple[Instance, Sequence[int]]] = []
        for instance in self.cases(split):
            capacity = instance.capacity
            if capacity not in chosen:
                made = self._choices(source, sandbox, capacity, [])
                if isinstance(made, Evaluation):
                    return made
                chosen[capacity] = made
            taken = np.empty(len(instance.items), np.int64)
            pack(chosen[capacity], instance.items, taken)
            packed.append((instance, name_bins(instance, taken)))
        return packed

    def _choices(
        self, source: str, sandbox: Sandbox, capacity: int, outcomes: list[Outcome]
    ) -> np.ndarray | Evaluation:
        """The program's preferences for one capacity, or how it failed."""
        from evaluators.discovery.bin_packing.kernels import preferences

        module, offset = self.parts.compose(source)
        outcome = sandbox.call(module, "table", (capacity,), self.limits)
        outcome = in_program(outcome, offset, source)
        outcomes.append(outcome)
        if not outcome.ok:
            return failed(outcome)
        table, reason = read_table(outcome.value, capacity)
        return failed(outcome, reason) if table is None else preferences(table)

    def _groups(self, split: Split) -> list[Group]:
        if split not in self._stacked:
            runs = groupby(self.cases(split), key=lambda i: (i.capacity, len(i.items)))
            self._stacked[split] = [
                Group(
                    capacity,
                    items := np.stack([i.items for i in batch]),
                    np.unique(items),
                    np.array([i.bound for i in batch], np.float64),
                )
                for (capacity, _), run in runs
                if (batch := list(run))
            ]
        return self._stacked[split]


def read_table(value: Any, capacity: int) -> tuple[np.ndarray | None, str]:
    """What a program returned as a (C + 1, C + 1) table by item size and remaining capacity, or
    None and why it is refused."""
    if isinstance(value, bool | float):
        value = np.asarray(float(value))
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        return None, "priority must return an array of real numbers"
    table = np.zeros((capacity + 1, capacity + 1))
    try:
        table[1:] = np.broadcast_to(value.astype(np.float64), (capacity, capacity + 1))
    except ValueError:
        return None, (
            f"priority returned an array of shape {value.shape}; that of item and remaining is"
            f" {(capacity, capacity + 1)}"
        )
    live = np.tri(capacity + 1, dtype=bool).T
    live[0] = False
    wrong = np.argwhere(np.isnan(table) & live)
    if len(wrong):
        x, r = (int(i) for i in wrong[0])
        return None, f"priority is nan at item {x}, remaining {r}"
    return table, ""
