"""Instances of online bin packing: drawn by seed, or read from a file.

OR-1…OR-4: uniform integers 20–100, capacity 150, 120/250/500/1000 items (the classes u120…u1000 of
Falkenauer 1996 in the OR-Library). Weibull: shape 3, scale 45, rounded to integers and clipped to
1–100, capacity 100, 5k/10k/100k items (Romera-Paredes et al., Nature 2024, after Castiñeiras et
al. 2012). Every split, and every instance in it, has a random stream of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.discovery.base import SPLITS, Split
from evaluators.errors import BadInput, UnknownName

LARGEST = 100_000_000  # the largest capacity read from a file


@dataclass(frozen=True)
class Instance:
    """`items` (int32, in order of arrival) to be packed into bins of `capacity`."""

    name: str
    capacity: int
    items: np.ndarray = field(repr=False)

    @property
    def bound(self) -> int:
        """The L1 bound: no packing has fewer bins than ceil(sum of the items / capacity)."""
        return -(-int(self.items.sum(dtype=np.int64)) // self.capacity)

    def excess(self, bins: int) -> float:
        """Bins beyond the L1 bound, in percent of it."""
        return 100.0 * (bins / self.bound - 1.0)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of capacity and items."""
        text = f"{self.capacity}:".encode() + self.items.astype("<i4").tobytes()
        return hashlib.sha256(text).hexdigest()[:16]


@dataclass(frozen=True)
class Family:
    """A named distribution: `draw(rng, n)` gives n item sizes; `counts` are the usual numbers of
    training, validation and held-out instances."""

    code: int
    items: int
    capacity: int
    counts: tuple[int, int, int]
    draw: Callable[[np.random.Generator, int], np.ndarray] = field(repr=False)


def uniform(rng: np.random.Generator, n: int) -> np.ndarray:
    """Integers from 20 to 100, equally likely."""
    return 20 + np.floor(81 * rng.random(n))


def weibull(rng: np.random.Generator, n: int) -> np.ndarray:
    """Weibull of shape 3 and scale 45 by inversion, rounded, clipped to 1–100."""
    return np.clip(np.rint(45.0 * np.cbrt(-np.log1p(-rng.random(n)))), 1, 100)


FAMILIES: dict[str, Family] = {
    "or-1": Family(1, 120, 150, (160, 160, 160), uniform),
    "or-2": Family(2, 250, 150, (80, 80, 80), uniform),
    "or-3": Family(3, 500, 150, (100, 100, 60), uniform),
    "or-4": Family(4, 1000, 150, (20, 40, 40), uniform),
    "weibull-5k": Family(5, 5_000, 100, (32, 40, 32), weibull),
    "weibull-10k": Family(6, 10_000, 100, (8, 16, 32), weibull),
    "weibull-100k": Family(7, 100_000, 100, (2, 4, 32), weibull),
}


class Drawn:
    """A family's instances by seed; drawn when first asked for, so that a copy travels light."""

    def __init__(self, family: str, seed: int, counts: Sequence[int | None]) -> None:
        if family not in FAMILIES:
            raise UnknownName("family of bin-packing instances", family, FAMILIES)
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise BadInput(f"seed must be an integer of at least 0, not {seed!r}")
        self.family, self.seed = family, seed
        usual = FAMILIES[family].counts
        self.counts = tuple(u if c is None else c for c, u in zip(counts, usual, strict=True))
        for name, count in zip(SPLITS, self.counts, strict=True):
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                option = name.replace("-", "_")
                raise BadInput(f"{option} must be an integer of at least 1, not {count!r}")
        self._cache: dict[str, tuple[Instance, ...]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}}

    def split(self, split: Split) -> tuple[Instance, ...]:
        """The instances of a split."""
        if split not in self._cache:
            family, at = FAMILIES[self.family], SPLITS.index(split)
            self._cache[split] = tuple(
                Instance(
                    f"{self.family}/{split}/{i}",
                    family.capacity,
                    family.draw(self._rng(family.code, at, i), family.items).astype(np.int32),
                )
                for i in range(self.counts[at])
            )
        return self._cache[split]

    def _rng(self, *path: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, *path])))

    @property
    def widest(self) -> int:
        """The largest capacity."""
        return FAMILIES[self.family].capacity

    @property
    def longest(self) -> int:
        """The largest number of items."""
        return FAMILIES[self.family].items

    def facts(self) -> dict[str, Any]:
        """What identifies the instances, as JSON values."""
        return {"family": self.family, "seed": self.seed, "counts": list(self.counts)}


