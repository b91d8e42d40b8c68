"""This project's searches on the toy of `steps.py`: python run_ours_search.py STRATEGY COUNT.

A whole run with its log on disk: every response, the tree, the answer. STRATEGY is mcts, ab-mcts,
beam-search or best-of-n; COUNT how many calls. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from steps import CHOICES, LENGTH, QUESTION, Clock, line, value

from evaluators import Problem, Verdict
from evaluators.tasks.base import Task
from reasoning.core import Completion, Usage
from reasoning.ledger import Budget
from search import ABMCTS, MCTS, BeamSearch, BestOfN
from search.comparison import compare_async


class Judge:
    knows: Any = "nothing"

    def check(self, problem, text):
        return Verdict(value(text), False, None)


@dataclass(frozen=True)
class Numbers(Task):
    @property
    def verifier(self):
        return Judge()

    def render(self, problem, format, dialect):
        return QUESTION

    def extract(self, text):
        return text.split("\n")[-2] if text.endswith(".\n") else None


@dataclass(frozen=True)
class Value:
    knows, scale, partial = "nothing", "unit", True
    needs = frozenset()

    async def score(self, problem, traces, ctx):
        return [value(trace.text) for trace in traces]


class Instant:
    """Answers at once: a token a line."""

    name, dialect, flops_per_token = "instant", "compact", 0.0
    can = frozenset({"continue", "logprobs", "score", "token_ids", "tells_stop"})

    def __init__(self, clock: Clock) -> None:
        self.clock, self.calls = clock, 0

    def fingerprint(self):
        return {"name": self.name}

    async def generate(self, prompt, sampling, ledger, seed):
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens
        )
        written = prompt.prefix.count("\n")
        count = 1 if sampling.boundary else LENGTH - written
        draw = seed.key[0]
        text = "".join(line((draw >> at) % CHOICES, written + at) for at in range(count))
        finish = "eos" if text.endswith(".\n") else "boundary"
        usage = Usage(written, 0, count)
        grant.settle(usage)
        self.calls += 1
        self.clock.at(self.calls)
        return [Completion(text, finish, usage, (draw % CHOICES,) * count, (-1.0,) * count)]


def strategy(name: str, count: int) -> Any:
    """The strategy that makes about `count` calls."""
    scorer: Any = Value()
    if name == "mcts":
        return MCTS(scorer=scorer, simulations=count)
    if name == "ab-mcts":
        return ABMCTS(scorer=scorer, answers=count, by="prefix")
    if name == "beam-search":
        expansions = -(-count // (LENGTH * 4))
        return BeamSearch(scorer=scorer, width=4, expansions=expansions, frugal=False, rounds=1)
    return BestOfN(n=count, scorer=scorer)


async def main() -> None:
    """One problem, one arm."""
    name, count = sys.argv[1], int(sys.argv[2])
    task = Numbers("numbers", (Problem("numbers/0", {}),))
    how = strategy(name, count)
    with tempfile.TemporaryDirectory() as folder:
        marks = [count * part // 10 for part in range(1, 11)]
        clock = Clock(marks)
        model: Any = Instant(clock)
        report = await compare_async(
            {name: how}, task, model, [Budget()], out=f"{folder}/run", progress=False
        )
        [cell] = report.cells
        clock.tell(model.calls, answered=cell.answer is not None, nodes=model.calls)


if __name__ == "__main__":
    asyncio.run(main())
