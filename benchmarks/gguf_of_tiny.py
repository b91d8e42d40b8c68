"""Write an embedded model as a GGUF file, for llama.cpp and Ollama.

`pip install gguf && python benchmarks/gguf_of_tiny.py tiny tiny.gguf`. GGUF has no name for the way
the embedded tokenizer cuts numbers, so a number of three digits or more may be cut in another way
(`123` as 12 3); those of the tasks have two at most, but for chain-sum.
"""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

import reasoning.models

TEMPLATE = (
    "{%- for message in messages -%}{{ message.content }}"
    "{%- if message.role != 'assistant' -%}<think>{%- endif -%}{%- endfor -%}"
)
"""A chat here is a question, asked for a chain."""

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def name_of(tensor: str) -> str:
    """GGUF's name of a tensor of transformers' Qwen3."""
    tensor = tensor.removeprefix("model.")
    whole = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
    if tensor in whole:
        return whole[tensor]
    _, layer, rest = tensor.split(".", 2)
    return f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"


def write(folder: Path, file: Path) -> None:
    """The model in `folder` as one GGUF file, weights in float32."""
    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    out: Any = import_module("gguf").GGUFWriter(str(file), "qwen3")
    out.add_name(folder.name)
    out.add_context_length(config["max_position_embeddings"])
    out.add_embedding_length(config["hidden_size"])
    out.add_block_count(config["num_hidden_layers"])
    out.add_feed_forward_length(config["intermediate_size"])
    out.add_head_count(config["num_attention_heads"])
    out.add_head_count_kv(config["num_key_value_heads"])
    out.add_layer_norm_rms_eps(config["rms_norm_eps"])
    out.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    out.add_key_length(config["head_dim"])
    out.add_value_length(config["head_dim"])
    texts = [f"<unused {i}>" for i in range(config["vocab_size"])]
    kinds = [5] * len(texts)  # unused; 1 normal, 3 control, 4 user-defined
    for text, at in tokenizer["model"]["vocab"].items():
        texts[at], kinds[at] = text, 1
    for token in tokenizer["added_tokens"]:
        end = token["id"] in (config["eos_token_id"], config["pad_token_id"])
        texts[token["id"]], kinds[token["id"]] = token["content"], 3 if end else 4
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("default")
    out.add_token_list(texts)
    out.add_token_types(kinds)
    out.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    out.add_eos_token_id(config["eos_token_id"])
    out.add_pad_token_id(config["pad_token_id"])
    out.add_add_bos_token(False)
    out.add_chat_template(TEMPLATE)
    for tensor, values in load_file(folder / "model.safetensors").items():
        if tensor != "lm_head.weight":  # tied to the embeddings
            out.add_tensor(name_of(tensor), values.float().numpy())
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main() -> None:
    """Read the arguments and write the file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("model", help="tiny, tiny-weak or tiny-student")
    options.add_argument("file", type=Path)
    given = options.parse_args()
    places = Path(reasoning.models.__file__).parent / "tiny"
    write(places / given.model, given.file)
    print(f"{given.file}: {given.file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
