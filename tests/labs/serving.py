"""What tests of the server share: plain clients, and a scripted model that can be held up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import httpx
import openai

from evaluators.errors import LabError
from reasoning.core import Completion, Prompt, Sampling, SeedPath, TokenScores, Usage
from reasoning.ledger import Ledger
from reasoning.models.decoding.stepper import Counters, Request, Result
from reasoning.models.local import LocalModel

QUESTION = "(3+4)*2-5<think>"


def client(server: Any, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key=key, max_retries=0)


def post(server: Any, route: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/{route}", json=body, timeout=60)


def ask(server: Any, model: str, text: str, **body: Any) -> dict[str, Any]:
    """One chat turn to a strategy; the whole answer."""
    turns = [{"role": "user", "content": text}]
    answer = post(server, "chat/completions", model=model, messages=turns, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def health(server: Any) -> dict[str, Any]:
    return httpx.get(server.url.removesuffix("/v1") + "/health").json()


def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


class Scripted:
    """Answers `text`, in words as tokens, or fails with `fault`; waits while `open` is not set.

    `seen` are the prompts and samplings it was asked; `cancelled` counts the calls given up.
    """

    name, dialect, flops_per_token = "scripted", "plain", 0.0
    can = frozenset({"continue", "choices", "regex", "schema", "n", "seed"})

    def __init__(self, text: str = "The answer is 4.", fault: Exception | None = None) -> None:
        self.text, self.fault = text, fault
        self.open = threading.Event()
        self.open.set()
        self.seen: list[tuple[Prompt, Sampling]] = []
        self.cancelled = self.waiting = 0

    def fingerprint(self) -> dict[str, Any]:
        return {"name": self.name}

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        self.seen.append((prompt, sampling))
        self.waiting += 1
        try:
            while not self.open.is_set():
                await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1
        if self.fault is not None:
            raise self.fault
        words = len(self.text.split())
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens
        )
        if grant.empty:
            return [Completion("", "budget", Usage())]
        grant.settle(Usage(7, 0, words))
        return [Completion(self.text, "eos", Usage(7, 0, words))] * sampling.n

    async def score(self, prompt: Any, continuations: Any, ledger: Any) -> list[TokenScores]:
        raise LabError("the script scores nothing")


class HeldLoop:
    """Draws the tokens of "7*2-5\\n9", each one when it is let; the threads end with the test."""

    def __init__(self, tiny: Any) -> None:
        self.pieces, self.ids = tiny.token_bytes, tiny.encode(Prompt((), "7*2-5\n9"))
        self.turns, self.given_up = threading.Semaphore(0), threading.Event()

    def submit(self, request: Request) -> Future[Result]:
        future: Future[Result] = Future()
        threading.Thread(target=self._draw, args=(request, future), daemon=True).start()
        return future

    def _draw(self, request: Request, future: Future[Result]) -> None:
        for token in self.ids:
            while not self.turns.acquire(timeout=0.01):
                if future.cancelled():
                    self.given_up.set()
                    return
            if request.on_token is not None:
                request.on_token(token, -0.5)
        ids = tuple(self.ids)
        future.set_result(Result(ids, (-0.5,) * len(ids), "length", "7*2-5\n9", 3, 0))


def held(tiny: Any) -> tuple[LocalModel, HeldLoop]:
    """A local model whose every token waits for a turn."""
    loop: Any = HeldLoop(tiny)
    model = LocalModel(
        "held", loop, tiny._encoder, max_positions=64, flops_per_token=1.0, path="generate"
    )
    loop.counters = Counters()
    return model, loop
