"""The next token's distribution as a value, and what the sampler's controls leave of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reasoning.core import Sampling


@dataclass(frozen=True)
class Distribution:
    """The next token's distribution, most likely first, of equals the lowest id.

    `ids` (-1 where an endpoint tells none), `tokens` as text, `logprobs` (float64, natural log, at
    temperature 1, before any truncation) are of one length. `complete`: all of the vocabulary is
    there; else it is the likeliest part, and `rest` is the probability of what is not.
    """

    ids: np.ndarray
    tokens: tuple[str, ...]
    logprobs: np.ndarray
    complete: bool = True

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def rest(self) -> float:
        """Probability of the tokens that are not listed."""
        return 0.0 if self.complete else max(0.0, 1.0 - float(np.exp(self.logprobs).sum()))

    @property
    def entropy(self) -> float:
        """Bits; of a part, the share of its own tokens (a lower bound)."""
        p = np.exp(self.logprobs)
        return float(-(p[p > 0] * np.log2(p[p > 0])).sum())

    def first(self, k: int) -> Distribution:
        """The k most likely tokens."""
        if k >= len(self):
            return self
        return Distribution(self.ids[:k], self.tokens[:k], self.logprobs[:k], complete=False)


def truncated(distribution: Distribution, sampling: Sampling) -> np.ndarray:
    """Probabilities (float64, in the order of the distribution) after temperature, top-k, top-p and
    min-p, by the sampler's own arithmetic: zero for exactly the tokens that cannot be drawn.

    Of a part, the probabilities among its tokens, as if there were no others.
    """
    from reasoning.models.decoding.draw import truncate
    from reasoning.models.decoding.kernels import exponent

    out = np.zeros(len(distribution))
    if not len(distribution):
        return out
    if sampling.temperature == 0.0:
        out[0] = 1.0
        return out
    # In the order of ids, as the sampler sums: a rounding may decide what reaches top-p.
    order = np.argsort(distribution.ids, kind="stable")
    weights = as_logits(distribution)[order]
    if sampling.temperature != 1.0:
        weights = (weights / np.float64(sampling.temperature)).astype(np.float32)
    exponent(weights, np.empty(len(weights), np.int32), len(weights))
    if sampling.top_k or sampling.top_p < 1.0 or sampling.min_p:
        truncate(weights, min(sampling.top_k, 1 << 31), sampling.top_p, sampling.min_p)
    out[order] = weights
    return out / out.sum()


def as_logits(distribution: Distribution) -> np.ndarray:
    """Logits (float32, the largest 0, in the order of the distribution) that the sampler draws from
    exactly as from the model's own: it subtracts the largest too, and float64 lost no bit of it."""
    return (distribution.logprobs - distribution.logprobs[0]).astype(np.float32)
