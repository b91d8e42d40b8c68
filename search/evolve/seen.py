"""Seen: which proposal was the first with a given key, in 16 bytes an entry however many there are.

Recent keys are in a dict; when it is full they are merged into two sorted arrays.
"""

from __future__ import annotations

import numpy as np

_RECENT = 4096


class Seen:
    """A map from 64-bit keys to the smallest number that was added with them."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.uint64)
        self._numbers = np.empty(0, np.int64)
        self._recent: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys) + len(self._recent)

    def first(self, key: int) -> int | None:
        """The smallest number added with `key`; None where there is none."""
        found = self._recent.get(key)
        if found is None and len(self._keys):
            at = int(self._keys.searchsorted(np.uint64(key)))
            if at < len(self._keys) and self._keys[at] == key:
                found = int(self._numbers[at])
        return found

    def add(self, key: int, number: int) -> int:
        """Add `number` under `key`; returns the smallest so far, perhaps `number` itself."""
        before = self.first(key)
        if before is not None and before <= number:
            return before
        if before is not None and key not in self._recent:
            self._numbers[self._keys.searchsorted(np.uint64(key))] = number
            return number
        self._recent[key] = number
        if len(self._recent) >= _RECENT:
            self._merge()
        return number

    def _merge(self) -> None:
        keys = np.fromiter(self._recent, np.uint64, len(self._recent))
        numbers = np.fromiter(self._recent.values(), np.int64, len(self._recent))
        keys, numbers = np.concatenate([self._keys, keys]), np.concatenate([self._numbers, numbers])
        order = np.argsort(keys)
        self._keys, self._numbers = keys[order], numbers[order]
        self._recent.clear()
