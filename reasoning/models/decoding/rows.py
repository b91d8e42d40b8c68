"""Rows of a key-value cache of transformers, as plain values: pad, join, pick, cut.

Every layer is kept at full length, sliding-window layers too: the mask functions of transformers
apply the window, and a prefix stays valid for any continuation. Rows are right-aligned, so the
distance between two columns is the distance between two positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import pad
from transformers.cache_utils import DynamicCache, DynamicLayer

Layer = tuple[torch.Tensor, torch.Tensor] | None


@dataclass(frozen=True)
class Rows:
    """Keys and values of R rows: a layer is a pair of (R, heads, width, dim), or `None` where it
    keeps nothing. Row r holds `lengths[r]` tokens in the last columns."""

    layers: tuple[Layer, ...]
    lengths: tuple[int, ...]

    @property
    def width(self) -> int:
        return next((layer[0].shape[2] for layer in self.layers if layer is not None), 0)

    @property
    def token_bytes(self) -> int:
        """Memory of one token of one row."""
        some = (tensor[:1, :, :1] for layer in self.layers if layer is not None for tensor in layer)
        return sum(tensor.numel() * tensor.element_size() for tensor in some)

    def mask(self, device: torch.device) -> torch.Tensor:
        """Which columns hold a token: (R, width) booleans."""
        return right_aligned(self.lengths, self.width, device)

    def cache(self) -> DynamicCache:
        """A transformers cache over these tensors; a forward pass makes new ones by growing."""
        cache = DynamicCache()
        for layer in self.layers:
            plain = DynamicLayer()
            if layer is not None:
                plain.lazy_initialization(*layer)
                plain.keys, plain.values = layer
            cache.layers.append(plain)
        return cache

    def pick(self, rows: Sequence[int]) -> Rows:
        """These rows in this order, common padding on the left cut off."""
        lengths = tuple(self.lengths[row] for row in rows)
        start = self.width - max(lengths, default=0)
        if start == 0 and list(rows) == list(range(len(self.lengths))):
            return self

        index = torch.tensor(list(rows))

        def of(tensor: torch.Tensor) -> torch.Tensor:
            return tensor[:, :, start:].index_select(0, index)

        layers: list[Layer] = []
        for layer in self.layers:
            if layer is not None:
                index = index.to(layer[0].device)
            layers.append(layer and (of(layer[0]), of(layer[1])))
        return Rows(tuple(layers), lengths)

    def heads(self, rows: Sequence[int], tokens: Sequence[int]) -> Rows:
        """The first `tokens[i]` tokens of row `rows[i]`, in this order."""
        wide, lengths = max(tokens, default=0), [self.lengths[row] for row in rows]
        if lengths == list(tokens):
            return self.pick(rows)
        starts = torch.tensor([self.width - length for length in lengths])[:, None]
        ends = torch.tensor(list(tokens))[:, None]
        columns = (starts + ends - wide + torch.arange(wide)).clamp(min=0)[:, None, :, None]
        index = torch.tensor(list(rows))

        def of(tensor: torch.Tensor) -> torch.Tensor:
            some = tensor.index_select(0, index.to(tensor.device))
            shape = (-1, tensor.shape[1], -1, tensor.shape[3])
            return some.gather(2, columns.to(tensor.device).expand(*shape))

        layers = tuple(layer and (of(layer[0]), of(layer[1])) for layer in self.layers)
        return Rows(layers, tuple(tokens))

    def head(self, row: int, tokens: int) -> Rows:
        """The first `tokens` tokens of one row, copied."""
        start = self.width - self.lengths[row]

        def of(tensor: torch.Tensor) -> torch.Tensor:
            return tensor[row : row + 1, :, start : start + tokens].clone()

        layers = tuple(layer and (of(layer[0]), of(layer[1])) for layer in self.layers)
        return Rows(layers, (tokens,))


def taken(cache: DynamicCache, lengths: Sequence[int]) -> Rows:
    """The rows that a forward pass left in `cache`."""
    layers: list[Layer] = []
    for layer in cache.layers:
        if type(layer) is not DynamicLayer:
            raise TypeError(
                f"cache layer {type(layer).__name__} is not one of plain keys and values"
            )
        keys, values = layer.keys, layer.values
        layers.append(None if keys is None or values is None else (keys, values))
    return Rows(tuple(layers), tuple(lengths))


def joined(parts: Sequence[Rows]) -> Rows:
    """All rows of all parts, padded on the left to the widest."""
    if len(parts) == 1:
        return parts[0]
    width = max(part.width for part in parts)

    def of(index: int, half: int) -> torch.Tensor:
        tensors = (part.layers[index][half] for part in parts)  # type: ignore[index]
        return torch.cat([pad(t, (0, 0, width - t.shape[2], 0)) for t in tensors])

    layers = tuple(
        None if layer is None else (of(index, 0), of(index, 1))
        for index, layer in enumerate(parts[0].layers)
    )
    return Rows(layers, tuple(n for part in parts for n in part.lengths))


def right_aligned(lengths: Sequence[int], width: int, device: torch.device) -> torch.Tensor:
    """(R, width) booleans: the last `lengths[r]` columns of row r."""
    columns = torch.arange(width, device=device)
    return columns >= (width - torch.tensor(list(lengths), device=device))[:, None]
