"""A skeleton is module source with one function marked `@evolve`; a program takes its place."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace

from evaluators.sandbox.outcome import Outcome

MARK = "evolve"


@dataclass(frozen=True)
class Skeleton:
    """What stands before the marked function, the function itself without its mark, and what
    stands after it; `line` is where it (its first decorator) begins in the file."""

    before: str
    function: str
    after: str
    name: str
    line: int

    def compose(self, program: str) -> tuple[str, int]:
        """Module source with `program` in the function's place, and the number of lines before it.

        Imports from `__future__`, which must come first in a module, are moved to the first line.
        """
        future = re.findall(r"^from __future__ import [\w, ]+$", program, re.M)
        for statement in future:
            program = program.replace(statement, "", 1)
        head = "; ".join(future)
        before = f"{head}\n{self.before}" if future else self.before
        return f"{before}{program.rstrip()}\n\n\n{self.after}", before.count("\n")


def marked(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """The definitions at top level that carry `@evolve` or `@something.evolve`."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [ast.unparse(d).split(".")[-1] for d in node.decorator_list]
            if MARK in names:
                found.append(node)
    return found


def cut(source: str) -> Skeleton:
    """Split a skeleton of this project's own at its mark."""
    node = marked(ast.parse(source))[0]
    assert isinstance(node, ast.FunctionDef)
    lines = source.splitlines(keepends=True)
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return Skeleton(
        "".join(lines[: first - 1]),
        "".join(lines[node.lineno - 1 : node.end_lineno]),
        "".join(lines[node.end_lineno :]).lstrip("\n"),
        node.name,
        first,
    )


def in_program(outcome: Outcome, offset: int, program: str) -> Outcome:
    """The outcome with its line counted in the program; None where the fault is outside it."""
    if outcome.line is None:
        return outcome
    line = outcome.line - offset
    inside = 1 <= line <= program.count("\n") + 1
    return replace(outcome, line=line if inside else None)
