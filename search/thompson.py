"""Thompson sampling with conjugate beliefs: the arm whose drawn mean is the greatest is played.

Thompson 1933; the posteriors are those of Murphy 2023, Probabilistic Machine Learning: Advanced
Topics, section 3.4.3.3 (normal and inverse chi-squared) and 3.4.1 (beta). A decision takes
some microseconds an arm, whatever it has seen: no chain is simulated.
"""

from __future__ import annotations

from math import sqrt
from typing import Literal

import numpy as np

MEAN, KAPPA, NU, TAU2 = 0.0, 1.0, 1.0, 0.1
"""The Gaussian prior of Inoue et al. 2025: mean, its weight, degrees of freedom, variance."""

ALPHA, BETA = 0.5, 0.5
"""The beta prior (Jeffreys')."""

MANY = 24
"""From more arms than this on, they are drawn together."""


class Beliefs:
    """What is believed of the rewards of a growing number of arms.

    `kind` is `gaussian` (any reward, unknown mean and variance) or `beta` (rewards in 0..1, counted
    as so much of a success).
    """

    def __init__(self, kind: Literal["gaussian", "beta"], arms: int = 0) -> None:
        self.kind = kind
        self._counts, self._sums, self._squares = [0] * arms, [0.0] * arms, [0.0] * arms

    def add(self) -> int:
        """One more arm, of which nothing is known; returns its index."""
        self._counts.append(0)
        self._sums.append(0.0)
        self._squares.append(0.0)
        return len(self._counts) - 1

    def tell(self, arm: int, reward: float) -> None:
        """Take a reward of an arm into account."""
        self._counts[arm] += 1
        self._sums[arm] += reward
        self._squares[arm] += reward * reward

    def posterior(self, arm: int) -> tuple[float, ...]:
        """The parameters of an arm: mean, weight of the mean, degrees of freedom, variance; or the
        two of a beta distribution."""
        count, total = self._counts[arm], self._sums[arm]
        if self.kind == "beta":
            return self._shape(arm)
        kappa, nu = KAPPA + count, NU + count
        mean = total / count if count else MEAN
        spread = max(0.0, self._squares[arm] - count * mean * mean)
        apart = count * KAPPA / kappa * (MEAN - mean) ** 2
        return (KAPPA * MEAN + total) / kappa, kappa, nu, (NU * TAU2 + spread + apart) / nu

    def draw(self, rng: np.random.Generator) -> list[float]:
        """One mean for every arm, drawn from what is believed."""
        arms = range(len(self._counts))
        if len(arms) > MANY:
            return self._draw_many(rng)
        if self.kind == "beta":
            return [rng.beta(a, b) for a, b in map(self._shape, arms)]
        drawn = []
        for arm in arms:
            mean, kappa, nu, tau2 = self.posterior(arm)
            variance = nu * tau2 / rng.chisquare(nu)
            drawn.append(mean + sqrt(variance / kappa) * rng.standard_normal())
        return drawn

    def choose(self, rng: np.random.Generator) -> int:
        """The arm to play, the first of equals."""
        drawn = self.draw(rng)
        return drawn.index(max(drawn))

    def _shape(self, arm: int) -> tuple[float, float]:
        """The two parameters of a beta distribution."""
        total = self._sums[arm]
        return ALPHA + total, BETA + self._counts[arm] - total

    def _draw_many(self, rng: np.random.Generator) -> list[float]:
        """`draw` as operations on whole arrays, which is quicker for many arms."""
        count, total = np.array(self._counts), np.array(self._sums)
        if self.kind == "beta":
            return rng.beta(ALPHA + total, BETA + count - total).tolist()
        kappa, nu = KAPPA + count, NU + count
        mean = np.where(count > 0, total / np.maximum(count, 1), MEAN)
        spread = np.maximum(0.0, np.array(self._squares) - count * mean * mean)
        scale = NU * TAU2 + spread + count * KAPPA / kappa * (MEAN - mean) ** 2
        deviation = np.sqrt(scale / rng.chisquare(nu) / kappa)
        centre = (KAPPA * MEAN + total) / kappa
        return (centre + deviation * rng.standard_normal(len(count))).tolist()
