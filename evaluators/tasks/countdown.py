"""countdown: reach a target from given numbers, each used once, with + - * /.

The verifier checks a proposed expression or chain and never solves: checking is cheaper than
solving here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks import arithmetic as ar
from evaluators.tasks import chains, instances
from evaluators.tasks.base import END_THINK, THINK, Dialect, Format, Task
from evaluators.tasks.countdown_chain import canonical, composed, follow, line
from evaluators.tasks.countdown_solver import Move, after, moves, random_instance, solvable, solve
from evaluators.tasks.countdown_state import text_of, value_of
from evaluators.verdict import Knows, Verdict

TraceKind = Literal["shortest", "backtracking", "repair"]
OPERATORS = "+-*/×÷−"
_SPAN = re.compile(r"[\d(][\d+\-*/×÷−() ]*[\d)]")


def write_trace(
    problem: Problem, kind: TraceKind, dialect: Dialect, rng: np.random.Generator
) -> tuple[str, list[int]]:
    """A correct completion, and the indices of its lines that are errors on purpose.

    `shortest`: one solution, straight; `backtracking`: a legal step into a state that cannot reach
    the target is taken back; `repair`: a wrong result is taken back. Raises BadInput for a problem
    without a solution.
    """
    state, target = tuple(problem.fields["numbers"]), int(problem.fields["target"])
    path = solve(state, target, rng)
    if path is None:
        raise BadInput(f"{problem.id} has no solution")
    lines: list[str] = []
    errors: list[int] = []
    detour = int(rng.integers(len(path))) if kind != "shortest" else -1
    if kind == "backtracking":  # at the next place that has a wrong way to go; the last always has
        while not _dead_ends(_walked(state, path[:detour]), target):
            detour += 1
    for at, move in enumerate(path):
        if at == detour and kind == "repair":
            near = [move[3] + d for d in (-10, -2, -1, 1, 2, 10) if move[3] + d > 0]
            errors.append(len(lines))
            lines += [line(state, move, int(rng.choice(near))), chains.WAIT]
        elif at == detour:
            dead = _dead_ends(state, target)
            lines += [line(state, dead[int(rng.integers(len(dead)))]), chains.WAIT]
        lines.append(line(state, move))
        state = after(state, move)
    return chains.write(lines, str(target), dialect), errors


def _walked(state: tuple[int, ...], path: Sequence[Move]) -> tuple[int, ...]:
    for move in path:
        state = after(state, move)
    return state


def _dead_ends(state: tuple[int, ...], target: int) -> list[Move]:
    """The moves into states that cannot reach the target."""
    return [move for move in moves(state) if not solvable(after(state, move), target)]


def proposed(text: str) -> list[str]:
    """The proposed expression, then what it is said to equal, out of a final answer. Words around
    one expression are left out; words around several leave nothing."""
    told = chains.formula(text)
    if told is None:
        spans = [span.strip() for span in _SPAN.findall(text[: ar.MAX_CHARS])]
        found = {span for span in spans if any(op in span for op in OPERATORS)}
        return list(found) if len(found) == 1 else []
    sides = [side.strip() for side in told.split("=")]
    return sorted(sides, key=lambda side: not any(op in side for op in OPERATORS))


def judge_expression(problem: Problem, text: str) -> Verdict:
    """Whether an expression uses the numbers exactly once each and has the target's value. What is
    said to equal it (`… = 24`) must do so."""
    sides = proposed(text)
    if not sides:
        return Verdict(0.0, False, None, "names several expressions, or none that can be read")
    try:
        tree, *others = map(ar.parse, sides)
        value, *equals = map(ar.evaluate, (tree, *others))
    except ar.NotAnExpression as error:
        return Verdict(0.0, False, None, f"cannot be read: {error}")
    except ZeroDivisionError:
        return Verdict(0.0, False, None, "division by zero")
    answer = canonical(tree)
    if sorted(ar.leaves(tree)) != sorted(problem.fields["numbers"]):
        return Verdict(0.0, False, answer, "does not use each number exactly once")
    if value != problem.fields["target"]:
        return Verdict(0.0, False, answer, f"gives {value}, not {problem.fields['target']}")
    if any(other != value for other in equals):
        return Verdict(0.0, False, answer, f"gives {value} and is said to give something else")
    return Verdict(1.0, True, answer, "reaches the target")


@dataclass(frozen=True)
class CountdownVerifier:
    """Checks a final expression, or a chain that uses every number. Never solves.

    A chain needs no final line; one that is there must name the number that the chain reaches.
    """

    knows: Knows = "check"

    def check(self, problem: Problem, text: str) -> Verdict:
        start = time.perf_counter()
        verdict = self._judge(problem, chains.read(text))
        took = time.perf_counter() - start
        return Verdict(verdict.score, verdict.passed, verdict.answer, verdict.reason, took)

    def _judge(self, problem: Problem, chain: chains.Chain) -> Verdict:
        final = chain.answer or ""
        said = chains.number(f"{END_THINK}{final}")
        if said is None and final:
            return judge_expression(problem, final)
        if not chain.lines:
            return Verdict(0.0, False, None, "no expression and no chain")
        progress = follow(problem, chain.lines)
        if progress.error:
            return Verdict(0.0, False, None, progress.error)
        if len(progress.left) != 1:
            return Verdict(0.0, False, None, "does not use every number")
        value, answer = progress.left[0][0], composed(chain.lines)
        if value != problem.fields["target"]:
            return Verdict(0.0, False, answer, f"ends at {value}, not {problem.fields['target']}")
        if said not in (None, str(value)):
            return Verdict(0.0, False, answer, f"ends at {value} and answers {said}")
        return Verdict(1.0, True, answer, "reaches the target")


@dataclass(frozen=True)
class MoveVerifier(chains.ChainVerifier):
    """Accepts a legal move: numbers that are there, right arithmetic, the right rest."""

    knows: Knows = "check"

    def step(self, problem: Problem, before: Sequence[str], line: str) -> Verdict:
        progress = follow(problem, (*before, line))
        if progress.error is None:
            return Verdict(1.0, True, None, "a legal move")
        return Verdict(0.0, None if progress.unparsed else False, None, progress.error)

    def answer(self, problem: Problem, before: Sequence[str], text: str) -> Verdict:
        return CountdownVerifier().check(problem, "".join(line + "\n" for line in (*before, text)))


@dataclass(frozen=True)
class Countdown(Task):
    """Reach the target. Fields: `numbers` (list of int), `target` (int)."""

    @property
    def verifier(self) -> CountdownVerifier:
        return CountdownVerifier()

    @property
    def step_verifier(self) -> MoveVerifier:
        return MoveVerifier()

    @staticmethod
    def parse_problem(text: str) -> Problem:
        """`"3 5 7 2=24"` as a problem. Raises BadInput."""
        numbers, _, target = text.replace(",", " ").partition("=")
        try:
            fields = {"numbers": [int(n) for n in numbers.split()], "target": int(target)}
        except ValueError as error:
            raise BadInput(f'{text!r} is no countdown problem; write "3 5 7 2=24"') from error
        return Countdown.from_fields(fields)

    @staticmethod
    def from_fields(fields: Mapping[str, Any]) -> Problem:
        """A problem from the task's own fields. Raises BadInput."""
        numbers, target = fields.get("numbers"), fields.get("target")
        if (
            not isinstance(numbers, list)
            or not 1 <= len(numbers) <= 8
            or not all(type(n) is int and 0 <= n < 10**6 for n in [*numbers, target])
        ):
            raise BadInput(
                'a countdown problem needs "numbers", a list of 1 to 8 integers from 0 up, and'
                ' "target", an integer'
            )
        return Problem("countdown/own", {"numbers": list(numbers), "target": target})

    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        numbers, target = problem.fields["numbers"], problem.fields["target"]
        if dialect == "compact":
            question = " ".join(map(str, numbers)) + f"={target}"
            return question + (THINK if format == "chain" else ":")
        head = f"Reach {target} from {', '.join(map(str, numbers))}, using each number exactly once"
        if format == "direct":
            return f"{head}, with + - * /. Reply with one line: Answer: <expression>"
        return (
            f"{head}. Combine two numbers a line with + - * /, like 3*7=21, until one is left."
            " End with the line Answer: <expression>"
        )

    def extract(self, text: str) -> str | None:
        """The proposed expression: the final one, or what the lines say, right or wrong."""
        chain = chains.read(text)
        if chain.answer is None:
            return None
        try:
            tree = ar.parse("".join(proposed(chain.answer)[:1]))
        except ar.NotAnExpression:
            return None
        return composed(chain.lines) if isinstance(tree, int) else canonical(tree)

    def examples(self, format: Format, dialect: Dialect, k: int) -> list[tuple[str, str]]:
        count = len(self.problems[0].fields["numbers"]) if self.problems else 4
        sample = load("train", n=k, seed=9_001, numbers=min(6, max(3, count))).problems
        rng = np.random.default_rng(0)
        return [
            (self.render(p, format, dialect), _example(p, format, dialect, rng)) for p in sample
        ]

    def state_key(self, problem: Problem, steps: Sequence[str]) -> Hashable | None:
        lines = chains.state(steps)
        progress = None if lines is None else follow(problem, lines)
        if progress is None or progress.error:
            return None
        return tuple(sorted(value for value, _ in progress.left)), problem.fields["target"]

    def value(self, problem: Problem, steps: Sequence[str]) -> float | None:
        """Whether the numbers left can reach the target. Solves: an oracle, though the verifier
        only checks."""
        chain = chains.unfinished(steps)
        if chain is None or chain.answer is None:
            return None if chain is None else value_of(problem, chain)
        return self.verifier.check(problem, "".join(steps)).score

    def state_text(self, problem: Problem, steps: Sequence[str]) -> str | None:
        """The problem that is left, greatest number first: `14 2=24`. `None` also after a wrong
        line: who reads it has been told by a program that can check."""
        chain = chains.unfinished(steps)
        return None if chain is None else text_of(problem, chain)


