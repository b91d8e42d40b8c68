"""The decode loop over a scripted stepper: joining, ending, cancelling, failing, counting."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from evaluators.errors import LabError
from reasoning.core import Sampling
from reasoning.models.decoding import loop as decode
from reasoning.models.decoding.loop import Controls, DecodeLoop, Request, Result


class Letters:
    """Token ids are character codes; 0 ends a sequence."""

    def bytes(self, ids: Sequence[int]) -> bytes:
        return b"".join(self[i] for i in ids)

    def __getitem__(self, token: int) -> bytes:
        return chr(token).encode() if token else b""


class Script:
    """A stepper that writes the next character of the text whose first letter is the prompt's."""

    eos_ids = frozenset([0])
    max_positions, vocabulary = 100, 128

    def __init__(self, *texts: str, max_rows: int = 4, room: int = 99) -> None:
        self.texts = {text[0]: text[1:] for text in texts}
        self.max_rows, self.room = max_rows, room
        self.at: dict[int, list[Any]] = {}
        self.left: list[tuple[int, str]] = []
        self.widths: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def join(self, rows: Sequence[int], prompts: Any, limits: Sequence[int]) -> list[int]:
        fit = min(len(rows), self.room - len(self.at))
        for row, ids in list(zip(rows, prompts, strict=True))[:fit]:
            assert row not in self.at
            self.at[row] = [self.texts[chr(ids[0])], 0]
        return [len(ids) - 1 for ids in prompts[:fit]]

    def draw(self, rows: np.ndarray, controls: Controls) -> tuple[np.ndarray, np.ndarray]:
        self.gate.wait(10)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.widths.append(len(rows))
        assert sorted(rows.tolist()) == sorted(self.at)
        assert all(controls.counter[r] == self.at[r][1] for r in rows.tolist())
        texts = [(self.at[r][0] + "\0")[self.at[r][1]] for r in rows.tolist()]
        return np.array([ord(c) for c in texts]), -np.arange(1.0, len(rows) + 1)

    def advance(self, rows: np.ndarray, ids: np.ndarray) -> None:
        for row in rows.tolist():
            self.at[row][1] += 1

    def leave(self, rows: Sequence[int], generated: Sequence[Sequence[int]]) -> None:
        for row, ids in zip(rows, generated, strict=True):
            del self.at[row]
            self.left.append((row, "".join(map(chr, ids))))

    def score(self, sequences: Any, starts: Sequence[int]) -> tuple[list[list[float]], list[int]]:
        pairs = zip(sequences, starts, strict=True)
        return [[-float(i) for i in ids[start:]] for ids, start in pairs], [0] * len(starts)

    def reset(self) -> None:
        self.at.clear()


@pytest.fixture
def start() -> Iterator[Any]:
    made: list[DecodeLoop] = []

    def make(stepper: Script) -> DecodeLoop:
        made.append(DecodeLoop(stepper, Letters()))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for loop in made:
        loop.stepper.gate.set()  # type: ignore[attr-defined]
        loop.close()


def request(prompt: str, tokens: int = 50, **sampling: Any) -> Request:
    return Request([ord(c) for c in prompt], Sampling(**sampling), tokens, (0, 0))


ENDS = [
    ("eos", {}, 50, "eos", "3+8\n11", 7),
    ("length", {}, 3, "length", "3+8", 3),
    ("eos-as-the-last-allowed-token", {}, 7, "eos", "3+8\n11", 7),
    ("boundary", {"boundary": "\n"}, 50, "boundary", "3+8\n", 4),
    ("stop", {"stop": ("8\n1",)}, 50, "stop", "3+", 5),
    ("stop-before-length", {"stop": ("8",)}, 3, "stop", "3+", 3),
]


@pytest.mark.parametrize(("how", "tokens", "finish", "text", "count"), [e[1:] for e in ENDS],
                         ids=[e[0] for e in ENDS])  # fmt: skip
def test_a_completion_ends_for_its_reason(
    start: Any, how: dict[str, Any], tokens: int, finish: str, text: str, count: int
) -> None:
    result: Result = start(Script("a3+8\n11")).submit(request("ax", tokens, **how)).result(10)
    assert (result.finish, result.text, len(result.token_ids)) == (finish, text, count)
    assert len(result.logprobs) == count
    assert (result.prompt_tokens, result.cached_tokens) == (2, 1)


def test_rows_leave_when_they_end_and_waiting_ones_take_their_place(start: Any) -> None:
    stepper = Script("a1", "b12345", "c123", max_rows=2)
    stepper.gate.clear()
    loop = start(stepper)
    futures = [loop.submit(request(p)) for p in "abcacab"]
    stepper.gate.set()
    texts = [future.result(10).text for future in futures]
    assert texts == ["1", "12345", "123", "1", "123", "1", "12345"]
    assert max(stepper.widths) == 2 and stepper.widths.count(1) <= 7
    assert loop.counters.completion == sum(stepper.widths) == sum(len(t) + 1 for t in texts)
    assert (loop.counters.requests, loop.counters.prompt) == (7, 7)
    assert loop.counters.steps == len(stepper.widths)


