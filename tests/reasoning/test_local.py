"""A saved model served end to end: sampling, budgets, scores, cancelling, two event loops."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from architectures import saved

from evaluators.errors import BadInput
from reasoning import Budget, LanguageModel, Ledger, Message, Prompt, Sampling, SeedPath, load_model

PATHS = ["fused", "batched", "generate"]
ASK = Prompt((Message("user", "say ab"),))
SEED = SeedPath(3, ("t", 1))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved(tmp_path_factory.mktemp("qwen3"), "qwen3")


@pytest.fixture(scope="module", params=PATHS)
def model(request: pytest.FixtureRequest, folder: str) -> Iterator[Any]:
    made: Any = load_model(folder, decode=request.param)
    assert made.path == request.param
    yield made
    made.close()


def generate(model: Any, sampling: Sampling, budget: Budget | None = None, seed: SeedPath = SEED):
    ledger = Ledger(budget)
    return asyncio.run(model.generate(ASK, sampling, ledger, seed)), ledger


def test_it_is_a_language_model(model: Any) -> None:
    assert isinstance(model, LanguageModel)
    assert model.dialect == "plain" and model.flops_per_token > 0
    assert model.fingerprint()["path"] == model.path and len(model.fingerprint()["weights"]) == 16


def test_samples_have_their_own_seeds_and_do_not_depend_on_company(model: Any) -> None:
    three, ledger = generate(model, Sampling(max_tokens=12, n=3))
    assert len({c.text for c in three}) == 3
    alone, _ = generate(model, Sampling(max_tokens=12), seed=SEED.child(1))
    assert alone[0].token_ids == three[1].token_ids
    assert alone[0].logprobs == pytest.approx(three[1].logprobs, abs=1e-4)
    assert [row.key for row in ledger.rows] == [SEED.child(i).text for i in range(3)]
    for completion, row in zip(three, ledger.rows, strict=True):
        assert completion.usage.completion == len(completion.token_ids) == row.completion
        assert row.tokens == row.completion and row.prompt == len(model.encode(ASK))


def test_the_budget_shortens_in_program_order(model: Any) -> None:
    greedy = Sampling(max_tokens=8, temperature=0.0, n=3)
    whole, _ = generate(model, greedy)
    assert [c.finish for c in whole] == ["length"] * 3, "the test wants no early end"
    cut, ledger = generate(model, greedy, Budget(tokens=13))
    assert [c.finish for c in cut] == ["length", "budget", "budget"]
    assert [len(c.token_ids) for c in cut] == [8, 5, 0]
    assert cut[1].token_ids == whole[1].token_ids[:5] and cut[2].text == ""
    assert ledger.spent.tokens == 13 and len(ledger.rows) == 2


def test_counters_agree_with_the_ledger(model: Any) -> None:
    before = model.counters
    _, ledger = generate(model, Sampling(max_tokens=7, n=4))
    after = model.counters
    assert after.completion - before.completion == ledger.spent.completion
    assert after.prompt - before.prompt == ledger.spent.prompt
    assert after.cached - before.cached == ledger.spent.cached


def test_scores_are_the_log_probabilities_that_sampling_reported(model: Any) -> None:
    (drawn,), _ = generate(model, Sampling(max_tokens=6))
    text = "".join(chr(33 + i) for i in range(6))
    ledger = Ledger(Budget(tokens=8))
    scores = asyncio.run(model.score(ASK, [text, "", "ab", "abc"], ledger))
    assert [len(s.tokens) for s in scores] == [6, 0, 1, 0], "6 + 1 are paid, 2 more are not"
    assert "".join(scores[0].tokens) == text and all(x < 0 for x in scores[0].logprobs)
    assert ledger.spent.scored == 7 == ledger.spent.tokens
    ids = torch.tensor([[*model.encode(ASK), *drawn.token_ids]])
    plain = torch.log_softmax(model.torch_model(ids).logits[0, :-1].double(), dim=-1)
    start = len(model.encode(ASK)) - 1
    expected = [float(plain[start + i, t]) for i, t in enumerate(drawn.token_ids)]
    assert list(drawn.logprobs) == pytest.approx(expected, abs=1e-3)


def test_a_cancelled_call_frees_its_rows_and_loses_its_grants(model: Any) -> None:
    ledger, cancelled = Ledger(), threading.Event()

    async def cut() -> None:
        slow = Sampling(max_tokens=110, n=2, temperature=0.0)
        held = model.generate(ASK, slow, ledger, SEED, lambda *_: cancelled.wait(10))
        task = asyncio.create_task(held)
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        cancelled.set()

    asyncio.run(cut())
    assert [row.lost for row in ledger.rows] == ["cancelled"] * 2
    assert ledger.spent.tokens == 220
    again, _ = generate(model, Sampling(max_tokens=3))
    assert len(again[0].token_ids) == 3


def test_two_event_loops_share_the_model(model: Any) -> None:
    expected = [generate(model, Sampling(max_tokens=9), seed=SEED.child(i))[0] for i in range(6)]
    found: dict[int, Any] = {}

    def work(i: int) -> None:
        found[i] = generate(model, Sampling(max_tokens=9), seed=SEED.child(i))[0]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i][0].token_ids for i in range(6)] == [e[0].token_ids for e in expected]


def test_stop_strings_are_cut_and_boundaries_kept(model: Any) -> None:
    free, _ = generate(model, Sampling(max_tokens=12))
    mark = next(c for c in free[0].text[1:] if c.isascii())
    at = free[0].text.index(mark)
    (stopped,), _ = generate(model, Sampling(max_tokens=12, stop=(mark,)))
    (bounded,), _ = generate(model, Sampling(max_tokens=12, boundary=mark))
    assert (stopped.finish, stopped.text) == ("stop", free[0].text[:at])
    assert bounded.finish == "boundary" and bounded.text.startswith(free[0].text[: at + len(mark)])


def test_a_step_continues_from_its_ids(model: Any) -> None:
    greedy = Sampling(max_tokens=10, temperature=0.0)
    whole, _ = generate(model, greedy)

    async def in_two() -> list[int]:
        first = await model.generate(ASK, Sampling(max_tokens=4, temperature=0.0), Ledger(), SEED)
        rest = Sampling(max_tokens=6, temperature=0.0)
        second = await model.generate(ASK.extended(first[0]), rest, Ledger(), SEED)
        return [*first[0].token_ids, *second[0].token_ids]

    assert asyncio.run(in_two()) == list(whole[0].token_ids)


def test_a_prompt_beyond_the_context_names_both_numbers(model: Any) -> None:
    long = Prompt((Message("user", "x" * 200),))
    ledger = Ledger()
    with pytest.raises(BadInput, match=r"201 tokens.*128.*shorten"):
        asyncio.run(model.generate(long, Sampling(), ledger, SEED))
    with pytest.raises(BadInput, match=r"128"):
        asyncio.run(model.score(ASK, ["y" * 200], ledger))
    assert ledger.rows == []


def test_a_completion_ends_where_the_context_ends(model: Any) -> None:
    near = Prompt((Message("user", "x" * 120),))
    (cut,) = asyncio.run(model.generate(near, Sampling(max_tokens=50), Ledger(), SEED))
    assert cut.finish == "length" and 121 + len(cut.token_ids) in (128, 129)


def test_every_path_draws_the_same_tokens_from_one_seed(folder: str) -> None:
    drawn = []
    for path in PATHS:
        made: Any = load_model(folder, decode=path)
        drawn.append(generate(made, Sampling(max_tokens=20, n=4, top_p=0.9, min_p=0.01))[0])
        made.close()
    fused, batched, plain = ([c.token_ids for c in completions] for completions in drawn)
    assert fused == batched == plain
    for other in drawn[1:]:
        for a, b in zip(drawn[0], other, strict=True):
            assert a.logprobs == pytest.approx(b.logprobs, abs=1e-3)
