"""The playground's text: token by token or at once, it is what the model generates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pytest

from evaluators.errors import BadInput, LabError
from labs.widgets.writing import Writing, asked
from reasoning import load_model
from reasoning.core import Completion, Prompt, Sampling, SeedPath, TokenScores, Usage
from reasoning.ledger import Ledger
from reasoning.loop import run, start

PROMPT = asked("(3+4)*2-5+6*3<think>")
HOT = Sampling(max_tokens=40, temperature=1.4, top_k=12, top_p=0.97, min_p=0.001)


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load_model("tiny")


def generated(model: Any, sampling: Sampling, seed: int) -> Completion:
    return run(model.generate(PROMPT, sampling, Ledger(), SeedPath(seed)))[0]


@pytest.mark.parametrize("seed", range(4))
def test_token_by_token_is_what_generate_gives(tiny: Any, seed: int) -> None:
    want = generated(tiny, HOT, seed)
    writing = Writing(tiny, PROMPT, seed)
    while writing.ended is None and len(writing.tokens) < HOT.max_tokens:
        writing.step(HOT)
    assert tuple(writing._ids) == want.token_ids
    assert [t.logprob for t in writing.tokens] == pytest.approx(want.logprobs, abs=1e-4)
    assert (writing.ended == "eos") == (want.finish == "eos")


@pytest.mark.parametrize("first", [0, 3])
def test_the_rest_after_some_tokens_is_what_generate_gives(tiny: Any, first: int) -> None:
    want = generated(tiny, HOT, 1)
    writing = Writing(tiny, PROMPT, 1)
    for _ in range(first):
        writing.step(HOT)
    run(writing.rest(HOT))
    assert tuple(writing._ids) == want.token_ids


def test_after_other_controls_the_tokens_so_far_stay(tiny: Any) -> None:
    writing = Writing(tiny, PROMPT, 1)
    for _ in range(4):
        writing.step(Sampling(temperature=2.0))
    before = list(writing._ids)
    greedy = Sampling(max_tokens=30, temperature=0.0)
    run(writing.rest(greedy))
    assert writing._ids[:4] == before
    rest = Prompt(PROMPT.messages, "", tuple(before))
    want = run(tiny.generate(rest, Sampling(max_tokens=26, temperature=0.0), Ledger(), SeedPath(9)))
    assert tuple(writing._ids[4:]) == want[0].token_ids


def test_a_stopped_text_keeps_what_was_shown_and_goes_on(tiny: Any) -> None:
    writing, shown = Writing(tiny, PROMPT, 2), []
    handle = start(writing.rest(HOT, pace=200.0, told=lambda: shown.append(len(writing.tokens))))
    while len(shown) < 2:
        assert not handle.done()
    handle.stop()
    with pytest.raises(CancelledError):
        handle.result(10)
    kept = tuple(writing._ids)
    want = generated(tiny, HOT, 2).token_ids or ()
    assert 2 <= len(kept) < len(want)
    run(writing.rest(HOT))
    assert tuple(writing._ids) == want


def test_nothing_is_drawn_past_the_end(tiny: Any) -> None:
    writing = Writing(tiny, PROMPT, 0)
    run(writing.rest(Sampling(max_tokens=100, temperature=0.0)))
    assert writing.ended == "eos"
    before = len(writing.tokens)
    writing.step(HOT)
    run(writing.rest(HOT))
    assert len(writing.tokens) == before


def test_what_else_could_have_stood_there_is_looked_up(tiny: Any) -> None:
    writing = Writing(tiny, PROMPT, 3)
    run(writing.rest(HOT))
    assert all(not token.others for token in writing.tokens)
    logprobs = [token.logprob for token in writing.tokens]
    writing.explain()
    assert all(len(token.others) == 5 for token in writing.tokens)
    assert [token.logprob for token in writing.tokens] == logprobs
    for token in writing.tokens:
        assert token.logprob == pytest.approx(
            dict(token.others).get(token.text, token.logprob), abs=1e-4
        )


def test_the_distribution_is_computed_once_a_position(tiny: Any) -> None:
    writing = Writing(tiny, PROMPT, 0)
    first = writing.look()
    assert writing.look() is first
    writing.step(HOT)
    assert writing.look() is not first
    assert np.exp(writing.look().logprobs).sum() == pytest.approx(1.0)


def test_a_prompt_whose_answer_has_begun_is_refused(tiny: Any) -> None:
    with pytest.raises(BadInput, match="without prefix"):
        Writing(tiny, Prompt((), "so far"))


class Endpoint:
    """Writes "ab", one letter a token, and scores it."""

    name, dialect, flops_per_token = "far", "plain", 0.0
    can = frozenset({"logprobs", "score", "continue", "seed"})

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        self.paths.append(seed.text)
        rest = "ab"[len(prompt.prefix) :]
        text = rest[: sampling.max_tokens]
        finish = "eos" if len(text) < sampling.max_tokens or text == "" else "length"
        return [Completion(text, finish, Usage(3, 0, len(text)), None, (-0.5,) * len(text))]

    async def score(
        self, prompt: Prompt, continuations: Sequence[str], ledger: Ledger
    ) -> list[TokenScores]:
        return [TokenScores(tuple(text), (-0.5,) * len(text)) for text in continuations]


def test_an_endpoint_writes_token_by_token_too() -> None:
    model = Endpoint()
    writing = Writing(model, asked("x"), 7)  # type: ignore[arg-type]
    writing.step(HOT)
    assert (writing.text, writing.tokens[0].logprob, writing.ended) == ("a", -0.5, None)
    writing.step(HOT)
    writing.step(HOT)
    assert (writing.text, writing.ended) == ("ab", "eos")
    assert model.paths == ["7", "7/after/1", "7/after/2"]


def test_an_endpoints_text_is_taken_apart_afterwards() -> None:
    model = Endpoint()
    writing = Writing(model, asked("x"))  # type: ignore[arg-type]
    run(writing.rest(HOT))
    assert [t.text for t in writing.tokens] == ["ab"]
    writing.explain()
    assert [(t.text, t.logprob) for t in writing.tokens] == [("a", -0.5), ("b", -0.5)]
    assert model.paths == ["0"]


def test_an_endpoint_that_fails_says_so() -> None:
    class Down(Endpoint):
        async def generate(self, *args: Any) -> list[Completion]:
            raise LabError("nobody answers")

    writing = Writing(Down(), asked("x"))  # type: ignore[arg-type]
    with pytest.raises(LabError, match="nobody answers"):
        asyncio.run(writing.rest(HOT))
