"""Muon in float32: momentum whose matrix updates are orthogonalised.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the update is scaled
by 0.2 * sqrt(max(rows, columns)) so that AdamW's learning rate fits (Liu et al. 2025,
arXiv:2502.16982). `torch.optim.Muon` does the same in bfloat16, which processors without bf16
instructions run some twenty times slower than float32; here equal shapes go in one batched product.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(g: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz iteration: each matrix of `g` (B, R, C) towards the nearest orthogonal one.

    Singular values end in about 0.7..1.2 (the quintic of the paper trades precision for speed).
    """
    a, b, c = COEFFICIENTS
    tall = g.size(1) > g.size(2)
    x = g.mT if tall else g
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.mT
        x = a * x + (b * s + c * (s @ s)) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for two-dimensional parameters. `lr` is on AdamW's scale, `weight_decay` decoupled."""

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 3e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(f"Muon takes matrices only, not shape {tuple(p.shape)}")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Apply one update (Nesterov momentum)."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    by_shape[p.shape].append(p)
            for shape, params in by_shape.items():
                updates = orthogonalise(torch.stack([self._momentum(p, group) for p in params]))
                scale = 0.2 * max(shape) ** 0.5
                for p, update in zip(params, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update, alpha=-group["lr"] * scale)

    def _momentum(self, p: Tensor, group: dict) -> Tensor:
        assert p.grad is not None
        state = self.state[p]
        buffer = state.setdefault("momentum", torch.zeros_like(p))
        buffer.lerp_(p.grad, 1 - group["momentum"])
        return p.grad.lerp(buffer, group["momentum"])
