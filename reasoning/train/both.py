"""One optimiser made of two: Muon for the hidden matrices, AdamW for what is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from reasoning.train.muon import Muon


class MuonAdamW(torch.optim.Optimizer):
    """Muon for two-dimensional weights that are neither embedding nor head, AdamW (betas 0.9, 0.95)
    for the others; both at `lr`. A trainer sees one optimiser with the parameter groups of both."""

    def __init__(self, model: Any, lr: float, weight_decay: float, heads: tuple[str, ...]) -> None:
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        apart = ("embed", *heads)
        hidden = [p for n, p in named if p.ndim == 2 and not any(word in n for word in apart)]
        known = {id(p) for p in hidden}
        rest = [p for _, p in named if id(p) not in known]
        self._parts: list[torch.optim.Optimizer] = [
            Muon(hidden, lr=lr, weight_decay=weight_decay),
            torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self.defaults = {"lr": lr}

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        return [group for part in self._parts for group in part.param_groups]

    @property
    def state(self) -> dict[Any, Any]:  # type: ignore[override]
        return {key: value for part in self._parts for key, value in part.state.items()}

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Apply one update of each."""
        if closure is not None:
            raise ValueError("this optimiser takes no closure")
        for part in self._parts:
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self._parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, saved in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(saved)
