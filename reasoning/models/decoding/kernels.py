"""Numeric kernels in numba, written so that a row's bits do not depend on its neighbours.

Every loop that adds floats has the row's own length (width, head size, positions so far) and an
order fixed at compile time; matrix products take rows in padded blocks of four, through the same
instructions. BLAS promises no such thing. One file: numba's disk cache sees changes only in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from reasoning.models.decoding.packed import BLOCK

if TYPE_CHECKING:
    from reasoning.models.decoding.packed import Space, Weights

EXACT = {"contract"}  # fused multiply-add, no reordering of sums
LANES = {*EXACT, "reassoc", "nsz", "nnan"}  # a row's own sums may be split into vector lanes


def compiled(fastmath: set[str]) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` without the GIL, cached on disk where numba finds a writable place."""

    def wrap(function: Callable[..., Any]) -> Any:
        make = partial(numba.njit, nogil=True, fastmath=fastmath, error_model="numpy")
        try:
            return make(cache=True)(function)
        except RuntimeError:  # no writable cache directory at all: compile in every process
            return make()(function)

    return wrap


@compiled(EXACT)
def exponent(x: np.ndarray, bits: np.ndarray, n: int) -> None:
    """x[:n] = exp(x[:n]) in float32, relative error below 2e-7; exactly 0 below -87, clamped at 88.

    `bits` is int32 scratch of at least n. Range reduction and polynomial as in Cephes expf.
    """
    scale = bits.view(np.float32)
    for i in range(n):
        v = x[i]
        c = min(max(v, np.float32(-87.0)), np.float32(88.0))
        k = np.floor(c * np.float32(1.4426950408889634) + np.float32(0.5))
        r = c - k * np.float32(0.693359375)
        r = r - k * np.float32(-2.12194440e-4)
        p = np.float32(1.9875691500e-4)
        p = p * r + np.float32(1.3981999507e-3)
        p = p * r + np.float32(8.3334519073e-3)
        p = p * r + np.float32(4.1665795894e-2)
        p = p * r + np.float32(1.6666665459e-1)
        p = p * r + np.float32(5.0000001201e-1)
        p = p * (r * r) + r + np.float32(1.0)
        bits[i] = np.int32((k + np.float32(127.0)) * np.float32(8388608.0))
        x[i] = np.float32(0.0) if v < np.float32(-87.0) else (p if v == v else v)
    for i in range(n):
        x[i] = x[i] * scale[i]


@compiled(EXACT)
def product(x: np.ndarray, w: np.ndarray, out: np.ndarray, rows: int) -> None:
    """out[:rows] = x[:rows] @ w with w (K, N) row-major; `rows` is a multiple of four.

    Each element is a chain of K fused multiply-adds in the order of k.
    """
    (inner, width), whole = w.shape, w.shape[0] // 4 * 4
    for r in range(0, rows, 4):
        x0, x1, x2, x3 = x[r], x[r + 1], x[r + 2], x[r + 3]
        o0, o1, o2, o3 = out[r], out[r + 1], out[r + 2], out[r + 3]
        for n in range(width):
            o0[n] = 0.0
            o1[n] = 0.0
            o2[n] = 0.0
            o3[n] = 0.0
        for k in range(0, whole, 4):
            w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
            a0, a1, a2, a3 = x0[k], x0[k + 1], x0[k + 2], x0[k + 3]
            b0, b1, b2, b3 = x1[k], x1[k + 1], x1[k + 2], x1[k + 3]
            c0, c1, c2, c3 = x2[k], x2[k + 1], x2[k + 2], x2[k + 3]
            d0, d1, d2, d3 = x3[k], x3[k + 1], x3[k + 2], x3[k + 3]
            for n in range(width):
                v0, v1, v2, v3 = w0[n], w1[n], w2[n], w3[n]
                o0[n] = (((o0[n] + a0 * v0) + a1 * v1) + a2 * v2) + a3 * v3
                o1[n] = (((o1[n] + b0 * v0) + b1 * v1) + b2 * v2) + b3 * v3
                o2[n] = (((o2[n] + c0 * v0) + c1 * v1) + c2 * v2) + c3 * v3
                o3[n] = (((o3[n] + d0 * v0) + d1 * v1) + d2 * v2) + d3 * v3
        for k in range(whole, inner):
            w0 = w[k]
            for n in range(width):
                o0[n] = o0[n] + x0[k] * w0[n]
                o1[n] = o1[n] + x1[k] * w0[n]
                o2[n] = o2[n] + x2[k] * w0[n]
                o3[n] = o3[n] + x3[k] * w0[n]


