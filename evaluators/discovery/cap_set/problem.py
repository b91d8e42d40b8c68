"""The problem `cap-set:N`: skeleton, score, exact check of a set."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.discovery.arithmetic import is_arithmetic
from evaluators.discovery.base import (
    SPLITS,
    Check,
    Direction,
    DiscoveryProblem,
    Evaluation,
    Split,
    failed,
    not_again,
)
from evaluators.discovery.cap_set.baselines import BASELINES
from evaluators.discovery.skeleton import cut, in_program
from evaluators.errors import UnknownName
from evaluators.sandbox.outcome import Limits, Outcome

if TYPE_CHECKING:
    from evaluators.sandbox import Sandbox

BEST_KNOWN = {3: 9, 4: 20, 5: 45, 6: 112, 7: 236, 8: 512, 9: 1082}

SKELETON = '''"""Large cap sets: vectors are taken in the order of their priorities."""

import numpy as np


@evolve
def priority(v):
    """How much each vector is wanted; of equal priorities the first vector wins.

    v: integer array (n, 3**n) of 0, 1 and 2: v[i] is coordinate i of all vectors, in lexicographic
    order. Returns one number a vector, or one a coordinate of each (shape of v), which are added
    up. A vector at -inf is never taken.
    """
    return 0


def priorities(n):
    """The priorities of all vectors."""
    v = np.array(np.unravel_index(np.arange(3**n), (3,) * n))
    with np.errstate(all="ignore"):
        found = np.asarray(priority(v))
    if found.dtype.kind not in "biuf":
        raise TypeError(f"priority returned {found.dtype}, not real numbers")
    found = found.astype(np.float64)
    return found.sum(axis=0) if found.ndim == 2 and found.shape[0] == n else found
'''

DESCRIPTION = """\
Cap sets: find as many vectors with {n} coordinates in {{0, 1, 2}} as possible so that no three
different ones add up to 0 modulo 3 in every coordinate. priority(v) rates all 3**{n} vectors at
once: v is an integer numpy array of shape ({n}, 3**{n}), v[i] holds coordinate i of every vector.
Return an array of 3**{n} numbers (no nan), or one of the shape of v, whose rows are then added up
(np.roll(v, 1, axis=0) holds coordinate i - 1 at i). Vectors are then taken greedily, the highest
priority first (of equals the first in lexicographic order), leaving out those that would complete a
line. The largest cap known has {best} vectors. Write vectorised code without `if` on arrays:
np.where, arithmetic, comparisons of coordinates, counts such as (v == 0).sum(axis=0). Large caps
are symmetric: what decides is how many coordinates are zero, where, and which of them agree."""


class CapSet(DiscoveryProblem):
    """`cap-set:N`; score: the size of the cap. There is one instance, the dimension, and it is in
    every split: a cap is a mathematical object, true wherever it was found."""

    function = "priority"
    direction: Direction = "maximise"
    skeleton = SKELETON
    limits = Limits(wall=6.0)

    def __init__(self, n: int) -> None:
        self.n, self.name = n, f"cap-set:{n}"
        self.description = DESCRIPTION.format(n=n, best=BEST_KNOWN[n])
        self.parts = cut(SKELETON)

    @property
    def start(self) -> str:
        return self.parts.function

    @property
    def baselines(self) -> Mapping[str, str]:
        """Known constructions for this dimension (see `baselines`)."""
        return BASELINES.get(self.n, {})

    @property
    def hints(self) -> Mapping[str, Any]:
        terms = {
            "v": "v",
            "next_": "np.roll(v, 1, axis=0)",
            "second": "np.roll(v, 2, axis=0)",
            "third": "np.roll(v, 3, axis=0)",
            "zeros": "np.sum(v == 0, axis=0)",
            "ones": "np.sum(v == 1, axis=0)",
        }
        return {"terms": terms, "constants": (0, 1, 2, 3)}

    def instances(self, split: Split) -> Sequence[str]:
        if split not in SPLITS:
            raise UnknownName("split", split, SPLITS)
        return [f"n={self.n}"]

    def fingerprint(self) -> Mapping[str, Any]:
        digest = hashlib.sha256(SKELETON.encode()).hexdigest()[:16]
        return {"problem": self.name, "skeleton_sha256": digest, "version": self.version}

    def warm(self) -> None:
        build(np.zeros(27), 3)

    def evaluate(
        self, source: str, sandbox: Sandbox, split: Split = "train", floor: float | None = None
    ) -> Evaluation:
        """The size of the greedy cap; `behaviour` is a digest of the cap itself. Nothing is ended
        early: there is one instance."""
        made = self._cap(source, sandbox)
        if isinstance(made, Evaluation):
            return made
        outcome, cap = made
        size = float(len(cap))
        digest = hashlib.blake2b(np.sort(cap).tobytes(), digest_size=16).hexdigest()
        return Evaluation(
            "ok", size, (size,), behaviour=digest, cpu=outcome.cpu, memory_mb=outcome.memory_mb
        )

    def audit(self, source: str, sandbox: Sandbox) -> str:
        """Whether a second run gives the same cap."""
        if is_arithmetic(source):
            return ""
        caps = []
        for _ in range(2):
            made = self._cap(source, sandbox)
            if isinstance(made, Evaluation):
                return not_again(made)
            caps.append(made[1])
        same = np.array_equal(*caps)
        return "" if same else "its cap differs from call to call, so no score repeats"

    def artefact(self, source: str, sandbox: Sandbox) -> Any:
        """The cap as a list of vectors."""
        made = self._cap(source, sandbox)
        if isinstance(made, Evaluation):
            return None
        digits = np.array(np.unravel_index(made[1], (3,) * self.n)).T
        return {"problem": self.name, "verifier": self.version, "vectors": digits.tolist()}

    def verify(self, artefact: Any) -> Check:
        """Check a set exactly: an artefact, or a plain list of vectors. The score is its size."""
        vectors: Any = artefact.get("vectors") if isinstance(artefact, Mapping) else artefact
        reason = fault(vectors, self.n)
        return Check(False, None, reason) if reason else Check(True, float(len(vectors)))

    def _cap(self, source: str, sandbox: Sandbox) -> tuple[Outcome, np.ndarray] | Evaluation:
        """The program's call and the cap that came of it, or how it failed."""
        module, offset = self.parts.compose(source)
        outcome = sandbox.call(module, "priorities", (self.n,), self.limits)
        outcome = in_program(outcome, offset, source)
        if not outcome.ok:
            return failed(outcome)
        value = outcome.value
        if isinstance(value, bool | float):
            value = np.asarray(float(value))
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            return failed(outcome, "priority must return an array of real numbers")
        if value.shape not in ((), (1,), (3**self.n,)):
            wanted = f"that of a coordinate is {(3**self.n,)}"
            return failed(outcome, f"priority returned an array of shape {value.shape}; {wanted}")
        values = np.broadcast_to(value.astype(np.float64), (3**self.n,))
        if np.isnan(values).any():
            at = np.unravel_index(int(np.flatnonzero(np.isnan(values))[0]), (3,) * self.n)
            return failed(outcome, f"priority is nan for the vector {[int(d) for d in at]}")
        cap = build(values, self.n)
        return (outcome, cap) if len(cap) else failed(outcome, "priority is -inf for every vector")


