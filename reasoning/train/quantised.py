"""A trained model with its weights in 8 or 4 bits, and the accuracy that this costs.

How weights are packed: `reasoning.models.quantise` (Dettmers et al. 2022 and 2023). Nothing is
learned here; the model before and the one after answer the same problems greedily.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evaluators.errors import BadInput
from evaluators.intervals import paired_bootstrap, wilson_interval
from reasoning.core import Completion, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run
from reasoning.models import load_model
from reasoning.models.quantise import needed, settings, stored
from reasoning.models.weights import device_of, located
from reasoning.train.methods import trained
from reasoning.train.practice import Drawn, Practice
from reasoning.train.run import Progress, finished, logged, recorded, settings_of, unheard
from reasoning.verify import judge


@dataclass(frozen=True)
class QuantiseRecipe:
    """How weights are packed: `weights` are int8 (a byte) or nf4 (half a byte) in all linear layers
    but the output head. `problems` of the tasks, drawn by `seed`, measure what it costs."""

    weights: Literal["int8", "nf4"] = "int8"
    problems: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if self.weights not in ("int8", "nf4"):
            raise BadInput(f"recipe: weights must be int8 or nf4, not {self.weights!r}")
        if self.problems < 1:
            raise BadInput(f"recipe: problems must be 1 or more, not {self.problems}")


def quantise(
    policy: Any, data: Any, *, out: str | Path | None = None, progress: Progress | None = None,
    **settings: Any,
) -> Any:  # fmt: skip
    """Pack the weights of `policy` and open the result as a local model; its record tells what that
    cost on `data` (a task or a Practice: take problems of the test split).

    `settings` change `QuantiseRecipe`; `out` is the run folder (None: a temporary one). Raises
    BadInput and UnknownName.
    """
    return trained("quantise", policy, Practice.of(data), out, progress, **settings)


def train_quantise(
    data: Practice, policy: str, folder: Path, recipe: QuantiseRecipe,
    progress: Progress = unheard, stop: threading.Event | None = None,
) -> Path:  # fmt: skip
    """Pack the weights of the policy in the folder `policy`; returns the folder of the packed ones.

    Its record holds `accuracy` before and after with the paired difference, and `bytes` of the
    files. `stop` is not asked: there are no steps. Raises BadInput for a model that is packed
    already, without bitsandbytes, and for other settings in the same folder.
    """
    told = settings_of("quantise", policy, data.fingerprint(), len(data), asdict(recipe))
    with logged(folder, told) as log:
        if place := finished(folder):
            return place
        model, words = packed(policy, recipe.weights)
        place = folder / "model"
        model.save_pretrained(place)  # before it computes: a CPU then keeps another order
        words.save_pretrained(place)
        drawn = data.deck(recipe.problems, recipe.seed)
        sides = []
        for step, name in enumerate((policy, str(place)), 1):
            hits = greedy(load_model(f"hf:{name}"), data, drawn)
            row = {"step": step, "of": 2, "accuracy": float(np.mean(hits))}
            log.append("metrics", **row)
            progress(row)
            sides.append(hits)
        recorded(
            place, told, log, policy=policy, finished=True, accuracy=cost(*sides),
            bytes={"before": size(policy), "after": size(str(place))},
        )  # fmt: skip
        return place


def packed(policy: str, weights: str) -> tuple[Any, Any]:
    """The policy's weights in fewer bits, and its tokenizer. Raises BadInput."""
    import torch
    import transformers

    needed(weights)
    source = located(policy, policy, None)
    config = transformers.AutoConfig.from_pretrained(**source)
    if getattr(config, "quantization_config", None) is not None:
        raise BadInput(f"{policy} is packed already: quantise the model that it was made from")
    target = device_of("auto")
    model = transformers.AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.float32 if target.type == "cpu" else torch.bfloat16,
        **settings(weights, config, target),
    )  # fmt: skip
    assert stored(model)
    return model, transformers.AutoTokenizer.from_pretrained(**source)


def greedy(model: Any, data: Practice, drawn: Sequence[Drawn]) -> list[bool]:
    """Whether the model's most likely trace of each problem ends by itself and is right."""
    sampling = Sampling(temperature=0.0, max_tokens=data.max_tokens(model.dialect))
    ledger = Ledger()

    async def one(index: int, asked: Drawn) -> bool:
        prompt = data.prompt(asked, model.dialect)
        path = SeedPath(0, ("greedy", index))
        found: list[Completion] = await model.generate(prompt, sampling, ledger, path)
        if found[0].finish != "eos":
            return False
        task = data.bare[asked.task]
        return bool((await judge(task.verifier, asked.problem, found[0].text)).passed)

    async def work() -> list[bool]:
        return await asyncio.gather(*(one(i, asked) for i, asked in enumerate(drawn)))

    return run(work())


def cost(before: Sequence[bool], after: Sequence[bool]) -> dict[str, Any]:
    """Accuracy before and after with 95 % intervals (Wilson 1927), and the paired difference with
    its bootstrap interval over problems."""
    told: dict[str, Any] = {"problems": len(before)}
    for name, hits in (("before", before), ("after", after)):
        interval = wilson_interval(sum(hits), len(hits))
        told[name] = {"value": interval.value, "low": interval.low, "high": interval.high}
    lost = paired_bootstrap(
        np.array(after, float), np.array(before, float), np.random.default_rng(0)
    )
    return {**told, "difference": {"value": lost.value, "low": lost.low, "high": lost.high}}


def size(place: str) -> int:
    """Bytes of the weight files in a folder; 0 for a model of the hub."""
    folder = Path(place)
    files = folder.glob("*.safetensors") if folder.is_dir() else ()
    return sum(path.stat().st_size for path in files)
