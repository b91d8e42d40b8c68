"""A toy decision process: words of so many letters, one letter a step, each of a known worth.

The model draws letters with given odds from the seed path. A token is a character; the end of
sequence is one token more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Verdict
from reasoning.core import Completion, Usage


class Known:
    knows = "reference"

    def check(self, problem, text):
        return Verdict(0.0, False, None)


@dataclass(frozen=True)
class Words(Task):
    """`same` takes words of equal letters, in whatever order, for one state."""

    same: bool = False

    @property
    def verifier(self):
        return Known()

    def render(self, problem, format, dialect):
        return "a word?"

    def extract(self, text):
        return word(text) if text.endswith(".") else None

    def state_key(self, problem, steps):
        letters = word("".join(steps))
        return "".join(sorted(letters)) if self.same else letters

    def max_tokens(self, format, dialect):
        return 400


def words(same: bool = False) -> tuple[Words, Problem]:
    problem = Problem("words/0", {})
    return Words("words", (problem,), same), problem


def word(text: str) -> str:
    return text.replace("\n", "").replace(".", "")


class Speller:
    """Writes words of `length` letters; `asked` holds the prefix of every call."""

    name, dialect, flops_per_token = "speller", "compact", 0.0
    can = frozenset({"continue", "logprobs", "token_ids", "tells_stop"})

    def __init__(self, length: int = 3, odds: dict[str, float] | None = None) -> None:
        self.length, self.odds = length, odds or {"a": 0.5, "b": 0.5}
        self.asked: list[str] = []
        self.completion = 0

    def fingerprint(self):
        return {"name": self.name}

    async def generate(self, prompt, sampling, ledger, seed):
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens
        )
        if grant.empty:
            return [Completion("", "budget", Usage())]
        assert not prompt.prefix.endswith("."), "asked past the end"
        self.asked.append(prompt.prefix)
        rng = np.random.Generator(np.random.Philox(key=np.array(seed.key, dtype=np.uint64)))
        letters, chances = list(self.odds), np.cumsum(list(self.odds.values()))
        text, logprobs, at = "", [], len(word(prompt.prefix))
        while True:
            chosen = letters[int(np.searchsorted(chances, rng.random()))]
            at += 1
            over = at == self.length
            text += chosen + (".", "\n")[not over]
            logprobs += [float(np.log(self.odds[chosen])), 0.0]
            if over or sampling.boundary:
                break
        finish = "eos" if over else "boundary"
        ids = [*map(ord, text), *([0] if over else [])]
        logprobs += [0.0] * (len(ids) - len(logprobs))
        if len(ids) > grant.max_tokens:
            cut = grant.max_tokens
            text, ids, logprobs = text[:cut], ids[:cut], logprobs[:cut]
            finish = "budget" if cut < sampling.max_tokens else "length"
        usage = Usage(0, 0, len(ids))
        grant.settle(usage)
        self.completion += len(ids)
        return [Completion(text, finish, usage, tuple(ids), tuple(logprobs))]


@dataclass
class Worth:
    """Scores a trace by its letters; counts what it was asked."""

    of: Callable[[str], float | None]
    partial: bool = True
    knows: str = "solution"
    scale: str = "unit"
    needs: frozenset[str] = frozenset()
    asked: int = 0

    async def score(self, problem, traces, ctx):
        self.asked += len(traces)
        return [self.of(word(trace.text)) for trace in traces]


def best_word(letters: str, length: int, worth: Callable[[str], float]) -> str:
    """By brute force."""
    return max(map("".join, product(letters, repeat=length)), key=worth)


def matching(target: str) -> Callable[[str], float]:
    """The exact value: 1 as long as `target` can still be reached."""
    return lambda letters: float(target.startswith(letters))


def finished(solution) -> Sequence[str]:
    return [trace.answer for trace in solution.traces if trace.answer]
