"""The drawing of one token: the uniform numbers, the controls, the distribution."""

from __future__ import annotations

import numpy as np
import pytest

from evaluators.errors import LabError
from reasoning.core import Sampling
from reasoning.models.decoding.draw import draw, logprobs_of, uniforms
from reasoning.models.decoding.stepper import Controls


def controls(rows: int, **values: float) -> Controls:
    made = Controls.empty(rows)
    for name, value in values.items():
        getattr(made, name)[:] = value
    made.key[:] = np.random.default_rng(7).integers(0, 2**64, (rows, 2), np.uint64)
    return made


@pytest.mark.parametrize("counter", [0, 1, 255, 2**32, 2**63 + 5])
def test_uniforms_are_numpys_philox(counter: int) -> None:
    keys = np.array([[0, 0], [5, 7], [2**64 - 1, 2**63 + 11]], np.uint64)
    start = np.array([counter, 0, 0, 0], np.uint64)
    want = [np.random.Generator(np.random.Philox(key=k, counter=start)).random() for k in keys]
    assert uniforms(keys, np.full(3, counter, np.uint64)).tolist() == want


def kept(row: np.ndarray, temperature: float, top_k: int, top_p: float, min_p: float) -> np.ndarray:
    """The distribution after the controls, in plain float64 numpy, one rule after the other."""
    p = np.exp((row.astype(np.float64) - row.max()) / temperature)
    p /= p.sum()
    order = np.argsort(-p, kind="stable")
    if top_k:
        p[order[top_k:]] = 0.0
        p /= p.sum()
    if top_p < 1.0:
        before = np.cumsum(p[order]) - p[order]
        p[order[before >= top_p]] = 0.0
    if min_p:
        p[p < min_p * p.max()] = 0.0
    return p / p.sum()


SETTINGS = [
    (1.0, 0, 1.0, 0.0),
    (0.7, 0, 1.0, 0.0),
    (1.5, 5, 1.0, 0.0),
    (1.0, 0, 0.8, 0.0),
    (1.0, 0, 1.0, 0.1),
    (2.0, 12, 0.9, 0.05),
    (1.0, 1, 0.01, 1.0),
    (1.0, 100, 1.0, 0.0),
]


@pytest.mark.parametrize(("temperature", "top_k", "top_p", "min_p"), SETTINGS)
def test_a_draw_inverts_the_cdf_of_the_plain_definition(
    temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    logits = (np.random.default_rng(1).normal(size=(400, 50)) * 2).astype(np.float32)
    how = controls(400, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    ids, logprobs = draw(logits, how)
    points = uniforms(how.key, how.counter)
    for row, point, got, logprob in zip(logits, points, ids, logprobs, strict=True):
        p = kept(row, temperature, top_k, top_p, min_p)
        edges = np.cumsum(p)
        assert p[got] > 0
        assert edges[got] - p[got] - 1e-5 <= point <= edges[got] + 1e-5
        plain = row.astype(np.float64) - row.max()
        assert logprob == pytest.approx(plain[got] - np.log(np.exp(plain).sum()), abs=2e-6)


def test_frequencies_follow_the_softmax() -> None:
    row = np.array([1.0, 0.0, -1.0, 2.0, -3.0, 0.5], np.float32)
    n = 40_000
    how = controls(n)
    how.key[:] = (3, 4)
    how.counter[:] = np.arange(n)
    ids, _ = draw(np.tile(row, (n, 1)), how)
    expected = n * kept(row, 1.0, 0, 1.0, 0.0)
    chi = ((np.bincount(ids, minlength=6) - expected) ** 2 / expected).sum()
    assert chi < 20.5  # 0.1 % point of 5 degrees of freedom


def test_greedy_takes_the_lowest_id_of_equals() -> None:
    logits = np.array([[0.0, 3.0, 3.0, 1.0], [2.0, 2.0, 2.0, 2.0]], np.float32)
    assert draw(logits, controls(2, temperature=0.0))[0].tolist() == [1, 0]


def test_top_k_keeps_the_lowest_ids_of_equals() -> None:
    ids, _ = draw(np.zeros((500, 9), np.float32), controls(500, top_k=3))
    assert set(ids.tolist()) == {0, 1, 2}


def test_a_token_scores_what_it_was_drawn_with() -> None:
    logits = np.random.default_rng(2).normal(size=(100, 386)).astype(np.float32)
    ids, logprobs = draw(logits, controls(100))
    assert np.array_equal(logprobs_of(logits, ids), logprobs)


def test_masked_tokens_are_never_drawn() -> None:
    logits = np.zeros((300, 4), np.float32)
    logits[:, 1:3] = -np.inf
    ids, logprobs = draw(logits, controls(300))
    assert set(ids.tolist()) == {0, 3}
    assert logprobs == pytest.approx(np.log(0.5))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused(bad: float) -> None:
    logits = np.zeros((3, 4), np.float32)
    logits[1, 2] = bad
    with pytest.raises(LabError, match="row 1"):
        draw(logits, controls(3))


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1e-6), Sampling(temperature=1e-310), Sampling(min_p=1.0),
        Sampling(top_p=1e-12), Sampling(top_k=1), Sampling(temperature=1e-6, top_k=10**20),
    ],
)  # fmt: skip
def test_extreme_controls_leave_the_most_likely_token(sampling: Sampling) -> None:
    logits = np.random.default_rng(3).normal(size=(8, 40)).astype(np.float32)
    made = Controls.empty(8)
    for row in range(8):
        made.put(row, sampling, (row, 5))
    assert draw(logits, made)[0].tolist() == logits.argmax(axis=1).tolist()
