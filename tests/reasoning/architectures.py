"""Two-layer models with random weights, for tests; every one is seeded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers as tf

from reasoning.models.decoding.stops import byte_alphabet

SMALL: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
WINDOW = 6

CONFIGS = {
    "gpt2": lambda: tf.GPT2Config(
        vocab_size=97,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=128,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
    ),
    "llama": lambda: tf.LlamaConfig(**SMALL),
    "qwen3": lambda: tf.Qwen3Config(**SMALL, tie_word_embeddings=True),
    "gemma3": lambda: tf.Gemma3TextConfig(
        **SMALL,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention"],
        query_pre_attn_scalar=8,
    ),
    "mistral": lambda: tf.MistralConfig(**SMALL, sliding_window=WINDOW),
    "mamba": lambda: tf.MambaConfig(
        vocab_size=97,
        hidden_size=32,
        num_hidden_layers=2,
        state_size=8,
        initializer_range=0.3,
        eos_token_id=1,
        pad_token_id=1,
    ),
}


def random_model(kind: str, seed: int = 0, **changes: Any) -> Any:
    """A model of this architecture in float32; no other random state is touched."""
    config = CONFIGS[kind]()
    for name, value in changes.items():
        setattr(config, name, value)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return tf.AutoModelForCausalLM.from_config(config).eval()


def byte_tokenizer(chat_template: str | None = None) -> Any:
    """One token a byte, then `<s>` 256, `</s>` 257 and the pieces `ab` 258 and `<think>` 259."""
    alphabet = sorted(byte_alphabet(), key=byte_alphabet().__getitem__)
    vocabulary = {piece: i for i, piece in enumerate(alphabet)} | {
        "<s>": 256,
        "</s>": 257,
        "ab": 258,
    }
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [("a", "b")]))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    made = tf.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    made.add_tokens(["<think>"])
    made.chat_template = chat_template
    return made


def saved(
    folder: Path, kind: str = "llama", chat_template: str | None = None, **changes: Any
) -> str:
    """A random model and a byte tokenizer in `folder`, as `hf:` finds them; returns the name."""
    made = random_model(kind, vocab_size=260, eos_token_id=257, bos_token_id=256, **changes)
    made.save_pretrained(folder)
    byte_tokenizer(chat_template).save_pretrained(folder)
    return f"hf:{folder}"
