"""A randomly initialised model of the embedded shape, with lively logits, for the decode tests."""

from __future__ import annotations

from typing import Any


def build(vocabulary: int = 386, kv_heads: int = 4, tied: bool = True, **more: Any) -> Any:
    """A Qwen3ForCausalLM of width 128 and 4 layers; end of sequence is id 1."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.set_num_threads(1)
    shape = {
        "hidden_size": 128,
        "num_hidden_layers": 4,
        "intermediate_size": 352,
        "num_attention_heads": 4,
        "head_dim": 32,
        "max_position_embeddings": 512,
    }
    config = Qwen3Config(
        **{**shape, **more},
        num_key_value_heads=kv_heads,
        vocab_size=vocabulary,
        tie_word_embeddings=tied,
        eos_token_id=1,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.mul_(4.0)
    return model
