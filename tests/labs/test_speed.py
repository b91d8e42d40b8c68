"""Lab 10: a wider copy that computes the same, agreement by hand, races that count right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluators import load_task
from labs.recipes.wide import save, widen
from labs.speed import (
    agreement,
    one_by_one,
    overlaps,
    prompts_of,
    race,
    reading_times,
    same_tokens,
    step_by_step,
    together,
)
from labs.speed_figures import gained, guessed, readings, shares
from reasoning import Sampling, load_model


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load_model("tiny")


@pytest.fixture(scope="module")
def task() -> Any:
    return load_task("expressions", split="test", n=4, ops=(3, 5))


def test_a_wider_copy_computes_the_same_function(tiny: Any, tmp_path: Path, task: Any) -> None:
    wide = widen(tiny.torch_model, 3)
    assert wide.config.hidden_size == 384 and wide.config.head_dim == 32
    assert wide.num_parameters() > 8 * tiny.torch_model.num_parameters()
    ids = torch.tensor([tiny.encode(prompt)[:7] for prompt in prompts_of(task, tiny)])
    with torch.no_grad():
        gap = (wide(ids).logits - tiny.torch_model(ids).logits).abs().max()
    assert float(gap) < 1e-3
    copy: Any = load_model(save(wide, tiny.tokenizer, tmp_path), draft="tiny-weak")
    assert copy.dialect == "compact"
    work = together(prompts_of(task, tiny), Sampling(max_tokens=30))
    assert same_tokens(work(copy), work(tiny)) == 1.0


def test_only_the_embedded_architecture_is_widened() -> None:
    with pytest.raises(ValueError, match="Qwen3ForCausalLM"):
        widen(torch.nn.Linear(2, 2), 2)


def test_overlaps_of_two_distributions_by_hand() -> None:
    p = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0], [0.25, 0.5, 0.25]])
    q = np.array([[0.2, 0.3, 0.5], [0.0, 0.5, 0.5], [0.25, 0.5, 0.25]])
    best, shared = overlaps(p, q)
    # row 0: intervals 0-.5 .5-.8 .8-1 against 0-.2 .2-.5 .5-1: they share 0-.2 and .8-1
    assert best.tolist() == pytest.approx([0.7, 0.0, 1.0])
    assert shared.tolist() == pytest.approx([0.4, 0.0, 1.0])


def test_the_measured_acceptance_is_the_predicted_one(tiny: Any) -> None:
    task = load_task("expressions", split="test", n=60, ops=(4, 8))
    prompts, sampling = prompts_of(task, tiny), Sampling(max_tokens=96)
    drawn = together(prompts, sampling)(tiny)
    found = agreement(tiny, load_model("tiny-weak"), prompts, drawn)
    assert found.positions == sum(c.usage.completion for c in drawn)
    assert found.shared <= found.bound <= 1
    # one proposal a reading: no refusal hides what comes after it
    one: Any = load_model("tiny", draft="tiny-weak", draft_tokens=1)
    together(prompts, sampling)(one)
    assert one.speculation.rate == pytest.approx(found.shared, abs=0.03)


def test_a_race_counts_the_tokens_of_all_arms(tiny: Any, task: Any) -> None:
    prompts, sampling = prompts_of(task, tiny), Sampling(max_tokens=30)
    arms = {"a": tiny, "b": load_model("tiny", prefix_cache=False)}
    for work in (together(prompts, sampling), one_by_one(prompts, sampling)):
        first, second = race(arms, work, rounds=2)
        assert first.tokens == second.tokens == sum(c.usage.completion for c in first.completions)
        assert (first.wall.value, first.wall.low, first.processor.high) == (1.0, 1.0, 1.0)
        assert second.wall.low <= second.wall.value <= second.wall.high
        assert same_tokens(first.completions, second.completions) == 1.0
    both = [work(tiny) for work in (together(prompts, sampling), one_by_one(prompts, sampling))]
    assert same_tokens(*both) == 1.0


def test_steps_continue_where_the_last_ended(tiny: Any, task: Any) -> None:
    prompts = prompts_of(task, tiny)
    steps = step_by_step(prompts, Sampling(temperature=0.0, max_tokens=60, boundary="\n"))(tiny)
    whole = together(prompts, Sampling(temperature=0.0, max_tokens=60))(tiny)
    assert "".join(c.text for c in steps) == "".join(c.text for c in whole)


def test_the_figures_draw(tiny: Any, task: Any, tmp_path: Path) -> None:
    times = reading_times(tiny.torch_model, (1, 4), repeats=1)
    assert set(times) == {1, 4} and min(times.values()) > 0
    work = one_by_one(prompts_of(task, tiny)[:1], Sampling(max_tokens=5))
    timings = race({"plain": tiny, "again": tiny}, work, rounds=1)
    for at, figure in enumerate(
        (
            readings({"tiny": times}),
            shares({"p": [0.5, 0.5], "q": [0.1, 0.9]}, ["a", "b"]),
            gained({0.5: {1: 1.5, 2: 1.75}}, {"ngram": {1: 1.4, 2: 1.6}}),
            guessed(timings, {"again": 1.0}),
        )
    ):
        figure.savefig(tmp_path / f"{at}.png")
        assert (tmp_path / f"{at}.png").stat().st_size > 5000
