"""On-policy distillation: the student writes, the teacher says at every token what it would have
thought there (Agarwal et al. 2024, algorithm 1), by trl's DistillationTrainer."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evaluators.errors import BadInput, UnknownName
from reasoning.core import Sampling, SeedPath
from reasoning.data.rows import TraceRow, fingerprint
from reasoning.data.tokens import UNLEARNED
from reasoning.models.decoding.route import unfused
from reasoning.models.weights import multiplied, quiet, weights_id
from reasoning.train.adapter import prepared, whole
from reasoning.train.divergence import DIVERGENCES, Divergence
from reasoning.train.logits import beside, refuse_other_tokens, teacher_folder
from reasoning.train.methods import trained
from reasoning.train.recipe import Recipe
from reasoning.train.run import (
    Progress,
    arguments,
    asked_of,
    finished,
    follow,
    go_on,
    logged,
    opened,
    optimiser,
    pace,
    saved,
    settings_of,
    unheard,
)
from reasoning.train.sft import examples
from reasoning.train.spent import Spent
from reasoning.train.trainer import FusedSampler, ends


@dataclass(frozen=True)
class OnPolicyRecipe(Recipe):
    """How a student learns from its own traces under a teacher's eyes.

    The loss is the divergence from the teacher at every token, of the student's own traces and of
    given ones alike. Reverse KL and jsd suit a student that already writes such traces (it may
    leave out what it cannot do); from a cold start they taught an embedded student nothing.

    `teacher` is the name or folder of a model with the student's vocabulary. `divergence`: forward
    KL covers all that the teacher does, reverse KL avoids what it does not, jsd is between. `beta`
    is the teacher's weight in jsd. `temperature` is that of sampling and of both distributions.
    `own_first` is the share of a step's traces that the student writes itself when the run begins.
    `own_last` is that share when it ends (linear in between: the lambda of Agarwal et al. 2024).
    `max_new_tokens` is the length of its own traces (none: as long as the longest given one).
    """

    lr: float = 2e-3
    batch: int = 64
    teacher: str = "tiny"
    divergence: Divergence = "forward"
    beta: float = 0.5
    temperature: float = 1.0
    own_first: float = 0.0
    own_last: float = 1.0
    max_new_tokens: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.divergence not in DIVERGENCES:
            raise UnknownName("divergence", self.divergence, DIVERGENCES)
        for name, ok, want in (
            ("beta", 0 < self.beta < 1, "between 0 and 1 (its ends are forward and reverse)"),
            ("temperature", self.temperature > 0, "above 0"),
            ("own_first", 0 <= self.own_first <= 1, "a share in 0..1"),
            ("own_last", 0 <= self.own_last <= 1, "a share in 0..1"),
            ("max_new_tokens", self.max_new_tokens is None or self.max_new_tokens >= 1,
             "1 or more, or None"),
        ):  # fmt: skip
            if not ok:
                raise BadInput(f"recipe: {name} must be {want}, not {getattr(self, name)!r}")

    @property
    def trl_beta(self) -> float:
        """The divergence in trl's words: 0 is forward KL, 1 reverse KL, else the JSD's weight."""
        return {"forward": 0.0, "reverse": 1.0, "jsd": self.beta}[self.divergence]

    def own(self, share: float) -> float:
        """The share of traces that the student writes itself when `share` of the run is done."""
        return self.own_first + (self.own_last - self.own_first) * min(1.0, share)


def distill_on_policy(
    policy: Any, rows: Sequence[TraceRow], *, out: str | Path | None = None,
    progress: Progress | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Teach `policy` (a model or its name) on traces that it writes itself for the rows' prompts,
    and open the result as a local model.

    `settings` change `OnPolicyRecipe`; `out` is the run folder (None: a temporary one), where the
    same call goes on after an interruption. Raises BadInput and UnknownName.
    """
    return trained("on-policy", policy, rows, out, progress, **settings)


