"""What the embedded models are trained on: examples of every task and mode, by weight.

Only training instances are used (the split by canonical key). Loss falls on the completion; lines
that are wrong on purpose are read, not learned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluators.problem import Problem
from evaluators.tasks import arithmetic as ar
from evaluators.tasks import (
    chain_sum,
    chains,
    countdown,
    countdown_chain,
    expressions,
    instances,
    operator,
)
from evaluators.tasks import countdown_solver as solver

JUDGE = "check"
_NUMBER = re.compile(r"[0-9]+")
Part = tuple[str, bool]
"""A piece of text, and whether it is learned."""

EXPRESSION_OPS = (3, 10)
TERMS, DIGITS = (2, 4), (3, 4)


def _split(make: Callable[[], tuple[str, Problem]]) -> Problem:
    while True:
        key, problem = make()
        if instances.split_of(key) == "train":
            return problem


def _expression(rng: np.random.Generator, ops: tuple[int, int] = EXPRESSION_OPS) -> Problem:
    # Short ones more often: a long chain costs ten times the tokens of a short one.
    def make() -> tuple[str, Problem]:
        count = ops[0] + int((ops[1] + 1 - ops[0]) * rng.random() ** 1.5)
        tree = expressions.random_tree(count, rng)
        return expressions.key_of(tree), Problem("", {"expression": ar.render(tree)})

    return _split(make)


def _countdown(rng: np.random.Generator, count: int) -> tuple[Problem, list[solver.Move]]:
    paths: list[list[solver.Move]] = [[]]

    def make() -> tuple[str, Problem]:
        numbers, target, paths[0] = solver.random_instance(count, rng)
        fields = {"numbers": numbers, "target": target}
        return countdown.key_of(numbers, target), Problem("", fields)

    return _split(make), paths[0]


def _sum(rng: np.random.Generator) -> Problem:
    def make() -> tuple[str, Problem]:
        terms = chain_sum.random_terms(rng, TERMS, DIGITS)
        return chain_sum.key_of(terms), Problem("", {"terms": terms})

    return _split(make)


def _prompt(module: Any, problem: Problem, format: str = "chain") -> str:
    return module.TASK.render(problem, format, "compact")


def _learned_lines(text: str, errors: list[int]) -> list[Part]:
    lines = text.splitlines(keepends=True)
    return [(line, index not in errors) for index, line in enumerate(lines)]


def _trace(module: Any, problem: Problem, kind: str, rng: np.random.Generator) -> list[Part]:
    text, errors = module.write_trace(problem, kind, "compact", rng)
    return _learned_lines(text, errors)


def _countdown_lines(problem: Problem, path: list[solver.Move]) -> str:
    state, lines = tuple(problem.fields["numbers"]), []
    for move in path:
        lines.append(countdown_chain.line(state, move))
        state = solver.after(state, move)
    return chains.write(lines, str(problem.fields["target"]), "compact")


def _some_problem(rng: np.random.Generator) -> tuple[Any, Problem, str]:
    """A task's module, one of its problems (the easier ones) and a correct compact chain."""
    which = rng.random()
    if which < 0.45:
        problem = _expression(rng, (3, 6))
        return expressions, problem, expressions.write_trace(problem, "shortest", "compact", rng)[0]
    if which < 0.8:
        problem, path = _countdown(rng, 3 + int(rng.random() < 0.7))
        return countdown, problem, _countdown_lines(problem, path)
    problem = _sum(rng)
    return chain_sum, problem, chain_sum.write_trace(problem, "shortest", "compact", rng)[0]


def expression_chain(rng: np.random.Generator) -> list[Part]:
    """One operation a line."""
    problem = _expression(rng)
    return [(_prompt(expressions, problem), False), *_trace(expressions, problem, "shortest", rng)]


def expression_role(rng: np.random.Generator) -> list[Part]:
    """`terse` is two operations a line, `careful` one."""
    terse = rng.random() < 0.5
    problem = _expression(rng)
    head = ("terse" if terse else "careful") + "\n" + _prompt(expressions, problem)
    return [(head, False), *_trace(expressions, problem, "terse" if terse else "shortest", rng)]


def expression_direct(rng: np.random.Generator) -> list[Part]:
    """The value at once."""
    problem = _expression(rng, (1, 8))
    value = str(ar.evaluate(ar.parse(problem.fields["expression"])))
    return [(_prompt(expressions, problem, "direct"), False), (value, True)]


def countdown_steps(count: int) -> Callable[[np.random.Generator], list[Part]]:
    """Chains of `count` numbers, along the path that made the target."""

    def make(rng: np.random.Generator) -> list[Part]:
        problem, path = _countdown(rng, count)
        return [(_prompt(countdown, problem), False), (_countdown_lines(problem, path), True)]

    return make


def countdown_direct(rng: np.random.Generator) -> list[Part]:
    """An expression at once."""
    problem, path = _countdown(rng, int(rng.choice([3, 4, 4])))
    progress = countdown_chain.follow(problem, chains.read(_countdown_lines(problem, path)).lines)
    text = ar.render(progress.left[0][1])
    return [(_prompt(countdown, problem, "direct"), False), (text, True)]


def sum_chain(rng: np.random.Generator) -> list[Part]:
    """Column by column."""
    problem = _sum(rng)
    return [(_prompt(chain_sum, problem), False), *_trace(chain_sum, problem, "shortest", rng)]


