"""How a local call treats the ledger, shown with a scripted loop whose futures the test answers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from architectures import byte_tokenizer

from evaluators.errors import LabError
from reasoning import Budget, Ledger, Message, Prompt, Sampling, SeedPath
from reasoning.core import BadPrompt
from reasoning.models.decoding.stepper import Request, Result, Scored
from reasoning.models.encode import Encoder
from reasoning.models.local import LocalModel

ASK = Prompt((Message("user", "hi"),))
SEED = SeedPath(0, ("p",))


class Scripted:
    """A loop that keeps the futures it gave out and answers nothing by itself."""

    counters = None

    def __init__(self, accepts: int = 99) -> None:
        self.accepts = accepts
        self.requests: list[Any] = []
        self.futures: list[Future[Any]] = []

    def submit(self, request: Any) -> Future[Any]:
        if len(self.requests) == self.accepts:
            raise LabError("the model is closed; load it again")
        self.requests.append(request)
        self.futures.append(Future())
        return self.futures[-1]

    def score(self, ids: Sequence[int], start: int) -> Future[Scored]:
        return self.submit((tuple(ids), start))

    def answer(self, index: int, tokens: int) -> None:
        ids, logprobs = tuple(range(tokens)), (-1.0,) * tokens
        self.futures[index].set_result(Result(ids, logprobs, "eos", "x" * tokens, 2, 1))

    def close(self) -> None: ...


def local(loop: Scripted) -> LocalModel:
    encoder = Encoder(byte_tokenizer(), "compact", "m")
    return LocalModel("m", loop, encoder, max_positions=99, flops_per_token=2.0, path="generate")


def test_a_wave_reserves_in_program_order_before_anything_is_answered() -> None:
    loop, ledger = Scripted(), Ledger(Budget(tokens=21))

    async def wave() -> None:
        model = local(loop)
        calls = [model.generate(ASK, Sampling(8, n=2), ledger, SEED.child(i)) for i in range(2)]
        tasks = [asyncio.create_task(call) for call in calls]
        await asyncio.sleep(0)
        assert [request.max_tokens for request in loop.requests] == [8, 8, 5]
        for index in (2, 0, 1):
            loop.answer(index, 3)
        first, second = await asyncio.gather(*tasks)
        assert [c.finish for c in (*first, *second)] == ["eos", "eos", "eos", "budget"]

    asyncio.run(wave())
    assert [(row.key, row.tokens, row.cached) for row in ledger.rows] == [
        ("0/p/0/0", 3, 1), ("0/p/0/1", 3, 1), ("0/p/1/0", 3, 1)
    ]  # fmt: skip
    assert loop.requests[0].key == SEED.child(0, 0).key


def test_cancelling_settles_what_was_finished_and_loses_the_rest() -> None:
    loop, ledger = Scripted(), Ledger()

    async def cut() -> None:
        task = asyncio.create_task(local(loop).generate(ASK, Sampling(8, n=3), ledger, SEED))
        await asyncio.sleep(0)
        loop.answer(1, 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cut())
    assert [(row.tokens, row.lost) for row in ledger.rows] == [
        (8, "cancelled"), (2, None), (8, "cancelled")
    ]  # fmt: skip
    assert [future.cancelled() for future in loop.futures] == [True, False, True]


def test_a_failed_row_fails_the_call_and_loses_its_grants() -> None:
    loop, ledger = Scripted(), Ledger()

    async def fail() -> None:
        task = asyncio.create_task(local(loop).generate(ASK, Sampling(8, n=2), ledger, SEED))
        await asyncio.sleep(0)
        loop.futures[0].set_exception(MemoryError("no room"))
        with pytest.raises(MemoryError):
            await task

    asyncio.run(fail())
    assert [row.lost for row in ledger.rows] == ["MemoryError('no room')"] * 2
    assert loop.futures[1].cancelled()


def test_a_loop_that_refuses_leaves_no_open_reservation() -> None:
    loop, ledger = Scripted(accepts=1), Ledger()
    with pytest.raises(LabError, match="load it again"):
        asyncio.run(local(loop).generate(ASK, Sampling(8, n=3), ledger, SEED))
    assert all(row.lost for row in ledger.rows) and len(ledger.rows) == 3
    assert loop.futures[0].cancelled()


def test_reading_is_reserved_whole_or_not_at_all() -> None:
    loop, ledger = Scripted(), Ledger(Budget(tokens=4))

    async def read() -> Any:
        task = asyncio.create_task(local(loop).score(ASK, ["abc", "wxyz", "q", ""], ledger))
        await asyncio.sleep(0)
        assert loop.requests == [((104, 105, 258, 99), 2), ((104, 105, 113), 2)]
        loop.futures[0].set_result(Scored((-1.0, -2.0), 2, 0))
        loop.futures[1].set_result(Scored((-3.0,), 2, 0))
        return await task

    scores = asyncio.run(read())
    assert [s.logprobs for s in scores] == [(-1.0, -2.0), (), (-3.0,), ()]
    assert scores[0].tokens == ("ab", "c")
    assert (ledger.spent.scored, ledger.spent.tokens) == (3, 3)


def test_a_request_carries_the_prompt_ids_and_the_key_of_its_path() -> None:
    loop, ledger = Scripted(), Ledger()

    async def ask() -> None:
        prompt = Prompt(ASK.messages, "ab", (97, 98))
        task = asyncio.create_task(local(loop).generate(prompt, Sampling(8), ledger, SEED))
        await asyncio.sleep(0)
        loop.answer(0, 8)
        (drawn,) = await task
        assert drawn.finish == "eos" and drawn.usage.prompt == 2

    asyncio.run(ask())
    assert loop.requests == [Request([104, 105, 97, 98], Sampling(8), 8, SEED.key)]


def test_a_question_that_fills_the_context_is_refused_and_a_started_answer_ends_by_length() -> None:
    loop, ledger = Scripted(), Ledger()
    model = local(loop)
    with pytest.raises(BadPrompt, match="99 tokens, but m reads at most 99"):
        asyncio.run(model.generate(Prompt((Message("user", "x" * 99),)), Sampling(8), ledger, SEED))
    started = Prompt((Message("user", "x" * 50),), "y" * 49)
    made = asyncio.run(model.generate(started, Sampling(8, n=2), ledger, SEED))
    assert [(one.text, one.finish) for one in made] == [("", "length")] * 2
    assert not ledger.rows and not loop.requests


@pytest.mark.parametrize(("text", "says"), [("", "empty prompt"), ("2\ud800", "character at 1")])
def test_a_question_of_no_text_is_refused_without_a_charge(text: str, says: str) -> None:
    loop, ledger = Scripted(), Ledger()
    call = local(loop).generate(Prompt((Message("user", text),)), Sampling(8), ledger, SEED)
    with pytest.raises(BadPrompt, match=says):
        asyncio.run(call)
    assert not ledger.rows and not loop.requests
