"""What the recipes of all training methods share: one frozen dataclass, stored with the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evaluators.errors import BadInput

Adapter = Literal["none", "lora", "qlora"]


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    A run ends after `steps`, or after `epochs` over its data where `steps` is None, or as soon as
    the student has spent `flops` (its own training and sampling: see `spent.py`). A step takes
    `batch` rows (`accumulate` passes of batch/accumulate rows). The rate rises over the `warmup`
    share of the run and falls over the last `decay` share to nothing. `adapter` trains low-rank
    adapters of `rank` (Hu et al. 2021; `qlora` on 4-bit weights, Dettmers et al. 2023) in place of
    all weights. `checkpointing` computes activations again instead of keeping them (Chen et al.
    2016). `precision` of the computation: `auto` is bfloat16 on a GPU, float32 elsewhere.
    """

    steps: int | None = None
    epochs: float = 1.0
    flops: float | None = None
    batch: int = 32
    accumulate: int = 1
    lr: float = 1e-3
    warmup: float = 0.05
    decay: float = 0.5
    weight_decay: float = 0.0
    optimiser: Literal["adamw", "muon"] = "adamw"
    clip: float = 1.0
    max_length: int = 1024
    adapter: Adapter = "none"
    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    checkpointing: bool = False
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0
    save_every: int = 50

    def __post_init__(self) -> None:
        for name, ok, want in (
            ("steps", self.steps is None or self.steps >= 1, "1 or more, or None"),
            ("epochs", self.epochs > 0, "above 0"),
            ("flops", self.flops is None or self.flops > 0, "above 0, or None"),
            ("batch", self.batch >= 1, "1 or more"),
            ("accumulate", self.accumulate >= 1, "1 or more"),
            ("lr", self.lr > 0, "above 0"),
            ("warmup", 0 <= self.warmup <= 1, "a share in 0..1"),
            ("decay", 0 <= self.decay <= 1, "a share in 0..1"),
            ("weight_decay", self.weight_decay >= 0, "0 or more"),
            ("optimiser", self.optimiser in ("adamw", "muon"), "adamw or muon"),
            ("clip", self.clip > 0, "above 0"),
            ("max_length", self.max_length >= 2, "2 or more"),
            ("adapter", self.adapter in ("none", "lora", "qlora"), "none, lora or qlora"),
            ("rank", self.rank >= 1, "1 or more"),
            ("alpha", self.alpha > 0, "above 0"),
            ("dropout", 0 <= self.dropout < 1, "in [0, 1)"),
            ("dropout", not self.dropout or self.adapter != "none", "0 without an adapter"),
            ("precision", self.precision in ("auto", "float32", "bfloat16"),
             "auto, float32 or bfloat16"),
            ("save_every", self.save_every >= 1, "1 or more"),
        ):  # fmt: skip
            if not ok:
                raise BadInput(f"recipe: {name} must be {want}, not {getattr(self, name)!r}")
        if self.batch % self.accumulate:
            raise BadInput(
                f"recipe: batch ({self.batch}) must be a multiple of accumulate ({self.accumulate})"
            )
        if self.adapter != "none" and self.optimiser == "muon":
            raise BadInput("recipe: muon is for whole matrices; adapters take optimiser=adamw")

    def planned(self, rows: int) -> int:
        """The number of steps over so many rows."""
        if self.steps is not None:
            return self.steps
        return max(1, round(rows / self.batch * self.epochs))
