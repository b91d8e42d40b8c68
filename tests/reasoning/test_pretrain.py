"""The optimiser against its definition, and exact resumption."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluators import BadInput
from reasoning.models.tiny import shape
from reasoning.train.muon import Muon, orthogonalise
from reasoning.train.pretrain import PretrainSettings, batches, loss_of, pretrain, rate

SMALL = PretrainSettings(steps=6, tokens_per_step=60, save_every=3, pool=4, warmup=2)


def make(rng: np.random.Generator) -> tuple[list[int], list[bool]]:
    """Counting up from a random start; the start is not learned."""
    start, length = int(rng.integers(2, 20)), int(rng.integers(3, 8))
    return [start + i for i in range(length)], [False] + [True] * (length - 1)


def small_model() -> torch.nn.Module:
    torch.manual_seed(0)
    return shape.build("student", 40, 1, 0)


def test_orthogonalise_brings_singular_values_near_one_and_keeps_the_singular_vectors() -> None:
    torch.manual_seed(1)
    g = torch.randn(3, 48, 20)
    u, _, v = torch.linalg.svd(g, full_matrices=False)
    got = orthogonalise(g)
    assert torch.linalg.svdvals(got).min() > 0.6 and torch.linalg.svdvals(got).max() < 1.25
    inside = u.mT @ got @ v.mT
    assert (inside - torch.diag_embed(torch.diagonal(inside, dim1=1, dim2=2))).abs().max() < 1e-3


def test_muon_agrees_with_torch_up_to_its_bfloat16() -> None:
    torch.manual_seed(2)
    start, grad = torch.randn(32, 16), torch.randn(32, 16)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    kind = {"lr": 0.1, "momentum": 0.95, "weight_decay": 0.01}
    a = Muon([ours], **kind)
    b = torch.optim.Muon([theirs], adjust_lr_fn="match_rms_adamw", **kind)
    for optim, p in ((a, ours), (b, theirs)):
        for _ in range(3):
            p.grad = grad.clone()
            optim.step()
    assert (ours - theirs).norm() < 0.03 * (ours - start).norm()


def test_muon_refuses_vectors() -> None:
    with pytest.raises(ValueError, match="matrices only"):
        Muon([torch.nn.Parameter(torch.zeros(3))])


def test_the_rate_warms_up_stays_and_falls_to_zero() -> None:
    settings = PretrainSettings(steps=100, warmup=10, decay=0.5, lr=1.0)
    assert [rate(s, settings) for s in (0, 9, 30, 50, 75)] == pytest.approx([0.1, 1, 1, 1, 0.5])
    assert 0 < rate(99, settings) <= 0.02


def test_loss_is_the_mean_over_learned_tokens_only() -> None:
    model = small_model()
    ids = torch.tensor([[5, 6, 7, 0], [8, 9, 10, 11]])
    labels = torch.tensor([[-100, -100, 7, -100], [-100, 9, -100, 11]])
    logits = model(input_ids=ids).logits.log_softmax(-1)
    want = -(logits[0, 1, 7] + logits[1, 0, 9] + logits[1, 2, 11]) / 3
    assert loss_of(model, ids, labels).item() == pytest.approx(want.item(), rel=1e-5)


def test_batches_hold_every_example_and_can_begin_anywhere() -> None:
    first = [next_ids.sum().item() for next_ids, _ in _take(batches(make, SMALL, 0), 9)]
    later = [next_ids.sum().item() for next_ids, _ in _take(batches(make, SMALL, 5), 4)]
    assert first[5:] == later


def _take(source, n):
    return [next(source) for _ in range(n)]


def test_a_resumed_run_ends_bit_for_bit_where_the_unbroken_one_does(tmp_path: Path) -> None:
    whole, broken, resumed = small_model(), small_model(), small_model()
    curve = pretrain(whole, make, SMALL, tmp_path / "a", identity={})
    pretrain(broken, make, SMALL, tmp_path / "b", identity={}, stop=3)
    pretrain(resumed, make, SMALL, tmp_path / "b", identity={})
    assert curve[-1]["step"] == 6
    for p, q in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(p, q)
    pairs = zip(whole.parameters(), broken.parameters(), strict=True)
    assert any(not torch.equal(p, r) for p, r in pairs), "the last three steps changed something"


def test_a_run_under_other_settings_is_refused(tmp_path: Path) -> None:
    pretrain(small_model(), make, SMALL, tmp_path, identity={}, stop=3)
    with pytest.raises(BadInput, match="other settings"):
        pretrain(small_model(), make, replace(SMALL, lr=1e-4), tmp_path, identity={})


def test_training_learns_to_count(tmp_path: Path) -> None:
    model = small_model()
    settings = PretrainSettings(steps=60, tokens_per_step=200, warmup=5, save_every=100)
    before = loss_of(model, *next(batches(make, settings, 0))).item()
    pretrain(model, make, settings, tmp_path, identity={})
    after = loss_of(model, *next(batches(make, replace(settings, seed=9), 0))).item()
    assert after < before / 5
