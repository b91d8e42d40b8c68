"""The fused path computes what transformers computes, and the same bits whoever is near."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from fused_model import build

from evaluators.errors import BadInput
from reasoning.core import Sampling, SeedPath
from reasoning.models.decoding.fused import FusedStepper
from reasoning.models.decoding.kernels import compiled
from reasoning.models.decoding.loop import DecodeLoop, Request, Result
from reasoning.models.decoding.packed import unsupported
from reasoning.models.decoding.stepper import Controls
from reasoning.models.decoding.stops import TokenBytes
from reasoning.models.tiny import tokenizer as tiny


@pytest.fixture(scope="module")
def model() -> Any:
    return build()


@pytest.fixture(scope="module")
def pieces() -> TokenBytes:
    return TokenBytes(tiny.build())


@pytest.fixture
def loops(model: Any, pieces: TokenBytes) -> Iterator[Any]:
    made: list[DecodeLoop] = []

    def make(**options: Any) -> DecodeLoop:
        made.append(DecodeLoop(FusedStepper(model, **options), pieces))
        return made[-1]

    yield make
    for loop in made:
        loop.close()


def line(length: int, seed: int) -> list[int]:
    return np.random.default_rng(seed).integers(2, 386, length).tolist()


def requests(count: int, tokens: int = 60, **sampling: Any) -> list[Request]:
    """Prompts of 3 to 40 tokens, four samples each, ragged lengths."""
    return [
        Request(
            line(3 + (i // 4 * 7) % 38, i // 4), Sampling(**sampling), tokens - i % 11,
            SeedPath(0, (i,)).key,
        )
        for i in range(count)
    ]  # fmt: skip


def ask(loop: DecodeLoop, batch: list[Request]) -> list[Result]:
    return [future.result(60) for future in [loop.submit(request) for request in batch]]


def drawn(results: list[Result]) -> list[tuple[Any, ...]]:
    return [(r.token_ids, r.logprobs, r.finish, r.text) for r in results]


VARIANTS = {
    "embedded": {},
    "grouped-heads": {"kv_heads": 2},
    "untied-odd-width": {"tied": False, "intermediate_size": 70, "num_hidden_layers": 2},
    "small-heads": {"head_dim": 16, "hidden_size": 64, "num_hidden_layers": 2},
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_logits_are_those_of_transformers(variant: dict[str, Any]) -> None:
    model = build(**variant)
    stepper = FusedStepper(model, max_rows=4)
    ids = line(30, 5)
    stepper.join([2, 0], [ids[:20], ids[:9]], [11, 11])
    for at in range(10):
        rows = np.array([0, 2])
        stepper.advance(rows, np.array([ids[9 + at], ids[20 + at]]))
        with torch.no_grad():
            long = model(torch.tensor([ids[: 21 + at]])).logits[0, -1].numpy()
            short = model(torch.tensor([ids[: 10 + at]])).logits[0, -1].numpy()
        assert np.abs(stepper._logits[2] - long).max() < 1e-4
        assert np.abs(stepper._logits[0] - short).max() < 1e-4


def test_greedy_tokens_are_those_of_generate(model: Any, loops: Any) -> None:
    batch = requests(8, temperature=0.0)
    for request, result in zip(batch, ask(loops(), batch), strict=True):
        with torch.no_grad():
            want = model.generate(
                torch.tensor([list(request.ids)]), do_sample=False,
                max_new_tokens=request.max_tokens, output_logits=True,
                return_dict_in_generate=True,
            )  # fmt: skip
        for at, token in enumerate(want.sequences[0, len(request.ids) :].tolist()):
            if result.token_ids[at] != token:
                top = want.logits[at][0].topk(2).values
                assert top[0] - top[1] < 1e-4
                break


def test_bits_do_not_depend_on_the_batch_nor_on_what_is_cached(loops: Any) -> None:
    batch = requests(500)
    wide = loops(max_rows=64)
    want = drawn(ask(wide, batch))
    tokens = sum(len(ids) for ids, *_ in want)
    assert tokens * 4 > 100_000  # compared four times
    before = wide.counters
    assert drawn(ask(wide, batch)) == want  # warm
    assert wide.counters.cached - before.cached == sum(len(r.ids) - 1 for r in batch)
    assert drawn(ask(loops(max_rows=7), batch)) == want
    assert drawn(ask(loops(max_rows=1), batch)) == want
    alone = loops()
    for request, (ids, logprobs, *_) in list(zip(batch, want, strict=True))[::19]:
        read = alone.score([*request.ids, *ids], len(request.ids)).result(60)
        assert read.logprobs == logprobs  # read in one go, drawn one by one


def test_a_prefix_shared_by_siblings_is_computed_once(loops: Any) -> None:
    loop = loops()
    prompt = line(30, 1)
    futures = [
        loop.submit(Request(prompt, Sampling(), 5, SeedPath(0, (i,)).key)) for i in range(16)
    ]
    cached = [future.result(60).cached_tokens for future in futures]
    assert cached == [0] + [29] * 15
    assert loop.counters.prompt == 16 * 30 and loop.counters.cached == 15 * 29


def test_a_continued_step_finds_its_own_tokens_in_the_pool(loops: Any) -> None:
    loop = loops()
    prompt = line(12, 2)
    first = ask(loop, [Request(prompt, Sampling(), 20, (1, 2))])[0]
    again = ask(loop, [Request([*prompt, *first.token_ids], Sampling(), 5, (3, 4))])[0]
    assert again.cached_tokens == 12 + len(first.token_ids) - 1


def test_eviction_keeps_results_right(loops: Any) -> None:
    batch = requests(60, tokens=30)
    small = loops(pool_bytes=200 * 4096, max_rows=16)  # 200 tokens of four layers
    assert drawn(ask(small, batch)) == drawn(ask(loops(), batch))
    assert drawn(ask(small, batch[::-1])) == drawn(ask(loops(), batch[::-1]))


def test_scores_are_those_of_transformers_and_wait_for_no_room(model: Any, loops: Any) -> None:
    loop = loops(pool_bytes=200 * 4096, max_rows=16)
    busy = [loop.submit(request) for request in requests(40, tokens=30)]
    texts = [line(20 + i, 50 + i) for i in range(70)]
    reads = [loop.score(ids, 8) for ids in texts]
    for ids, read in zip(texts, reads, strict=True):
        with torch.no_grad():
            table = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
        want = [float(table[i - 1, ids[i]]) for i in range(8, len(ids))]
        assert read.result(60).logprobs == pytest.approx(want, abs=1e-4)
    wait(busy, 60)
    assert loop.counters.scored == sum(len(ids) - 8 for ids in texts)


def test_too_long_a_prompt_is_refused_and_the_loop_goes_on(loops: Any) -> None:
    loop = loops(pool_bytes=100 * 4096)  # 50 positions
    with pytest.raises(BadInput, match="50 positions"):
        ask(loop, [Request(line(50, 0), Sampling(), 5, (0, 0))])
    result = ask(loop, [Request(line(45, 0), Sampling(), 500, (0, 0))])[0]
    assert result.finish in ("length", "eos") and len(result.token_ids) <= 5


@pytest.mark.parametrize(("ids", "message"), [([], "no tokens"), ([3, 386], "386"), ([-1], "-1")])
def test_ids_that_are_no_tokens_are_refused(loops: Any, ids: list[int], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        loops().submit(Request(ids, Sampling(), 5, (0, 0))).result(10)


def test_what_the_fused_path_cannot_run_is_named() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    tiny_shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    config = LlamaConfig(**tiny_shape, num_attention_heads=2, vocab_size=9)
    with pytest.raises(BadInput, match="LlamaForCausalLM"):
        FusedStepper(LlamaForCausalLM(config))
    assert "float32" in str(unsupported(build(num_hidden_layers=1).half()))
    assert "biases" in str(unsupported(build(num_hidden_layers=1, attention_bias=True)))


def test_kernels_compile_where_nothing_can_be_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    real = numba.njit

    def njit(*args: Any, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled({"contract"})(lambda x: x + 1)(2) == 3


def test_controls_of_one_row_do_not_touch_another(loops: Any) -> None:
    batch = requests(12)
    mixed = [
        request
        if i % 2
        else Request(request.ids, Sampling(temperature=0.0, top_k=3), 20, request.key)
        for i, request in enumerate(batch)
    ]
    assert drawn(ask(loops(), mixed))[1::2] == drawn(ask(loops(), batch))[1::2]


def test_rows_join_at_any_number(model: Any) -> None:
    stepper = FusedStepper(model, max_rows=8)
    how = Controls.empty(8)
    how.temperature[:] = 0.0
    stepper.join([5], [line(10, 0)], [4])
    first = stepper.draw(np.array([5]), how)
    stepper.join([1, 7], [line(4, 1), line(10, 0)], [4, 4])
    ids, logprobs = stepper.draw(np.array([7, 1, 5]), how)
    assert (ids[0], logprobs[0]) == (ids[2], logprobs[2]) == (first[0][0], first[1][0])
