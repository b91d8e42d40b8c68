"""The weights of the embedded architecture, packed for the kernels, and their working memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

BLOCK = 4  # token rows of one matrix-product block


class Weights(NamedTuple):
    """A model's parameters, float32; matrices are (inputs, outputs) row-major, stacked by layer."""

    embedding: np.ndarray  # (vocabulary, width)
    attention_norm: np.ndarray  # (layers, width)
    qkv: np.ndarray  # (layers, width, (heads + 2 * kv_heads) * size)
    q_norm: np.ndarray  # (layers, size), scaled by size ** -0.5
    k_norm: np.ndarray  # (layers, size)
    out: np.ndarray  # (layers, heads * size, width)
    mlp_norm: np.ndarray  # (layers, width)
    gate_up: np.ndarray  # (layers, width, 2 * inner)
    down: np.ndarray  # (layers, inner, width)
    last_norm: np.ndarray  # (width,)
    head: np.ndarray  # (width, vocabulary)
    cos: np.ndarray  # (positions, size)
    sin: np.ndarray  # (positions, size)


class Space(NamedTuple):
    """Working memory of one step of up to `chunk` token rows (a multiple of four)."""

    hidden: np.ndarray  # (chunk, width)
    normed: np.ndarray  # (chunk, width)
    qkv: np.ndarray  # (chunk, heads + 2 * kv_heads, size)
    flat_qkv: np.ndarray  # the same memory as (chunk, ...)
    mixed: np.ndarray  # (chunk, heads, size)
    flat_mixed: np.ndarray  # the same memory as (chunk, heads * size)
    added: np.ndarray  # (chunk, width)
    both: np.ndarray  # (chunk, 2 * inner)
    inner: np.ndarray  # (chunk, inner)
    gated: np.ndarray  # (inner,)
    scores: np.ndarray  # (heads, positions)
    bits: np.ndarray  # (max(positions, inner),) int32
    logits: np.ndarray  # (4, vocabulary)


def unsupported(model: Any) -> str | None:
    """Why the fused path cannot run this transformers model, or `None` if it can."""
    import torch

    config = model.config
    if config.model_type != "qwen3" or type(model).__name__ != "Qwen3ForCausalLM":
        return f"its architecture is {type(model).__name__}, not Qwen3ForCausalLM"
    if any(p.device.type != "cpu" for p in model.parameters()):
        return "it is not on the CPU"
    if any(p.dtype != torch.float32 for p in model.parameters()):
        return "its weights are not float32"
    if config.hidden_act != "silu":
        return f"its activation is {config.hidden_act!r}, not 'silu'"
    if config.attention_bias:
        return "its attention has biases"
    if any(kind != "full_attention" for kind in config.layer_types):
        return "it has sliding-window layers"
    if config.rope_parameters["rope_type"] != "default":
        return f"its rotary positions are {config.rope_parameters['rope_type']!r}"
    return None


def pack(model: Any, positions: int) -> Weights:
    """Copies of the model's weights as the kernels read them, with `positions` rotary rows."""
    import torch

    def array(tensor: Any) -> np.ndarray:
        return np.ascontiguousarray(tensor.detach().numpy(), dtype=np.float32)

    def stack(pick: Any, transpose: bool = True) -> np.ndarray:
        layers = [pick(layer) for layer in model.model.layers]
        return array(torch.stack([x.t() if transpose else x for x in layers]))

    size = model.config.head_dim
    projections = ("q_proj.weight", "k_proj.weight", "v_proj.weight")
    with torch.no_grad():
        cos, sin = model.model.rotary_emb(torch.zeros(1), torch.arange(positions)[None])
        return Weights(
            embedding=array(model.model.embed_tokens.weight),
            attention_norm=stack(lambda x: x.input_layernorm.weight, False),
            qkv=stack(lambda x: torch.cat([x.self_attn.get_parameter(n) for n in projections])),
            q_norm=stack(lambda x: x.self_attn.q_norm.weight * size**-0.5, False),
            k_norm=stack(lambda x: x.self_attn.k_norm.weight, False),
            out=stack(lambda x: x.self_attn.o_proj.weight),
            mlp_norm=stack(lambda x: x.post_attention_layernorm.weight, False),
            gate_up=stack(lambda x: torch.cat([x.mlp.gate_proj.weight, x.mlp.up_proj.weight])),
            down=stack(lambda x: x.mlp.down_proj.weight),
            last_norm=array(model.model.norm.weight),
            head=array(model.lm_head.weight.t()),
            cos=array(cos[0]),
            sin=array(sin[0]),
        )


def space(config: Any, chunk: int, positions: int) -> Space:
    """Working memory for `chunk` token rows (a multiple of four) at up to `positions`."""
    heads, kv_heads, size = (
        config.num_attention_heads,
        config.num_key_value_heads,
        config.head_dim,
    )
    width, inner = config.hidden_size, config.intermediate_size

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    qkv, mixed = zeros(chunk, heads + 2 * kv_heads, size), zeros(chunk, heads, size)
    return Space(
        hidden=zeros(chunk, width),
        normed=zeros(chunk, width),
        qkv=qkv,
        flat_qkv=qkv.reshape(chunk, -1),
        mixed=mixed,
        flat_mixed=mixed.reshape(chunk, -1),
        added=zeros(chunk, width),
        both=zeros(chunk, 2 * inner),
        inner=zeros(chunk, inner),
        gated=zeros(inner),
        scores=zeros(heads, positions),
        bits=np.zeros(max(positions, inner), np.int32),
        logits=zeros(BLOCK, config.vocab_size),
    )
