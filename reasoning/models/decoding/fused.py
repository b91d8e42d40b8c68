"""The embedded architecture on a CPU: all layers of a step in one compiled call, in float32.

Prompt tokens and drawn tokens go through the same code, so a row gets the same bits alone or among
others, with its prefix computed now or found in the pool. transformers computes the same function
with other roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluators.errors import BadInput
from reasoning.models.decoding.draw import draw_rows, logprobs_of
from reasoning.models.decoding.kernels import forward
from reasoning.models.decoding.packed import pack, space, unsupported
from reasoning.models.decoding.prefix import Place, PrefixPool
from reasoning.models.decoding.stepper import Controls

CHUNK = 256  # token rows of one call
READERS = 64  # sequences scored side by side


def eos_of(model: Any) -> frozenset[int]:
    """The end-of-sequence ids of a transformers model: its generation settings', else its own."""
    for config in (getattr(model, "generation_config", None), model.config):
        eos = getattr(config, "eos_token_id", None)
        if eos is not None:
            return frozenset([eos] if isinstance(eos, int) else eos)
    return frozenset()


class FusedStepper:
    """A `Stepper` over a Qwen3 model of transformers (see `packed.unsupported` for the limits).

    The weights are copied: later changes to `model` are not seen. `pool_bytes` is the most memory
    that keys and values take; what is never used is never touched. Without `share` no row reads a
    prefix that another has computed.
    """

    def __init__(
        self, model: Any, max_rows: int = 256, pool_bytes: int = 192 << 20, share: bool = True
    ) -> None:
        reason = unsupported(model)
        if reason:
            raise BadInput(
                f"the fused path cannot run this model: {reason}; load it with fused=False"
            )
        config = model.config
        layers, kv_heads, size = (
            config.num_hidden_layers,
            config.num_key_value_heads,
            config.head_dim,
        )
        slots = pool_bytes // (8 * layers * kv_heads * size)
        self.max_rows, self._share = max_rows, share
        self.max_positions = min(config.max_position_embeddings, slots // 2)
        if self.max_positions < 8:
            raise BadInput(f"pool_bytes={pool_bytes} holds {slots} tokens; 16 is the least")
        self.vocabulary = config.vocab_size
        self.eos_ids = eos_of(model)
        self._eps = np.float64(config.rms_norm_eps)
        self._weights = pack(model, self.max_positions)
        self._space = space(config, CHUNK, self.max_positions)
        self._keys = np.empty((layers, slots, kv_heads, size), np.float32)
        self._values = np.empty_like(self._keys)
        self._pool = PrefixPool(slots, self.vocabulary)
        self._table = np.empty((max_rows + READERS, self.max_positions), np.int32)
        self._logits = np.empty((max_rows, self.vocabulary), np.float32)
        self._read = np.empty((CHUNK, self.vocabulary), np.float32)
        self._length = np.zeros(max_rows, np.int64)
        self._places: dict[int, tuple[Place, int]] = {}

    def join(
        self, rows: Sequence[int], prompts: Sequence[Sequence[int]], limits: Sequence[int]
    ) -> list[int]:
        cached: list[int] = []
        parts: list[tuple[int, Sequence[int], int]] = []
        for row, ids, limit in zip(rows, prompts, limits, strict=True):
            # the last token is read anew for its logits; the last drawn one is never fed
            place = self._take(ids, len(ids) - 1, limit, self.max_positions)
            if place is None:
                break
            self._table[row, : len(place.slots)] = place.slots
            self._places[row] = place, ids[-1]
            self._length[row] = len(ids)
            parts.append((row, ids, place.cached))
            cached.append(place.cached)
        targets = [[-1] * (len(ids) - 1 - start) + [row] for row, ids, start in parts]
        self._feed(parts, np.array([t for part in targets for t in part], np.int64), self._logits)
        return cached

    def draw(self, rows: np.ndarray, controls: Controls) -> tuple[np.ndarray, np.ndarray]:
        return draw_rows(self._logits, rows, controls)

    def advance(self, rows: np.ndarray, ids: np.ndarray) -> None:
        positions = self._length[rows]
        self._run(rows, positions, ids, rows, self._logits)
        self._length[rows] = positions + 1

    def extend(
        self, rows: Sequence[int], kept: Sequence[int], tails: Sequence[Sequence[int]]
    ) -> np.ndarray:
        """Cut rows to their first `kept` tokens, feed `tails`; logits after every token fed."""
        counts = [len(tail) for tail in tails]
        positions = [np.arange(start, start + n) for start, n in zip(kept, counts, strict=True)]
        tokens = np.array([token for tail in tails for token in tail], np.int64)
        logits = np.empty((len(tokens), self.vocabulary), np.float32)
        numbers = np.repeat(np.asarray(rows, np.int64), counts)
        self._run(numbers, np.concatenate(positions), tokens, np.arange(len(tokens)), logits)
        self._length[np.asarray(rows)] = np.asarray(kept) + counts
        return logits

    def leave(self, rows: Sequence[int], generated: Sequence[Sequence[int]]) -> None:
        for row, ids in zip(rows, generated, strict=True):
            place, last = self._places.pop(row)
            self._give(place, [last, *ids[:-1]])

    def score(
        self, sequences: Sequence[Sequence[int]], starts: Sequence[int]
    ) -> tuple[list[list[float]], list[int]]:
        scores: list[list[float]] = []
        cached: list[int] = []
        while len(scores) < len(sequences):
            first = len(scores)
            group: list[tuple[Place, Sequence[int], int]] = []
            for ids, start in list(zip(sequences, starts, strict=True))[first : first + READERS]:
                place = self._take(ids, start - 1, len(ids) - start)
                if place is None:
                    break
                self._table[self.max_rows + len(group), : len(place.slots)] = place.slots
                group.append((place, ids, start))
            scores += self._read_group(group)
            cached += [place.cached for place, _, _ in group]
            for place, ids, start in group:
                self._give(place, ids[start - 1 : -1])
        return scores, cached

    def reset(self) -> None:
        self._pool.clear()
        self._places.clear()

    def refresh(self, model: Any) -> None:
        """Take over the weights that a model of the same shape has now; what was computed with the
        old ones is forgotten. Only while no request runs."""
        self._weights = pack(model, self.max_positions)
        self.reset()

    def _take(self, ids: Sequence[int], stem: int, own: int, spare: int = 0) -> Place | None:
        """Slots for ids[:stem] and `own` more; all are the row's own where nothing is shared."""
        if not self._share:
            stem, own = 0, stem + own
        return self._pool.take(ids, stem, own, spare)

    def _give(self, place: Place, tokens: Sequence[int]) -> None:
        self._pool.give(place, tokens if self._share else ())

    def _read_group(self, group: list[tuple[Place, Sequence[int], int]]) -> list[list[float]]:
        """Log-probabilities of ids[start:] of each sequence of the group."""
        parts, targets, wanted = [], [], []
        for i, (place, ids, start) in enumerate(group):
            parts.append((self.max_rows + i, ids[:-1], place.cached))
            first = start - 1 - place.cached
            targets.append(np.arange(len(ids) - 1 - place.cached) - first)
            wanted.append(np.array(ids[start:], np.int64))
        rows, positions, tokens = self._tokens(parts)
        asked = np.concatenate([t >= 0 for t in targets])
        ids_wanted, found = np.concatenate(wanted), []
        for at in range(0, len(tokens), CHUNK):
            piece = slice(at, at + CHUNK)
            here = asked[piece]
            target = np.where(here, np.cumsum(here) - 1, -1)
            self._run(rows[piece], positions[piece], tokens[piece], target, self._read)
            n = int(here.sum())
            done = sum(map(len, found))
            found.append(logprobs_of(self._read[:n], ids_wanted[done : done + n]))
        values = np.concatenate(found).tolist() if found else []
        ends = np.cumsum([len(w) for w in wanted])
        return [values[end - len(w) : end] for w, end in zip(wanted, ends.tolist(), strict=True)]

    def _tokens(
        self, parts: list[tuple[int, Sequence[int], int]]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row numbers, positions and ids of ids[start:] of each part (row, ids, start)."""
        counts = [len(ids) - start for _, ids, start in parts]
        rows = np.repeat(np.array([row for row, _, _ in parts], np.int64), counts)
        positions = [np.arange(start, len(ids)) for _, ids, start in parts]
        tokens = [np.array(ids[start:], np.int64) for _, ids, start in parts]
        none = [np.zeros(0, np.int64)]
        return rows, np.concatenate(none + positions), np.concatenate(none + tokens)

    def _feed(
        self, parts: list[tuple[int, Sequence[int], int]], targets: np.ndarray, logits: np.ndarray
    ) -> None:
        rows, positions, tokens = self._tokens(parts)
        self._run(rows, positions, tokens, targets, logits)

    def _run(
        self,
        rows: np.ndarray,
        positions: np.ndarray,
        tokens: np.ndarray,
        targets: np.ndarray,
        logits: np.ndarray,
    ) -> None:
        """Token rows through the model, in calls of `CHUNK`."""
        for at in range(0, len(tokens), CHUNK):
            piece = slice(at, at + CHUNK)
            forward(
                self._weights,
                self._space,
                self._keys,
                self._values,
                self._table,
                rows[piece],
                positions[piece],
                tokens[piece],
                targets[piece],
                logits,
                self._eps,
            )
