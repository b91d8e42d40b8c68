"""Proximal policy optimisation, small and whole: sample, judge, estimate advantages with a learned
value of every token's state, and take clipped steps (Schulman et al. 2017; Ouyang et al. 2022,
section 3.5, for language models).

Read it from `improve` down to `clipped`. It is for reading and for small models on one device:
`grpo` needs no value head, shards and adapts.
"""

from __future__ import annotations

import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from evaluators.errors import BadInput
from reasoning.core import Sampling, SeedPath
from reasoning.models.weights import device_of
from reasoning.train.batch import Batch, batched
from reasoning.train.critic import Learner
from reasoning.train.methods import trained
from reasoning.train.practice import Practice
from reasoning.train.rl import PracticeRecipe
from reasoning.train.rollouts import Rollouts
from reasoning.train.run import (
    Progress,
    finished,
    logged,
    opened,
    processes,
    saved,
    settings_of,
    unheard,
)
from reasoning.train.spent import Spent
from reasoning.train.trainer import sampler_of


@dataclass(frozen=True)
class PPORecipe(PracticeRecipe):
    """PPO: a learned value of every state in place of a group. A step asks `batch` questions. Of
    each question `samples` traces are drawn. They are learned `iterations` times over. Each time
    they are split into `parts` steps. Later rewards are discounted by `discount` a token. Errors of
    later values count by `trace_decay` a token. A nat a token away from the start costs `beta` of
    reward. The value's squared error weighs `value_weight` in the loss. The entropy weighs
    `entropy_weight` in it, as a gain."""

    samples: int = 8
    iterations: int = 2
    parts: int = 2
    discount: float = 1.0
    trace_decay: float = 0.95
    value_weight: float = 0.1
    entropy_weight: float = 0.0

    least: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, ok, want in (
            ("parts", self.parts >= 1, "1 or more"),
            ("discount", 0 < self.discount <= 1, "in (0, 1]"),
            ("trace_decay", 0 <= self.trace_decay <= 1, "in 0..1"),
            ("value_weight", self.value_weight >= 0, "0 or more"),
            ("entropy_weight", self.entropy_weight >= 0, "0 or more"),
            ("adapter", self.adapter == "none", "none: this PPO trains all weights; use grpo"),
            ("accumulate", self.accumulate == 1, "1: use parts, or grpo"),
            ("checkpointing", not self.checkpointing, "off: use grpo"),
        ):
            if not ok:
                raise BadInput(f"recipe: {name} must be {want}, not {getattr(self, name)!r}")


def ppo(
    policy: Any, practice: Any, *, out: str | Path | None = None,
    progress: Progress | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Practise by PPO; everything else as `grpo`. `settings` change `PPORecipe`."""
    return trained("ppo", policy, practice, out, progress, **settings)


# -- the method, from the whole to its parts ------------------------------------------


def improve(
    learner: Learner, batch: Batch, rewards: torch.Tensor, recipe: PPORecipe, rng: Any
) -> dict[str, float]:
    """Learn from traces (rows) and what each earned: a few clipped steps; returns their means."""
    with torch.no_grad():
        before = learner.look(batch)
        away = before.logp - learner.start_logp(batch) if recipe.beta else 0.0 * before.logp
    earned = -recipe.beta * away * batch.mask  # every token pays for its distance to the start
    earned[torch.arange(len(rewards)), batch.last] += rewards  # the last one earns the reward
    gains, returns = advantages(
        earned, before.value, batch.mask, recipe.discount, recipe.trace_decay
    )
    gains = whitened(gains, batch.mask)
    told: list[dict[str, float]] = []
    for _ in range(recipe.iterations):
        for rows in np.array_split(rng.permutation(len(rewards)), recipe.parts):
            part, mask = batch.rows(rows), batch.mask[rows]
            if not mask.any():
                continue
            now = learner.look(part)
            ratio = torch.exp(now.logp - before.logp[rows])
            policy = mean(clipped(ratio, gains[rows], recipe.clip_ratio), mask)
            value = mean((now.value - returns[rows]) ** 2, mask)
            loss = policy + recipe.value_weight * value
            loss = loss - recipe.entropy_weight * mean(now.entropy, mask)
            norm = learner.step(loss, part)
            outside = ((ratio - 1).abs() > recipe.clip_ratio).float()
            told.append({
                "loss": loss.item(), "policy_loss": policy.item(), "value_loss": value.item(),
                "entropy": mean(now.entropy, mask).item(), "grad_norm": norm,
                "clip_ratio": mean(outside, mask).item(),
            })  # fmt: skip
    spread = mean((returns - mean(returns, batch.mask)) ** 2, batch.mask)
    error = mean((returns - before.value) ** 2, batch.mask)
    means = {name: float(np.mean([row[name] for row in told])) for name in told[0]} if told else {}
    return {**means, "value_explains": float(1 - error / spread.clamp(min=1e-8))}


def advantages(
    rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, discount: float,
    trace_decay: float,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Generalised advantages and the returns that values are fitted to, (rows, length) each
    (Schulman et al. 2016, equation 16). Beyond a row's mask everything is 0, values too."""
    values = values * mask
    found = torch.zeros_like(values)
    later = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.size(1))):
        after = values[:, t + 1] if t + 1 < values.size(1) else torch.zeros_like(later)
        surprise = rewards[:, t] + discount * after - values[:, t]
        later = (surprise + discount * trace_decay * later) * mask[:, t]
        found[:, t] = later
    return found, found + values


