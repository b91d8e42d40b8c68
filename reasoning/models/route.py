"""Choose how a model is decoded: the fused path, the batched loop, or `generate`, and say why."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch

from evaluators.errors import BadInput
from reasoning.models.batched import BatchedStepper, positions_of
from reasoning.models.decode import DecodeLoop
from reasoning.models.local import Loop, Path
from reasoning.models.rehearsal import unbatched
from reasoning.models.stops import TokenBytes

FUSED_PARAMETERS = 30_000_000
"""Beyond this the matrix products dominate, where the libraries under torch do better."""


@dataclass(frozen=True)
class Route:
    """The loop that serves a model, which path it takes, and why not a faster one."""

    loop: Loop
    path: Path
    note: str
    max_positions: int


def choose(
    name: str,
    model: Any,
    tokenizer: Any,
    eos_ids: frozenset[int],
    decode: str = "auto",
    max_rows: int | None = None,
) -> Route:
    """The fastest path that holds for this model, or the one that `decode` demands.

    Raises BadInput where a demanded path does not support the model.
    """
    pieces, limit = TokenBytes(tokenizer), positions_of(model.config)
    rows = {} if max_rows is None else {"max_rows": max_rows}
    note = "asked for" if decode != "auto" else ""
    if decode in ("auto", "fused"):
        reason = unfused(model)
        if reason is None:
            from reasoning.models.fused import FusedStepper

            stepper: Any = FusedStepper(model, **rows)
            return Route(DecodeLoop(stepper, pieces), "fused", note, stepper.max_positions)
        demand(name, decode, reason)
        note = f"not fused: {reason}"
    if decode in ("auto", "batched"):
        stepper = BatchedStepper(model, eos_ids=eos_ids, **rows)
        reason = unbatched(model, stepper)
        if reason is None:
            return Route(DecodeLoop(stepper, pieces), "batched", note, stepper.max_positions)
        demand(name, decode, reason)
        note = f"not in the batched loop: {reason}"
        warnings.warn(
            f"model {name} is decoded by generate, {note}; expect less speed", stacklevel=4
        )

    from reasoning.models.generate import GenerateLoop

    loop = GenerateLoop(model, pieces, eos_ids=eos_ids, **rows)
    return Route(loop, "generate", note, limit)


def demand(name: str, decode: str, reason: str) -> None:
    """Raise BadInput where the path was asked for by name."""
    if decode != "auto":
        raise BadInput(f"model {name} cannot be decoded by {decode}: {reason}; use decode='auto'")


def unfused(model: Any) -> str | None:
    """Why the fused path does not serve this model, or `None`."""
    if model.device.type != "cpu":
        return f"the fused path runs on the CPU, the model is on {model.device}"
    if model.dtype != torch.float32:
        return f"the fused path computes in float32, the model is in {model.dtype}"
    size = sum(p.numel() for p in model.parameters())
    if size > FUSED_PARAMETERS:
        return f"it has {size / 1e6:.0f} million parameters, the fused path is for small models"
    from reasoning.models.fused import unsupported

    return unsupported(model)
