"""A toy task (sums, one partial sum a line), a scripted model that errs by the seed path, and a
program that collects with it: FOLDER, and how it is started (script, slow)."""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Verdict
from reasoning.core import Completion, Usage


class Judge:
    knows = "reference"

    def check(self, problem, text):
        answer = Sums.read(text)
        passed = answer == problem.answer
        return Verdict(float(passed), passed, answer, "right" if passed else "wrong")


class Lenient(Judge):
    """Passes what is one too great as well."""

    def check(self, problem, text):
        answer = Sums.read(text)
        passed = answer is not None and int(answer) - int(problem.answer) in (0, 1)
        return Verdict(float(passed), passed, answer, "near enough" if passed else "far off")


@dataclass(frozen=True)
class Sums(Task):
    judge: object = Judge()

    @property
    def verifier(self):
        return self.judge

    def render(self, problem, format, dialect):
        return "+".join(map(str, problem.fields["numbers"])) + (":" if format == "chain" else "=")

    def extract(self, text):
        return self.read(text)

    @staticmethod
    def read(text):
        _, equals, tail = text.rpartition("=")
        return tail.strip() or None if equals and tail.strip().isdigit() else None

    def max_tokens(self, format, dialect):
        return 40


def sums(n=4, judge=None, first=0) -> Sums:
    rng = random.Random(7)
    problems = []
    for i in range(first + n):
        numbers = [rng.randrange(1, 9) for _ in range(3)]
        key, meta = str(sorted(numbers)), {"split": "train"}
        problems.append(
            Problem(f"sums/{i}", {"numbers": numbers}, str(sum(numbers)), {"key": key, **meta})
        )
    return Sums("sums", tuple(problems[first:]), judge or Judge())


class Scripted:
    """Writes the partial sums and the answer: a token is a character, the end is one more. The last
    sum is one too great with probability 1 - `right`.

    `asked` is a file that gets one line for every call; `fault(prompt, seed)` may raise.
    """

    dialect, flops_per_token = "compact", 2.0
    can = frozenset({"continue", "logprobs", "token_ids", "tells_stop"})

    def __init__(self, right=0.5, *, name="scripted", delay=0.0, asked=None, fault=None):
        self.right, self.name, self.delay = right, name, delay
        self.file, self.fault = asked, fault
        self.asked, self.running, self.widest = [], 0, 0

    def fingerprint(self):
        return {"name": self.name, "right": self.right}

    async def generate(self, prompt, sampling, ledger, seed):
        question = prompt.messages[-1].content
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens,
            prompt_tokens=len(question), flops_per_token=self.flops_per_token,
            price=getattr(self, "price", None),
        )  # fmt: skip
        if grant.empty:
            return [Completion("", "budget", Usage())]
        self.asked.append((question, seed.text))
        self.running += 1
        self.widest = max(self.widest, self.running)
        try:
            if self.file is not None:
                with self.file.open("a") as file:
                    file.write(f"{question} {seed.text}\n")
            await asyncio.sleep(self.delay)
            if self.fault is not None:
                self.fault(question, seed)
        except BaseException as error:
            grant.lose(repr(error))
            raise
        finally:
            self.running -= 1
        text, finish = self.write(question, prompt.prefix, seed), "eos"
        used = len(text) + 1
        if used > grant.max_tokens:
            finish = "budget" if grant.max_tokens < sampling.max_tokens else "length"
            text, used = text[: grant.max_tokens], grant.max_tokens
        usage = Usage(len(question), 0, used)
        grant.settle(usage)
        ids = tuple(map(ord, text)) + (0,) * (used - len(text))
        return [Completion(text, finish, usage, ids, (-0.25,) * used)]

    def write(self, question, prefix, seed):
        numbers = [int(x) for x in question.splitlines()[-1][:-1].split("+")]
        wrong = random.Random(seed.key[0]).random() >= self.right
        total = sum(numbers) + wrong
        lines = [f"{numbers[0] + numbers[1]}\n", f"{total}\n", f"={total}"]
        return "".join(lines)[len(prefix) :]


def logged(folder: Path) -> set[str]:
    """The calls whose responses the folder holds, as the file `asked` has them."""
    from reasoning.runlog import read_events

    found = set()
    for event in read_events(folder):
        if event["kind"] == "response":
            found.add(event["key"].split("|")[2])
    return found


if __name__ == "__main__":
    from reasoning import collect_traces

    place = Path(sys.argv[1])
    model = Scripted(delay=0.01, asked=place / "asked")
    collect_traces(sums(40), model, k=4, out=place / "run", concurrency=2, progress=False)
