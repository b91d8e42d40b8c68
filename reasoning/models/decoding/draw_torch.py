"""Draw tokens from logits on the device they are on: the twin of `draw.py` for PyTorch tensors.

The uniform numbers are the same (computed on the CPU, a few bytes a row), so are the order and the
meaning of the filters: temperature, top-k, top-p, min-p, then the inverse of the CDF in the order
of ids. Sums round differently, so a draw may differ from `draw.py` where a uniform number falls
within rounding of a border between two tokens.
"""

from __future__ import annotations

import numpy as np
import torch

from reasoning.models.decoding.draw import draw as numpy_draw
from reasoning.models.decoding.draw import impossible, uniforms
from reasoning.models.decoding.stepper import Controls


def draw_anywhere(logits: torch.Tensor, controls: Controls) -> tuple[np.ndarray, np.ndarray]:
    """`draw.draw` for logits on the CPU, its twin below for those elsewhere."""
    if logits.device.type == "cpu":
        return numpy_draw(logits.float().numpy(), controls)
    return draw(logits, controls)


def draw(logits: torch.Tensor, controls: Controls) -> tuple[np.ndarray, np.ndarray]:
    """The next token of every row of `logits` (rows, vocabulary), controls in the same order: ids
    (int64) and log-probabilities (float64) before temperature and truncation.

    Temperature 0 takes the most likely token. Raises LabError for logits that are not finite.
    """
    device = logits.device
    exact = torch.float32 if device.type == "mps" else torch.float64  # mps has no float64

    def column(values: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(values).to(exact).to(device)[:, None]

    logits = logits.float()
    top, best = logits.max(dim=1, keepdim=True)
    whole = torch.exp(logits - top).sum(dim=1, keepdim=True, dtype=exact)
    left, peak = logits, top
    if controls.allowed is not None:
        left = logits.masked_fill(~torch.as_tensor(controls.allowed).to(device), -torch.inf)
        peak, best = left.max(dim=1, keepdim=True)
    heat = column(np.where(controls.temperature > 0, controls.temperature, 1.0))
    weights = torch.exp((left - peak) / heat).to(exact)
    if filtered(controls):
        weights = truncated(weights, controls)
    point = column(uniforms(controls.key, controls.counter)) * weights.sum(dim=1, keepdim=True)
    passed = weights.cumsum(dim=1) > point
    drawn = torch.where(passed.any(dim=1, keepdim=True), passed.int().argmax(1, True), best)
    ids = torch.where(column(controls.temperature) > 0, drawn, best)
    logprobs = (logits.gather(1, ids) - top).to(exact) - whole.log()
    sound = torch.isfinite(whole)
    if not bool(sound.all()):
        raise impossible(int((~sound).int().argmax()), finite=False)
    if controls.allowed is not None and not bool((peak > -torch.inf).all()):
        raise impossible(int((peak == -torch.inf).int().argmax()), finite=True)
    return ids[:, 0].cpu().numpy(), logprobs[:, 0].cpu().double().numpy()


def filtered(controls: Controls) -> bool:
    """Whether any row truncates its distribution."""
    used = (controls.top_k > 0) | (controls.top_p < 1.0) | (controls.min_p > 0.0)
    return bool(np.any(used))


def truncated(weights: torch.Tensor, controls: Controls) -> torch.Tensor:
    """Weights (rows, vocabulary) with zeros where top-k, then top-p, then min-p drop a token; the
    first of equals is kept, and always one token."""
    device, count = weights.device, weights.shape[1]

    def column(values: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(values).to(weights.dtype).to(device)[:, None]

    falling, order = weights.sort(dim=1, descending=True, stable=True)
    rank = torch.arange(count, device=device)[None]
    keep = rank < column(np.where(controls.top_k > 0, controls.top_k, count))
    left = falling * keep
    before = left.cumsum(dim=1) - left
    wanted = column(controls.top_p) * left.sum(dim=1, keepdim=True)
    keep &= (before < wanted) | (column(controls.top_p) >= 1.0)
    keep &= falling >= column(controls.min_p) * falling[:, :1]
    keep[:, 0] = True
    return weights * torch.zeros_like(keep).scatter(1, order, keep)