class Given:
    """The instances of a file. `divide` deals them out in order: of four, two to train, one to
    validation, one held out (of three, one each); otherwise every split holds all of them."""

    def __init__(self, path: str | Path, divide: bool = True) -> None:
        self.path, self.divide = str(path), divide
        everything = sorted(read_instances(path), key=lambda i: len(i.items))
        if divide and len(everything) < 3:
            raise BadInput(
                f"{path}: {len(everything)} instances cannot be divided into training, validation"
                " and held-out ones; give at least 3"
            )
        self._splits: dict[Split, tuple[Instance, ...]] = {s: tuple(everything) for s in SPLITS}
        if divide:
            deal = (0, 1, 2) if len(everything) == 3 else (0, 1, 0, 2)
            for at, split in enumerate(SPLITS):
                self._splits[split] = tuple(
                    x for i, x in enumerate(everything) if deal[i % len(deal)] == at
                )

    def split(self, split: Split) -> tuple[Instance, ...]:
        """The instances of a split."""
        return self._splits[split]

    @property
    def widest(self) -> int:
        """The largest capacity."""
        return max(i.capacity for split in self._splits.values() for i in split)

    @property
    def longest(self) -> int:
        """The largest number of items."""
        return max(len(i.items) for split in self._splits.values() for i in split)

    @property
    def counts(self) -> tuple[int, ...]:
        """The numbers of training, validation and held-out instances."""
        return tuple(len(self._splits[s]) for s in SPLITS)

    def facts(self) -> dict[str, Any]:
        """What identifies the instances, as JSON values."""
        marks = {s: [i.fingerprint for i in self._splits[s]] for s in SPLITS}
        digest = hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:16]
        return {
            "file": Path(self.path).name,
            "sha256": digest,
            "counts": list(self.counts),
            "divided": self.divide,
        }


def read_instances(path: str | Path) -> list[Instance]:
    """The instances of a JSON file `{name: {"capacity": C, "items": [...]}}`, in its order.

    Raises BadInput naming file, instance and item.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}"
        ) from error
    try:
        data = json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, path))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not JSON: {error}") from error
    wanted = '{name: {"capacity": C, "items": [...]}}'
    if not isinstance(data, dict) or not data:
        raise BadInput(f"{path}: wanted {wanted} with at least one instance")
    found = []
    for name, fields in data.items():
        place = f"{path}: instance {name!r}"
        if not isinstance(fields, dict) or not {"capacity", "items"} <= set(fields):
            raise BadInput(f'{place} needs "capacity" and "items": {wanted}')
        capacity = _whole(fields["capacity"], f"{place}: capacity")
        if not 1 <= capacity <= LARGEST:
            raise BadInput(f"{place}: capacity must be from 1 to {LARGEST}, not {capacity}")
        found.append(Instance(name, capacity, _items(fields["items"], capacity, place)))
    return found


def _items(items: Any, capacity: int, place: str) -> np.ndarray:
    if not isinstance(items, list) or not items:
        raise BadInput(f"{place}: items must be a list of at least one size")
    sizes = [_whole(x, f"{place}: item {i}") for i, x in enumerate(items)]
    for i, size in enumerate(sizes):
        if size < 1:
            raise BadInput(f"{place}: item {i} is {size}; sizes are at least 1")
        if size > capacity:
            raise BadInput(f"{place}: item {i} is {size}, more than the capacity {capacity}")
    return np.array(sizes, np.int32)


def _whole(value: Any, what: str) -> int:
    whole = type(value) is int or (type(value) is float and value.is_integer())
    if not whole:
        raise BadInput(f"{what} must be an integer, not {repr(value)[:60]}")
    return int(value)


def _unique(pairs: Sequence[tuple[str, Any]], path: str | Path) -> Mapping[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"{path}: the name {twice!r} stands twice")
    return dict(pairs)
