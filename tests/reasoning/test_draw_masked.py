"""Draws among allowed tokens, by both kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from evaluators.errors import LabError
from reasoning.models.decoding import draw, draw_torch
from reasoning.models.decoding.stepper import Controls

ROWS, VOCABULARY = 200, 60
Draw = Callable[[np.ndarray, Controls], tuple[np.ndarray, np.ndarray]]
RNG = np.random.default_rng(3)
LOGITS = RNG.normal(0, 3, (ROWS, VOCABULARY)).astype(np.float32)
MASK = RNG.random((ROWS, VOCABULARY)) < 0.3
MASK[:, 7] |= ~MASK.any(axis=1)

SETTINGS: list[dict[str, float]] = [
    {"temperature": 0.0},
    {},
    {"temperature": 0.6},
    {"top_k": 3},
    {"top_k": 50},
    {"top_p": 0.7},
    {"min_p": 0.2},
    {"temperature": 1.5, "top_k": 12, "top_p": 0.9, "min_p": 0.02},
]


@pytest.fixture(params=["numpy", "torch"])
def kernel(request: pytest.FixtureRequest) -> Draw:
    if request.param == "numpy":
        return draw.draw
    return lambda logits, how: draw_torch.draw(torch.from_numpy(logits), how)


def controls(values: dict[str, float], allowed: np.ndarray | None = None) -> Controls:
    made = Controls.empty(ROWS)
    for name, value in values.items():
        getattr(made, name)[:] = value
    made.key[:] = np.random.default_rng(5).integers(0, 2**64, (ROWS, 2), dtype=np.uint64)
    return replace(made, allowed=allowed)


@pytest.mark.parametrize("values", SETTINGS, ids=str)
def test_a_mask_is_a_model_that_gives_the_others_nothing(kernel: Draw, values: Any) -> None:
    ids, logprobs = kernel(LOGITS, controls(values, MASK))
    without = np.where(MASK, LOGITS, -np.inf).astype(np.float32)
    assert ids.tolist() == kernel(without, controls(values))[0].tolist()
    own = LOGITS.astype(np.float64) - np.log(np.exp(LOGITS.astype(np.float64)).sum(1))[:, None]
    np.testing.assert_allclose(logprobs, own[np.arange(ROWS), ids], atol=1e-5)


@pytest.mark.parametrize("values", SETTINGS, ids=str)
def test_rows_that_may_draw_everything_draw_the_same_bits(kernel: Draw, values: Any) -> None:
    mask = MASK.copy()
    mask[::2] = True
    ids, logprobs = kernel(LOGITS, controls(values, mask))
    plain_ids, plain = kernel(LOGITS, controls(values))
    assert ids[::2].tolist() == plain_ids[::2].tolist()
    assert logprobs[::2].tolist() == plain[::2].tolist()


def test_tokens_that_are_all_but_impossible_are_drawn_by_their_own_shares(kernel: Draw) -> None:
    logits = np.zeros((ROWS, VOCABULARY), np.float32)
    logits[:, 0] = 2000.0  # the others underflow beside it
    logits[:, 5] = np.log(3.0)
    mask = np.zeros((ROWS, VOCABULARY), np.bool_)
    mask[:, [5, 9]] = True
    ids, logprobs = kernel(logits, controls({}, mask))
    assert set(ids.tolist()) == {5, 9} and 120 < (ids == 5).sum() < 180  # 3 of 4 expected
    assert logprobs == pytest.approx(np.where(ids == 5, np.log(3.0) - 2000.0, -2000.0), abs=1e-3)


@pytest.mark.parametrize("kind", ["nothing is allowed", "only what has no probability"])
def test_a_row_that_may_draw_nothing_is_named(kernel: Draw, kind: str) -> None:
    logits, mask = LOGITS.copy(), MASK.copy()
    mask[11] = kind != "nothing is allowed"
    if mask[11].any():
        logits[11, 1:], mask[11, 0] = -np.inf, False
    with pytest.raises(LabError, match="no token that row 11 may draw any probability"):
        kernel(logits, controls({}, mask))


def test_controls_of_some_rows_take_their_masks() -> None:
    rows = np.array([5, 3])
    taken = controls({}, MASK).take(rows)
    assert taken.allowed is not None and taken.allowed.tolist() == MASK[rows].tolist()
    assert controls({}).take(rows).allowed is None