def test_a_stepper_without_room_is_offered_the_rest_later_in_order(start: Any) -> None:
    stepper = Script("a1", "b12", max_rows=4, room=1)
    loop = start(stepper)
    futures = [loop.submit(request(p)) for p in "abab"]
    assert [f.result(10).text for f in futures] == ["1", "12", "1", "12"]
    assert [text for _, text in stepper.left] == ["1\0", "12\0", "1\0", "12\0"]


def test_a_cancelled_row_is_freed_and_its_tokens_are_counted(start: Any) -> None:
    stepper = Script("a" + "1" * 90, "b2", max_rows=1)
    stepper.gate.clear()
    loop = start(stepper)
    long, waiting, short = (loop.submit(request(p, 90)) for p in "aab")
    while not stepper.at:
        pass
    assert long.cancel() and waiting.cancel()
    stepper.gate.set()
    assert short.result(10).text == "2"
    gone = len(stepper.left[0][1])
    assert loop.counters.completion == gone + 2 == sum(stepper.widths)
    assert loop.counters.requests == 2  # the one that waited was never begun


class Panic(BaseException):
    """What a library in Rust raises is no Exception."""


@pytest.mark.parametrize("kind", [ValueError, Panic])
def test_an_error_fails_the_rows_in_progress_and_the_loop_goes_on(start: Any, kind: Any) -> None:
    stepper = Script("a12", "b3")
    stepper.gate.clear()
    loop = start(stepper)
    futures = [loop.submit(request(p)) for p in "ab"]
    stepper.error = kind("broken kernel")
    stepper.gate.set()
    with pytest.raises(kind, match="broken kernel"):
        futures[0].result(10)
    assert loop.submit(request("a")).result(10).text == "12"


def test_a_loop_that_cannot_recover_refuses_later_requests(start: Any) -> None:
    class Doomed(Script):
        def reset(self) -> None:
            raise RuntimeError("no memory")

    stepper = Doomed("a1")
    stepper.error = ValueError("first")
    loop = start(stepper)
    with pytest.raises(ValueError, match="first"):
        loop.submit(request("a")).result(10)
    loop._thread.join(10)
    with pytest.raises(LabError, match="no memory"):
        loop.submit(request("a"))


def test_closing_cancels_what_is_left_and_ends_the_thread(start: Any) -> None:
    stepper = Script("a" + "1" * 90)
    stepper.gate.clear()
    loop = start(stepper)
    future = loop.submit(request("a", 90))
    threading.Timer(0.05, stepper.gate.set).start()
    loop.close()
    assert future.cancelled() or future.done()
    assert loop._thread is not None and not loop._thread.is_alive()
    with pytest.raises(LabError, match="closed"):
        loop.submit(request("a"))


def test_a_callback_of_a_future_may_close_the_loop(start: Any) -> None:
    loop, said = start(Script("a1")), []

    def close(future: Any) -> None:
        loop.close()
        said.append("closed")

    future = loop.submit(request("a"))
    future.add_done_callback(close)
    future.result(5)
    loop._thread.join(5)
    assert said == ["closed"]


def test_an_idle_thread_ends_and_a_dropped_loop_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "IDLE", 0.05)
    loop = DecodeLoop(Script("a1"), Letters())  # type: ignore[arg-type]
    for _ in range(2):  # the second request starts a thread anew
        assert loop.submit(request("a")).result(10).text == "1"
        thread = loop._thread
        assert thread is not None
        thread.join(10)
        assert loop._thread is None
    gone = weakref.ref(loop)
    del loop, thread
    gc.collect()
    assert gone() is None


def test_nothing_granted_is_answered_without_the_model(start: Any) -> None:
    loop = start(Script("a1"))
    result = loop.submit(request("a", 0)).result(1)
    assert (result.token_ids, result.finish, result.prompt_tokens) == ((), "length", 0)
    assert loop.counters.requests == 0


def test_readings_are_answered_between_steps_and_counted(start: Any) -> None:
    loop = start(Script("a1"))
    read = loop.score([5, 6, 7], 1).result(10)
    assert (read.logprobs, read.prompt_tokens) == ((-6.0, -7.0), 1)
    assert loop.counters.scored == 2 and loop.counters.completion == 0
    with pytest.raises(LabError, match="start"):
        loop.score([5, 6], 0).result(10)


def test_requests_from_many_threads_are_all_answered(start: Any) -> None:
    loop = start(Script("a1", "b22", max_rows=3))
    texts: list[str] = []

    def ask(prompt: str) -> None:
        texts.extend(loop.submit(request(prompt)).result(10).text for _ in range(20))

    threads = [threading.Thread(target=ask, args=(p,)) for p in "abab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(texts) == ["1"] * 40 + ["22"] * 40
