"""Thompson sampling with conjugate beliefs: the arm whose drawn mean is the greatest is played.

Thompson 1933; the posteriors are those of Murphy 2023, Probabilistic Machine Learning: Advanced
Topics, section 3.4.3.3 (normal and inverse chi-squared) and 3.4.1 (beta). A decision is a handful
of vector operations, whatever the arms have seen: no chain is simulated.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

MEAN, KAPPA, NU, TAU2 = 0.0, 1.0, 1.0, 0.1
"""The Gaussian prior of Inoue et al. 2025: mean, its weight, degrees of freedom, variance."""

ALPHA, BETA = 0.5, 0.5
"""The beta prior (Jeffreys')."""


class Beliefs:
    """What is believed of the rewards of a growing number of arms.

    `kind` is `gaussian` (any reward, unknown mean and variance) or `beta` (rewards in 0..1, counted
    as so much of a success).
    """

    def __init__(self, kind: Literal["gaussian", "beta"], arms: int = 0) -> None:
        self.kind, self.arms = kind, arms
        self._seen = np.zeros((3, max(2, arms)))  # rows: how many, their sum, that of squares

    def add(self) -> int:
        """One more arm, of which nothing is known; returns its index."""
        if self.arms == self._seen.shape[1]:
            self._seen = np.concatenate([self._seen, np.zeros_like(self._seen)], axis=1)
        self.arms += 1
        return self.arms - 1

    def tell(self, arm: int, reward: float) -> None:
        """Take a reward of an arm into account."""
        seen = self._seen
        seen[0, arm] += 1
        seen[1, arm] += reward
        seen[2, arm] += reward * reward

    def posterior(self) -> tuple[np.ndarray, ...]:
        """The parameters of every arm, each of shape (arms,): mean, weight of the mean, degrees of
        freedom, variance; or the two of a beta distribution."""
        count, total, squares = self._seen[:, : self.arms]
        if self.kind == "beta":
            return ALPHA + total, BETA + count - total
        kappa, nu = KAPPA + count, NU + count
        mean = total / np.maximum(count, 1)
        spread = np.maximum(squares - count * mean**2, 0.0)
        apart = count * KAPPA / kappa * (MEAN - mean) ** 2
        return (KAPPA * MEAN + total) / kappa, kappa, nu, (NU * TAU2 + spread + apart) / nu

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """One mean for every arm, drawn from what is believed; shape (arms,)."""
        if self.kind == "beta":
            return rng.beta(*self.posterior())
        mean, kappa, nu, tau2 = self.posterior()
        variance = nu * tau2 / rng.chisquare(nu)
        return mean + np.sqrt(variance / kappa) * rng.standard_normal(self.arms)

    def choose(self, rng: np.random.Generator) -> int:
        """The arm to play."""
        return int(np.argmax(self.draw(rng)))
