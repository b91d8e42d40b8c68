"""How far a student's next-token distribution is from its teacher's, token by token.

All functions take natural log-probabilities whose last axis holds the events (tokens, or the
teacher's likeliest tokens and one event for all others) and return nats with that axis gone. `p` is
the teacher, `q` the student. An event that the teacher cannot produce has log-probability -inf.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from evaluators.errors import UnknownName

Divergence = Literal["forward", "reverse", "jsd"]
DIVERGENCES: tuple[Divergence, ...] = ("forward", "reverse", "jsd")


def forward_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p‖q) = Σ p (log p - log q): the student has to cover all that the teacher does (Hinton et
    al. 2015; Agarwal et al. 2024, section 3.1)."""
    return _expected(p, p - q)


def reverse_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(q‖p) = Σ q (log q - log p): the student is charged for what the teacher would not do (Gu
    et al. 2024, section 2.1). Infinite where the teacher cannot do what the student may."""
    return _expected(q, q - p)


def jsd(p: Tensor, q: Tensor, beta: float = 0.5) -> Tensor:
    """Generalised Jensen-Shannon divergence: beta KL(p‖m) + (1-beta) KL(q‖m) with the mixture
    m = beta p + (1-beta) q (Agarwal et al. 2024, equation 1). 0 < beta < 1; never above ln 2 at a
    half."""
    if not 0 < beta < 1:
        raise ValueError(f"beta must lie between 0 and 1, not {beta}: the ends are the two KLs")
    weights = torch.tensor([beta, 1 - beta], dtype=q.dtype, device=q.device).log()
    m = torch.logaddexp(p + weights[0], q + weights[1])
    return beta * _expected(p, p - m) + (1 - beta) * _expected(q, q - m)


def divergence(kind: Divergence, p: Tensor, q: Tensor, beta: float = 0.5) -> Tensor:
    """The divergence of that name; `beta` is for `jsd`. Raises UnknownName."""
    if kind == "forward":
        return forward_kl(p, q)
    if kind == "reverse":
        return reverse_kl(p, q)
    if kind == "jsd":
        return jsd(p, q, beta)
    raise UnknownName("divergence", kind, DIVERGENCES)


def softened(logits: Tensor, temperature: float) -> Tensor:
    """Log-probabilities of softmax(logits / T)."""
    return torch.log_softmax(logits.float() / temperature, dim=-1)


def mixed(soft: Tensor, hard: Tensor, temperature: float, share: float) -> Tensor:
    """Hinton's mixture (1-share) T² soft + share hard of a divergence at temperature T and a
    cross-entropy at temperature 1 (Hinton et al. 2015, section 2): T² makes up for gradients that
    shrink with 1/T²."""
    return (1 - share) * temperature**2 * soft + share * hard


def grouped(logprobs: Tensor, ids: Tensor) -> Tensor:
    """`logprobs` (N, V) as the events of a cache: the tokens `ids` (N, k) and, where there are
    others, all of them together in a last column. (N, k+1), or (N, V) in the order of `ids`."""
    kept = logprobs.gather(-1, ids)
    if ids.shape[-1] >= logprobs.shape[-1]:
        return kept
    rest = logprobs.scatter(-1, ids, -torch.inf).logsumexp(dim=-1, keepdim=True)
    return torch.cat([kept, rest], dim=-1)


def _expected(log_weights: Tensor, values: Tensor) -> Tensor:
    """Σ exp(log_weights) values, where an event of probability 0 counts nothing."""
    gone = torch.isneginf(log_weights)
    return (log_weights.exp() * values.masked_fill(gone, 0.0)).sum(dim=-1)
