"""The reliability chart shows the bins it is given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from evaluators.calibration import calibration
from evaluators.errors import BadInput
from labs.reliability import reliability_chart

FOUND = calibration([0.05, 0.15, 0.95, 0.9], [False, True, True, True])


def test_the_chart_shows_the_filled_bins_and_names_what_was_measured():
    chart = reliability_chart({"mine": FOUND, "other": FOUND}, "a title")
    [axes] = chart.axes
    marks = [m for m in axes.collections if isinstance(m, PathCollection)]
    shown = [[tuple(map(float, p)) for p in np.asarray(m.get_offsets())] for m in marks]
    want = [(0.05, 0.0), (0.15, 1.0), (0.9, 1.0), (0.95, 1.0)]
    assert shown == [[pytest.approx(p) for p in want]] * 2
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[0].startswith("mine: AUC 1.00, calibration error 0.2")
    assert "4 items" in labels[1] and axes.get_title() == "a title"
    assert chart._repr_png_().startswith(b"\x89PNG")


def test_scores_that_are_no_probabilities_are_refused():
    log = calibration([-3.0, -1.0], [False, True], probabilities=False)
    with pytest.raises(BadInput, match="no probabilities"):
        reliability_chart({"likelihood": log})
