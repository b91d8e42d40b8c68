"""A toy task (running sums, one a line) and a scripted model that errs with a known probability.

A token is a character; the end of sequence is one token more. Every draw depends on the seed path
and the number of lines written so far, as a counter-based generator would have it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Verdict
from reasoning.core import Completion, Prompt, Sampling, SeedPath, TokenScores, Usage
from reasoning.ledger import Ledger


class Judge:
    knows = "reference"

    def check(self, problem: Problem, text: str) -> Verdict:
        answer = Toy.read(text)
        passed = answer == problem.answer
        return Verdict(float(passed), passed, answer, "right" if passed else "wrong")


class StepJudge:
    knows = "solution"

    def check(self, problem: Problem, steps: Sequence[str]) -> Verdict:
        last, numbers = steps[-1], problem.fields["numbers"]
        if last.startswith("="):
            answer = last[1:].strip()
            right = answer == steps[-2].strip() if len(steps) > 1 else False
            return Verdict(float(right), right, answer)
        if not last.strip().isdigit():
            return Verdict(0.0, None, None, "not a number")
        right = int(last) == sum(numbers[: len(steps) + 1])
        return Verdict(float(right), right, None, "" if right else "wrong sum")


@dataclass(frozen=True)
class Toy(Task):
    @property
    def verifier(self) -> Judge:
        return Judge()

    @property
    def step_verifier(self) -> StepJudge:
        return StepJudge()

    def render(self, problem, format, dialect):
        return "+".join(map(str, problem.fields["numbers"])) + (":" if format == "chain" else "=")

    def extract(self, text):
        return self.read(text)

    @staticmethod
    def read(text: str) -> str | None:
        _, equals, tail = text.rpartition("=")
        return tail.strip() or None if equals else None

    def max_tokens(self, format, dialect):
        return 40


def toy(n: int = 4, length: int = 4) -> Toy:
    rng = random.Random(7)
    problems = []
    for i in range(n):
        numbers = [rng.randrange(1, 9) for _ in range(length)]
        problems.append(Problem(f"toy/{i}", {"numbers": numbers}, str(sum(numbers))))
    return Toy("toy", tuple(problems))


class Scripted:
    """Writes the running sums, each right with probability `right`, else too great (errors never
    cancel); `delay` seconds a call.

    `asked` is a file that gets one line for every call. `fault(prompt, seed)` may raise.
    """

    name, dialect, flops_per_token = "scripted", "compact", 2.0

    def __init__(
        self, right: float = 0.7, *, delay: float = 0.0, asked: Path | None = None,
        fault: Callable[[str, SeedPath], None] | None = None,
        can: Sequence[str] = ("continue", "logprobs", "score", "token_ids", "tells_stop"),
    ) -> None:  # fmt: skip
        self.right, self.delay, self.asked, self.fault = right, delay, asked, fault
        self.can = frozenset(can)
        self.calls = self.prompt = self.completion = self.read = 0
        self.running = self.widest = 0

    def fingerprint(self):
        return {"name": self.name, "right": self.right}

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        question = prompt.messages[-1].content
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens,
            prompt_tokens=len(question) + len(prompt.prefix), flops_per_token=self.flops_per_token,
        )  # fmt: skip
        if grant.empty:
            return [Completion("", "budget", Usage())]
        self.running += 1
        self.widest = max(self.widest, self.running)
        try:
            if self.asked is not None:
                with self.asked.open("a") as file:
                    file.write(f"{seed.text} {len(prompt.prefix)} {sampling.temperature}\n")
            await asyncio.sleep(self.delay)
            if self.fault is not None:
                self.fault(question, seed)
            done = self._write(question, prompt.prefix, sampling, seed, grant.max_tokens)
        except BaseException as error:
            grant.lose(repr(error))
            raise
        finally:
            self.running -= 1
        usage = Usage(len(question) + len(prompt.prefix), 0, done.usage.completion)
        grant.settle(usage)
        self.calls += 1
        self.prompt += usage.prompt
        self.completion += usage.completion
        return [Completion(done.text, done.finish, usage, done.token_ids, done.logprobs)]

    def _write(self, question, prefix, sampling, seed, granted) -> Completion:
        numbers = [int(x) for x in question[:-1].split("+")]
        lines = [line for line in prefix.splitlines() if line.isdigit()]  # others were forced
        if prefix.endswith("="):
            text = lines[-1] if lines else str(numbers[0])
            return self._cut(text, "eos", [-0.1] * (len(text) + 1), sampling, granted)
        text, logprobs = "", []
        while True:
            at = len(lines)
            rng = random.Random(seed.key[0] ^ (at + 1) * 0x9E3779B97F4A7C15)
            ends = at == len(numbers) - 1
            right = ends or sampling.temperature == 0 or rng.random() < self.right
            base = int(lines[-1]) if lines else numbers[0]
            value = base if ends else base + numbers[at + 1] + (0 if right else rng.choice((1, 2)))
            piece = f"={value}" if ends else f"{value}\n"
            logprobs += [-0.1 if right else -1.0] * (len(piece) + ends)
            text, lines = text + piece, [*lines, str(value)]
            if ends or sampling.boundary:
                break
        return self._cut(text, "eos" if ends else "boundary", logprobs, sampling, granted)

    @staticmethod
    def _cut(text, finish, logprobs, sampling, granted) -> Completion:
        used = len(text) + (finish == "eos")
        if used > granted:
            finish = "budget" if granted < sampling.max_tokens else "length"
            text, used = text[:granted], granted
        ids = tuple(map(ord, text)) + (0,) * (used - len(text))
        return Completion(text, finish, Usage(0, 0, used), ids, tuple(logprobs[:used]))

    async def score(self, prompt, continuations, ledger) -> list[TokenScores]:
        grants = [
            ledger.reserve_reading(
                purpose="score", model=self.name, key=f"score/{i}", tokens=len(c)
            )
            for i, c in enumerate(continuations)
        ]
        await asyncio.sleep(0)
        scores = []
        for text, grant in zip(continuations, grants, strict=True):
            if grant.empty:
                scores.append(TokenScores((), ()))
                continue
            grant.settle(Usage())
            self.read += len(text)
            scores.append(TokenScores(tuple(text), (-0.5,) * len(text)))
        return scores


ARMS = {
    "self-consistency(temperature=0.5)": 0.5,
    "best-of-n(scorer=likelihood,temperature=0.6)": 0.6,
    "step-resample(temperature=0.7)": 0.7,
}
"""Arms whose calls can be told apart in the file `asked`, by their temperature."""


def logged(folder: Path) -> set[str]:
    """The calls whose responses a run folder holds, as `asked` has them."""
    from reasoning.runlog import read_events

    found = set()
    for event in read_events(folder):
        if event["kind"] == "response":
            arm = event["scope"].split("/")[1].replace("%2F", "/")
            question = 4 * 2  # four numbers of one digit, with their signs
            prefix = event["reserved"][0]["prompt_tokens"] - question
            found.add(f"{event['reserved'][0]['key']} {prefix} {ARMS[arm]}")
    return found


def solve(strategy, task, model, problem, budget=None, seed: int = 0):
    """One strategy on one problem: the solution and its ledger."""
    from reasoning.core import Context

    ledger = Ledger(budget)
    ctx = Context(task, model, ledger, SeedPath(seed, (problem.id,)))
    return asyncio.run(strategy.solve(problem, ctx)), ledger