def _example(problem: Problem, format: Format, dialect: Dialect, rng: np.random.Generator) -> str:
    text, _ = write_trace(problem, "shortest", dialect, rng)
    tree = follow(problem, chains.read(text).lines).left[0][1]
    if format == "direct":
        return ar.render(tree) if dialect == "compact" else f"Answer: {ar.render(tree)}"
    if dialect == "plain":
        return chains.write(chains.read(text).lines, ar.render(tree), dialect)
    return text


def key_of(numbers: Sequence[int], target: int) -> str:
    """The canonical instance: the numbers sorted, and the target."""
    return f"{sorted(numbers)}={target}"


TASK = Countdown("countdown")


def load(
    split: str = "test", n: int | None = None, seed: int = 0, numbers: int | tuple[int, int] = 4
) -> Countdown:
    """`n` (default 200) solvable problems of `numbers` numbers (3..6, or a range)."""
    low, high = (numbers, numbers) if isinstance(numbers, int) else numbers
    if not 3 <= low <= high <= 6:
        raise BadInput(f"numbers must lie in 3..6 with low <= high, not {numbers!r}")

    def make(rng: np.random.Generator) -> instances.Instance:
        given, target, _ = random_instance(int(rng.integers(low, high + 1)), rng)
        return key_of(given, target), {"numbers": given, "target": target}, None

    count = 200 if n is None else n
    problems = instances.generate(
        "countdown", make, split=split, n=count, seed=seed, meta={"numbers": [low, high]}
    )
    return Countdown("countdown", problems)
