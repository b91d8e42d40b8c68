"""A packing says for each item, in order of arrival, the number of the bin that it is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluators.discovery.base import Check
from evaluators.discovery.bin_packing.instances import Instance


def fault(instance: Instance, packing: Any) -> str:
    """Why this is no packing of the instance; empty where it is one.

    Every item must be in one bin, numbered from 0 to below the number of items, and no bin may
    hold more than the capacity.
    """
    numbers = np.asarray(packing)
    n = len(instance.items)
    if numbers.shape != (n,):
        return f"{instance.name}: {numbers.size} bins named for {n} items"
    if numbers.dtype.kind not in "iu":
        return f"{instance.name}: the numbers of bins must be integers"
    outside = np.flatnonzero((numbers < 0) | (numbers >= n))
    if outside.size:
        i = int(outside[0])
        return f"{instance.name}: item {i} is in bin {int(numbers[i])}; bins are 0 to {n - 1}"
    loads = np.zeros(n, np.int64)
    np.add.at(loads, numbers.astype(np.int64), instance.items)
    over = np.flatnonzero(loads > instance.capacity)
    if over.size:
        b = int(over[0])
        return f"{instance.name}: bin {b} holds {int(loads[b])}, more than {instance.capacity}"
    return ""


def count(packing: Any) -> int:
    """How many bins a packing without fault uses."""
    return int(np.unique(np.asarray(packing)).size)


def name_bins(instance: Instance, taken: np.ndarray) -> list[int]:
    """The packing in which each item goes into the oldest bin that has `taken` left."""
    left: dict[int, list[int]] = {}
    packing, opened = [], 0
    for item, room in zip(instance.items.tolist(), taken.tolist(), strict=True):
        if room == instance.capacity:
            number, opened = opened, opened + 1
        else:
            number = left[room].pop(0)
        packing.append(number)
        left.setdefault(room - item, []).append(number)
    return packing


def to_artefact(
    problem: str, split: str, version: int, packed: Sequence[tuple[Instance, Sequence[int]]]
) -> dict[str, Any]:
    """Packings of a split's instances with what identifies the instances, as JSON values."""
    return {
        "problem": problem,
        "split": split,
        "verifier": version,
        "instances": {
            i.name: {"sha256": i.fingerprint, "bins": count(p), "packing": [int(b) for b in p]}
            for i, p in packed
        },
    }


def check(instances: Sequence[Instance], artefact: Any) -> Check:
    """Replay an artefact on its instances: the mean excess over the L1 bound, or why not."""
    if not isinstance(artefact, Mapping) or not isinstance(artefact.get("instances"), Mapping):
        return Check(False, None, 'an artefact needs "instances", an object by name')
    rows = artefact["instances"]
    wanted = {i.name for i in instances}
    if set(rows) != wanted:
        odd = sorted(set(rows) ^ wanted)[0]
        side = "is not an instance of this problem" if odd in rows else "is missing"
        return Check(False, None, f"instance {odd!r} {side}")
    excess = []
    for instance in instances:
        row = rows[instance.name]
        if not isinstance(row, Mapping) or row.get("sha256") != instance.fingerprint:
            return Check(False, None, f"{instance.name}: made for other items (sha256 differs)")
        packing = row.get("packing")
        exact = isinstance(packing, list) and all(type(b) is int for b in packing)
        if not exact:
            return Check(False, None, f"{instance.name}: a packing is a list of integers")
        wrong = fault(instance, packing)
        if not wrong and row.get("bins") != count(packing):
            wrong = f"{instance.name}: {count(packing)} bins are used, {row.get('bins')} claimed"
        if wrong:
            return Check(False, None, wrong)
        excess.append(instance.excess(count(packing)))
    return Check(True, float(np.mean(excess)))
