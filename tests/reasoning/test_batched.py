"""The batched step equals `generate`, whoever shares the batch and whatever is copied."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from architectures import WINDOW, byte_tokenizer, random_model

from reasoning.core import Sampling
from reasoning.models.decoding.batched import BatchedStepper
from reasoning.models.decoding.loop import DecodeLoop
from reasoning.models.decoding.rehearsal import unbatched
from reasoning.models.decoding.stepper import Controls, Request
from reasoning.models.decoding.stops import TokenBytes

KINDS = ["gpt2", "llama", "qwen3", "gemma3", "mistral"]
NEW = 3 * WINDOW


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def line(length: int, start: int) -> list[int]:
    return [2 + (start + 31 * i * i + 17 * i) % 95 for i in range(length)]


def greedy(rows: int) -> Controls:
    made = Controls.empty(rows)
    made.temperature[:] = 0.0
    return made


class Drive:
    """The loop's moves by hand: rows join at any time, every row draws greedily."""

    def __init__(self, stepper: BatchedStepper) -> None:
        self.stepper = stepper
        self.out: dict[int, list[int]] = {}

    def join(self, prompts: dict[int, Sequence[int]]) -> list[int]:
        cached = self.stepper.join(list(prompts), list(prompts.values()), [NEW] * len(prompts))
        self.out |= {row: [] for row in prompts}
        return cached

    def step(self, live: list[int]) -> None:
        rows = np.array(live)
        ids, _ = self.stepper.draw(rows, greedy(64))
        for row, token in zip(live, ids, strict=True):
            self.out[row].append(int(token))
        self.stepper.advance(rows, ids)


def assert_greedy(model: Any, prompt: Sequence[int], drawn: list[int]) -> None:
    """Each drawn token is the most likely one of `generate`, or within 1e-4 of it."""
    config = {"max_new_tokens": len(drawn), "do_sample": False, "eos_token_id": None}
    ids = torch.tensor([list(prompt)])
    made = model.generate(ids, attention_mask=torch.ones_like(ids), **config)
    if made[0, len(prompt) :].tolist() == drawn:
        return
    logits = model(torch.tensor([[*prompt, *drawn]])).logits[0, len(prompt) - 1 : -1]
    behind = logits.max(dim=1).values - logits[range(len(drawn)), drawn]
    assert float(behind.max()) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_ragged_and_joining_rows_decode_like_generate(kind: str) -> None:
    model = random_model(kind)
    drive = Drive(BatchedStepper(model, eos_ids=frozenset()))
    prompts = {0: line(3, 1), 5: line(11, 2), 2: line(7, 3), 9: line(1, 4), 4: line(13, 5)}
    drive.join({row: prompts[row] for row in (0, 5)})
    for _ in range(4):
        drive.step([0, 5])
    drive.join({row: prompts[row] for row in (2, 9)})
    for _ in range(3):
        drive.step([0, 2, 5, 9])
    drive.stepper.leave([5], [drive.out[5]])
    drive.join({4: prompts[4]})
    for _ in range(NEW - 4):
        drive.step([4, 9, 2, 0])
    for row, prompt in prompts.items():
        assert len(drive.out[row]) >= 7
        assert_greedy(model, prompt, drive.out[row])


@pytest.mark.parametrize("kind", KINDS)
def test_the_loop_over_it_decodes_like_generate(kind: str) -> None:
    model = random_model(kind)
    stepper = BatchedStepper(model, eos_ids=frozenset(), max_rows=3)
    loop = DecodeLoop(stepper, TokenBytes(byte_tokenizer()))
    prompts = [line(1 + 5 * i % 13, i) for i in range(8)]
    futures = [
        loop.submit(Request(ids, Sampling(temperature=0.0), 4 + 3 * i % 11, (i, i)))
        for i, ids in enumerate(prompts)
    ]
    for i, (ids, future) in enumerate(zip(prompts, futures, strict=True)):
        drawn = future.result(timeout=60)
        assert len(drawn.token_ids) == 4 + 3 * i % 11
        assert_greedy(model, ids, list(drawn.token_ids))
    loop.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_rehearsal_accepts_every_supported_architecture(kind: str) -> None:
    model = random_model(kind)
    assert unbatched(model, BatchedStepper(model, eos_ids=frozenset())) is None