@compiled(LANES)
def softmax(x: np.ndarray, bits: np.ndarray, n: int) -> None:
    """x[:n] becomes its softmax."""
    top = x[0]
    for i in range(1, n):
        top = max(top, x[i])
    for i in range(n):
        x[i] = x[i] - top
    exponent(x, bits, n)
    total = np.float32(0.0)
    for i in range(n):
        total += x[i]
    scale = np.float32(1.0) / total
    for i in range(n):
        x[i] = x[i] * scale


@compiled(LANES)
def squares(x: np.ndarray) -> Any:
    """Sum of the squares of a vector."""
    total = np.float32(0.0)
    for i in range(x.shape[0]):
        total += x[i] * x[i]
    return total


@compiled(EXACT)
def normalise(x: np.ndarray, weight: np.ndarray, out: np.ndarray, eps: float) -> None:
    """RMSNorm of one vector (Zhang and Sennrich 2019)."""
    n = x.shape[0]
    scale = np.float32(1.0 / math.sqrt(squares(x) / n + eps))
    for i in range(n):
        out[i] = weight[i] * (x[i] * scale)


@compiled(EXACT)
def turn(qkv: np.ndarray, norm: np.ndarray, cos: np.ndarray, sin: np.ndarray, eps: float) -> None:
    """RMSNorm of one head, then its rotary position (Su et al. 2021; halves paired), in place."""
    normalise(qkv, norm, qkv, eps)
    half = qkv.shape[0] // 2
    for i in range(half):
        a, b = qkv[i], qkv[half + i]
        qkv[i] = a * cos[i] - b * sin[i]
        qkv[half + i] = b * cos[half + i] + a * sin[half + i]


@compiled(EXACT)
def copy(source: np.ndarray, target: np.ndarray) -> None:
    """target = source, vectors."""
    for i in range(source.shape[0]):
        target[i] = source[i]


@compiled(EXACT)
def add(source: np.ndarray, target: np.ndarray, rows: int) -> None:
    """target[:rows] += source[:rows], matrices."""
    for r in range(rows):
        a, b = source[r], target[r]
        for i in range(a.shape[0]):
            b[i] = b[i] + a[i]


@compiled(LANES)
def attend(
    q: Any, keys: Any, values: Any, slots: Any, n: int, scores: Any, bits: Any, out: Any
) -> None:
    """Softmax attention of one query over its own slots[:n], in their order.

    `q` (>= heads, size; already scaled), `out` (heads, size), `keys` and `values` (pool, kv_heads,
    size) of one layer; `scores` (heads, >= n), `bits`: scratch. Positions go in blocks of four.
    """
    heads, size = out.shape
    kv_heads = keys.shape[1]
    group = heads // kv_heads
    whole = n - n % 4
    for t in range(0, whole, 4):
        s0, s1, s2, s3 = slots[t], slots[t + 1], slots[t + 2], slots[t + 3]
        for g in range(kv_heads):
            for h in range(g * group, (g + 1) * group):
                a0 = a1 = a2 = a3 = np.float32(0.0)
                for i in range(size):
                    x = q[h, i]
                    a0 += x * keys[s0, g, i]
                    a1 += x * keys[s1, g, i]
                    a2 += x * keys[s2, g, i]
                    a3 += x * keys[s3, g, i]
                scores[h, t], scores[h, t + 1] = a0, a1
                scores[h, t + 2], scores[h, t + 3] = a2, a3
    for t in range(whole, n):
        for g in range(kv_heads):
            for h in range(g * group, (g + 1) * group):
                a0 = np.float32(0.0)
                for i in range(size):
                    a0 += q[h, i] * keys[slots[t], g, i]
                scores[h, t] = a0
    for h in range(heads):
        softmax(scores[h], bits, n)
        for d in range(size):
            out[h, d] = 0.0
    for t in range(0, whole, 4):
        s0, s1, s2, s3 = slots[t], slots[t + 1], slots[t + 2], slots[t + 3]
        for g in range(kv_heads):
            for h in range(g * group, (g + 1) * group):
                p0, p1, p2, p3 = scores[h, t], scores[h, t + 1], scores[h, t + 2], scores[h, t + 3]
                for d in range(size):
                    y = (out[h, d] + p0 * values[s0, g, d]) + p1 * values[s1, g, d]
                    out[h, d] = (y + p2 * values[s2, g, d]) + p3 * values[s3, g, d]
    for t in range(whole, n):
        for g in range(kv_heads):
            for h in range(g * group, (g + 1) * group):
                for d in range(size):
                    out[h, d] += scores[h, t] * values[slots[t], g, d]


