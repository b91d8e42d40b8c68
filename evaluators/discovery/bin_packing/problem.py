"""What both skeletons of online bin packing share: instances, score, artefacts."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.discovery.base import SPLITS, Direction, DiscoveryProblem, Evaluation, Split
from evaluators.discovery.bin_packing import packing
from evaluators.discovery.bin_packing.instances import Drawn, Given, Instance
from evaluators.discovery.skeleton import Skeleton, cut
from evaluators.errors import UnknownName
from evaluators.sandbox.outcome import Outcome

if TYPE_CHECKING:
    from evaluators.sandbox import Sandbox

SLACK = 1e-9  # of floating point: a score this near to the floor still reaches it


class BinPacking(DiscoveryProblem):
    """Items arrive one by one and go into a bin for good; score: the bins' excess over the L1
    bound ceil(sum / capacity) in percent, the mean over the instances, lower is better."""

    function = "priority"
    direction: Direction = "minimise"
    style = ""
    text = ""

    def __init__(self, name: str, source: Drawn | Given) -> None:
        self.name, self.source = name, source
        self.skeleton = self.text
        self.parts: Skeleton = cut(self.skeleton)

    @property
    def start(self) -> str:
        return self.parts.function

    def cases(self, split: Split) -> tuple[Instance, ...]:
        """The instances themselves."""
        if split not in SPLITS:
            raise UnknownName("split", split, SPLITS)
        return self.source.split(split)

    def instances(self, split: Split) -> Sequence[str]:
        return [i.name for i in self.cases(split)]

    def fingerprint(self) -> Mapping[str, Any]:
        digest = hashlib.sha256(self.skeleton.encode()).hexdigest()[:16]
        return {
            "problem": self.name,
            "skeleton": self.style,
            "skeleton_sha256": digest,
            "version": self.version,
            "instances": self.source.facts(),
        }

    def reference(self, name: str, split: Split) -> list[float]:
        """The excess in percent, instance by instance, of a published heuristic, compiled (see
        `references`): to compare with, in pairs. Raises UnknownName."""
        from evaluators.discovery.bin_packing.references import bins_of

        return [i.excess(bins_of(name, i)) for i in self.cases(split)]

    @abstractmethod
    def packings(
        self, source: str, sandbox: Sandbox, split: Split
    ) -> list[tuple[Instance, Sequence[int]]] | Evaluation:
        """The program's packing of every instance, or how it failed."""

    def artefact(self, source: str, sandbox: Sandbox) -> Any:
        """The packings of the held-out instances, with fingerprints of these."""
        made = self.packings(source, sandbox, "held-out")
        if isinstance(made, Evaluation):
            return None
        return packing.to_artefact(self.name, "held-out", self.version, made)

    def verify(self, artefact: Any) -> packing.Check:
        """Replay every packing; the score is the mean excess in percent over the split that the
        artefact names (held-out where it names none)."""
        split = artefact.get("split", "held-out") if isinstance(artefact, Mapping) else "held-out"
        if split not in SPLITS:
            return packing.Check(False, None, f"unknown split {split!r}")
        return packing.check(self.cases(split), artefact)


def scored(
    scores: Sequence[float], many: int, behaviour: str, outcomes: Iterable[Outcome]
) -> Evaluation:
    """The evaluation of a program whose first `scores` of `many` instances are known."""
    calls = list(outcomes)
    whole = len(scores) == many
    return Evaluation(
        verdict="ok",
        score=float(np.mean(scores)) if whole else None,
        scores=tuple(scores),
        reason="" if whole else f"ended after {len(scores)} of {many} instances: above the floor",
        behaviour=behaviour if whole else f"cut:{behaviour}",
        cut=not whole,
        cpu=sum(o.cpu for o in calls),
        memory_mb=max((o.memory_mb for o in calls), default=0.0),
    )


def allowance(floor: float | None, many: int) -> float:
    """The sum of excesses above which the mean over `many` instances cannot reach the floor."""
    return np.inf if floor is None else floor * many + SLACK * max(1.0, abs(floor) * many)


def describe(cases: Sequence[Instance]) -> str:
    """One phrase on the instances, for a proposer that reads."""
    sizes = np.concatenate([i.items for i in cases])
    q = np.quantile(sizes, [0.25, 0.5, 0.75]).astype(int)
    return (
        f"instances have {len(cases[0].items)} items of sizes {sizes.min()} to {sizes.max()}"
        f" (quartiles {q[0]}, {q[1]}, {q[2]})"
    )
