"""Streaming: deltas add up to the completion and hold back what may change."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from architectures import byte_tokenizer, saved

from evaluators.errors import BadInput
from reasoning import Budget, Ledger, Message, Prompt, Sampling, SeedPath, load_model
from reasoning.core import Completion
from reasoning.models.decoding.stepper import Result
from reasoning.models.decoding.stops import Watch
from reasoning.models.decoding.stream import Delta, SettledText, stream
from reasoning.models.encode import Encoder
from reasoning.models.local import LocalModel

ASK = Prompt((Message("user", "say ab"),))
SEED = SeedPath(3, ("t", 1))


class Pieces(dict[int, bytes]):
    """Tokens 0, 1, 2, … with given bytes."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(enumerate(pieces))


def whole(pieces: list[bytes], sampling: Sampling) -> tuple[int, str]:
    """How many of these tokens are drawn, and the text they make: the loop's own rule."""
    watch = Watch(sampling.boundary, sampling.stop)
    for count, piece in enumerate(pieces, 1):
        end = watch(piece)
        if end is not None:
            return count, b"".join(pieces[:count])[: end[1]].decode("utf-8", "replace")
    return len(pieces), b"".join(pieces).decode("utf-8", "replace")


def cut(rng: random.Random, data: bytes) -> list[bytes]:
    """These bytes in pieces of 0 to 4."""
    pieces = []
    while data:
        size = rng.choice([0, 1, 1, 2, 3, 4])
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def test_however_tokens_are_cut_the_text_given_is_a_beginning_of_the_final_text() -> None:
    rng = random.Random(0)
    lengths = set()
    for _ in range(3000):
        text = "".join(rng.choices("ab✓é𝄞\n", k=rng.randint(0, 14))).encode()
        if rng.random() < 0.3:  # bytes that are no text
            at = rng.randint(0, len(text))
            text = text[:at] + bytes(rng.choices([0xFF, 0xC3, 0xE2, 0x9C], k=2)) + text[at:]
        stop = tuple("".join(rng.choices("ab✓", k=rng.randint(1, 4))) for _ in range(2))
        sampling = Sampling(stop=rng.choice([(), stop]), boundary=rng.choice([None, "\n", "b\n"]))
        pieces = cut(rng, text)
        drawn, final = whole(pieces, sampling)
        settled, given = SettledText(Pieces(*pieces), sampling), ""  # type: ignore[arg-type]
        for token in range(drawn):
            given += settled.add(token)
            assert final.startswith(given)
        assert settled.given == len(given)
        lengths.add(len(final) - len(given))
    assert {0, 1, 2, 3} <= lengths


def test_only_what_may_become_a_stop_string_or_a_character_waits() -> None:
    pieces = Pieces(b"xE", b"N", b"E", b"\xe2", b"\x9c\x93", b"EN", b"D")
    settled = SettledText(pieces, Sampling(stop=("END",)))  # type: ignore[arg-type]
    assert [settled.add(i) for i in range(7)] == ["x", "", "EN", "E", "✓", "", ""]


@pytest.fixture(scope="module", params=["fused", "batched", "generate"])
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    made: Any = load_model(saved(tmp_path_factory.mktemp("qwen3"), "qwen3"), decode=request.param)
    yield made
    made.close()


async def collect(model: Any, sampling: Sampling, ledger: Ledger) -> tuple[list[Delta], list[Any]]:
    items = [item async for item in stream(model, ASK, sampling, ledger, SEED)]
    deltas = [item for item in items if isinstance(item, Delta)]
    return deltas, items[len(deltas) :]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(max_tokens=40),
        Sampling(max_tokens=40, n=3),
        Sampling(max_tokens=40, temperature=0.0),
        Sampling(max_tokens=60, stop=("a", "7", "é"), n=2),
        Sampling(max_tokens=60, boundary="e"),
        Sampling(max_tokens=0),
    ],
    ids=["one", "three", "greedy", "stops", "boundary", "nothing"],
)
def test_deltas_add_up_to_the_completions_of_generate(model: Any, sampling: Sampling) -> None:
    ledger, other = Ledger(Budget(tokens=70)), Ledger(Budget(tokens=70))
    deltas, completions = asyncio.run(collect(model, sampling, ledger))
    plain = asyncio.run(model.generate(ASK, sampling, other, SEED))
    assert [(c.text, c.finish, c.token_ids) for c in completions] == [
        (c.text, c.finish, c.token_ids) for c in plain
    ]
    assert [(r.key, r.tokens) for r in ledger.rows] == [(r.key, r.tokens) for r in other.rows]
    assert len(completions) == sampling.n
    for index, completion in enumerate(completions):
        mine = [delta for delta in deltas if delta.index == index]
        assert "".join(delta.text for delta in mine) == completion.text
        assert sum((delta.token_ids for delta in mine), ()) == completion.token_ids
        assert sum((delta.logprobs for delta in mine), ()) == completion.logprobs


