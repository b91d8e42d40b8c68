"""Distillation of token distributions on given traces: the student learns, at every token, how
likely the teacher thought each next token (Hinton et al. 2015), from a cache of the teacher's
likeliest tokens.

trl has this only within its experimental GKD trainer, without Hinton's mixture and with a live
teacher that reads every batch again; here the teacher reads each trace once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from evaluators.errors import BadInput, UnknownName
from reasoning.data.rows import TraceRow, fingerprint
from reasoning.models.weights import quiet, weights_id
from reasoning.train.adapter import prepared, whole
from reasoning.train.divergence import DIVERGENCES, Divergence, softened
from reasoning.train.fidelity import Fidelity, fidelity, pooled
from reasoning.train.matcher import Collator, Numbered, matcher, tokens_in
from reasoning.train.methods import policy_folder, trained
from reasoning.train.recipe import Recipe
from reasoning.train.run import (
    Progress,
    agreed,
    arguments,
    asked_of,
    finished,
    follow,
    go_on,
    leads,
    logged,
    optimiser,
    pace,
    saved,
    settings_of,
    unheard,
)
from reasoning.train.sft import examples
from reasoning.train.teacher_cache import TeacherCache, read_logits, teacher_cache

PROBED = 64
"""Traces on which the loss of fidelity is reported."""


@dataclass(frozen=True)
class LogitsRecipe(Recipe):
    """How a student is drawn to its teacher's token distributions.

    The loss of a token is (1-h) T² D(p_T, q_T) + h CE: a divergence D of both distributions at a
    temperature T, and the cross-entropy CE of the trace's own token with the share h.

    `teacher` is the name or folder of a model with the student's vocabulary. `divergence` D:
    forward KL covers all that the teacher does, reverse KL avoids what it does not, jsd is between.
    `beta` is the teacher's weight in jsd. `temperature` T softens both distributions. `hard` is the
    share h of the cross-entropy. `top_k` of the teacher's tokens count one by one, all others
    together; 0 keeps the whole vocabulary (take it for reverse, where a student may still expect
    much outside the k: the record tells how much that leaves open). `cache` is a folder where runs
    share what the teacher said (none: the run's own).
    """

    lr: float = 2e-3
    teacher: str = "tiny"
    divergence: Divergence = "forward"
    beta: float = 0.5
    temperature: float = 1.0
    hard: float = 0.0
    top_k: int = 32
    cache: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.divergence not in DIVERGENCES:
            raise UnknownName("divergence", self.divergence, DIVERGENCES)
        for name, ok, want in (
            ("beta", 0 < self.beta < 1, "between 0 and 1 (its ends are forward and reverse)"),
            ("temperature", self.temperature > 0, "above 0"),
            ("hard", 0 <= self.hard <= 1, "a share in 0..1"),
            ("top_k", self.top_k >= 0, "1 or more, or 0 for the whole vocabulary"),
        ):
            if not ok:
                raise BadInput(f"recipe: {name} must be {want}, not {getattr(self, name)!r}")


def distill_logits(
    policy: Any, rows: Sequence[TraceRow], *, out: str | Path | None = None,
    progress: Progress | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Draw `policy` (a model or its name) to its teacher's token distributions on traces, whoever
    wrote them, and open the result as a local model.

    `settings` change `LogitsRecipe`; `out` is the run folder (None: a temporary one), where the
    same call goes on after an interruption. Raises BadInput and UnknownName.
    """
    return trained("logits", policy, rows, out, progress, **settings)


def train_logits(
    rows: Sequence[TraceRow], policy: str, folder: Path, recipe: LogitsRecipe,
    progress: Progress = unheard, stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """Train the policy in the folder `policy`; returns its weights' folder (bf16).

    As `train_sft`; the teacher's reading (2 N FLOPs a token, once a trace) is counted as the
    teacher's, whether this run or an earlier one built the cache. What keeping `top_k` tokens lost
    before and after training is told in the record. Raises BadInput.
    """
    import transformers

    master = teacher_folder(recipe.teacher)
    settings = settings_of("logits", policy, fingerprint(rows), len(rows), asdict(recipe))
    settings["recipe"].pop("cache")
    settings["teacher"] = {"place": Path(master).name, "weights": weights_id(master, None)}
    with logged(folder, settings) as log:
        if place := finished(folder):
            return place
        model, words, encoder, spent = prepared(policy, recipe)
        refuse_other_tokens(words, model, policy, master)
        data = examples(rows, encoder, recipe.max_length)
        cache = cached(data, master, folder, recipe)
        steps, spent.teacher = recipe.planned(len(data)), cache.card["flops"]
        before = probe(model, data, cache, recipe)
        optim = optimiser(model, recipe)
        rate = torch.optim.lr_scheduler.LambdaLR(optim, pace(recipe, steps, spent))
        trainer = matcher(recipe, spent)(
            model=model,
            args=arguments(
                transformers.TrainingArguments, folder, steps, recipe, remove_unused_columns=False,
                **asked_of(recipe),
            ),
            train_dataset=Numbered(data), data_collator=Collator(cache),
            processing_class=words, optimizers=(optim, rate),
            callbacks=[follow(log, progress, spent=spent, cap=recipe.flops, stop=stop)],
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        with quiet():
            go_on(trainer, folder, spent, recipe.flops)
        told = {**cache.card, "before": before.told(),
                "after": probe(trainer.model, data, cache, recipe).told()}  # fmt: skip
        made = whole(trainer.model, folder, policy, recipe)
        ended = trainer.state.global_step >= steps or spent.reached(recipe.flops)
        return saved(made, words, folder, settings, log, policy=policy, spent=spent,
                     finished=ended, cache=told,
                     teacher=beside(settings["teacher"], master, folder))  # fmt: skip


def cached(
    data: Sequence[dict[str, list[int]]], teacher: str, folder: Path, recipe: LogitsRecipe
) -> TeacherCache:
    """What the teacher says on these examples: read from the recipe's folder, or asked for once."""
    place = folder / "teacher" if recipe.cache is None else Path(recipe.cache)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if not leads():
        agreed(False)  # the process that leads asks the teacher
    cache = teacher_cache(
        [tokens_in(item) for item in data], teacher, place, top_k=recipe.top_k or None,
        temperature=recipe.temperature, device=device,
    )  # fmt: skip
    if leads():
        agreed(False)
    return cache


def probe(
    model: Any, data: Sequence[dict[str, list[int]]], cache: TeacherCache, recipe: LogitsRecipe
) -> Fidelity:
    """The student's divergence on the first traces, and between which numbers the one by the whole
    vocabulary lies."""
    model.eval()
    found = []
    for i in range(min(PROBED, len(data))):  # one by one: a real vocabulary is wide
        with torch.inference_mode():
            student = softened(read_logits(model, [tokens_in(data[i])]), recipe.temperature)
        found.append(fidelity(recipe.divergence, cache.of([i]), student.cpu(), recipe.beta))
    return pooled(found)


def teacher_folder(name: str) -> str:
    """The folder of a teacher's weights. Raises BadInput for a name that is none."""
    try:
        return policy_folder(name)
    except BadInput as error:
        raise BadInput(
            f"{name!r} cannot be a teacher: name an embedded model (tiny), hf:FOLDER or hf:ORG/NAME"
        ) from error


def beside(teacher: dict[str, Any], master: str, folder: Path) -> dict[str, Any]:
    """The teacher for the record: with the path to its folder from the weights', where it has
    one."""
    if not Path(master).is_dir():
        return teacher
    return {**teacher, "path": os.path.relpath(master, folder / "model")}


def refuse_other_tokens(words: Any, student: Any, policy: str, teacher: str) -> None:
    """Raises BadInput where the teacher's tokens are not the student's."""
    import transformers

    from reasoning.models.weights import located

    source = located(teacher, teacher, None)
    others = transformers.AutoTokenizer.from_pretrained(**source).get_vocab()
    size = transformers.AutoConfig.from_pretrained(**source).get_text_config().vocab_size
    own = student.config.get_text_config().vocab_size
    if others != words.get_vocab() or size != own:
        raise BadInput(
            f"the teacher {teacher} has other tokens than the student {policy} ({size} and {own}):"
            " token distributions need one vocabulary. Take a teacher of the student's family, or"
            " learn from its text (sft)"
        )
