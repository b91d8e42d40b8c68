"""Low-rank adapters on a policy: laid on before training, added to its weights afterwards.

LoRA (Hu et al. 2021, section 4.1): beside a frozen matrix W stands (alpha/rank) B A, A drawn by
chance, B zero, so that training begins at the policy itself. QLoRA (Dettmers et al. 2023, section
3) keeps W in 4-bit normal floats. Adapters lie on every linear layer but the output head.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from evaluators.errors import BadInput
from reasoning.models.encode import Encoder
from reasoning.models.quantise import needed, settings
from reasoning.models.weights import device_of, located
from reasoning.train.recipe import Recipe
from reasoning.train.run import leads, opened
from reasoning.train.spent import Spent

ADAPTER = "adapter"
"""Where a run keeps its adapter, beside the whole weights in `model`."""


def prepared(policy: str, recipe: Recipe) -> tuple[Any, Any, Encoder, Spent]:
    """The policy's weights ready to be trained by the recipe, its tokenizer, an encoder, and the
    counters of the run. Frozen weights are in bf16 on a GPU, or in 4 bits for `qlora`. Raises
    BadInput where bitsandbytes is needed and not there, and for packed weights."""
    import transformers

    head: dict[str, Any] = {}
    target = device_of("auto")
    if recipe.adapter != "none" and target.type != "cpu":
        head["dtype"] = torch.bfloat16
    if recipe.adapter == "qlora":
        head |= _packed(policy, target)
    config = transformers.AutoConfig.from_pretrained(**located(policy, policy, None))
    if getattr(config, "quantization_config", None) is not None:
        raise BadInput(
            f"{policy} holds packed weights, which are not trained: start from the model that they"
            " were made from (adapter=qlora packs it for the training)"
        )
    model, words, encoder = opened(policy, transformers.AutoModelForCausalLM, recipe.seed, **head)
    spent = Spent.of(model, recipe)
    return laid(model, recipe), words, encoder, spent


def laid(model: Any, recipe: Recipe) -> Any:
    """The model under the recipe's adapters, drawn by its seed; the model itself for `none`."""
    if recipe.adapter == "none":
        return model
    import peft

    alpha: Any = recipe.alpha  # declared as an int, used as a float
    how = peft.LoraConfig(
        r=recipe.rank, lora_alpha=alpha, lora_dropout=recipe.dropout,
        target_modules="all-linear", task_type="CAUSAL_LM",
    )  # fmt: skip
    state = torch.random.get_rng_state()
    torch.manual_seed(recipe.seed)
    model = peft.get_peft_model(model, how)
    torch.random.set_rng_state(state)
    return model


def whole(model: Any, folder: Path, policy: str, recipe: Recipe) -> Any:
    """The trained model with its adapters added to the weights, in float; they are kept in the run
    folder too. 4-bit weights are unpacked first: the sum is no longer a 4-bit number. The processes
    that do not lead get the model back as it is."""
    if recipe.adapter == "none" or not leads():
        return model
    model.save_pretrained(folder / ADAPTER)
    if recipe.adapter == "lora":
        return model.merge_and_unload()
    return merged(policy, folder / ADAPTER, packed=True)


def merged(policy: str, adapter: Path, packed: bool = False) -> Any:
    """The policy's weights, read anew, with an adapter of a run added; from its 4-bit weights where
    `packed`. (Weights that a CPU has computed with in 4 bits lie in another order and unpack to
    nonsense: hence anew.) Raises BadInput for a folder that holds no adapter."""
    import peft
    import transformers

    if not (adapter / "adapter_config.json").is_file():
        raise BadInput(f"{adapter} holds no adapter (no adapter_config.json)")
    head = _packed(policy, torch.device("cpu")) if packed else {}
    base, _, _ = opened(policy, transformers.AutoModelForCausalLM, 0, **head)
    if packed:
        base = base.dequantize(dtype=torch.float32)
    return peft.PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()


def trainable(model: Any) -> int:
    """The number of weights that training changes."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _packed(policy: str, target: Any) -> dict[str, Any]:
    import transformers

    try:
        needed("nf4")
    except BadInput as error:
        raise BadInput("adapter=qlora needs bitsandbytes: run `pip install bitsandbytes`, or take"
                       " adapter=lora") from error  # fmt: skip
    config = transformers.AutoConfig.from_pretrained(**located(policy, policy, None))
    return settings("nf4", config, target)
