"""A pool of key/value slots that is also a trie of known prefixes.

A slot holds the keys and values of one token after one exact prefix. Slots of prompts are nodes of
a trie from the moment their row joins, so siblings share them; generated tokens become nodes when
their row leaves. Nodes that no row stands on are kept until room is needed and go oldest first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass
class Place:
    """Where a row's tokens lie: `slots` of all its positions (int32), of which the first `cached`
    were known before, those up to `stem` are shared and the rest are its own; `node` is the last
    shared slot."""

    slots: np.ndarray
    cached: int
    stem: int
    node: int


class PrefixPool:
    """`size` slots; `spare` of them are kept free by `take` unless told otherwise."""

    def __init__(self, size: int, vocabulary: int) -> None:
        self.size, self._vocabulary = size, vocabulary
        self.clear()

    def clear(self) -> None:
        """Forget every row and prefix."""
        size = self.size
        self._free = np.arange(size - 1, -1, -1, dtype=np.int32)  # a stack, lowest slot on top
        self._top = size
        self._child: dict[int, int] = {}  # parent * vocabulary + token -> slot
        self._key = [0] * size  # that key of each node
        self._holds = [0] * (size + 1)  # children and standing rows; entry `size` is the root
        self._idle: OrderedDict[int, None] = OrderedDict()  # nodes nothing holds, oldest first

    @property
    def free(self) -> int:
        """Slots that hold nothing."""
        return self._top

    def take(self, ids: Sequence[int], stem: int, own: int, spare: int = 0) -> Place | None:
        """Slots for ids[:stem], shared and matched as far as known, and `own` more.

        `None` if that would leave fewer than `spare` slots after evicting all that may go. The
        caller must compute positions `cached`..`stem` before anything reads them.
        """
        node, cached, path = self.size, 0, []
        child, vocabulary = self._child, self._vocabulary
        for token in ids[:stem]:
            found = child.get(node * vocabulary + token)
            if found is None:
                break
            node = found
            path.append(found)
        cached = len(path)
        self._hold(node)
        need = stem - cached + own
        while self._top < need + spare:
            if not self._idle:
                self._release(node)
                return None
            self._evict()
        self._top -= need
        fresh = self._free[self._top : self._top + need][::-1].copy()
        stand = node
        for token, slot in zip(ids[cached:stem], fresh.tolist(), strict=False):
            self._link(node, token, slot)
            node = slot
        self._hold(node)
        self._release(stand)
        slots = np.concatenate([np.array(path, np.int32), fresh])
        return Place(slots, cached, stem, node)

    def give(self, place: Place, tokens: Sequence[int]) -> None:
        """End a row: `tokens` are those computed in its own slots, which join the trie."""
        child, vocabulary = self._child, self._vocabulary
        node = place.node
        own = place.slots[place.stem :]
        back: list[int] = []
        for token, slot in zip(tokens, own[: len(tokens)].tolist(), strict=True):
            found = child.get(node * vocabulary + token)
            if found is None:
                self._link(node, token, slot)
                node = slot
            else:  # a sibling was here first; its values are the same to the bit
                back.append(slot)
                node = found
        if self._holds[node] == 0 and node != self.size:
            self._idle[node] = None
            self._idle.move_to_end(node)
        self._release(place.node)
        unused = own[len(tokens) :][::-1]
        self._push(unused)
        if back:
            self._push(np.array(back, np.int32))

    def _push(self, slots: np.ndarray) -> None:
        self._free[self._top : self._top + len(slots)] = slots
        self._top += len(slots)

    def _link(self, parent: int, token: int, slot: int) -> None:
        key = parent * self._vocabulary + token
        self._child[key] = slot
        self._key[slot] = key
        self._hold(parent)

    def _hold(self, node: int) -> None:
        self._holds[node] += 1
        if self._holds[node] == 1:
            self._idle.pop(node, None)

    def _release(self, node: int) -> None:
        self._holds[node] -= 1
        if self._holds[node] == 0 and node != self.size:
            self._idle[node] = None

    def _evict(self) -> None:
        slot, _ = self._idle.popitem(last=False)
        key = self._key[slot]
        del self._child[key]
        parent = key // self._vocabulary
        self._holds[parent] -= 1
        if self._holds[parent] == 0 and parent != self.size:
            # as old as its last child: next to go
            self._idle[parent] = None
            self._idle.move_to_end(parent, last=False)
        self._free[self._top] = slot
        self._top += 1
