"""What training a model would take: memory by part, time, money; from its shape alone.

Weights, gradients and optimiser follow the mixed-precision accounting of Rajbhandari et al. 2020
(ZeRO, section 3.1), with float32 gradients. Activations are counted tensor by tensor, after
Korthikanti et al. 2022 (section 4), for layers as transformers runs them: RMSNorm, grouped-query
attention by a fused kernel, SwiGLU; computed again, a layer keeps its input only (section 5). 4-bit
weights: Dettmers et al. 2023, section 3. Operations: Kaplan et al. 2020, section 2.1, and for the
scores of attention Chowdhery et al. 2022, appendix B.

Left out: buffers of kernels and of the allocator, a batch that is padded; count on some 10 % more.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from evaluators.errors import BadInput
from reasoning.train.recipe import Adapter

GIB = float(1 << 30)
PACKED = 0.5 + 4 / 64
"""Bytes of a 4-bit weight: half a byte, and a float32 scale for every 64."""
LOGITS = 1 << 28
"""Bytes of logits up to which they are computed in one piece (see `learner.SMALL`)."""


@dataclass(frozen=True)
class Shape:
    """A decoder: `layers` of `width`, `heads` (and `kv_heads`) of `head_dim`, SwiGLU of `feed`,
    `vocabulary` rows of the embedding, `tied` with the head or not. `normed`: queries and keys have
    norms of their own (Qwen3)."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    feed: int
    vocabulary: int
    tied: bool = False
    normed: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, bool) and value < 1:
                raise BadInput(f"shape: {field.name} must be 1 or more, not {value}")

    @property
    def queries(self) -> int:
        """Width of all heads' queries."""
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        """Width of all heads' keys."""
        return self.kv_heads * self.head_dim

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """Inputs and outputs of a layer's linear maps: q, k, v, o, gate, up, down."""
        h, a, k, f = self.width, self.queries, self.keys, self.feed
        return [(h, a), (h, k), (h, k), (a, h), (h, f), (h, f), (f, h)]

    @property
    def linear(self) -> int:
        """Weights in all layers' linear maps."""
        return self.layers * sum(i * o for i, o in self.matrices)

    @property
    def other(self) -> int:
        """Weights of embedding, head and norms."""
        tables = self.vocabulary * self.width * (1 if self.tied else 2)
        norms = 2 * self.width + (2 * self.head_dim if self.normed else 0)
        return tables + self.layers * norms + self.width

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.linear + self.other

    def adapters(self, rank: int) -> int:
        """Weights of adapters of this rank on every linear map of the layers."""
        return self.layers * sum(rank * (i + o) for i, o in self.matrices)


def shape_of(config: Any) -> Shape:
    """The shape that a transformers config tells. Raises BadInput for one that lacks a part."""
    text = config.get_text_config()
    try:
        heads = text.num_attention_heads
        return Shape(
            layers=text.num_hidden_layers, width=text.hidden_size, heads=heads,
            kv_heads=getattr(text, "num_key_value_heads", None) or heads,
            head_dim=getattr(text, "head_dim", None) or text.hidden_size // heads,
            feed=text.intermediate_size, vocabulary=text.vocab_size,
            tied=bool(config.tie_word_embeddings), normed="qwen3" in text.model_type,
        )  # fmt: skip
    except AttributeError as error:
        raise BadInput(
            f"the config of a {text.model_type} does not tell its shape ({error}); give --params"
        ) from error


