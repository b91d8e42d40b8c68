"""A copy of an embedded model in a wider shape that computes the same function.

Zeros fill the new width, heads and inner units, so every token costs the memory traffic and the
products of the larger shape while the predictions stay those of the small one, up to rounding. It
shows what a switch does to a model whose weights do not fit the processor's cache.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any


def widen(model: Any, factor: int) -> Any:
    """A Qwen3ForCausalLM of `factor` times the width, heads and inner units of `model`, float32.

    RMSNorm divides by the mean square over the whole width: its weights are scaled by the square
    root of 1 / factor, its epsilon by 1 / factor. (The norms of heads, whose size stays, get that
    epsilon too: a difference of about a millionth.) Raises ValueError for another architecture.
    """
    import torch

    if type(model).__name__ != "Qwen3ForCausalLM" or factor < 1:
        raise ValueError(
            f"widening is for Qwen3ForCausalLM and a factor of 1 or more, not {factor}"
        )
    config = copy.deepcopy(model.config)
    width = config.hidden_size
    config.head_dim = model.config.head_dim
    for name in (
        "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"
    ):  # fmt: skip
        setattr(config, name, factor * getattr(config, name))
    config.rms_norm_eps /= factor
    wide = type(model)(config).float().eval()
    small = model.state_dict()
    with torch.no_grad():
        for name, parameter in wide.state_dict().items():
            source = small[name].float()
            if parameter.shape == source.shape:
                parameter.copy_(source)
            else:
                parameter.zero_()
                parameter[tuple(slice(n) for n in source.shape)] = source
            if parameter.ndim == 1 and len(source) == width:
                parameter.mul_(factor**-0.5)
    return wide


def save(model: Any, tokenizer: Any, folder: str | Path) -> str:
    """Write a model where `load_model` finds it; returns its name."""
    from reasoning.models.weights import quiet

    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return f"hf:{folder}"
