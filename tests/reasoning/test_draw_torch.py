"""The PyTorch draw agrees with the numpy draw on the same logits, controls and uniforms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evaluators.errors import LabError
from reasoning.models.decoding import draw, draw_torch
from reasoning.models.decoding.stepper import Controls

ROWS, VOCABULARY = 64, 300


def controls(**values: float) -> Controls:
    rng = np.random.default_rng(5)
    made = Controls.empty(ROWS)
    for name, value in values.items():
        getattr(made, name)[:] = value
    made.key[:] = rng.integers(0, 2**64, (ROWS, 2), dtype=np.uint64)
    made.counter[:] = rng.integers(0, 500, ROWS, dtype=np.uint64)
    return made


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": 0.0},
        {},
        {"temperature": 0.6},
        {"top_k": 5},
        {"top_k": 1000},
        {"top_p": 0.7},
        {"min_p": 0.2},
        {"temperature": 1.5, "top_k": 40, "top_p": 0.9, "min_p": 0.02},
        {"top_p": 1e-9},
    ],
    ids=str,
)
def test_the_torch_draw_equals_the_numpy_draw(values: dict[str, float]) -> None:
    logits = np.random.default_rng(1).normal(0, 3, (ROWS, VOCABULARY)).astype(np.float32)
    chosen = controls(**values)
    ids, logprobs = draw_torch.draw(torch.from_numpy(logits), chosen)
    expected_ids, expected = draw.draw(logits, chosen)
    assert ids.tolist() == expected_ids.tolist()
    np.testing.assert_allclose(logprobs, expected, atol=1e-5)


def test_rows_of_different_controls_share_a_batch() -> None:
    logits = np.random.default_rng(2).normal(0, 3, (ROWS, VOCABULARY)).astype(np.float32)
    mixed = controls()
    mixed.temperature[::2], mixed.top_k[::3], mixed.top_p[1::4], mixed.min_p[::5] = 0, 3, 0.5, 0.1
    assert (
        draw_torch.draw(torch.from_numpy(logits), mixed)[0].tolist()
        == draw.draw(logits, mixed)[0].tolist()
    )


def test_equal_logits_give_the_first_token_and_top_k_keeps_the_first_of_equals() -> None:
    flat = torch.zeros(ROWS, 10)
    assert set(draw_torch.draw(flat, controls(temperature=0.0))[0].tolist()) == {0}
    assert set(draw_torch.draw(flat, controls(top_k=2))[0].tolist()) == {0, 1}


def test_logits_that_are_not_finite_name_the_row() -> None:
    broken = torch.zeros(ROWS, 10)
    broken[3, 2] = float("nan")
    with pytest.raises(LabError, match="row 3"):
        draw_torch.draw(broken, controls())
