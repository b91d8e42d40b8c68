"""Runs by rank: what is trained, and where a run ended."""

from __future__ import annotations

import pytest
import torch

from evaluators import load_task
from labs.memory_figures import ranks_figure, stacked
from labs.ranks import FULL, by_rank, held_out, reached
from reasoning.data.solver import solver_traces
from reasoning.models import embedded_folder
from reasoning.train.estimate import Setting, memory, typical


def test_a_run_for_all_weights_and_one_for_each_rank(tmp_path):
    torch.set_num_threads(1)
    task = load_task("expressions", "train", 16, ops=1)
    rows = list(solver_traces(task, "shortest"))
    turn = by_rank("tiny-student", rows, (1, 2), tmp_path, 2, batch=8)
    places = turn.start().wait()
    assert list(places) == [FULL, "rank 1", "rank 2"]
    ends = reached(places, rows[:4], load_task("expressions", "test", 2, ops=1))
    trained = [end.trained for end in ends.values()]
    assert trained[0] == 226_240 and trained[2] == 2 * trained[1]
    assert all(end.loss > 0 for end in ends.values())
    assert len(ranks_figure({"a": ends, "b": ends}).axes) == 2


def test_the_held_out_loss_is_a_mean_over_the_models_own_tokens():
    task = load_task("expressions", "test", 3, ops=2)
    rows, place = list(solver_traces(task, "shortest")), str(embedded_folder("tiny"))
    once, twice = held_out(place, rows[:1]), held_out(place, rows[:1] * 2)
    assert twice == pytest.approx(once)
    each = [held_out(place, [row]) for row in rows]
    assert min(each) <= held_out(place, rows) <= max(each) < 0.5  # tiny writes such chains


def test_the_bars_of_memory_have_a_part_for_every_field():
    shape = typical(1e9)
    figure = stacked({"full": memory(shape, Setting())}, limit=80e9)
    assert len(figure.axes[0].containers) == 6
