"""The paper's form: `priority(item, bins)` rates, for each item in turn, the bins that fit.

The packing is made in the sandbox, one instance a child, and comes back as the bin of each item; we
replay it on the items and count. As in the paper there are as many bins as items, `bins` are those
with room (the capacity that each has left, an integer array), in their order, and of equal
priorities the first wins. `empty_bins=3` shows only the bins up to the third empty one beyond the
last in use: the same for heuristics that look at each bin or its neighbours, faster by far, and
another problem for one that asks how many bins there are.

A valid packing does not prove that the program never looked ahead: it could reach the items to come
through its caller's frame. So `audit` runs it again on the same items with another future, and
with no future at all (items handed in one by one): every choice must be the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.discovery.base import Evaluation, Split, failed
from evaluators.discovery.bin_packing.instances import Drawn, Given, Instance
from evaluators.discovery.bin_packing.packing import count, fault
from evaluators.discovery.bin_packing.problem import (
    BinPacking,
    allowance,
    describe,
    scored,
)
from evaluators.discovery.skeleton import in_program
from evaluators.sandbox.outcome import Limits, Outcome

if TYPE_CHECKING:
    from evaluators.sandbox import Sandbox

FEW = 50
FEW_LIMITS = Limits(wall=9.0, cpu=3.0)
"""Every program packs the first FEW items within these limits, before whole instances."""

SKELETON = '''"""Online bin packing: an item goes, on arrival, into the bin it wants most."""

import numpy as np


@evolve
def priority(item, bins):
    """How much an item wants each bin that has room for it; of equal priorities the first wins.

    item: its size, an integer. bins: the capacity left in each bin that has room, an integer array,
    in the order of opening, empty bins last. Returns an array of as many numbers.
    """
    return -(bins - item)


class Packer:
    """Packs items as they come."""

    def __init__(self, many, capacity, empty):
        self.bins = np.full(many, capacity, dtype=np.int64)
        self.used, self.empty = 0, empty

    def place(self, item):
        """The bin that the item goes into."""
        seen = self.bins if self.empty is None else self.bins[: self.used + self.empty]
        fit = np.nonzero(seen >= item)[0]
        found = np.asarray(priority(item, seen[fit]))
        if found.dtype.kind not in "biuf":
            raise Refused(f"priority returned {found.dtype}, not real numbers")
        if found.size != fit.size:
            raise Refused(f"priority returned {found.size} numbers for {fit.size} bins")
        at = int(np.argmax(found))
        if np.isnan(found.flat[at]):
            raise Refused(f"priority is nan for item {item} in a bin with {seen[fit[at]]} left")
        where = int(fit[at])
        self.bins[where] -= item
        self.used = max(self.used, where + 1)
        return where


class Refused(Exception):
    """What priority returned cannot be used."""


def pack(items, capacity, empty):
    """The bin of each item, or why there is none."""
    packer = Packer(len(items), capacity, empty)
    try:
        with np.errstate(all="ignore"):
            return np.array([packer.place(item) for item in items.tolist()], dtype=np.int32)
    except Refused as refused:
        return str(refused)


def begin(many, capacity, empty):
    """Prepare to be given items one by one."""
    global packer
    packer = Packer(many, capacity, empty)


def place(items):
    """The bins of the next items."""
    try:
        with np.errstate(all="ignore"):
            return [packer.place(item) for item in items]
    except Refused as refused:
        return str(refused)
'''

DESCRIPTION = """\
Online bin packing. Items arrive one by one; each must at once go, for good, into a bin that has
room for it. priority(item, bins) rates the bins for an item of size `item` (an integer): `bins` is
an integer numpy array, the capacity left in each bin that has room for the item, in the order of
opening, with bins that are still empty (capacity {capacity}) last. The bin of the highest priority
gets the item, the first of several. Return an array of as many numbers, without nan. Fewer bins
are better: {items}. Best fit is `return -(bins - item)`; good heuristics avoid leaving small gaps
that no item fills. Looking at items to come is found out and disqualifies."""

BASELINES = {
    "first-fit": "def priority(item, bins):\n    return np.zeros(len(bins))\n",
    "best-fit": "def priority(item, bins):\n    return -(bins - item)\n",
    "funsearch-weibull": '''def priority(item, bins):
    """FunSearch on Weibull 5k (Nature 2024)."""
    squares = bins**2
    score = (bins - np.max(bins)) ** 2 / item + squares / item**2
    score = score + squares / item**3
    score = np.where(bins > item, -score, score)
    return np.concatenate([score[:1], score[1:] - score[:-1]])
''',
    "funsearch-or": '''def priority(item, bins):
    """FunSearch on OR-3 (Nature 2024)."""
    gap = bins - item
    edges = [gap <= 2, gap <= 3, gap <= 5, gap <= 7, gap <= 9, gap <= 12, gap <= 15, gap <= 21]
    return np.select(edges, [4, 3, 2, 1, 0.9, 0.95, 0.97, 0.98], 0.99)
''',
}


class PriorityProblem(BinPacking):
    """Online bin packing by the paper's priority function; see the module."""

    style = "priority"
    text = SKELETON

    def __init__(
        self,
        name: str,
        source: Drawn | Given,
        empty_bins: int | None = None,
        seconds: float | None = None,
    ) -> None:
        super().__init__(name, source)
        self.empty_bins = empty_bins
        cases = source.split("train")
        self.allow(self.time_for(3e-7) if seconds is None else seconds)
        self.description = DESCRIPTION.format(capacity=source.widest, items=describe(cases))

    def time_for(self, a_bin: float) -> float:
        """Processor seconds for the longest instance at so many seconds a bin looked at."""
        longest = self.source.longest
        return 2.0 + longest * (1e-3 + a_bin * longest)

    def allow(self, seconds: float) -> None:
        """Limit an instance to `seconds` of processor time, and thrice as much by the clock."""
        output = (1 << 20) + 4 * self.source.longest
        self.limits = Limits(3 * seconds, seconds, output_bytes=output)
        self.patience = 60.0 + 3 * seconds * max(self.source.counts)

    @property
    def baselines(self) -> Mapping[str, str]:
        return BASELINES

    @property
    def hints(self) -> Mapping[str, Any]:
        return {"terms": {"gap": "bins - item"}, "constants": (self.source.widest,)}

    def fingerprint(self) -> Mapping[str, Any]:
        return {**super().fingerprint(), "empty_bins": self.empty_bins}

    def evaluate(
        self, source: str, sandbox: Sandbox, split: Split = "train", floor: float | None = None
    ) -> Evaluation:
        """Mean excess over the L1 bound. Ended early by the same sound rule as a policy table,
        after each instance; `behaviour` is a digest of every choice made."""
        cases = self.cases(split)
        most = allowance(floor, len(cases))
        digest = hashlib.blake2b(digest_size=16)
        outcomes: list[Outcome] = []
        scores: list[float] = []
        if endless := self._endless(source, sandbox, cases[0], outcomes):
            return endless
        for instance in cases:
            made = self.pack(source, sandbox, instance, outcomes)
            if isinstance(made, Evaluation):
                return made
            digest.update(made.astype("<i4").tobytes())
            scores.append(instance.excess(count(made)))
            if sum(scores) > most:
                break
        return scored(scores, len(cases), digest.hexdigest(), outcomes)

    def _endless(
        self, source: str, sandbox: Sandbox, instance: Instance, outcomes: list[Outcome]
    ) -> Evaluation | None:
        """How a program times out on the first few items already: the limits of a whole instance
        are minutes, which one that never ends must not cost. Other failures are not looked at."""
        few = replace(instance, items=instance.items[:FEW])
        made = self.pack(source, sandbox, few, outcomes, FEW_LIMITS)
        return made if isinstance(made, Evaluation) and made.verdict == "timeout" else None

    def packings(
        self, source: str, sandbox: Sandbox, split: Split
    ) -> list[tuple[Instance, Sequence[int]]] | Evaluation:
        packed: list[tuple[Instance, Sequence[int]]] = []
        for instance in self.cases(split):
            made = self.pack(source, sandbox, instance, [])
            if isinstance(made, Evaluation):
                return made
            packed.append((instance, made.tolist()))
        return packed

    def pack(
        self,
        source: str,
        sandbox: Sandbox,
        instance: Instance,
        outcomes: list[Outcome],
        limits: Limits | None = None,
    ) -> np.ndarray | Evaluation:
        """The program's packing, replayed, or how it failed; `limits` in place of the usual."""
        module, offset = self.parts.compose(source)
        arguments = (instance.items, instance.capacity, self.empty_bins)
        outcome = sandbox.call(module, "pack", arguments, limits or self.limits)
        outcome = in_program(outcome, offset, source)
        outcomes.append(outcome)
        if not outcome.ok:
            return failed(outcome)
        if isinstance(outcome.value, str):
            return failed(outcome, outcome.value[:300] or "refused")
        if not isinstance(outcome.value, np.ndarray):
            return failed(outcome, f"{instance.name}: no packing came back")
        wrong = fault(instance, outcome.value)
        return failed(outcome, wrong) if wrong else outcome.value

    def audit(self, source: str, sandbox: Sandbox) -> str:
        """Why some choice depended on items to come (see `foresight`); empty where none did."""
        from evaluators.discovery.bin_packing.foresight import audit

        return audit(self, source, sandbox)