@compiled(EXACT)
def gate(both: np.ndarray, out: np.ndarray, scratch: np.ndarray, bits: np.ndarray) -> None:
    """SwiGLU of one row: `both` holds gate and up side by side (Shazeer 2020)."""
    n = out.shape[0]
    for i in range(n):
        scratch[i] = -both[i]
    exponent(scratch, bits, n)
    for i in range(n):
        out[i] = both[i] / (np.float32(1.0) + scratch[i]) * both[n + i]


@compiled(EXACT)
def forward(
    weights: Weights,
    space: Space,
    keys: np.ndarray,
    values: np.ndarray,
    table: np.ndarray,
    rows: np.ndarray,
    positions: np.ndarray,
    tokens: np.ndarray,
    targets: np.ndarray,
    logits: np.ndarray,
    eps: float,
) -> None:
    """One pass of up to `chunk` token rows through all layers.

    Token row i is token `tokens[i]` at `positions[i]` of the sequence whose pool slots are
    `table[rows[i]]`. In each layer all rows write their keys and values before any row reads, so a
    token may see another of the same call. Where `targets[i]` >= 0 its logits go to
    `logits[targets[i]]`. `keys` and `values` are (layers, pool, kv_heads, size).
    """
    count, heads = tokens.shape[0], space.mixed.shape[1]
    padded = (count + BLOCK - 1) // BLOCK * BLOCK  # rows beyond count hold leftovers, unread
    layers, kv_heads = keys.shape[0], keys.shape[2]
    hidden, normed, added = space.hidden, space.normed, space.added
    for i in range(count):
        copy(weights.embedding[tokens[i]], hidden[i])
    for layer in range(layers):
        for i in range(count):
            normalise(hidden[i], weights.attention_norm[layer], normed[i], eps)
        product(normed, weights.qkv[layer], space.flat_qkv, padded)
        for i in range(count):
            cos, sin = weights.cos[positions[i]], weights.sin[positions[i]]
            slot = table[rows[i], positions[i]]
            for h in range(heads):
                turn(space.qkv[i, h], weights.q_norm[layer], cos, sin, eps)
            for g in range(kv_heads):
                turn(space.qkv[i, heads + g], weights.k_norm[layer], cos, sin, eps)
                copy(space.qkv[i, heads + g], keys[layer, slot, g])
                copy(space.qkv[i, heads + kv_heads + g], values[layer, slot, g])
        for i in range(count):
            attend(
                space.qkv[i],
                keys[layer],
                values[layer],
                table[rows[i]],
                positions[i] + 1,
                space.scores,
                space.bits,
                space.mixed[i],
            )
        product(space.flat_mixed, weights.out[layer], added, padded)
        add(added, hidden, count)
        for i in range(count):
            normalise(hidden[i], weights.mlp_norm[layer], normed[i], eps)
        product(normed, weights.gate_up[layer], space.both, padded)
        for i in range(count):
            gate(space.both[i], space.inner[i], space.gated, space.bits)
        product(space.inner, weights.down[layer], added, padded)
        add(added, hidden, count)
    done = 0
    for i in range(count):
        if targets[i] >= 0:
            normalise(hidden[i], weights.last_norm, normed[done], eps)
            done += 1
    done = 0
    for i in range(count):
        if targets[i] >= 0:
            if done % BLOCK == 0:
                product(normed[done : done + BLOCK], weights.head, space.logits, BLOCK)
            copy(space.logits[done % BLOCK], logits[targets[i]])
            done += 1
