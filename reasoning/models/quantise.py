"""Weights kept in 8 or 4 bits by bitsandbytes (extra `quant`), and what they take as stored.

`int8`: every linear layer but the output head; the largest entry of an output row is 127, rows of
activations are rounded too (Dettmers et al. 2022). The paper's float path for outlying activations
is off: it depends on which rows are computed together, and a row's draws must not. `nf4`: 4-bit
normal floats in blocks of 64 (Dettmers et al. 2023); a product unpacks them, in bfloat16 on
processors with AVX512-BF16. Embeddings, norms and the output head stay as they are.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

from evaluators.errors import BadInput

WEIGHTS = ("float", "int8", "nf4")
BLOCK, LINES = 64, 32  # weights of one scale; rows that the kernel for processors packs together


def needed(weights: str) -> None:
    """Raise BadInput where the package that stores such weights is not installed."""
    if weights != "float" and find_spec("bitsandbytes") is None:
        raise BadInput(
            f"option weights={weights} needs bitsandbytes: run `pip install bitsandbytes`"
        )


def settings(weights: str, config: Any, target: Any) -> dict[str, Any]:
    """Arguments of `from_pretrained` that store a model of this config so."""
    import torch
    import transformers

    # it notes every cast and every kernel that it could fetch and did not
    for name in ("autograd._functions", "backends.cpu.ops"):
        logging.getLogger(f"bitsandbytes.{name}").setLevel(logging.ERROR)
    if weights == "int8":
        how = transformers.BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0)
    else:
        with torch.device("meta"):
            skeleton = transformers.AutoModelForCausalLM.from_config(config)
        how = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.float32 if target.type == "cpu" else torch.bfloat16,
            llm_int8_skip_modules=unpackable(skeleton, target.type == "cpu"),
        )
    options: dict[str, Any] = {"quantization_config": how}
    if target.type != "cpu":
        options["device_map"] = {"": target}
    return options


def unpackable(model: Any, cpu: bool) -> list[str]:
    """Names of the linear layers that stay in float: the output head and, on a processor, those
    whose rows are no whole number of blocks (bitsandbytes 0.50 scales them by the wrong block)."""
    head = model.get_output_embeddings()
    loose = []
    for name, layer in model.named_modules():
        size = linear_size(layer)
        if layer is head or (cpu and size and (size[0] % BLOCK or size[1] % LINES)):
            loose.append(name)
    return loose


def linear_size(layer: Any) -> tuple[int, int] | None:
    """Inputs and outputs of a linear layer that bitsandbytes would replace (GPT-2's transposed kind
    too); `None` for any other layer, packed ones included."""
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    if type(layer) is Linear:
        return layer.in_features, layer.out_features
    return (layer.nx, layer.nf) if isinstance(layer, Conv1D) else None


def stored(model: Any) -> bool:
    """Whether the weights of this model are kept in fewer bits."""
    return bool(getattr(model, "is_quantized", False))


def kept_float(model: Any) -> list[str]:
    """Kinds of linear layers that stayed in float though they are not the output head."""
    head = model.get_output_embeddings()
    names = [
        name.rpartition(".")[2]
        for name, layer in model.named_modules()
        if linear_size(layer) and layer is not head
    ]
    return [f"{names.count(kind)} {kind}" for kind in dict.fromkeys(names)]


def stored_bytes(model: Any) -> int:
    """Memory of all parameters and buffers as they are stored, scales of packed ones included."""
    tensors = [*model.parameters(), *model.buffers()]
    for layer in model.modules():
        weight = getattr(layer, "weight", None)
        state = getattr(layer, "state", None)
        scales = getattr(state, "SCB", None)
        tensors.append(scales if scales is not None else getattr(weight, "SCB", None))
        tensors.append(getattr(getattr(weight, "quant_state", None), "absmax", None))
    sizes = {t.data_ptr(): t.numel() * t.element_size() for t in tensors if t is not None}
    return sum(sizes.values())
