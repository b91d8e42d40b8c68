"""Seeded problem instances, split into train and test by their canonical key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem

SPLITS = ("train", "test")
TEST_PERCENT = 10

Instance = tuple[str, Mapping[str, Any], str | None]
"""(canonical key, fields, reference answer)"""


def split_of(key: str) -> str:
    """The split that owns an instance: `test` for a fixed tenth of all keys, whatever the seed."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return "test" if int.from_bytes(digest, "little") % 100 < TEST_PERCENT else "train"


def generate(
    name: str,
    make: Callable[[np.random.Generator], Instance],
    *,
    split: str,
    n: int,
    seed: int,
    meta: Mapping[str, Any],
) -> tuple[Problem, ...]:
    """`n` problems with different keys, all of the given split.

    Raises UnknownName for a split and BadInput when the space of instances is too small.
    """
    if split not in SPLITS:
        raise UnknownName("split", split, SPLITS)
    if n < 0:
        raise BadInput(f"n must be 0 or more, not {n}")
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    problems: list[Problem] = []
    seen: set[str] = set()
    idle = 0
    while len(problems) < n:
        key, fields, answer = make(rng)
        if key in seen or split_of(key) != split:
            idle += 1
            if idle > 20_000:
                raise BadInput(
                    f"{name} has only about {len(problems)} different {split} problems at this"
                    f" difficulty ({dict(meta)}); ask for fewer or for a wider difficulty"
                )
            continue
        idle = 0
        seen.add(key)
        info = {**meta, "key": key, "split": split, "seed": seed}
        problems.append(Problem(f"{name}/{len(problems)}", fields, answer, info))
    return tuple(problems)
