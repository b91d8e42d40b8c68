"""Reinforcement learning from verifier rewards, by trl's GRPOTrainer and RLOOTrainer.

Group-relative policy optimisation (Shao et al. 2024, "DeepSeekMath", section 4.1) and REINFORCE
leave-one-out (Ahmadian et al. 2024, "Back to Basics", section 3.2). Rewards come from a judge in a
process of its own (`judge.py`), or from an outcome model.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from evaluators.errors import BadInput
from reasoning.models.weights import quiet
from reasoning.train.adapter import prepared, whole
from reasoning.train.methods import trained
from reasoning.train.practice import Practice
from reasoning.train.recipe import Recipe
from reasoning.train.rollouts import Rollouts
from reasoning.train.run import (
    Progress,
    arguments,
    asked_of,
    finished,
    follow,
    go_on,
    logged,
    optimiser,
    pace,
    saved,
    settings_of,
    unheard,
)
from reasoning.train.trainer import sampling_trainer


@dataclass(frozen=True)
class PracticeRecipe(Recipe):
    """How a model learns from samples of its own. A step asks `batch` questions. Of each question
    `samples` traces are drawn and compared. They are drawn at `temperature`. A trace has at most
    `max_tokens` tokens (None: what the tasks think enough). So many steps (`iterations`) learn from
    the same samples. The distance to the starting policy costs `beta` a nat. No step profits from
    moving a token's probability by more than the share `clip_ratio`. One trace may take
    `judge_seconds` to judge. The distance to the start is measured every `probe_every` steps (0:
    never)."""

    lr: float = 2e-4
    batch: int = 40
    samples: int = 16
    temperature: float = 1.0
    max_tokens: int | None = None
    beta: float = 0.0
    clip_ratio: float = 0.2
    iterations: int = 1
    judge_seconds: float = 10.0
    probe_every: int = 10

    least: ClassVar[int] = 2
    """The fewest samples a question: a trace is compared with the others."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, ok, want in (
            ("samples", self.samples >= self.least, f"{self.least} or more"),
            ("temperature", self.temperature > 0, "above 0"),
            ("max_tokens", self.max_tokens is None or self.max_tokens >= 1, "1 or more, or None"),
            ("beta", self.beta >= 0, "0 or more"),
            ("clip_ratio", 0 < self.clip_ratio < 1, "in (0, 1)"),
            ("iterations", self.iterations >= 1, "1 or more"),
            ("judge_seconds", self.judge_seconds > 0, "above 0"),
            ("dropout", not self.dropout, "0: it would change the ratios that are clipped"),
            ("probe_every", self.probe_every >= 0, "0 or more"),
        ):
            if not ok:
                raise BadInput(f"recipe: {name} must be {want}, not {getattr(self, name)!r}")


@dataclass(frozen=True)
class GRPORecipe(PracticeRecipe):
    """GRPO. The advantage of a trace is its reward less its group's mean, divided by the spread of
    the group or of the whole batch, or by nothing, as `scale` says (`none`: Liu et al. 2025,
    "Dr. GRPO"). The loss is the mean over all tokens of a step, not over traces (Yu et al. 2025,
    "DAPO", section 3.3)."""

    scale: Literal["group", "batch", "none"] = "group"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale not in ("group", "batch", "none"):
            raise BadInput(f"recipe: scale must be group, batch or none, not {self.scale!r}")


@dataclass(frozen=True)
class RLOORecipe(PracticeRecipe):
    """RLOO. The advantage of a trace is its reward less the mean of the other ones of its group;
    the ratio that is clipped is of whole traces."""


