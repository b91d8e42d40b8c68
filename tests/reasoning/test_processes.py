"""`accelerate launch` with two processes on the CPU: what one process learns, counted once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from toy_traces import metrics, untaught, weights

from evaluators.errors import BadInput
from reasoning.train.recipe import Recipe
from reasoning.train.run import asked_of

HERE = Path(__file__).parent
LAUNCH = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
    "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
    "--main_process_port", "0",
]  # fmt: skip


def train(start: list[str], policy: str, folder: Path) -> Path:
    told = subprocess.run(
        [*start, str(HERE / "train_toy.py"), policy, str(folder), "10"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        cwd=HERE.parents[1], capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-3000:]
    return folder / "model"


@pytest.mark.slow
def test_two_processes_learn_and_spend_what_one_does(tmp_path):
    policy = untaught(tmp_path / "policy")
    one = train([sys.executable], policy, tmp_path / "one")
    two = train(LAUNCH, policy, tmp_path / "two")
    assert metrics(tmp_path / "two") == pytest.approx(metrics(tmp_path / "one"), rel=1e-4)
    a, b = weights(one), weights(two)
    assert all(torch.allclose(a[name].float(), b[name].float(), atol=2e-3) for name in a)
    told = [json.loads((place / "training.json").read_text()) for place in (one, two)]
    assert told[0]["spent"] == told[1]["spent"] and told[1]["finished"]


def test_processes_that_cannot_share_a_batch_are_told_so(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert asked_of(Recipe(batch=8, accumulate=2))["per_device_train_batch_size"] == 2
    with pytest.raises(BadInput, match="multiple of 6"):
        asked_of(Recipe(batch=9, accumulate=3))