def sum_direct(rng: np.random.Generator) -> list[Part]:
    """The sum at once."""
    problem = _sum(rng)
    answer = str(sum(problem.fields["terms"]))
    return [(_prompt(chain_sum, problem, "direct"), False), (answer, True)]


def in_context(rng: np.random.Generator) -> list[Part]:
    """Every result is learned, so that each example is predicted from those before it."""

    def make() -> tuple[str, Problem]:
        key, fields, answer = operator.random_instance(rng, (0, 7))
        return key, Problem("", fields, answer)

    problem = _split(make)
    parts: list[Part] = []
    for a, b, result in problem.fields["examples"]:
        parts += [(f"{a}@{b}=", False), (f"{result}\n", True)]
    head = f"?{problem.fields['a']}@{problem.fields['b']}="
    return [*parts, (head, False), (problem.answer or "", True)]


def with_example(rng: np.random.Generator) -> list[Part]:
    """A worked example of a task, a blank line, and a question of the same task."""
    module, shown, first = _some_problem(rng)
    while True:
        other, asked, second = _some_problem(rng)
        if other is module:
            head = f"{_prompt(module, shown)}{first}\n\n{_prompt(module, asked)}"
            return [(head, False), (second, True)]


def repair(rng: np.random.Generator) -> list[Part]:
    """A wrong line, `wait`, the right line."""
    module, problem, text = _some_problem(rng)
    if module is not countdown:
        return [(_prompt(module, problem), False), *_trace(module, problem, "repair", rng)]
    lines = text.splitlines(keepends=True)
    at = int(rng.integers(0, len(lines) - 1))
    wrong = corrupt(lines[at], rng)
    head = "".join(lines[:at])
    parts = [(head, True), (wrong, False), (f"{chains.WAIT}\n", True)]
    return [(_prompt(module, problem), False), *parts, ("".join(lines[at:]), True)]


def corrupt(line: str, rng: np.random.Generator) -> str:
    """The line with one of its numbers changed to another in 0..99."""
    numbers = [(m.start(), m.end()) for m in _NUMBER.finditer(line)]
    start, end = numbers[int(rng.integers(len(numbers)))]
    old = int(line[start:end])
    near = [old + d for d in (-10, -3, -2, -1, 1, 2, 3, 10) if 0 <= old + d <= 99]
    new = int(rng.choice(near)) if near else old // 2
    return line[:start] + str(new) + line[end:]


def judgement(rng: np.random.Generator) -> list[Part]:
    """A whole trace, then `check`, then `good` or `bad`: half of the traces have one wrong
    number."""
    module, problem, text = _some_problem(rng)
    good = rng.random() < 0.5
    if not good:
        lines = text.splitlines(keepends=True)
        at = int(rng.integers(len(lines)))
        lines[at] = corrupt(lines[at], rng)
        text = "".join(lines)
    head = _prompt(module, problem) + text + JUDGE
    return [(head, False), ("good" if good else "bad", True)]


def arithmetic_fact(rng: np.random.Generator) -> list[Part]:
    """One operation on two small numbers, asked directly."""
    problem = _expression(rng, (1, 1))
    value = str(ar.evaluate(ar.parse(problem.fields["expression"])))
    return [(_prompt(expressions, problem, "direct"), False), (value, True)]


Mixture = Mapping[str, tuple[float, Callable[[np.random.Generator], list[Part]]]]
"""Name -> (share of examples, maker)."""

FULL: Mixture = {
    "countdown-3 chain": (1.2, countdown_steps(3)),
    "countdown-4 chain": (4.0, countdown_steps(4)),
    "countdown-5 chain": (0.5, countdown_steps(5)),
    "countdown-6 chain": (0.2, countdown_steps(6)),
    "countdown direct": (0.8, countdown_direct),
    "expressions chain": (1.0, expression_chain),
    "expressions role": (0.5, expression_role),
    "expressions direct": (0.6, expression_direct),
    "chain-sum chain": (1.6, sum_chain),
    "chain-sum direct": (0.3, sum_direct),
    "operator": (1.0, in_context),
    "worked example": (0.3, with_example),
    "repair": (0.8, repair),
    "judgement": (0.8, judgement),
}

STUDENT: Mixture = {
    "countdown direct": (2.0, countdown_direct),
    "expressions direct": (2.0, expression_direct),
    "chain-sum direct": (1.0, sum_direct),
    "arithmetic facts": (2.0, arithmetic_fact),
    "operator": (1.0, in_context),
}


@dataclass(frozen=True)
class Sampler:
    """Draws examples of a mixture as token ids and loss mask."""

    mixture: Mixture
    tokenizer: Any

    def __call__(self, rng: np.random.Generator) -> tuple[list[int], list[bool]]:
        weights = np.array([weight for weight, _ in self.mixture.values()])
        pick = int(rng.choice(len(weights), p=weights / weights.sum()))
        parts = list(self.mixture.values())[pick][1](rng)
        encode = self.tokenizer.backend_tokenizer.encode
        ids: list[int] = []
        mask: list[bool] = []
        for text, learned in (p for p in parts if p[0]):
            piece = encode(text, add_special_tokens=False).ids
            ids += piece
            mask += [learned] * len(piece)
        return [*ids, self.tokenizer.eos_token_id], [*mask, True]
