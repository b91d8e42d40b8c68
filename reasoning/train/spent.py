"""What a training run costs the student, and what others did for it, in floating-point operations.

Forward 2 N a token, backward twice that (Kaplan et al. 2020, section 2.1), N the parameters that
take part in a product. With adapters the gradients of the frozen weights are not formed: 4 N.
Computing activations again adds one forward pass. Padding is not counted: it is no work asked for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from reasoning.models.weights import multiplied
from reasoning.train.recipe import Recipe


@dataclass
class Spent:
    """Counters of one run. `flops` is the student's own: learning, sampling, reading. `teacher`
    is what other models spent during the run (FLOPs as well)."""

    forward: float
    """FLOPs of one token forward: 2 N."""
    learning: float
    """FLOPs of one token learned: forward and backward."""
    learned: int = 0
    sampled: int = 0
    read: int = 0
    teacher: float = 0.0

    @staticmethod
    def of(model: Any, recipe: Recipe) -> Spent:
        """Counters for a model (before adapters are laid on it) under a recipe."""
        forward = 2.0 * multiplied(model)
        passes = (2 if recipe.adapter != "none" else 3) + (1 if recipe.checkpointing else 0)
        return Spent(forward, passes * forward)

    @property
    def flops(self) -> float:
        """The student's own."""
        return self.learned * self.learning + (self.sampled + self.read) * self.forward

    def reached(self, cap: float | None) -> bool:
        """Whether the student has spent so many FLOPs; never where there is no cap."""
        return cap is not None and self.flops >= cap

    def learn(self, tokens: int) -> None:
        """Tokens that went forward and backward, the prompt's included."""
        self.learned += tokens

    def sample(self, tokens: int) -> None:
        """Tokens that the student read and wrote while sampling."""
        self.sampled += tokens

    def look(self, tokens: int) -> None:
        """Tokens that the student or its own reference only read."""
        self.read += tokens

    def told(self) -> dict[str, Any]:
        """For records."""
        return {**asdict(self), "flops": self.flops}

    def restore(self, told: dict[str, Any]) -> None:
        """Go on from what `told` said."""
        for name in ("learned", "sampled", "read", "teacher"):
            setattr(self, name, told[name])