def test_the_rehearsal_refuses_a_step_that_is_wrong() -> None:
    model = random_model("llama")
    stepper = BatchedStepper(model, eos_ids=frozenset())
    right = stepper._forward
    stepper._forward = lambda tails, lengths, past: right(tails, [n + 3 for n in lengths], past)
    reason = unbatched(model, stepper)
    assert reason is not None and "rehearsal" in reason


def test_a_recurrent_model_is_refused_with_the_reason() -> None:
    model = random_model("mamba")
    reason = unbatched(model, BatchedStepper(model, eos_ids=frozenset()))
    assert reason == "its forward pass takes no past_key_values"


def test_siblings_are_computed_once() -> None:
    model = random_model("llama")
    lengths: list[int] = []
    drive = Drive(BatchedStepper(model, eos_ids=frozenset()))
    forward = drive.stepper._forward

    def counting(tails: Any, *rest: Any) -> Any:
        lengths.append(sum(len(tail) for tail in tails))
        return forward(tails, *rest)

    drive.stepper._forward = counting
    cached = drive.join({0: line(9, 1), 1: line(9, 1), 2: line(4, 2), 3: line(9, 1)})
    assert cached == [0, 9, 0, 9]
    assert lengths == [1, 9, 4]  # one token to measure memory, then each prompt once
    drive.step([0, 1, 2, 3])
    assert drive.out[0] == drive.out[1] == drive.out[3]


@pytest.mark.parametrize("kind", ["llama", "mistral", "gemma3"])
def test_a_continuation_computes_only_what_is_new(kind: str) -> None:
    model = random_model(kind)
    drive = Drive(BatchedStepper(model, eos_ids=frozenset()))
    drive.join({0: line(9, 1), 1: line(5, 2)})
    for _ in range(5):
        drive.step([0, 1])
    drive.stepper.leave([0], [drive.out[0]])
    after = [*line(9, 1), *drive.out[0], 40, 41]
    branch = [*line(9, 1), *drive.out[0][:2], 50]
    live = [*line(5, 2), *drive.out[1], 60]
    fresh = line(6, 8)
    cached = drive.join({3: after, 4: branch, 5: live, 6: fresh})
    assert cached[0] == 14 and 9 <= cached[1] <= 11 and cached[2] == 9 and cached[3] == 0
    for _ in range(NEW):
        drive.step([1, 3, 4, 5, 6])
    for row, prompt in {1: line(5, 2), 3: after, 4: branch, 5: live, 6: fresh}.items():
        assert_greedy(model, prompt, drive.out[row])


def test_rows_beyond_the_memory_wait_but_one_is_always_admitted() -> None:
    model = random_model("llama")
    stepper = BatchedStepper(model, eos_ids=frozenset(), pool_bytes=1)
    assert len(stepper.join([0, 1], [line(3, 1), line(4, 2)], [5, 5])) == 1
    assert stepper.join([1], [line(4, 2)], [5]) == []
    stepper.leave([0], [[7]])
    assert len(stepper.join([1], [line(4, 2)], [5])) == 1


def test_scores_are_the_log_probabilities_of_a_plain_pass() -> None:
    model = random_model("gpt2")
    ids = line(9, 3)
    scores, cached = BatchedStepper(model, eos_ids=frozenset()).score([ids, ids], [4, 9])
    with torch.inference_mode():
        full = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), dim=-1)
    expected = [float(full[i - 1, ids[i]]) for i in range(4, 9)]
    np.testing.assert_allclose(scores[0], expected, atol=1e-4)
    assert scores[1] == [] and cached == [0, 0]


def test_a_reset_forgets_rows_and_prefixes() -> None:
    drive = Drive(BatchedStepper(random_model("llama"), eos_ids=frozenset()))
    drive.join({0: line(9, 1)})
    drive.step([0])
    drive.stepper.reset()
    assert drive.join({0: line(9, 1)}) == [0]
