"""What training really keeps in memory, counted on a model at hand: the check of `estimate`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import torch


def kept_bytes(model: Any, ids: torch.Tensor, half: bool = False) -> int:
    """Bytes that a forward pass over `ids` (rows, length) keeps for the backward pass, the model's
    own weights and their bf16 copies apart; without the logits. `half`: products in bf16."""
    own = {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()]}
    shapes = {shape for p in model.parameters() if p.ndim == 2 for shape in (p.shape, p.mT.shape)}
    seen: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        copy = tensor.dtype == torch.bfloat16 and tensor.shape in shapes
        if place not in own and not (half and copy):
            seen[place] = tensor
        return tensor

    cast = torch.autocast(ids.device.type, torch.bfloat16) if half else nullcontext()
    model.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), cast:
        model(input_ids=ids, use_cache=False, logits_to_keep=1)
    return sum(tensor.untyped_storage().nbytes() for tensor in seen.values())


def held_bytes(tensors: Iterable[torch.Tensor | None]) -> int:
    """Bytes of different tensors; those that share memory count once."""
    found = {t.data_ptr(): t.numel() * t.element_size() for t in tensors if t is not None}
    return sum(found.values())


def state_bytes(optimiser: torch.optim.Optimizer) -> int:
    """Bytes of what an optimiser keeps for each weight."""
    return held_bytes(
        value
        for state in optimiser.state.values()
        for value in state.values()
        if torch.is_tensor(value) and value.ndim
    )
