"""The recipe of the embedded models: from nothing to weights on one CPU thread.

`tiny` is trained on the whole mixture in at most 15 minutes; `tiny-weak` is the same run stopped
early; `tiny-student` has a quarter of the parameters and never sees a chain; `tiny-tools` goes on
from `tiny`'s weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from evaluators.errors import UnknownName
from labs.recipes.mixture import FULL, STUDENT, Mixture, Sampler
from labs.recipes.tools import TOOLS
from reasoning.train.pretrain import PretrainSettings, pretrain

MIXTURES: Mapping[str, Mixture] = {"full": FULL, "direct only": STUDENT, "tools": TOOLS}


@dataclass(frozen=True)
class Plan:
    """How one embedded model is made. `stop` ends the run before its last step; `start` is the
    embedded model whose weights it starts from, in place of random ones."""

    size: Literal["tiny", "student"]
    mixture: str
    settings: PretrainSettings
    stop: int | None = None
    start: str | None = None


FULL_RUN = PretrainSettings(steps=1800, tokens_per_step=3000, seed=1)

PLANS: dict[str, Plan] = {
    "tiny": Plan("tiny", "full", FULL_RUN),
    "tiny-weak": Plan("tiny", "full", FULL_RUN, stop=1200),
    "tiny-student": Plan(
        "student", "direct only", PretrainSettings(steps=1500, tokens_per_step=3000, seed=1)
    ),
    "tiny-tools": Plan(
        "tiny",
        "tools",
        PretrainSettings(steps=700, tokens_per_step=3000, lr=2e-3, decay=0.7, seed=1),
        start="tiny",
    ),
}


def train(
    name: str,
    folder: Path,
    *,
    seed: int | None = None,
    steps: int | None = None,
    progress: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Path:
    """Train one embedded model into `folder` and return the folder of its weights.

    The run is resumed if `folder` holds one. `seed` and `steps` override the plan. The result is
    a Hugging Face folder: bf16 safetensors, tokenizer, `training.json` with plan and curve.
    """
    import torch

    from reasoning.models.tiny import shape, tokenizer

    if name not in PLANS:
        raise UnknownName("embedded model", name, PLANS)
    plan = PLANS[name]
    settings = replace(
        plan.settings,
        seed=plan.settings.seed if seed is None else seed,
        steps=steps or plan.settings.steps,
    )
    torch.set_num_threads(1)
    words = tokenizer.build()
    torch.manual_seed(settings.seed)
    model = shape.build(plan.size, len(words))
    identity = {"size": plan.size}
    if plan.start is not None:
        identity["start"] = _load(model, plan.start)
    sampler = Sampler(MIXTURES[plan.mixture], words)
    curve = pretrain(
        model,
        sampler,
        settings,
        folder,
        identity={**identity, "mixture": {k: w for k, (w, _) in sampler.mixture.items()}},
        progress=progress,
        stop=plan.stop,
    )
    weights = folder / "model"
    model.to(torch.bfloat16).save_pretrained(weights)
    words.save_pretrained(weights)
    told = {
        "name": name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "plan": {
            "size": plan.size,
            "mixture": plan.mixture,
            "stop": plan.stop,
            **({"start": plan.start} if plan.start else {}),
        },
        "settings": settings.__dict__,
        "torch": torch.__version__,
        "curve": curve[:: max(1, len(curve) // 60)] + curve[-1:],
    }
    (weights / "training.json").write_text(json.dumps(told, indent=1) + "\n")
    return weights


def _load(model: Any, name: str) -> str:
    """Give a model the weights of an embedded one; returns their hash."""
    import hashlib

    from safetensors.torch import load_file

    from reasoning.models import embedded_folder

    file = Path(embedded_folder(name)) / "model.safetensors"
    weights = load_file(file)
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]  # tied: not in the file
    model.load_state_dict(weights)
    return f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
