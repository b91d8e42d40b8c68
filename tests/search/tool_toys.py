"""Scripted models that call tools, and a run of them that can be killed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toy_lab import Judge, Toy

from evaluators.problem import Problem
from evaluators.tasks.chains import number
from evaluators.verdict import Verdict
from reasoning.core import Completion, Prompt, Usage
from search import ToolUse
from search.tools import Calculator, Result


class Number(Judge):
    def check(self, problem: Problem, text: str) -> Verdict:
        passed = number(text) == problem.answer
        return Verdict(float(passed), passed, number(text), "")


@dataclass(frozen=True)
class Sum(Toy):
    """`23*47+188-95`, a chain, `</think>` (or `Answer:`), a number."""

    verifier = property(lambda self: Number())  # type: ignore[assignment]

    def render(self, problem, format, dialect):
        return "23*47+188-95?"

    def extract(self, text):
        return number(text)

    def max_tokens(self, format, dialect):
        return 80


FULL = frozenset({"continue", "token_ids", "tells_stop"})


class Writer:
    """Writes on as a function of the turn so far says; a token is a character, the end one more.

    A boundary stays in the text, a stop string is cut from it. Without `tells_stop` both the end
    and a stop string are told as `stop`, as some servers do. `seen` are the prompts.
    """

    name, flops_per_token = "writer", 2.0

    def __init__(
        self, write: Callable[[str], str], *, can=FULL, dialect="compact", context=10**6,
        asked: Path | None = None,
    ) -> None:  # fmt: skip
        self.write, self.can, self.dialect, self.context = write, can, dialect, context
        self.seen: list[Prompt] = []
        self.completion = 0
        self.asked = asked

    def fingerprint(self):
        return {"name": self.name}

    async def generate(self, prompt, sampling, ledger, seed):
        room = self.context - len(prompt.prefix)
        if room < 1:
            return [Completion("", "length", Usage())]
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens,
            prompt_tokens=len(prompt.prefix), flops_per_token=2.0,
        )  # fmt: skip
        if grant.empty:
            return [Completion("", "budget", Usage())]
        self.seen.append(prompt)
        if self.asked is not None:
            with self.asked.open("a") as file:
                file.write(f"{seed.text}\n")
        text, finish = self.write(prompt.prefix), "eos"
        ends = [(text.find(mark) + len(mark), mark) for mark in sampling.stop if mark in text]
        if sampling.boundary and sampling.boundary in text:
            ends.append((text.find(sampling.boundary) + len(sampling.boundary), ""))
        if ends:
            end, mark = min(ends)
            text, finish = text[:end], "stop" if mark else "boundary"
        used = len(text) + (finish == "eos")
        limit = min(grant.max_tokens, room)
        if used > limit:
            text, used = text[:limit], limit
            finish = "budget" if limit < min(sampling.max_tokens, room) else "length"
        if finish == "stop":
            text = text[: -len(min(ends)[1])]
        if finish == "eos" and "tells_stop" not in self.can:
            finish = "stop"
        grant.settle(Usage(len(prompt.prefix), 0, used))
        self.completion += used
        ids = tuple(map(ord, text)) + (0,) * (used - len(text))
        return [Completion(text, finish, Usage(len(prompt.prefix), 0, used), ids, (-0.5,) * used)]


def script(text: str) -> Callable[[str], str]:
    """Writes `text`, whatever results stand in the turn in place of the scripted ones."""
    lines = text.splitlines(keepends=True)

    def write(prefix: str) -> str:
        done = prefix.count("\n")
        held = prefix.rpartition("\n")[2]
        rest = "".join(lines[done:])
        if held.endswith("]"):
            return rest[rest.index("]") + 1 :] if "]" in rest else rest
        return rest[len(held) :]

    return write


class Dice(Calculator):
    """Never says the same twice, and writes down that it was asked."""

    name, steady = "dice", False

    def __init__(self, file: Path) -> None:
        object.__setattr__(self, "file", file)

    def run(self, call, earlier=(), seconds=0.0):
        with self.file.open("a") as out:  # type: ignore[attr-defined]
            out.write(f"{call}\n")
        return Result(str(int.from_bytes(os.urandom(8), "big")))


def roller(prefix: str) -> str:
    """Rolls four times, answers with what came first."""
    rolls = re.findall(r"\]=(\d+)\n", prefix)
    return f"[{len(rolls)}]=\n" if len(rolls) < 4 else f"</think>{rolls[0]}"


def rolling(folder: Path, **more: Any) -> dict[str, Any]:
    """The arguments of a comparison whose tool is never steady."""
    task = Sum("sum", tuple(Problem(f"p{i}", {}, "0") for i in range(3)))
    model = Writer(roller, asked=folder / "asked")
    arms = {"dice": ToolUse(tools=Dice(folder / "rolled"), n=2, temperature=1.0)}
    return {"strategies": arms, "task": task, "model": model, "budgets": [400],
            "out": folder / "run", "progress": False, **more}  # fmt: skip