def build(priorities: np.ndarray, n: int) -> np.ndarray:
    """The greedy cap as numbers in base 3, in the order taken. `priorities`: 3**n floats, no NaN;
    equal ones in lexicographic order; -inf is never taken."""
    from evaluators.discovery.cap_set.kernels import greedy

    order = np.argsort(-priorities, kind="stable")
    order = order[priorities[order] > -np.inf]
    return greedy(order, max(3**n, 3**5), _thirds())


@lru_cache(maxsize=1)
def _thirds() -> np.ndarray:
    from evaluators.discovery.cap_set.kernels import thirds

    return thirds()


def fault(vectors: Any, n: int) -> str:
    """Why a list of vectors is no cap of {0, 1, 2}^n; empty where it is one.

    All pairs are looked at: whether the point that completes their line is in the set as well.
    """
    if not isinstance(vectors, list | tuple) or not vectors:
        return "a cap set is a list of at least one vector"
    for i, vector in enumerate(vectors):
        if not isinstance(vector, list | tuple) or len(vector) != n:
            return f"vector {i} must be a list of {n} coordinates, not {str(vector)[:60]}"
        if any(type(digit) is not int or digit not in (0, 1, 2) for digit in vector):
            return f"vector {i} is {list(vector)}: coordinates are 0, 1 or 2"
    points = np.array(vectors, np.int64)
    powers = 3 ** np.arange(n - 1, -1, -1)
    numbers = points @ powers
    place = np.full(3**n, -1)
    for i, number in enumerate(numbers.tolist()):
        if place[number] >= 0:
            return f"vectors {place[number]} and {i} are both {vectors[i]}"
        place[number] = i
    for i in range(len(points)):
        third = place[((-points[i] - points[:i]) % 3) @ powers]
        if (third >= 0).any():
            j = int(np.flatnonzero(third >= 0)[0])
            three = f"{list(vectors[j])}, {list(vectors[int(third[j])])} and {list(vectors[i])}"
            return f"{three} lie on a line"
    return ""
