"""How much texts differ: shingles and their resemblance, and a report on a set of texts.

Arithmetic and prose alike are read as words: runs of letters, runs of digits, single signs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.errors import BadInput
from reasoning.core import SeedPath

Shingles = frozenset[tuple[str, ...]]

SIZE = 3
"""Words in a shingle."""
NEAR = 0.7
"""Texts that resemble each other so much are near-duplicates."""
_WORD = re.compile(r"[^\W\d_]+|\d+|\S")


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _WORD.findall(text.casefold())


def shingles(text: str, size: int = SIZE) -> Shingles:
    """The runs of `size` words of a text; of a shorter text its words as one run, of an empty one
    nothing (Broder 1997, section 2)."""
    found = words(text)
    if len(found) <= size:
        return frozenset([tuple(found)] if found else [])
    return frozenset(tuple(found[at : at + size]) for at in range(len(found) - size + 1))


def resemblance(a: Shingles, b: Shingles) -> float:
    """Shared shingles over all shingles of two texts, 1 for two empty ones (Broder 1997)."""
    union = len(a | b)
    return len(a & b) / union if union else 1.0


def distinct(texts: Sequence[str], n: int) -> float:
    """Different runs of n words over all runs of n words, 0 where there are none (Li et al. 2016,
    section 5.2)."""
    runs: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        found = words(text)
        runs.update(tuple(found[at : at + n]) for at in range(len(found) - n + 1))
    return len(runs) / runs.total() if runs else 0.0


def similarities(texts: Sequence[str], size: int = SIZE) -> np.ndarray:
    """The resemblance of every two texts: (n, n)."""
    sets = [shingles(text, size) for text in texts]
    made = np.eye(len(sets))
    for i, first in enumerate(sets):
        for j in range(i):
            made[i, j] = made[j, i] = resemblance(first, sets[j])
    return made


def effective(similar: np.ndarray) -> float:
    """How many wholly different texts would be as diverse: the exponential of the entropy of the
    eigenvalues of the similarities over n (Friedman and Dieng 2023, definition 3.1)."""
    values = np.linalg.eigvalsh(similar / len(similar))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


@dataclass(frozen=True)
class Diversity:
    """A set of texts in figures.

    `unique` texts differ in more than white space and case; `near` is the share of texts that a
    text before them resembles by NEAR or more; `distinct_1` and `distinct_3` are shares of
    different words and runs of three; `mean` is the mean resemblance of two texts. `effective` is
    the number of wholly different texts that would be as diverse. The last two and `near` are over
    `compared` texts, drawn where there are more.
    """

    texts: int
    unique: int
    compared: int
    near: float
    mean: float
    effective: float
    distinct_1: float
    distinct_3: float

    def __str__(self) -> str:
        return (
            f"{self.texts} texts, {self.unique} different; {self.near:.0%} nearly repeat an earlier"
            f" one; mean resemblance {self.mean:.3f}; as diverse as {self.effective:.1f} wholly"
            f" different ones of {self.compared}; distinct-1 {self.distinct_1:.3f}, distinct-3"
            f" {self.distinct_3:.3f}"
        )


def diversity(texts: Sequence[str], *, most: int = 300, seed: int = 0) -> Diversity:
    """The figures of a set of texts; at most `most` of them, drawn by the seed, are compared with
    each other. Raises BadInput for no texts."""
    if not texts:
        raise BadInput("there are no texts whose diversity could be measured")
    drawn: list[str] = list(texts)
    if len(drawn) > most:
        rng = np.random.Generator(np.random.Philox(key=SeedPath(seed, ("diversity",)).key))
        drawn = [texts[int(i)] for i in sorted(rng.choice(len(texts), most, replace=False))]
    similar, n = similarities(drawn), len(drawn)
    before = np.tril(similar, -1)
    return Diversity(
        texts=len(texts),
        unique=len({" ".join(words(text)) for text in texts}),
        compared=n,
        near=float((before.max(axis=1) >= NEAR).mean()) if n > 1 else 0.0,
        mean=float(before.sum() / (n * (n - 1) / 2)) if n > 1 else 0.0,
        effective=effective(similar),
        distinct_1=distinct(texts, 1),
        distinct_3=distinct(texts, 3),
    )
