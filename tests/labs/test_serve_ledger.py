"""The same model in process and behind the server: equal completions, equal accounts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from evaluators import load_task
from reasoning import load_model
from reasoning.core import Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run
from reasoning.prompts import PromptStyle, build
from search import STRATEGIES, compare
from tests.labs.serving import health

FORMATS = [
    (name, format)
    for name in ("expressions", "countdown", "chain-sum", "operator")
    for format in load_task(name, n=0).formats
]
ARMS = [
    "direct", "chain-of-thought", "self-consistency", "self-consistency(adaptive=0.9)",
    "best-of-n", "best-of-n(scorer=likelihood)", "best-of-n(scorer=mean-likelihood)",
    "best-of-n(scorer=vote)", "best-of-n(scorer=step-verifier,vote=true)",
    "best-of-n(stop=first-accepted)", "step-resample",
]  # fmt: skip
ARMS += [name for name in STRATEGIES if not any(arm.startswith(name) for arm in ARMS)]


@pytest.fixture(scope="module")
def endpoint(tiny_server: Any) -> Any:
    return load_model(f"openai:tiny@{tiny_server.url}")


@pytest.mark.parametrize(("name", "format"), FORMATS, ids="-".join)
def test_greedy_completions_are_equal(
    tiny_server: Any, endpoint: Any, name: str, format: Any
) -> None:
    task, greedy = load_task(name, n=20), Sampling(max_tokens=160, temperature=0.0)
    prompts = [build(task, p, PromptStyle(format), "compact") for p in task.problems]

    async def drawn(model: Any) -> list[Any]:
        calls = [model.generate(prompt, greedy, Ledger(), SeedPath(0)) for prompt in prompts]
        return [found for [found] in await asyncio.gather(*calls)]

    here, there = run(drawn(tiny_server.served.models["tiny"])), run(drawn(endpoint))
    for own, told in zip(here, there, strict=True):
        assert (told.text, told.finish) == (own.text, own.finish)
        assert (told.token_ids, told.logprobs) == (own.token_ids, own.logprobs)
        assert told.usage.prompt == own.usage.prompt


@pytest.mark.parametrize("arm", ARMS)
def test_the_ledger_equals_the_servers_counters(tiny_server: Any, endpoint: Any, arm: str) -> None:
    task = load_task("expressions", n=4)
    before = health(tiny_server)
    report = compare([arm], task, endpoint, [96])
    after = health(tiny_server)
    assert not any(cell.state == "error" for cell in report.cells)

    def counted(name: str) -> int:
        return after["models"]["tiny"][name] - before["models"]["tiny"][name]

    def booked(name: str) -> int:
        return sum(getattr(cell, name) for cell in report.cells)

    for name in ("prompt", "cached", "completion"):
        assert booked(name) == counted(name), name
    assert booked("calls") == counted("requests")
    assert booked("lost") == 0 and booked("completion") <= 96 * 4


def test_an_echoed_text_scores_the_same(tiny_server: Any, endpoint: Any) -> None:
    prompt, texts = Prompt((), "(3+4)*2-5<think>"), ["7*2-5\n", "</think>9", "x"]
    tiny = tiny_server.served.models["tiny"]
    own, told = (run(m.score(prompt, texts, Ledger())) for m in (tiny, endpoint))
    assert [score.logprobs for score in told] == [score.logprobs for score in own]
