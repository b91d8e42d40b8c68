"""The shape of a written chain, shared by the tasks that are solved step by step.

Compact: one step a line, `</think>`, the answer. Plain: one step a line, `Answer: …`, where models
also write Markdown, LaTeX, list marks and remarks. A line `wait` takes the last step back that
still stands.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from evaluators.answers import extract, marked
from evaluators.compare import show
from evaluators.literals import plain, read_number
from evaluators.problem import Problem
from evaluators.tasks.base import END_THINK, THINK
from evaluators.verdict import Knows, Verdict

WAIT = "wait"
MAX_LINE = 2000
_BARE = re.compile(r"(?![-*] |\d{1,2}\) )(?!.*\*\*)[0-9+\-*/()= ]*")
_DECORATION = re.compile(
    r"(?:[-*•]\s+|\d{1,2}[.)]\s+)?(?:(?:[A-Za-z]{1,20} ?){1,3}\d{0,2}\s*:\s*)?"
)
_REMARK = re.compile(r"\s*\([^()=]{0,80}[A-Za-z][^()=]{0,80}\)$")
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_GIVING = re.compile(
    r"\b(?:so|thus|hence|therefore|then|and|finally|the|my|our|final|answer|result|value|is|are|was|be"
    r"|should|must|equals|we|have)\b",
    re.IGNORECASE,
)
_FRACTION = re.compile(r"\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_SIGNS = ((r"\times", "*"), (r"\cdot", "*"), (r"\div", "/"), ("{", "("), ("}", ")"))


@dataclass(frozen=True)
class Chain:
    """A completion taken apart: the lines that stand, the final answer's text or `None`, and
    whether words, a box or the like mark that answer."""

    lines: tuple[str, ...]
    answer: str | None
    marked: bool = False


def read(text: str) -> Chain:
    """Take a completion apart.

    The answer is what follows the last `</think>`, or what the last mark after it says
    (`Answer: …`, `\\boxed{…}`). A text of one line without either is a direct answer.
    """
    head, end, tail = text.rpartition(END_THINK)
    mark = marked(tail)
    if not end and THINK in tail:
        return Chain((), None)  # the reasoning has no end
    if end:
        lines = standing(head.strip().removeprefix(THINK).splitlines())
        return Chain(lines, (mark[1] if mark else tail.strip()) or None, mark is not None)
    if mark:
        return Chain(standing(tail[: mark[0]].splitlines()), mark[1] or None, True)
    lines = tail.strip().splitlines()
    if len(lines) == 1:
        return Chain((), lines[0].strip() or None)
    return Chain(standing(lines), None)


def standing(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that no `wait` took back, blank lines dropped."""
    stack: list[str] = []
    for line in lines:
        line = line.strip()
        if is_wait(line):
            if stack:
                stack.pop()
        elif line:
            stack.append(line)
    return tuple(stack)


def number(text: str) -> str | None:
    """The number that a completion answers with, in canonical form; `None` if it names none, or
    several."""
    chain = read(text)
    answer = plain(chain.answer or "")
    found = read_number(answer, "unit")
    if chain.marked and (found is None or found.unit) and (worded(answer) or "=" in answer):
        answer = extract(f"Answer: {answer}", "number") or ""
        found = read_number(answer, "unit")
    elif found is not None and found.unit:
        return None
    return None if found is None else show(found.value)


def is_answer(step: str) -> bool:
    """Whether a step is the final one (`</think>9`, `**Answer:** 9`, `\\boxed{9}`)."""
    if _BARE.fullmatch(step.strip()):
        return False
    return END_THINK in step or marked(step) is not None


def _gives(step: str) -> bool:
    """Whether a step marked as an answer gives one: no other words before its first digit, which
    would be a remark (`Let me find the answer: 3+4`)."""
    digit = _DIGIT.search(step)
    return digit is not None and not worded(_GIVING.sub("", step[: digit.start()]))


def is_wait(step: str) -> bool:
    """Whether a step takes the last one back."""
    return step.strip().rstrip(".!,").lower() == WAIT


def worded(line: str) -> bool:
    """Whether words stand in the line."""
    return _WORD.search(line) is not None


def formula(line: str) -> str | None:
    """The line without list mark, label (`Step 1:`), Markdown, LaTeX and closing remark; `None` for
    prose, a line in which words are left."""
    line = line.strip()
    if _BARE.fullmatch(line):
        return line
    if len(line) > MAX_LINE:
        return None
    line = _REMARK.sub("", line.replace("**", "").strip())
    line = plain(line[_DECORATION.match(line).end() :])  # type: ignore[union-attr]
    line = _FRACTION.sub(r"((\1)/(\2))", line)
    for sign, meant in _SIGNS:
        line = line.replace(sign, meant)
    return None if worded(line) else " ".join(line.split())


def formulas(lines: Iterable[str]) -> list[str]:
    """The formulas of the lines, prose dropped."""
    found = (formula(line) for line in lines)
    return [line for line in found if line is not None]


def state(steps: Sequence[str]) -> list[str] | None:
    """The formulas of the lines that stand; `None` where prose stands among them."""
    lines = standing(steps)
    found = formulas(lines)
    return found if len(found) == len(lines) else None


def unfinished(steps: Sequence[str]) -> Chain | None:
    """What stands in a trace that may go on: its formulas, and its answer where it has one; `None`
    where prose stands among them. The steps are as the model wrote them, line ends included."""
    lines = "".join(steps).splitlines()
    ends = any(is_answer(line) for line in lines)
    chain = read("".join(steps)) if ends else Chain(standing(lines), None)
    found = tuple(formulas(chain.lines))
    return replace(chain, lines=found) if len(found) == len(chain.lines) else None


def write(lines: Sequence[str], answer: str, dialect: str) -> str:
    """A completion in the given dialect."""
    body = "".join(line + "\n" for line in lines)
    return body + (f"{END_THINK}{answer}" if dialect == "compact" else f"Answer: {answer}")


@dataclass(frozen=True)
class ChainVerifier(ABC):
    """Step verifier of a chain: what all of them do with waits, answers, prose and empty steps.

    Prose is neither accepted nor rejected. Beside it a step may be an aside or a fresh start, so
    there a step is accepted if it follows and never rejected.
    """

    knows: Knows

    def check(self, problem: Problem, steps: Sequence[str]) -> Verdict:
        last = steps[-1] if steps else ""
        if not last.strip():
            return Verdict(0.0, None, None, "an empty step")
        before = standing(steps[:-1])
        if is_wait(last):
            if before:
                return Verdict(1.0, True, None, "a step is taken back")
            return Verdict(0.0, False, None, "nothing to take back")
        if is_answer(last):
            verdict = self.answer(problem, before, last)
            unsure = END_THINK not in last and not _gives(last)
        else:
            line = formula(last)
            if line is None:
                return Verdict(0.0, None, None, "cannot be read: prose")
            verdict, unsure = self.step(problem, formulas(before), line), worded(last)
        unsure = unsure or (bool(before) and worded(before[-1]))
        return replace(verdict, passed=None) if unsure and verdict.passed is False else verdict

    @abstractmethod
    def step(self, problem: Problem, before: Sequence[str], line: str) -> Verdict:
        """The verdict on a line after the formulas `before`."""

    @abstractmethod
    def answer(self, problem: Problem, before: Sequence[str], text: str) -> Verdict:
        """The verdict on the final step after the lines `before`."""