def clipped(ratio: torch.Tensor, gain: torch.Tensor, clip: float) -> torch.Tensor:
    """The loss of each token: no step profits from a ratio beyond 1 - clip .. 1 + clip (Schulman et
    al. 2017, equation 7)."""
    return -torch.minimum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain)


def whitened(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean 0 and spread 1 over the mask, 0 outside."""
    centred = (values - mean(values, mask)) * mask
    return centred / (mean(centred**2, mask).sqrt() + 1e-8)


def mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over the mask."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


# -- the run --------------------------------------------------------------------------


def train_ppo(
    data: Any, policy: str, folder: Path, recipe: PPORecipe,
    progress: Progress = unheard, stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """Train the policy in the folder `policy` by PPO on a practice; returns the weights' folder.
    Resumes, stops and ends as `train_sft` does."""
    import transformers

    if processes() > 1:
        raise BadInput("ppo trains in one process; use grpo with accelerate launch")
    practice = Practice.of(data)
    settings = settings_of("ppo", policy, practice.fingerprint(), len(practice), asdict(recipe))
    with logged(folder, settings) as log:
        if place := finished(folder):
            return place
        kind = transformers.AutoModelForCausalLM
        model, words, encoder = opened(policy, kind, recipe.seed)
        model = model.to(device_of("auto"))
        start = opened(policy, kind, 0)[0].to(model.device).eval() if recipe.beta else None
        steps, spent = recipe.planned(len(practice)), Spent.of(model, recipe)
        learner = Learner(model, start, recipe, steps, spent)
        checkpoint = folder / "checkpoints" / "ppo.pt"
        if checkpoint.is_file():
            learner.restore(torch.load(checkpoint, weights_only=True, map_location=model.device))
        length = recipe.max_tokens or practice.max_tokens(encoder.dialect)
        with (
            Rollouts(practice, encoder, recipe, spent, policy, log) as rollouts,
            sampler_of(model, words) as sampler,
        ):
            rollouts.model, deck = model, rollouts.deck(steps)
            while not _ended(learner, steps, stop):
                row = _round(learner, rollouts, sampler, deck, length)
                row = {"step": learner.done, "of": steps, **row, "flops": spent.flops}
                log.append("metrics", **row)
                progress(row)
                if _ended(learner, steps, stop) or learner.done % recipe.save_every == 0:
                    _keep(learner.state(), checkpoint)
        ended = learner.done >= steps or spent.reached(recipe.flops)
        return saved(model, words, folder, settings, log, policy=policy, spent=spent,
                     finished=ended, **rollouts.told(folder / "model"))  # fmt: skip


def _round(
    learner: Learner, rollouts: Rollouts, sampler: Any, deck: list[dict[str, Any]], length: int
) -> dict[str, float]:
    """Sample, judge, learn: one step; returns its metrics."""
    recipe, path = learner.recipe, SeedPath(learner.recipe.seed, ("ppo", learner.done))
    first = learner.done * recipe.batch
    at = [i % len(deck) for i in range(first, first + recipe.batch) for _ in range(recipe.samples)]
    asked = [deck[i]["prompt"] for i in at]
    prompts = [rollouts.prompts[text] for text in asked]
    sampling = Sampling(length, recipe.temperature)
    drawn = sampler.draw(learner.model, prompts, sampling, path)
    judged, probes = rollouts.judge(asked, drawn, at, learner.done)
    known = [i for i, one in enumerate(judged) if one.reward is not None]
    batch = batched([prompts[i] for i in known], [drawn[i] for i in known], learner.model.device)
    rewards = torch.tensor([float(judged[i].reward or 0) for i in known], device=batch.ids.device)
    rng = np.random.Generator(np.random.Philox(key=path.child("parts").key))
    told = improve(learner, batch, rewards, recipe, rng)
    learner.done += 1
    return {
        **told, "reward": float(rewards.mean()),
        "completions/mean_length": float(batch.mask.sum()) / len(known),
        **{f"probe/{name}": value for name, value in probes.items()},
    }  # fmt: skip


def _ended(learner: Learner, steps: int, stop: threading.Event | None) -> bool:
    full = learner.done >= steps or learner.spent.reached(learner.recipe.flops)
    return full or (stop is not None and stop.is_set())


def _keep(state: dict[str, Any], path: Path) -> None:
    """Write a whole checkpoint or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    torch.save(state, draft)
    os.replace(draft, path)