def train_on_policy(
    rows: Sequence[TraceRow], policy: str, folder: Path, recipe: OnPolicyRecipe,
    progress: Progress = unheard, stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """Train the policy in the folder `policy` on the rows' prompts (and, where the recipe says so,
    on their traces); returns its weights' folder (bf16).

    As `train_sft`. What the student samples is counted as its own; the teacher's reading (2 N FLOPs
    a token) as the teacher's. Raises BadInput.
    """
    import datasets
    import transformers
    from trl.trainer.distillation_config import DistillationConfig

    master = teacher_folder(recipe.teacher)
    settings = settings_of("on-policy", policy, fingerprint(rows), len(rows), asdict(recipe))
    settings["teacher"] = {"place": Path(master).name, "weights": weights_id(master, None)}
    with logged(folder, settings) as log:
        if place := finished(folder):
            return place
        model, words, encoder, spent = prepared(policy, recipe)
        refuse_other_tokens(words, model, policy, master)
        items = asked(examples(rows, encoder, recipe.max_length), recipe)
        longest = max(len(item["given"]) for item in items)
        steps = recipe.planned(len(items))
        teacher, _, _ = opened(master, transformers.AutoModelForCausalLM, recipe.seed)
        teacher = teacher.eval().requires_grad_(False)
        words.padding_side = "left"
        optim = optimiser(model, recipe)
        rate = torch.optim.lr_scheduler.LambdaLR(optim, pace(recipe, steps, spent))
        trainer = _trainer(recipe, spent, 2.0 * multiplied(teacher))(
            model=model, teacher_model=teacher,
            args=arguments(
                DistillationConfig, folder, steps, recipe, beta=recipe.trl_beta,
                temperature=recipe.temperature, top_k=0, top_p=1.0,
                max_completion_length=recipe.max_new_tokens or longest, **asked_of(recipe),
            ),
            train_dataset=datasets.Dataset.from_list(items), processing_class=words,
            optimizers=(optim, rate),
            callbacks=[follow(log, progress, spent=spent, cap=recipe.flops, stop=stop)],
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        try:
            with quiet():
                go_on(trainer, folder, spent, recipe.flops)
        finally:
            if trainer.sampler is not None:
                trainer.sampler.close()
        made = whole(trainer.model, folder, policy, recipe)
        ended = trainer.state.global_step >= steps or spent.reached(recipe.flops)
        return saved(made, words, folder, settings, log, policy=policy, spent=spent, finished=ended,
                     teacher=beside(settings["teacher"], master, folder))  # fmt: skip


def asked(
    data: Sequence[dict[str, list[int]]], recipe: OnPolicyRecipe
) -> list[dict[str, list[int]]]:
    """Examples as `prompt` and `given` ids. Where the student writes everything itself each prompt
    is there once. There is at least one batch of them. Raises BadInput for a given trace with
    tokens in between that are not a model's."""
    alone = recipe.own_first == recipe.own_last == 1
    items, seen = [], set()
    for item in data:
        ids, learn = item["input_ids"], [label != UNLEARNED for label in item["labels"]]
        start = learn.index(True)
        if not all(learn[start:]) and not alone:
            raise BadInput(
                "a given trace has tokens in between that are not a model's: select such traces"
                " away, or set own_first=1 and own_last=1, where only the prompts are used"
            )
        if not alone or tuple(ids[:start]) not in seen:
            items.append({"prompt": ids[:start], "given": ids[start:]})
            seen.add(tuple(ids[:start]))
    return items * -(-recipe.batch // len(items))


# -- inside ---------------------------------------------------------------------------

_ROWS = 16
"""Rows read together on a CPU, of like length: one long trace does not pad all others."""


def _trainer(recipe: OnPolicyRecipe, spent: Spent, teacher_forward: float) -> type:
    """trl's trainer on exact ids, with given traces among the student's own, sampled by the fused
    decode loop where it serves, counting what is spent."""
    from trl.trainer.distillation_trainer import DistillationTrainer

    class Trainer(DistillationTrainer):
        given: Sequence[list[int]] = ()
        sampler: FusedSampler | None = None

        def _tokenize_prompts(self, prompts: list[Any]) -> Any:
            return prompts, None, {}

        def _generate_and_score_completions(self, inputs: Any) -> Any:
            self.given = [item["given"] for item in inputs]
            return super()._generate_and_score_completions(inputs)

        def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kw: Any) -> Any:
            share = self.state.global_step / max(1, self.state.max_steps)
            if recipe.flops is not None:
                share = max(share, spent.flops / recipe.flops)
            path = SeedPath(recipe.seed, ("on-policy", self.state.global_step,
                                          self.accelerator.process_index))  # fmt: skip
            rng = np.random.Generator(np.random.Philox(key=path.child("own").key))
            count = round(recipe.own(share) * len(prompt_ids))
            own = sorted(rng.permutation(len(prompt_ids))[:count].tolist())
            found = list(self.given)
            if own:
                asked = [prompt_ids[i] for i in own]
                written = self._written(asked, path, *args, **kw)
                spent.sample(self._all(sum(map(len, asked)) + sum(map(len, written))))
                for i, ids in zip(own, written, strict=True):
                    found[i] = ids
            return found

        def _written(
            self, asked: list[list[int]], path: SeedPath, *args: Any, **kw: Any
        ) -> list[list[int]]:
            """The student's own completion of every prompt."""
            if unfused(self.model) is not None:
                return super()._generate_single_turn(asked, *args, **kw)
            if self.sampler is None:
                self.sampler = FusedSampler(self.model, self._tokenizer)
            sampling = Sampling(self.max_completion_length or 1, recipe.temperature)
            return self.sampler.draw(self.model, asked, sampling, path)

        def _compute_loss(self, student: Any, inputs: Any, num_items_in_batch: Any) -> Any:
            before, after = inputs["prompt_mask"], inputs["completion_mask"]
            read = self._all(int(before.sum() + after.sum()))
            spent.learn(read)
            spent.teacher += read * teacher_forward
            first, last = ends(before)[0], ends(after)[1]
            together = _ROWS if before.device.type == "cpu" else len(before)
            order = torch.argsort(before.size(1) - first + last)
            found = []
            for rows in order.split(together):
                left, right = int(first[rows].min()), int(last[rows].max())
                part = {name: inputs[name][rows, left:] for name in ("prompt_ids", "prompt_mask")}
                part |= {
                    name: inputs[name][rows, :right]
                    for name in ("completion_ids", "completion_mask")
                }
                found.append(super()._compute_loss(student, part, num_items_in_batch))
            loss, entropy, tokens = (
                torch.stack(column).sum(0) for column in zip(*found, strict=True)
            )
            return loss, entropy, tokens

        def _all(self, count: int) -> int:
            """A count of all processes together."""
            if self.accelerator.num_processes == 1:
                return count
            here = torch.tensor(count, device=self.accelerator.device)
            return int(self.accelerator.reduce(here, "sum"))  # type: ignore[arg-type]

    return Trainer
