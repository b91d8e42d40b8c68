"""A policy with a value head: what `ppo.py` looks at traces with, and what it steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from reasoning.train.batch import Batch
from reasoning.train.run import optimiser, pace
from reasoning.train.spent import Spent

if TYPE_CHECKING:
    from reasoning.train.ppo import PPORecipe


@dataclass(frozen=True)
class Look:
    """What the model says of each token of each trace, (rows, length): its log-probability at the
    temperature of sampling, the value of the state before it, the entropy there."""

    logp: torch.Tensor
    value: torch.Tensor
    entropy: torch.Tensor


class Learner:
    """A policy with a value head on its last hidden state, its start, and its optimiser. Without
    dropout, so that the ratio of a token that no step has changed is 1."""

    def __init__(self, model: Any, start: Any, recipe: PPORecipe, steps: int, spent: Spent) -> None:
        self.model, self.start, self.recipe, self.spent = model.eval(), start, recipe, spent
        self.head = torch.nn.Linear(model.config.hidden_size, 1, device=model.device)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)
        self.optim = optimiser(model, recipe)
        self.head_optim = torch.optim.AdamW(self.head.parameters(), 10 * recipe.lr)
        self.factor, self.done = pace(recipe, steps, spent), 0
        self.half = recipe.precision == "bfloat16" or (
            recipe.precision == "auto" and model.device.type == "cuda"
        )

    def look(self, batch: Batch) -> Look:
        """One pass over the traces; counted as read (a step counts what it learns itself)."""
        if not torch.is_grad_enabled():
            self.spent.look(batch.tokens)
        order, pieces = batch.pieces()
        seen = [self._seen(self.model, piece, batch.mask.size(1)) for piece in pieces]
        return Look(*(torch.cat(parts)[order.argsort()] for parts in zip(*seen, strict=True)))

    def start_logp(self, batch: Batch) -> torch.Tensor:
        """The log-probabilities under the policy as it began."""
        self.spent.look(batch.tokens)
        order, pieces = batch.pieces()
        seen = [self._seen(self.start, piece, batch.mask.size(1))[0] for piece in pieces]
        return torch.cat(seen)[order.argsort()]

    def _seen(self, model: Any, batch: Batch, length: int) -> tuple[torch.Tensor, ...]:
        """Log-probability, value and entropy of each token, padded to `length`."""
        with torch.autocast(model.device.type, torch.bfloat16, enabled=self.half):
            logits, hidden = batch.at_traces(model)
        told = torch.log_softmax(logits.float() / self.recipe.temperature, dim=-1)
        logp = told.gather(-1, batch.targets[..., None])[..., 0]
        value, entropy = self.head(hidden.float())[..., 0], -(told.exp() * told).sum(-1)
        wide = (0, length - logp.size(1))
        return tuple(torch.nn.functional.pad(x, wide) for x in (logp, value, entropy))

    def step(self, loss: torch.Tensor, batch: Batch) -> float:
        """One step down the loss; returns the gradient's norm before it was clipped."""
        self.spent.learn(batch.tokens)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(
            [*self.model.parameters(), *self.head.parameters()], self.recipe.clip
        )
        for optim, lr in ((self.optim, self.recipe.lr), (self.head_optim, 10 * self.recipe.lr)):
            for group in optim.param_groups:
                group["lr"] = lr * self.factor(self.done)
            optim.step()
            optim.zero_grad(set_to_none=True)
        return float(norm)

    def state(self) -> dict[str, Any]:
        """Everything that a checkpoint holds."""
        parts = (self.model, self.head, self.optim, self.head_optim)
        return {"parts": [part.state_dict() for part in parts], "done": self.done,
                "spent": self.spent.told()}  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for part, saved_part in zip(
            (self.model, self.head, self.optim, self.head_optim), state["parts"], strict=True
        ):
            part.load_state_dict(saved_part)
        self.done = state["done"]
        self.spent.restore(state["spent"])