def grpo(
    policy: Any, practice: Any, *, out: str | Path | None = None,
    progress: Progress | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Practise by GRPO and open the result as a local model.

    `practice` is a task, several, (task, weight) pairs or a `Practice`. `settings` change
    `GRPORecipe`; `out` is the run folder, where the same call goes on after an interruption.
    Raises BadInput, UnknownName, and JudgeBroken where nothing can be judged.
    """
    return trained("grpo", policy, practice, out, progress, **settings)


def rloo(
    policy: Any, practice: Any, *, out: str | Path | None = None,
    progress: Progress | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Practise by RLOO; everything else as `grpo`. `settings` change `RLOORecipe`."""
    return trained("rloo", policy, practice, out, progress, **settings)


def train_grpo(
    data: Any, policy: str, folder: Path, recipe: GRPORecipe,
    progress: Progress = unheard, stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """Train the policy in the folder `policy` by GRPO on a practice; returns the weights' folder.
    Resumes, stops and ends as `train_sft` does; traces, judging and probes are in the run log."""
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    more = {"epsilon": recipe.clip_ratio, "scale_rewards": recipe.scale,
            "num_iterations": recipe.iterations}  # fmt: skip
    return _train("grpo", GRPOTrainer, GRPOConfig, data, policy, folder, recipe, more,
                  progress, stop)  # fmt: skip


def train_rloo(
    data: Any, policy: str, folder: Path, recipe: RLOORecipe,
    progress: Progress = unheard, stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """Train the policy in the folder `policy` by RLOO; as `train_grpo`."""
    from trl.trainer.rloo_config import RLOOConfig
    from trl.trainer.rloo_trainer import RLOOTrainer

    more = {"epsilon": recipe.clip_ratio, "num_iterations": recipe.iterations}
    return _train("rloo", RLOOTrainer, RLOOConfig, data, policy, folder, recipe, more,
                  progress, stop)  # fmt: skip


def _train(
    method: str, kind: Any, config: Any, data: Any, policy: str, folder: Path, recipe: Any,
    more: dict[str, Any], progress: Progress, stop: threading.Event | None,
) -> Path:  # fmt: skip
    import datasets
    import torch
    import transformers

    practice = Practice.of(data)
    settings = settings_of(method, policy, practice.fingerprint(), len(practice), asdict(recipe))
    with logged(folder, settings) as log:
        if place := finished(folder):
            return place
        model, words, encoder, spent = prepared(policy, recipe)
        steps = recipe.planned(len(practice))
        length = recipe.max_tokens or practice.max_tokens(encoder.dialect)
        optim = optimiser(model, recipe)
        rate = torch.optim.lr_scheduler.LambdaLR(optim, pace(recipe, steps, spent))
        asked = asked_of(recipe)
        asked["per_device_train_batch_size"] *= recipe.samples
        asked |= {
            "logging_steps": 1, "beta": recipe.beta, "shuffle_dataset": False,
            "num_generations": recipe.samples, "temperature": recipe.temperature,
            "max_completion_length": length, "disable_dropout": True, **more,
        }  # fmt: skip
        with Rollouts(practice, encoder, recipe, spent, policy, log) as rollouts:
            trainer = sampling_trainer(kind, rollouts, spent, recipe.seed)(
                model=model, reward_funcs=rollouts.reward,
                args=arguments(config, folder, steps, recipe, **asked),
                train_dataset=datasets.Dataset.from_list(rollouts.deck(steps)),
                processing_class=words, optimizers=(optim, rate),
                callbacks=[follow(log, progress, spent=spent, cap=recipe.flops, stop=stop)],
            )  # fmt: skip
            trainer.remove_callback(transformers.PrinterCallback)
            rollouts.model = trainer.model
            try:
                with quiet():
                    go_on(trainer, folder, spent, recipe.flops)
            finally:
                if trainer.sampler is not None:
                    trainer.sampler.close()
        ended = trainer.state.global_step >= steps or spent.reached(recipe.flops)
        return saved(
            whole(trainer.model, folder, policy, recipe), words, folder, settings, log,
            policy=policy, spent=spent, finished=ended,
            **rollouts.told(folder / "model"),
        )  # fmt: skip
