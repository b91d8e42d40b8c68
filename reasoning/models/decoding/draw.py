"""Drawing one token a row: a counter-based uniform number, the controls, the inverse of the CDF.

The uniform number is Philox4x64-10 (Salmon et al. 2011) of the row's key and counter, so it depends
on nothing else; numpy's `Philox(key=key, counter=counter)` gives the same one.
"""

from __future__ import annotations

import math

import numpy as np

from evaluators.errors import LabError
from reasoning.models.decoding.kernels import EXACT, compiled, exponent
from reasoning.models.decoding.stepper import Controls


@compiled(EXACT)
def high(a: np.uint64, b: np.uint64) -> np.uint64:
    """Upper 64 bits of the product of two 64-bit words."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a0, a1, b0, b1 = a & low, a >> half, b & low, b >> half
    middle = a1 * b0 + ((a0 * b0) >> half)
    other = a0 * b1 + (middle & low)
    return a1 * b1 + (middle >> half) + (other >> half)


@compiled(EXACT)
def uniform(key0: np.uint64, key1: np.uint64, counter: np.uint64) -> float:
    """The first number in [0, 1) of numpy's Philox at this key and counter (53 bits)."""
    m0, m1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
    w0, w1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
    zero = np.uint64(0)
    # numpy increments the 256-bit counter before its first block
    x0 = counter + np.uint64(1)
    x1 = np.uint64(1) if x0 == zero else zero
    x2, x3 = zero, zero
    for _ in range(10):
        h0, l0, h1, l1 = high(m0, x0), m0 * x0, high(m1, x2), m1 * x2
        x0, x1, x2, x3 = h1 ^ x1 ^ key0, l1, h0 ^ x3 ^ key1, l0
        key0, key1 = key0 + w0, key1 + w1
    return (x0 >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@compiled(EXACT)
def _uniforms(key: np.ndarray, counter: np.ndarray, out: np.ndarray) -> None:
    for i in range(counter.shape[0]):
        out[i] = uniform(key[i, 0], key[i, 1], counter[i])


def uniforms(key: np.ndarray, counter: np.ndarray) -> np.ndarray:
    """One float64 in [0, 1) for each (key (rows, 2), counter (rows,)), both uint64."""
    out = np.empty(len(counter))
    _uniforms(np.ascontiguousarray(key, np.uint64), np.ascontiguousarray(counter, np.uint64), out)
    return out


@compiled(EXACT)
def sift(weights: np.ndarray, heap: np.ndarray, at: int, size: int) -> None:
    """Restore the heap order (heaviest first, of equals the lowest id) below `at`."""
    while True:
        top = at
        for child in (2 * at + 1, 2 * at + 2):
            if child < size:
                a, b = heap[child], heap[top]
                if weights[a] > weights[b] or (weights[a] == weights[b] and a < b):
                    top = child
        if top == at:
            return
        heap[at], heap[top] = heap[top], heap[at]
        at = top


@compiled(EXACT)
def truncate(weights: np.ndarray, top_k: int, top_p: float, min_p: float) -> None:
    """Zero the weights that top-k, then top-p, then min-p drop; the first of equals is kept.

    top-p keeps the smallest set of the most likely that reaches `top_p` of what top-k left.
    """
    n = weights.shape[0]
    heap = np.empty(n, np.int64)
    total = 0.0
    for i in range(n):
        heap[i] = i
        total += weights[i]
    for i in range(n // 2 - 1, -1, -1):
        sift(weights, heap, i, n)
    # taken ids gather behind the shrinking heap: the r-th heaviest lies at n - 1 - r
    limit = top_k if 0 < top_k < n else n
    least = min_p * weights[heap[0]]
    share = top_p if top_p < 1.0 else np.inf
    kept, reached = 0, 0.0
    while kept < limit:
        heavy = heap[0]
        if limit == n and kept > 0 and (reached >= share * total or weights[heavy] < least):
            break
        kept += 1
        heap[0], heap[n - kept] = heap[n - kept], heavy
        reached += weights[heavy]
        sift(weights, heap, 0, n - kept)
    whole, reached, best = reached if limit < n else total, 0.0, kept
    kept = 0
    while kept < best:
        heavy = heap[n - 1 - kept]
        if kept > 0 and (reached >= share * whole or weights[heavy] < least):
            break
        reached += weights[heavy]
        kept += 1
    for i in range(n - kept):
        weights[heap[i]] = 0.0


@compiled(EXACT)
def _draw(
    logits: np.ndarray,
    at: np.ndarray,
    temperature: np.ndarray,
    top_k: np.ndarray,
    top_p: np.ndarray,
    min_p: np.ndarray,
    key: np.ndarray,
    counter: np.ndarray,
    allowed: np.ndarray,
    ids: np.ndarray,
    logprobs: np.ndarray,
) -> tuple[int, bool]:
    """Draw for rows `at` of all arrays; `allowed` has no rows where every token is. Returns the
    first row that cannot be drawn, or -1, and whether its logits are finite."""
    n = logits.shape[1]
    weights = np.empty(n, np.float32)
    bits = np.empty(n, np.int32)
    for i in range(at.shape[0]):
        r = at[i]
        row = logits[r]
        best = 0
        for j in range(1, n):
            if row[j] > row[best]:
                best = j
        top = row[best]
        for j in range(n):
            weights[j] = row[j] - top
        exponent(weights, bits, n)
        whole = 0.0
        for j in range(n):
            whole += weights[j]
        if not (whole >= 1.0 and math.isfinite(whole)):
            return r, False
        token, peak = best, top
        limited = False
        if allowed.shape[0] > 0:
            for j in range(n):
                if not allowed[r, j]:
                    limited = True
                    break
        if limited:
            token = -1
            for j in range(n):
                if allowed[r, j] and (token < 0 or row[j] > row[token]):
                    token = j
            if token < 0 or row[token] == -np.inf:
                return r, True
            peak = row[token]
        heat = temperature[r]
        if heat > 0.0:
            if heat != 1.0 or limited:
                for j in range(n):
                    weights[j] = (row[j] - peak) / heat
                    if limited and not allowed[r, j]:
                        weights[j] = -np.inf
                exponent(weights, bits, n)
            if top_k[r] > 0 or top_p[r] < 1.0 or min_p[r] > 0.0:
                truncate(weights, top_k[r], top_p[r], min_p[r])
            mass = whole
            if heat != 1.0 or limited or top_k[r] > 0 or top_p[r] < 1.0 or min_p[r] > 0.0:
                mass = 0.0
                for j in range(n):
                    mass += weights[j]
            point = uniform(key[r, 0], key[r, 1], counter[r]) * mass
            passed = 0.0
            for j in range(n):
                passed += weights[j]
                if passed > point:
                    token = j
                    break
        ids[i] = token
        logprobs[i] = float(row[token] - top) - math.log(whole)
    return -1, True


EVERY = np.ones((0, 0), np.bool_)
"""The mask of no rows: every token is allowed."""


def impossible(row: int, finite: bool) -> LabError:
    """Why nothing can be drawn for a row."""
    if finite:
        return LabError(f"the model gives no token that row {row} may draw any probability")
    return LabError(
        f"the model's logits of row {row} are not finite; load it in a wider dtype "
        "(dtype='float32') or check its weights"
    )


def draw_rows(
    logits: np.ndarray, rows: np.ndarray, controls: Controls
) -> tuple[np.ndarray, np.ndarray]:
    """The next token of `rows` (int64 numbers into `logits` float32 (all rows, vocabulary) and into
    the controls): ids (int64) and log-probabilities (float64) before temperature and truncation.

    Temperature 0 takes the most likely token, the lowest id on ties; with a mask in the controls,
    of those allowed. A row whose logits are not finite numbers (minus infinity is allowed) raises
    LabError, and so does one that may draw nothing.
    """
    ids, logprobs = np.empty(len(rows), np.int64), np.empty(len(rows))
    c = controls
    allowed = EVERY if c.allowed is None else c.allowed
    bad, finite = _draw(
        logits, rows, c.temperature, c.top_k, c.top_p, c.min_p, c.key, c.counter, allowed, ids,
        logprobs,
    )  # fmt: skip
    if bad >= 0:
        raise impossible(bad, finite)
    return ids, logprobs


def draw(logits: np.ndarray, controls: Controls) -> tuple[np.ndarray, np.ndarray]:
    """`draw_rows` of every row, the controls being in the order of the rows."""
    logits = np.ascontiguousarray(logits, np.float32)
    return draw_rows(logits, np.arange(len(logits)), controls)


@compiled(EXACT)
def _logprobs(logits: np.ndarray, ids: np.ndarray, out: np.ndarray) -> None:
    n = logits.shape[1]
    weights = np.empty(n, np.float32)
    bits = np.empty(n, np.int32)
    for i in range(ids.shape[0]):
        row = logits[i]
        top = row[0]
        for j in range(1, n):
            if row[j] > top:
                top = row[j]
        for j in range(n):
            weights[j] = row[j] - top
        exponent(weights, bits, n)
        whole = 0.0
        for j in range(n):
            whole += weights[j]
        out[i] = float(row[ids[i]] - top) - math.log(whole)


def logprobs_of(logits: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Log-probability (float64) of `ids[i]` under row i of `logits` (float32), by the same
    arithmetic as `draw_rows`, so a token scores exactly what it was drawn with."""
    out = np.empty(len(ids))
    _logprobs(logits, ids, out)
    return out
