"""An endpoint's next-token distribution against the exact one of the model behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from evaluators.errors import LabError
from labs.server.listen import Server
from reasoning import load_model
from reasoning.core import Message, Prompt
from reasoning.ledger import Budget, Ledger
from reasoning.loop import run
from reasoning.models.endpoint.peek import alternatives
from reasoning.models.introspect import distribution

PROMPT = Prompt((Message("user", "3 5 7 2=24<think>"),))


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load_model("tiny")


@pytest.fixture(scope="module")
def server(tiny: Any) -> Iterator[Server]:
    with Server(tiny) as made:
        yield made


@pytest.mark.parametrize("route", ["completions", "chat"])
def test_the_first_twenty_are_those_of_the_model_behind_it(
    tiny: Any, server: Server, route: str
) -> None:
    far = load_model(f"openai:tiny@{server.url}", route=route)
    told, exact = distribution(far, PROMPT), distribution(tiny, PROMPT, k=20)
    assert (told.complete, len(told)) == (False, 20)
    assert told.tokens == exact.tokens
    assert told.logprobs == pytest.approx(exact.logprobs, abs=1e-4)
    assert told.rest == pytest.approx(exact.rest, abs=1e-4)
    assert (np.diff(told.logprobs) <= 0).all()


def test_one_token_is_charged(server: Server) -> None:
    far: Any = load_model(f"openai:tiny@{server.url}")
    ledger = Ledger()
    run(far.next_tokens(PROMPT, ledger, 5))
    assert (ledger.spent.completion, ledger.spent.calls) == (1, 1)
    assert run(far.next_tokens(PROMPT, Ledger(Budget(tokens=0)), 5)) == []


def test_a_server_that_refuses_twenty_is_asked_for_five(tiny: Any, server: Server) -> None:
    far: Any = load_model(f"openai:tiny@{server.url}")
    ledger = Ledger()
    told = run(far.next_tokens(PROMPT, ledger, 30))  # it tells at most 20
    assert [token for token, _ in told] == list(distribution(tiny, PROMPT, k=5).tokens)
    assert ledger.spent.completion == 1


def test_a_server_without_log_probabilities_says_so(server: Server) -> None:
    far = load_model(f"openai:tiny@{server.url}", can="continue")
    with pytest.raises(LabError, match="tells no log-probabilities"):
        distribution(far, PROMPT)


@pytest.mark.parametrize(
    "told",
    [None, {}, {"top_logprobs": []}, {"top_logprobs": [None]}, {"content": [{}]}, {"content": [3]},
     {"top_logprobs": [{"a": None}]}],
    ids=str,
)  # fmt: skip
def test_an_answer_without_alternatives_has_none(told: Any) -> None:
    assert alternatives(told) == []


def test_a_server_that_tells_none_is_asked_once_and_said_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    far: Any = load_model(f"openai:tiny@{server.url}")
    post, posts = far.wire.post, []

    async def silent(path: str, fields: Any, admit: Any) -> Any:
        posts.append(path)
        data = await post(path, fields, admit)
        data["choices"][0]["logprobs"] = {"tokens": ["7"], "token_logprobs": [-0.5]}
        return data

    monkeypatch.setattr(far.wire, "post", silent)
    ledger = Ledger()
    with pytest.raises(LabError, match="told no alternatives"):
        run(far.next_tokens(PROMPT, ledger, 5))
    assert len(posts) == 1
    assert ledger.spent.completion == 1
