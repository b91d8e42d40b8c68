"""The audit of the priority form: did any choice depend on items that had not arrived yet?

Two training instances, picked by a digest of the program, are packed again in fresh children: with
the same beginning and other items after it (the counterfactual), and with each item handed in only
when the one before has its bin, so that there is nothing to look at. All choices must repeat.
Memorising is not found here: a program that knows the training instances by heart scores no better
on the validation and held-out ones, which is where it is judged.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from evaluators.discovery.base import Evaluation, not_again
from evaluators.discovery.bin_packing.instances import Instance

if TYPE_CHECKING:
    from evaluators.discovery.bin_packing.priority import PriorityProblem
    from evaluators.sandbox import Sandbox

LONGEST = 300  # characters of what a program says
AUDITED = 2  # instances
HANDED_IN = 5_000  # items at most, one by one


def audit(
    problem: PriorityProblem,
    source: str,
    sandbox: Sandbox,
    cases: tuple[Instance, ...] | None = None,
) -> str:
    """Why the program's choices must not be trusted; empty where all repeated. `cases` are audited,
    or two training instances."""
    seed = int.from_bytes(hashlib.sha256(source.encode()).digest()[:8], "big")
    rng = np.random.Generator(np.random.PCG64(seed))
    if cases is None:
        train = problem.cases("train")
        picked = rng.permutation(len(train))[:AUDITED]
        cases = tuple(train[int(i)] for i in sorted(picked))
    for instance in cases:
        first = problem.pack(source, sandbox, instance, [])
        if isinstance(first, Evaluation):
            return not_again(first)
        reason = _other_future(problem, source, sandbox, instance, first, rng)
        reason = reason or _no_future(problem, source, sandbox, instance, first)
        if reason:
            again = problem.pack(source, sandbox, instance, [])
            if isinstance(again, Evaluation) or not np.array_equal(again, first):
                return f"{instance.name}: the same items are packed differently from run to run"
            return f"{instance.name}: {reason}"
    return ""


def _other_future(
    problem: PriorityProblem,
    source: str,
    sandbox: Sandbox,
    instance: Instance,
    first: np.ndarray,
    rng: np.random.Generator,
) -> str:
    n = len(instance.items)
    at = int(rng.integers(n // 4, max(n // 4, 3 * n // 4) + 1))
    items = instance.items.copy()
    items[at:] = rng.choice(instance.items, n - at)
    changed = problem.pack(source, sandbox, replace(instance, items=items), [])
    if isinstance(changed, Evaluation):
        return f"with other items after item {at} {not_again(changed)}"
    return _compare(first[:at], changed[:at], "where other items follow")


def _no_future(
    problem: PriorityProblem,
    source: str,
    sandbox: Sandbox,
    instance: Instance,
    first: np.ndarray,
) -> str:
    module, _ = problem.parts.compose(source)
    n = min(len(instance.items), HANDED_IN)
    where = np.empty(n, np.int64)
    with sandbox.session(module, problem.limits) as session:
        begun = (len(instance.items), instance.capacity, problem.empty_bins)
        outcome = session.call("begin", begun)
        for i, item in enumerate(instance.items[:n].tolist()):
            if outcome.ok:
                outcome = session.call("place", ([item],))
            if not outcome.ok:
                return f"where items come one by one, at item {i}, {not_again(outcome)}"
            value = outcome.value
            named = isinstance(value, list) and len(value) == 1 and type(value[0]) is int
            if not named or not 0 <= value[0] < len(instance.items):
                said = str(value)[:LONGEST]
                return f"it fails at item {i} where items come one by one: {said}"
            where[i] = value[0]
    return _compare(first[:n], where, "where items come one by one")


def _compare(first: np.ndarray, second: np.ndarray, when: str) -> str:
    other = np.flatnonzero(first != second)
    if not other.size:
        return ""
    i = int(other[0])
    return f"item {i} goes into bin {int(second[i])} {when}, into bin {int(first[i])} otherwise"
