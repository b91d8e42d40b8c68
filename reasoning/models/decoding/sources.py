"""Which known row holds most of a prompt, and which prompts go through one forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reasoning.models.decoding.rows import Rows

PREFILL_TOKENS = 16_384
"""Prompt tokens in one forward pass, padding included, at most."""


@dataclass(frozen=True)
class Source:
    """The first `tokens` tokens of row `row` of `rows`."""

    rows: Rows | None
    row: int
    tokens: int

    def head(self, tokens: int) -> Rows:
        assert self.rows is not None
        return self.rows.head(self.row, tokens)


def longest(
    prompts: Iterable[tuple[int, ...]], known: Sequence[tuple[Sequence[int], Source]]
) -> dict[tuple[int, ...], Source]:
    """The source of the longest common prefix with each prompt, cut to it (never its last token:
    its logits have to be computed); `known` are texts and where their keys and values lie."""
    if not known:
        return dict.fromkeys(prompts, Source(None, 0, 0))
    table = np.full((len(known), max(len(ids) for ids, _ in known)), -1)
    for line, (ids, _) in zip(table, known, strict=True):
        line[: len(ids)] = ids
    found = {}
    for prompt in prompts:
        wanted = np.asarray(prompt[:-1], dtype=np.int64)[: table.shape[1]]
        differs = np.pad(table[:, : len(wanted)] != wanted, ((0, 0), (0, 1)), constant_values=True)
        common = differs.argmax(axis=1)
        best = int(common.argmax())
        found[prompt] = replace(known[best][1], tokens=int(common[best]))
    return found


def grouped(found: Mapping[tuple[int, ...], Source]) -> Iterator[list[tuple[int, ...]]]:
    """Prompts that go through one forward pass: those with a source apart from those without, by
    how many new tokens they bring (powers of two), at most PREFILL_TOKENS together."""
    buckets: dict[tuple[bool, int], list[tuple[int, ...]]] = {}
    for prompt, source in found.items():
        bits = (len(prompt) - source.tokens - 1).bit_length()
        buckets.setdefault((source.tokens > 0, max(2, bits)), []).append(prompt)
    for (_, bits), prompts in buckets.items():
        size = max(1, PREFILL_TOKENS >> bits)
        for start in range(0, len(prompts), size):
            yield prompts[start : start + size]
