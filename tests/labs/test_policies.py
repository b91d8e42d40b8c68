"""Pictures of policy tables: the order of bins that each item prefers."""

from __future__ import annotations

import numpy as np
import pytest

from labs.policies import draw_policies, preference


def test_best_fit_prefers_the_smallest_gap() -> None:
    item, remaining = np.meshgrid(np.arange(6), np.arange(6), indexing="ij")
    liked = preference((item - remaining).astype(float))
    assert liked[2, :4] == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert liked[5, :1] == pytest.approx([0])  # one bin only


def test_of_equal_priorities_the_smaller_gap_comes_first() -> None:
    assert np.array_equal(
        preference(np.zeros((6, 6))),
        preference(-np.arange(6.0) * np.ones((6, 1))),
        equal_nan=True,
    )


def test_a_gap_that_no_bin_can_have_is_empty() -> None:
    liked = preference(np.random.default_rng(0).random((8, 8)))
    assert np.isnan(liked[0]).all()
    for item in range(1, 8):
        assert np.isnan(liked[item, 8 - item :]).all()
        assert np.isfinite(liked[item, : 8 - item]).all()


def test_the_figure_has_a_panel_a_table() -> None:
    figure = draw_policies({"one": np.zeros((5, 5)), "two": np.ones((5, 5))})
    assert [axes.get_title() for axes in figure.axes[:2]] == ["one", "two"]
    assert figure._repr_png_().startswith(b"\x89PNG")
