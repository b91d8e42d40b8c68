"""A policy made ready to judge: layers added on top, and inner units taken away to make room.

What a model predicts stands in its last layer, and no later position can look it up there. A layer
more can: it compares what was predicted with what came, so that a judge need not learn again what
the policy knows. (That the policy's own surprise tells wrong steps is measured on the card of
`tiny-prm`.)
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from evaluators.errors import BadInput


def deepened(model: Any, layers: int, inner: int | None = None) -> Any:
    """A model of the same class with `layers` more layers on top, which change nothing at first,
    and with the `inner` strongest feed-forward units of each old layer (None: all).

    The new layers' other weights are drawn from torch's global generator: seed it before. Raises
    BadInput for an architecture other than Qwen3.
    """
    if model.config.model_type != "qwen3":
        raise BadInput(
            f"layers can be added to Qwen3 models only, not to {model.config.model_type!r}: use"
            " a recipe with layers=0"
        )
    config = copy.deepcopy(model.config)
    old = config.num_hidden_layers
    config.num_hidden_layers = old + layers
    config.layer_types = [*config.layer_types, *config.layer_types[-1:] * layers]
    config.max_window_layers = old + layers
    config.intermediate_size = inner or config.intermediate_size
    made = type(model)(config).to(model.dtype)
    weights = model.state_dict()
    for at in range(old):
        keep = _strongest(model.model.layers[at].mlp, config.intermediate_size)
        name = f"model.layers.{at}.mlp."
        for part in ("gate_proj", "up_proj"):
            weights[f"{name}{part}.weight"] = weights[f"{name}{part}.weight"][keep]
        weights[f"{name}down_proj.weight"] = weights[f"{name}down_proj.weight"][:, keep]
    made.load_state_dict(weights, strict=False)
    with torch.no_grad():
        for layer in made.model.layers[old:]:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    return made


def _strongest(mlp: Any, count: int) -> torch.Tensor:
    """The units whose weights' norms have the greatest product, in their order."""
    norms = mlp.gate_proj.weight.norm(dim=1) * mlp.up_proj.weight.norm(dim=1)
    norms = norms * mlp.down_proj.weight.norm(dim=0)
    return norms.topk(min(count, len(norms))).indices.sort().values
