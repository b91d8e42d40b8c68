"""The order in which rows are learned: by chance, rows of about one length beside each other.

It depends on the seed and the epoch alone, so that a resumed run goes on in the same order, and on
the batch of the whole step, so that neither accumulation nor a second process changes what a step
learns from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

POOL = 16
"""Batches that are drawn together, sorted by length and shuffled."""


class Grouped(Sampler[int]):
    """Row indices of one epoch: whole batches of rows that are about equally long, in random order.

    `lengths` are the rows' lengths, `batch` the rows of a step, `epoch` is asked when an epoch
    begins. What is left over from whole batches (other rows in each epoch) is left out; fewer rows
    than one batch are all given.
    """

    def __init__(
        self, lengths: Sequence[int], batch: int, seed: int, epoch: Callable[[], int]
    ) -> None:
        self.lengths, self.batch, self.seed = np.asarray(lengths), batch, seed
        self._epoch = epoch

    def __len__(self) -> int:
        whole = len(self.lengths) // self.batch * self.batch
        return whole or len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.Generator(np.random.Philox(seed=[self.seed, self._epoch()]))
        drawn = rng.permutation(len(self.lengths))[: len(self)]
        for start in range(0, len(drawn), self.batch * POOL):
            pool = drawn[start : start + self.batch * POOL]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches = [pool[i : i + self.batch] for i in range(0, len(pool), self.batch)]
            for index in rng.permutation(len(batches)):
                yield from batches[index].tolist()
