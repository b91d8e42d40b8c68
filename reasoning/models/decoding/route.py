"""Choose how a model is decoded: the fused path, the batched loop, or `generate`, and say why."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch

from evaluators.errors import BadInput
from reasoning.models.decoding.batched import BatchedStepper, positions_of
from reasoning.models.decoding.loop import DecodeLoop
from reasoning.models.decoding.rehearsal import unbatched
from reasoning.models.decoding.stops import TokenBytes
from reasoning.models.local import Loop, Path
from reasoning.models.quantise import stored

FUSED_PARAMETERS = 30_000_000
"""Beyond this the matrix products dominate, where the libraries under torch do better."""


@dataclass(frozen=True)
class Route:
    """The loop that serves a model, which path it takes, and why not a faster one."""

    loop: Loop
    path: Path
    note: str
    max_positions: int


@dataclass(frozen=True)
class Speedups:
    """The switches of a loop: whether prefixes are shared; a draft (`"ngram"`, or a transformers
    model of the same tokenizer) and how many tokens it proposes; the attention asked for."""

    prefix_cache: bool = True
    draft: Any = None
    draft_tokens: int = 4
    attention: str | None = None


def choose(
    name: str,
    model: Any,
    tokenizer: Any,
    eos_ids: frozenset[int],
    decode: str = "auto",
    max_rows: int | None = None,
    switches: Speedups | None = None,
) -> Route:
    """The fastest path that holds for this model, or the one that `decode` demands.

    Raises BadInput where a demanded path or switch does not support the model.
    """
    switches = switches or Speedups()
    pieces, limit = TokenBytes(tokenizer), positions_of(model.config)
    rows = {} if max_rows is None else {"max_rows": max_rows}
    note = "asked for" if decode != "auto" else ""
    if decode in ("auto", "fused"):
        asked = switches.attention
        own = f"attention={asked} was asked for, it has its own" if asked else None
        reason = own or unfused(model)
        if reason is None:
            from reasoning.models.decoding.fused import FusedStepper

            stepper: Any = FusedStepper(model, **rows, share=switches.prefix_cache)
            loop = DecodeLoop(speculating(stepper, switches), pieces)
            return Route(loop, "fused", note, stepper.max_positions)
        demand(name, decode, reason)
        note = f"not fused: {reason}"
    if decode in ("auto", "batched"):
        kept = {} if switches.prefix_cache else {"keep_tokens": 0}
        stepper = BatchedStepper(model, eos_ids=eos_ids, **rows, **kept)
        reason = unbatched(model, stepper)
        if reason is None:
            loop = DecodeLoop(speculating(stepper, switches), pieces)
            return Route(loop, "batched", note, stepper.max_positions)
        demand(name, decode, reason)
        note = f"not in the batched loop: {reason}"
        if switches.attention is not None:
            raise BadInput(f"model {name} with attention={switches.attention} is {note}")
        warnings.warn(
            f"model {name} is decoded by generate, {note}; expect less speed", stacklevel=4
        )
    if switches.draft is not None:
        raise BadInput(f"model {name} is decoded by generate ({note}), which takes no draft here")

    from reasoning.models.decoding.generate import GenerateLoop

    loop = GenerateLoop(model, pieces, eos_ids=eos_ids, **rows)
    return Route(loop, "generate", note, limit)


def speculating(stepper: Any, switches: Speedups) -> Any:
    """The stepper itself, or one that verifies what a draft proposes to it."""
    if switches.draft is None:
        return stepper
    from reasoning.models.decoding.draft import ModelDraft, NgramDraft
    from reasoning.models.decoding.speculative import SpeculativeStepper

    if isinstance(switches.draft, str):
        draft: Any = NgramDraft()
    else:
        draft = ModelDraft(proposing(switches.draft, stepper.max_rows, switches.prefix_cache))
    return SpeculativeStepper(stepper, draft, switches.draft_tokens)


def proposing(model: Any, max_rows: int, share: bool) -> Any:
    """The stepper of a draft model, fused where that holds."""
    from reasoning.models.decoding.fused import FusedStepper, eos_of

    if unfused(model) is None:
        return FusedStepper(model, max_rows, share=share)
    kept = {} if share else {"keep_tokens": 0}
    stepper = BatchedStepper(model, eos_ids=eos_of(model), max_rows=max_rows, **kept)
    reason = unbatched(model, stepper)
    if reason is not None:
        raise BadInput(f"the draft cannot be decoded in the batched loop: {reason}")
    return stepper


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
    if stored(model):
        return "its weights are kept in fewer bits, the fused path has float32 ones"
    from reasoning.models.decoding.fused import unsupported

    return unsupported(model)
