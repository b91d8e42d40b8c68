"""A scripted model that says what a function tells it to, and a task of one number a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from toy_lab import Judge, Toy

from evaluators.problem import Problem
from evaluators.verdict import Verdict
from reasoning.core import Completion, Usage

PROBLEM = Problem("told/0", {"numbers": [1, 2]}, "3")


@dataclass(frozen=True)
class Words(Toy):
    """Free lines; the answer stands behind the last `=`."""

    @property
    def verifier(self):
        return Judge()

    @property
    def step_verifier(self):
        return BadWord()


class BadWord:
    """Rejects a step with the word `bad` in it."""

    knows = "check"

    def check(self, problem: Problem, steps: Sequence[str]) -> Verdict:
        good = "bad" not in steps[-1]
        return Verdict(float(good), good)


WORDS = Words("words", (PROBLEM,))


class Told:
    """`say(messages, prefix, seed)` gives (text, finish, log-probabilities): one token each, or
    with a number n tokens at 0. `asked` remembers what was asked."""

    name, flops_per_token = "told", 2.0

    def __init__(
        self, say: Callable, *, dialect="compact", can=("continue", "logprobs", "tells_stop")
    ) -> None:
        self.say, self.dialect, self.can = say, dialect, frozenset(can)
        self.asked: list[tuple[tuple, str, tuple]] = []

    def fingerprint(self):
        return {"name": self.name}

    async def generate(self, prompt, sampling, ledger, seed):
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens
        )
        if grant.empty:
            return [Completion("", "budget", Usage())]
        messages = tuple((m.role, m.content) for m in prompt.messages)
        self.asked.append((messages, prompt.prefix, seed.parts[1:]))
        text, finish, told = self.say(messages, prompt.prefix, seed.parts[1:])
        logprobs = (0.0,) * told if isinstance(told, int) else tuple(told)
        if len(logprobs) > grant.max_tokens:
            short = grant.max_tokens < sampling.max_tokens
            finish, logprobs = ("budget" if short else "length"), logprobs[: grant.max_tokens]
        usage = Usage(0, 0, len(logprobs))
        grant.settle(usage)
        ids = tuple(range(len(logprobs)))
        return [Completion(text, finish, usage, ids, logprobs)]