def typical(parameters: float, vocabulary: int = 32_000) -> Shape:
    """A usual shape of about so many weights: width about 128 times the layers, heads of 128 (64
    below a billion), SwiGLU of 8/3 of the width, embedding and head apart."""
    if not 1e5 <= parameters <= 1e13:
        raise BadInput(f"params must be between 1e5 and 1e13, not {parameters:g}")
    small = parameters < 1e9
    step = 128 if not small else 64 if parameters >= 1e7 else 16
    head = 64 if small else 128
    best: Shape | None = None
    for width in range(step, 65 * 1024, step):
        layers = max(2, round(width / (64 if small else 128)))
        heads = max(1, width // head)
        feed = round(8 * width / 3 / step) * step
        made = Shape(layers, width, heads, heads, width // heads, feed, vocabulary)
        if best is None or abs(made.parameters - parameters) < abs(best.parameters - parameters):
            best = made
        elif made.parameters > 2 * parameters:
            break
    assert best is not None
    return best


@dataclass(frozen=True)
class Setting:
    """How a model is trained: `rows` of `length` tokens at once on each device, in bf16 (matrix
    products; weights and sums in float32) or float32."""

    adapter: Adapter = "none"
    rank: int = 8
    checkpointing: bool = False
    half: bool = True
    optimiser: Literal["adamw", "muon"] = "adamw"
    rows: int = 1
    length: int = 1024

    @property
    def tokens(self) -> int:
        """Tokens that one pass of a device holds."""
        return self.rows * self.length

    @property
    def name(self) -> str:
        """`full`, `lora`, `qlora`, with `, computed again` under checkpointing."""
        first = "full" if self.adapter == "none" else self.adapter
        return first + (", computed again" if self.checkpointing else "")


@dataclass(frozen=True)
class Memory:
    """Bytes on one device. `copies` are weights in bf16 beside those in float32."""

    weights: float
    copies: float
    gradients: float
    optimiser: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        """All of it at once: an upper end, as gradients come while activations go."""
        return sum(getattr(self, field.name) for field in fields(self))


def memory(shape: Shape, how: Setting) -> Memory:
    """The memory of one device that trains so."""
    full, adapters = how.adapter == "none", shape.adapters(how.rank)
    learned = shape.parameters if full else adapters
    frozen = 2.0 if how.half else 4.0
    if full:
        weights, copies = 4.0 * shape.parameters, 2.0 * shape.linear if how.half else 0.0
    else:
        packed = PACKED if how.adapter == "qlora" else frozen
        weights = packed * shape.linear + frozen * shape.other + 4.0 * adapters
        copies = 2.0 * adapters if how.half else 0.0
        if how.adapter == "qlora":  # one matrix at a time is unpacked
            copies += frozen * max(i * o for i, o in shape.matrices)
    momenta = 8.0 * learned
    if how.optimiser == "muon":
        momenta -= 4.0 * shape.linear
    layer = layer_bytes(shape, how) * how.tokens
    kept = shape.layers * layer
    if how.checkpointing:
        kept = shape.layers * how.tokens * shape.width * (4.0 if full else frozen) + layer
    wide = how.tokens * shape.vocabulary * 4.0
    logits = 3 * wide if wide <= LOGITS else 8.0 * how.tokens * shape.width
    return Memory(weights, copies, 4.0 * learned, momenta, kept, logits)


def layer_bytes(shape: Shape, how: Setting) -> float:
    """Bytes of one token's activations that one layer keeps for the backward pass."""
    h, f, heads = shape.width, shape.feed, shape.heads
    both, stats = shape.queries + shape.keys, 4.0 * (shape.heads + shape.kv_heads)
    rank = 0 if how.adapter == "none" else how.rank
    if how.half:
        kept = 8.0 * h + 10 * h + 4 * both + 8 * f + 14 * rank  # norms, casts, attention, SwiGLU
        kept += 8 * h if not rank else 2 * shape.queries
        kept += ((4 if rank else 6) * both + stats) if shape.normed else 0
    else:
        kept = 4.0 * ((4 if rank else 6) * h + 2 * both + 4 * f + 7 * rank)
        kept += (4 * (1 if rank else 2) * both + stats) if shape.normed else 0
    return kept + 4 * heads + 8


def operations(shape: Shape, how: Setting) -> float:
    """Floating-point operations of one token learned: forward 2 a weight, backward 4 (2 where the
    weights are frozen), 2 more where activations are computed again; causal attention likewise."""
    used = shape.parameters - (0 if shape.tied else shape.vocabulary * shape.width)
    again = 1 if how.checkpointing else 0
    scores = 2.0 * shape.layers * shape.queries * how.length  # q·k and a·v over half the length
    passes = (3 if how.adapter == "none" else 2) + again
    return passes * 2.0 * used + (3 + again) * scores
