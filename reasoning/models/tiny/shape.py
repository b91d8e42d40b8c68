"""The embedded models' architecture: Qwen3 (Qwen team 2025, arXiv:2505.09388), two sizes."""

from __future__ import annotations

from typing import Any, Literal

SIZES: dict[str, dict[str, int]] = {
    "tiny": {"hidden_size": 128, "num_hidden_layers": 4, "intermediate_size": 352, "heads": 4},
    "student": {"hidden_size": 64, "num_hidden_layers": 4, "intermediate_size": 176, "heads": 2},
}
POSITIONS = 1024


def build(size: Literal["tiny", "student"], vocabulary: int, eos: int = 1, pad: int = 0) -> Any:
    """A randomly initialised model (uses torch's global generator: seed it before).

    `tiny` has about 0.8 million parameters, `student` about a quarter.
    """
    from transformers import Qwen3Config, Qwen3ForCausalLM

    shape: dict[str, Any] = dict(SIZES[size])
    heads = shape.pop("heads")
    config = Qwen3Config(
        vocab_size=vocabulary,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=shape["hidden_size"] // heads,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
        eos_token_id=eos,
        bos_token_id=None,
        pad_token_id=pad,
        **shape,
    )
    config.reasonlab_dialect = "compact"
    model = Qwen3ForCausalLM(config)
    model.generation_config.eos_token_id = eos
    model.generation_config.pad_token_id = pad
    return model
