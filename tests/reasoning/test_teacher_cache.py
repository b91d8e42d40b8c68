"""The teacher's cache: what it keeps, the bounds it gives, and that it never answers for others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluators import load_task
from evaluators.errors import BadInput
from reasoning.data.solver import solver_traces
from reasoning.data.tokens import Tokens, tokenised
from reasoning.models import embedded_folder
from reasoning.train import teacher_cache as module
from reasoning.train.divergence import divergence, grouped, softened
from reasoning.train.fidelity import _linear, fidelity, lost, pooled
from reasoning.train.run import opened
from reasoning.train.teacher_cache import known, read_logits, teacher_cache

KINDS = ["forward", "reverse", "jsd"]


def logits(seed: int, rows: int = 200, width: int = 50, sharp: float = 4.0) -> torch.Tensor:
    return sharp * torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def taught() -> tuple[list[Tokens], torch.Tensor, torch.Tensor]:
    """Traces, and the logits of the embedded teacher and student at their learned positions."""
    import transformers

    torch.set_num_threads(1)
    rows = solver_traces(load_task("expressions", "train", 24, ops=3))
    found = []
    for name in ("tiny", "tiny-student"):
        model, _, encoder = opened(embedded_folder(name), transformers.AutoModelForCausalLM, 0)
        tokens = [tokenised(row, encoder) for row in rows]
        found.append(read_logits(model.eval(), tokens))
    return tokens, found[0].clone(), found[1].clone()


def held(kind: str, teacher: torch.Tensor, student: torch.Tensor, k: int, beta: float) -> float:
    """Asserts that the divergence by the whole vocabulary lies within the bounds at every position;
    returns the mean width of the bounds."""
    p, q = softened(teacher.double(), 1.0).double(), softened(student.double(), 1.0).double()
    kept = known(teacher, k)
    near = divergence(kind, kept.events.double(), grouped(q, kept.ids), beta)
    low, high = lost(kind, kept, q, beta)
    gap = divergence(kind, p, q, beta) - near
    slack = 2e-5 * (1 + near.abs())  # the cache is float32
    assert (gap >= low - slack).all() and (gap <= high + slack).all()
    assert (low >= 0).all() and (gap >= -slack).all()
    told = fidelity(kind, kept, q, beta)
    assert told.low - 1e-4 <= float(divergence(kind, p, q, beta).mean()) <= told.high + 1e-4
    return float((high - low).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_bounds_pooled_over_parts_are_those_of_the_whole(taught, kind):
    _, teacher, student = taught
    teacher, q = teacher[:60], softened(student[:60], 1.0)
    parts = [
        fidelity(kind, known(teacher[part], 4), q[part])
        for part in (slice(0, 7), slice(7, 60))
    ]  # fmt: skip
    told, want = pooled(parts).told(), fidelity(kind, known(teacher, 4), q).told()
    assert told.pop("kind") == want.pop("kind") and told == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 4, 20, 49, 50])
@pytest.mark.parametrize("sharp", [0.3, 4.0])
def test_the_whole_divergence_lies_within_the_bounds_on_random_tensors(kind, k, sharp):
    wide = held(kind, logits(0, sharp=sharp), logits(1, sharp=sharp), k, 0.3)
    assert wide < 1e-6 if k == 50 else wide > 0 or k == 49


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [4, 32])
def test_it_lies_within_the_bounds_on_the_embedded_teacher_and_student(kind, k, taught):
    _, teacher, student = taught
    wide = held(kind, teacher, student, k, 0.5)
    if k == 32 and kind != "reverse":  # the student's own tail is wide, the teacher's unknown
        assert wide < 0.02
        assert fidelity(kind, known(teacher, k), softened(student, 1.0)).grouped > 0.2


def test_one_other_token_leaves_nothing_open():
    # with k = V-1 the tail is a single token: what is grouped is known exactly
    kept = known(logits(2), 49)
    low, high = lost("forward", kept, softened(logits(3), 1.0))
    assert high.abs().max() < 1e-5 and low.abs().max() < 1e-5


def test_the_extremes_of_the_tail_are_those_that_brute_force_finds():
    values = torch.tensor([[1.0, 4.0, 2.0, float("nan")]], dtype=torch.float64)
    low, high = _linear(values, torch.tensor([0.5], dtype=torch.float64))
    grid = np.linspace(0, 0.5, 51)
    sums = [a * 1.0 + b * 4.0 + (1 - a - b) * 2.0
            for a in grid for b in grid if -1e-9 <= 1 - a - b <= 0.5 + 1e-9]  # fmt: skip
    assert (low.item(), high.item()) == pytest.approx((min(sums), max(sums)))


def test_it_keeps_the_likeliest_tokens_and_what_the_others_come_to():
    one = torch.tensor([[0.5, 0.2, 0.15, 0.1, 0.05]]).log()
    kept = known(one, 2)
    assert kept.ids.tolist() == [[0, 1]]
    mass, entropy, most, least = kept.tail[0].tolist()
    inside = np.array([0.15, 0.1, 0.05]) / 0.3
    assert np.exp(mass) == pytest.approx(0.3)
    assert entropy == pytest.approx(-(inside * np.log(inside)).sum())
    assert (np.exp(most), np.exp(least)) == pytest.approx((0.15, 0.05))
    warm = known(one, 2, temperature=2.0)
    root = np.sqrt([0.5, 0.2, 0.15, 0.1, 0.05])
    assert warm.logprobs.exp().tolist()[0] == pytest.approx((root / root.sum())[:2].tolist())


def test_a_cache_says_what_the_teacher_says_in_the_rows_order(taught, tmp_path):
    tokens, teacher, _ = taught
    cache = teacher_cache(tokens, embedded_folder("tiny"), tmp_path, top_k=5, batch=100)
    direct, said = known(teacher, 5), cache.of(range(len(tokens)))
    assert torch.equal(said.ids, direct.ids)
    assert torch.allclose(said.events, direct.events, atol=1e-4)
    assert torch.allclose(said.tail[:, 1], direct.tail[:, 1], atol=1e-3)
    some = cache.of([7, 2])
    ends = np.cumsum([0, *(sum(t.learn) for t in tokens)])
    want = torch.cat([direct.ids[ends[7] : ends[8]], direct.ids[ends[2] : ends[3]]])
    assert torch.equal(some.ids, want)
    assert cache.card["tokens_read"] == sum(len(t.ids) for t in tokens)
    assert cache.card["positions"] == ends[-1]
    assert 0 < cache.card["outside_mean"] <= cache.card["outside_max"] < 1


def test_a_second_call_asks_nobody_and_other_traces_get_another_cache(
    taught, tmp_path, monkeypatch
):
    tokens, _, _ = taught
    place = embedded_folder("tiny")
    first = teacher_cache(tokens, place, tmp_path, top_k=3)
    asked: list[int] = []
    real = module.read_logits
    monkeypatch.setattr(
        module, "read_logits", lambda *args: asked.append(len(args[1])) or real(*args)
    )
    assert teacher_cache(tokens, place, tmp_path, top_k=3).folder == first.folder
    assert not asked
    others = [
        teacher_cache(tokens[:-1], place, tmp_path, top_k=3),
        teacher_cache(tokens, place, tmp_path, top_k=4),
        teacher_cache(tokens, place, tmp_path, top_k=3, temperature=2.0),
        teacher_cache(tokens, embedded_folder("tiny-weak"), tmp_path, top_k=3),
        teacher_cache([Tokens(t.ids, (*t.learn[:-1], False), 0) for t in tokens], place, tmp_path,
                      top_k=3),
    ]  # fmt: skip
    assert len({first.folder, *(cache.folder for cache in others)}) == 6


def test_an_interrupted_cache_goes_on_and_says_the_same(taught, tmp_path):
    tokens, _, _ = taught
    place = embedded_folder("tiny")
    whole = teacher_cache(tokens, place, tmp_path / "a", top_k=4, batch=100)

    def stop(done: int, of: int) -> None:
        if done > of // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teacher_cache(tokens, place, tmp_path / "b", top_k=4, batch=100, progress=stop)
    told: list[int] = []
    again = teacher_cache(tokens, place, tmp_path / "b", top_k=4, batch=100,
                          progress=lambda done, of: told.append(done))  # fmt: skip
    assert told[0] > len(tokens) // 2
    rows = range(len(tokens))
    assert torch.equal(again.of(rows).events, whole.of(rows).events)
    assert again.card == whole.card
    assert json.loads((Path(again.folder) / "cache.json").read_text()) == again.card


def test_what_cannot_be_cached_is_refused(taught, tmp_path):
    tokens, _, _ = taught
    place = embedded_folder("tiny")
    with pytest.raises(BadInput, match="top_k"):
        teacher_cache(tokens, place, tmp_path, top_k=0)
    with pytest.raises(BadInput, match="temperature"):
        teacher_cache(tokens, place, tmp_path, temperature=0.0)
    with pytest.raises(BadInput, match="nothing to ask"):
        teacher_cache([Tokens((3, 4), (False, False), 2)], place, tmp_path)
    with pytest.raises(BadInput, match="vocabulary ends at 385"):
        teacher_cache([Tokens((3, 400), (False, True), 1)], place, tmp_path)
