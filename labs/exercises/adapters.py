"""Lab 09: what a weight takes in memory, and adapters added to weights."""

from __future__ import annotations

from collections.abc import Sequence

from labs.exercises.exercise import Case, Exercise


def training_bytes(weights: int, adapters: int) -> int:
    """Bytes of weights, gradients and AdamW's two means: everything in float32 where all weights
    are trained (`adapters` is 0), else frozen weights in bf16 and adapters in float32."""
    if adapters == 0:
        return 16 * weights
    return 2 * weights + 16 * adapters


TRAINING_BYTES = Exercise(
    "my_training_bytes",
    training_bytes,
    [
        Case((1, 0), 16, "4 for the weight, 4 for its gradient, 4 for each of AdamW's two means"),
        Case((7_000_000_000, 0), 112_000_000_000, "16 bytes a weight"),
        Case((100, 1), 216, "a frozen weight has no gradient and no means: 2 bytes in bf16"),
        Case((1_000_000, 10_000), 2_160_000, "an adapter's weights are trained: 16 bytes for each"),
    ],
    {
        "no gradient": lambda weights, adapters: (
            12 * weights if not adapters else 2 * weights + 12 * adapters
        ),
        "one mean": lambda weights, adapters: (
            12 * weights + 0 * adapters if not adapters else 2 * weights + 12 * adapters
        ),
        "all trained": lambda weights, adapters: 16 * (weights + adapters),
        "frozen in float32": lambda weights, adapters: (
            16 * weights if not adapters else 4 * weights + 16 * adapters
        ),
        "adapters alone": lambda weights, adapters: 16 * (adapters or weights),
    },
)

Matrix = Sequence[Sequence[float]]


def merge(w: Matrix, a: Matrix, b: Matrix, alpha: float) -> list[list[float]]:
    """W + (alpha / r) B A, as lists of rows: W is (out, in), A is (r, in), B is (out, r) (Hu et
    al. 2021, section 4.1)."""
    scale = alpha / len(a)
    return [
        [
            old + scale * sum(b[i][k] * a[k][j] for k in range(len(a)))
            for j, old in enumerate(row)
        ]
        for i, row in enumerate(w)
    ]  # fmt: skip


def _scaled(w: Matrix, a: Matrix, b: Matrix, scale: float) -> list[list[float]]:
    return merge(w, a, b, scale * len(a))


_W, _A, _B = [[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]], [[1.0, -1.0]], [[2.0], [0.0], [1.0]]
_A2, _B2 = [[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]

MERGE = Exercise(
    "my_merge",
    merge,
    [
        Case((_W, _A, _B, 1.0), [[3, 0], [3, 4], [1, -1]], "one rank: row i gets b[i][0] times A"),
        Case((_W, _A, _B, 3.0), [[7, -4], [3, 4], [3, -3]], "times alpha / r, here 3 / 1"),
        Case((_W, _A2, _B2, 2.0), [[2, 4], [6, 8], [5, 6]], "alpha 2 of rank 2 is a factor of 1"),
        Case((_W, _A, [[0.0]] * 3, 8.0), _W, "B begins at zero: nothing is changed"),
    ],
    {
        "no scale": lambda w, a, b, alpha: _scaled(w, a, b, 1.0),
        "alpha alone": lambda w, a, b, alpha: _scaled(w, a, b, alpha),
        "rank over alpha": lambda w, a, b, alpha: _scaled(w, a, b, len(a) / alpha),
        "without W": lambda w, a, b, alpha: merge([[0.0] * len(r) for r in w], a, b, alpha),
        "first rank only": lambda w, a, b, alpha: merge(
            w, a[:1], [r[:1] for r in b], alpha / len(a)
        ),
    },
)


def kept_layers(layers: int, segment: int) -> int:
    """Layers whose activations are in memory at once when only the input of every `segment`-th
    layer is kept: the inputs, counted as a layer each, and the segment computed again (Chen et al.
    2016, section 4.1)."""
    return -(-layers // segment) + segment


KEPT = Exercise(
    "my_kept_layers",
    kept_layers,
    [
        Case((16, 4), 8, "4 inputs are kept, and 4 layers are computed again at a time"),
        Case((16, 1), 17, "an input for every layer, and one layer at a time"),
        Case((16, 16), 17, "one input, then all 16 layers at once"),
        Case((10, 4), 7, "the last segment may be shorter: 3 inputs, and up to 4 layers"),
    ],
    {
        "inputs alone": lambda layers, segment: -(-layers // segment),
        "rounds down": lambda layers, segment: layers // segment + segment,
        "segment alone": lambda layers, segment: segment,
        "product": lambda layers, segment: -(-layers // segment) * segment,
    },
)

EXERCISES = (TRAINING_BYTES, MERGE, KEPT)