class ByHand:
    """A loop whose tokens the test draws: bytes of a text, one a token."""

    counters = None
    pieces = Pieces(*(bytes([i]) for i in range(256)))

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Future[Any]]] = []

    def submit(self, request: Any) -> Future[Any]:
        self.asked.append((request, Future()))
        return self.asked[-1][1]

    def score(self, ids: Any, start: int) -> Any: ...

    def close(self) -> None: ...


def by_hand() -> tuple[ByHand, LocalModel]:
    encoder = Encoder(byte_tokenizer(), "compact", "m")
    loop: Any = ByHand()
    return loop, LocalModel(
        "m", loop, encoder, max_positions=99, flops_per_token=2.0, path="generate"
    )


def test_text_arrives_while_the_completion_is_drawn() -> None:
    async def run() -> None:
        loop, model = by_hand()
        items = stream(model, ASK, Sampling(9, stop=("END",)), ledger := Ledger(), SEED)
        asking = asyncio.ensure_future(anext(items))
        while not loop.asked:
            await asyncio.sleep(0)
        (request, future), texts = loop.asked[0], []
        for token in b"3+ENEND":
            request.on_token(token, -0.5)
            item = await asking
            assert isinstance(item, Delta) and item.token_ids == (token,)
            assert ledger.spent.tokens == 9, "still reserved"
            texts.append(item.text)
            asking = asyncio.ensure_future(anext(items))
        assert texts == ["3", "+", "", "", "EN", "", ""]
        future.set_result(Result(tuple(b"3+ENEND"), (-0.5,) * 7, "stop", "3+EN", 2, 0))
        completion = await asking
        assert isinstance(completion, Completion) and completion.text == "3+EN"
        assert ledger.spent.tokens == 7

    asyncio.run(run())


@pytest.mark.parametrize("drawn", [0, 2])
def test_a_stream_that_is_left_cancels_its_request_and_loses_its_grant(drawn: int) -> None:
    async def run() -> None:
        loop, model = by_hand()
        ledger = Ledger()

        async def reader() -> None:
            async for _ in stream(model, ASK, Sampling(9, n=2), ledger, SEED):
                pass

        reading = asyncio.ensure_future(reader())
        while not loop.asked:
            await asyncio.sleep(0)
        for token in range(drawn):
            loop.asked[0][0].on_token(token, -0.5)
            await asyncio.sleep(0.001)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert [future.cancelled() for _, future in loop.asked] == [True, True]
        assert [row.lost for row in ledger.rows] == ["cancelled", "cancelled"]

    asyncio.run(run())


def test_closing_a_stream_frees_the_row_for_others(model: Any) -> None:
    async def leave() -> None:
        items = stream(model, ASK, Sampling(max_tokens=60, temperature=2.0), Ledger(), SEED)
        await anext(items)
        await items.aclose()  # type: ignore[attr-defined]

    for _ in range(3):
        asyncio.run(leave())
    deltas, completions = asyncio.run(collect(model, Sampling(max_tokens=3), Ledger()))
    assert sum(len(delta.token_ids) for delta in deltas) <= 3 and len(completions) == 1


def test_a_listener_that_fails_fails_its_own_call_alone(model: Any) -> None:
    def bad(index: int, token: int, logprob: float) -> None:
        raise RuntimeError("my listener broke")

    async def both() -> Any:
        sampling = Sampling(max_tokens=8)
        return await asyncio.gather(
            model.generate(ASK, sampling, Ledger(), SEED, bad),
            model.generate(ASK, sampling, Ledger(), SEED),
            return_exceptions=True,
        )

    broken, sound = asyncio.run(both())
    assert isinstance(broken, RuntimeError) and len(sound[0].token_ids) == 8


def test_a_model_elsewhere_says_that_it_does_not_stream() -> None:
    class Far:
        name = "far"

    async def ask() -> None:
        async for _ in stream(Far(), ASK, Sampling(), Ledger(), SEED):  # type: ignore[arg-type]
            pass

    with pytest.raises(BadInput, match="far does not stream here"):
        asyncio.run(ask())
