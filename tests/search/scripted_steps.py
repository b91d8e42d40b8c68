"""A task whose states are words, and a model that writes the steps that a table lists, in order.

The k-th child of a node is the k-th entry of the list of what stands before it (round again at the
end). A step is a line; one that begins with `=` is the last and answers. A token is a character.
"""

import asyncio
import random
from dataclasses import dataclass, field

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Verdict
from reasoning.core import Completion, Context, SeedPath, Usage
from reasoning.ledger import Ledger


class Judge:
    knows = "reference"

    def check(self, problem, text):
        right = text.rpartition("=")[2] == problem.answer
        return Verdict(float(right), right, text.rpartition("=")[2])


@dataclass(frozen=True)
class Words(Task):
    """`sorts`: the order of the letters does not matter to what follows."""

    sorts: bool = False

    @property
    def verifier(self):
        return Judge()

    def render(self, problem, format, dialect):
        return "word:"

    def extract(self, text):
        return text.rpartition("=")[2] or None

    def state_key(self, problem, steps):
        return "".join(sorted("".join(steps).replace("\n", ""))) if self.sorts else None

    def max_tokens(self, format, dialect):
        return 60


PROBLEM = Problem("words/0", {}, "yes")
TASK = Words("words", (PROBLEM,))


class Listed:
    """Writes `table[what stands]`, a list of (text, logprob a token); what is not listed ends with
    `=no`. `delays`: a call takes a random time."""

    name, dialect, flops_per_token = "listed", "compact", 2.0
    can = frozenset({"continue", "logprobs", "token_ids", "tells_stop"})

    def __init__(self, table, *, delays=False):
        self.table, self.delays = table, delays
        self.asked = []

    def fingerprint(self):
        return {"name": self.name}

    async def generate(self, prompt, sampling, ledger, seed):
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens
        )
        if grant.empty:
            return [Completion("", "budget", Usage())]
        self.asked.append((prompt.prefix, seed.text))
        await asyncio.sleep(random.random() / 1000 if self.delays else 0)
        entry = self.entry(prompt.prefix, seed)
        text, logprob = entry if isinstance(entry, tuple) else (entry, -1.0)
        finish = "eos" if text.startswith("=") else "boundary"
        used = len(text) + (finish == "eos")
        if used > grant.max_tokens:
            finish = "budget" if grant.max_tokens < sampling.max_tokens else "length"
            text, used = text[: grant.max_tokens], grant.max_tokens
        grant.settle(Usage(0, 0, used))
        ids = tuple(map(ord, text)) + (0,) * (used - len(text))
        return [Completion(text, finish, Usage(0, 0, used), ids, (logprob,) * used)]

    def entry(self, prefix, seed):
        entries = self.table.get(prefix, ["=no"])
        return entries[seed.parts[-1] % len(entries)]


@dataclass(frozen=True)
class Table:
    """The scores of whole prefixes; `otherwise` for those not listed."""

    scores: dict = field(hash=False)
    otherwise: float = 0.0
    scale: str = "unit"
    knows: str = "solution"
    needs: frozenset = frozenset()
    partial: bool = True

    async def score(self, problem, traces, ctx):
        return [self.scores.get(trace.text, self.otherwise) for trace in traces]


def solve(strategy, model, budget=None, task=TASK, seed=0):
    """One strategy on the one problem: the solution and its ledger."""
    ledger = Ledger(budget)
    ctx = Context(task, model, ledger, SeedPath(seed, (PROBLEM.id,)))
    return asyncio.run(strategy.solve(PROBLEM, ctx)), ledger


def drawn(solution):
    """What the model wrote, as whole prefixes, in the order of the tree."""
    tree = solution.tree
    return ["".join(tree.texts(node)) for node in tree if node.key]
