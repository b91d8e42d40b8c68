"""The training methods by name: where each is, its recipe, and what it learns from."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, UnknownName


@dataclass(frozen=True)
class Method:
    """`module:function` that trains, `recipe` in the same module, what `data` it takes and one line
    about it. The function is called with data, policy folder, run folder, recipe, progress, stop,
    and returns the folder of the weights."""

    module: str
    function: str
    recipe: str
    data: str
    about: str

    def train(self) -> Callable[..., Path]:
        return getattr(import_module(self.module), self.function)

    def settings(self) -> type:
        return getattr(import_module(self.module), self.recipe)


METHODS: dict[str, Method] = {
    "sft": Method(
        "reasoning.train.sft", "train_sft", "SFTRecipe", "rows",
        "fine-tune on traces: data distillation, rejection sampling",
    ),
    "grpo": Method(
        "reasoning.train.rl", "train_grpo", "GRPORecipe", "task",
        "practise with rewards, each trace against the others of its question",
    ),
    "dpo": Method(
        "reasoning.train.preference", "train_dpo", "DPORecipe", "pairs",
        "learn from preferences between traces",
    ),
    "ppo": Method(
        "reasoning.train.ppo", "train_ppo", "PPORecipe", "task",
        "practise with rewards and a learned value of every state: small, for reading",
    ),
    "rloo": Method(
        "reasoning.train.rl", "train_rloo", "RLOORecipe", "task",
        "practise with rewards, each trace against the mean of the others",
    ),
    "logits": Method(
        "reasoning.train.logits", "train_logits", "LogitsRecipe", "rows",
        "learn the teacher's token distributions on traces, from a cache",
    ),
    "on-policy": Method(
        "reasoning.train.on_policy", "train_on_policy", "OnPolicyRecipe", "rows",
        "learn the teacher's token distributions on the student's own traces",
    ),
    "star": Method(
        "reasoning.train.star", "train_star", "StarRecipe", "task",
        "sample, keep what is right, train from the base, again",
    ),
    "quantise": Method(
        "reasoning.train.quantised", "train_quantise", "QuantiseRecipe", "task",
        "pack the weights into 8 or 4 bits, and measure what that costs",
    ),
}  # fmt: skip
"""`data` is `rows` (traces), `pairs` (preferences) or `task` (problems to sample on)."""


def recipe_of(method: str, settings: dict[str, Any]) -> Any:
    """The recipe of a method with these settings. Raises UnknownName and BadInput."""
    if method not in METHODS:
        raise UnknownName("training method", method, METHODS)
    kind = METHODS[method].settings()
    known = [field.name for field in fields(kind)]
    for name in settings:
        if name not in known:
            raise UnknownName(f"setting of {method}", name, known)
    return kind(**settings)


def policy_folder(policy: Any) -> str:
    """The folder of a policy's weights: an embedded model's name, `hf:FOLDER`, a folder, or a local
    model that was opened from one. Raises BadInput."""
    from reasoning.models import embedded_folder

    name = str(getattr(policy, "name", policy))
    place = name.removeprefix("hf:")
    if place != name or Path(place).is_dir():
        return place
    try:
        return embedded_folder(name)
    except BadInput as error:
        raise BadInput(
            f"{name!r} cannot be trained from: a policy is an embedded model (tiny, tiny-weak,"
            " tiny-student), hf:FOLDER or hf:ORG/NAME"
        ) from error


def trained(
    method: str, policy: Any, data: Any, out: str | Path | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
    stop: threading.Event | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Train by a method and open the result: `trained("sft", "tiny-student", rows, lr=1e-3)`.

    `out` is the run folder, a temporary one where it is None; the same call with the same folder
    goes on where it stopped. `settings` change the method's recipe. Returns a local model.
    """
    from reasoning.models import load_model
    from reasoning.train.run import unheard

    recipe = recipe_of(method, settings)
    folder = Path(tempfile.mkdtemp(prefix=f"{method}-")) if out is None else Path(out)
    place = METHODS[method].train()(
        data, policy_folder(policy), folder, recipe, progress or unheard, stop
    )
    return load_model(f"hf:{place}")
