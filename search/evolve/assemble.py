"""A function and all that it needs as one module.

Of the statements around it those are kept that it needs. What they do not define is looked up in
further sources in turn; well-known modules are imported.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Sequence
from dataclasses import dataclass

from search.evolve.names import rename
from search.evolve.statements import Statement, Unreadable, parsed

KNOWN = {
    name: f"import {name}"
    for name in ("math", "random", "itertools", "functools", "collections", "heapq", "bisect",
                 "operator", "statistics", "string", "typing")
} | {"np": "import numpy as np", "numpy": "import numpy"} | {
    name: f"from typing import {name}"
    for name in ("Any", "Callable", "Dict", "Iterable", "List", "Optional", "Sequence", "Set",
                 "Tuple", "Union")
}  # fmt: skip
"""What is imported for a program that uses the name and forgot to."""

_BUILTINS = frozenset(dir(builtins))
_ACTIONS = (ast.For, ast.While, ast.If, ast.With, ast.Try, ast.AugAssign, ast.Expr, ast.Assign,
            ast.Delete)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What an answer should hold: `function` (its name in a program), asked for as number `version`
    with the line `header` (`def NAME(...):`); `parameters` is how many it takes. `shown` are the
    versions as the model saw them, worst first; `known` the names that the skeleton defines;
    `limit` the bytes that a program may have."""

    function: str
    version: int
    header: str
    parameters: int
    shown: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    limit: int = 65536

    @property
    def name(self) -> str:
        return f"{self.function}_v{self.version}"


def needed(
    target: Statement,
    own: Sequence[Statement],
    libraries: Sequence[Sequence[Statement]],
    wanted: Wanted,
    name: str,
) -> list[Statement]:
    """The statements that the function needs, in the order in which they must run."""
    kept: dict[tuple[int, int], Statement] = {}
    names, have, sources = set(target.reads) - {name}, {name}, [own, *libraries]
    searching = True
    while searching:
        searching = False
        for source, module in enumerate(sources):
            lacking = names - have
            for at, statement in enumerate(module):
                if (source, at) in kept or _future(statement.node):
                    continue
                acts = source == 0 and _acts(statement, names & have, name)
                if lacking & statement.binds or acts:
                    kept[source, at] = statement
                    names |= statement.reads
                    searching = True
            have |= {n for s in kept.values() for n in s.binds}
            if searching:  # what it needs in turn is looked up from the first source on
                break
    missing = sorted(names - have - _BUILTINS - wanted.known - {name})
    numbered = re.compile(re.escape(wanted.function) + r"(_v\d+)?")
    unknown = [n for n in missing if numbered.fullmatch(n)]
    if unknown:
        raise Unreadable(f"it calls {unknown[0]}, which was not among the versions shown")
    imports = [Statement(KNOWN[n], ast.parse(KNOWN[n]).body[0]) for n in missing if n in KNOWN]
    order = sorted(kept, key=lambda place: (-place[0], place[1]))
    return imports + [kept[place] for place in order]


def _acts(statement: Statement, names: set[str], name: str) -> bool:
    """Whether a statement changes what the function needs, without defining it: a loop that fills
    a table, a call that sets an option. What uses the function itself is a try-out."""
    if not isinstance(statement.node, _ACTIONS) or {name, "__name__"} & statement.reads:
        return False
    used = statement.reads - _BUILTINS - statement.binds
    return bool(used) and used <= names


def _future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def assembled(kept: Sequence[Statement], name: str, wanted: Wanted) -> str:
    """One module: imports first, the function last and under its own name."""
    imports = [s for s in kept if isinstance(s.node, ast.Import | ast.ImportFrom)]
    rest = [s for s in kept if s not in imports]
    top = "\n".join(dict.fromkeys(s.text for s in imports))
    source = "\n\n\n".join([*([top] if top else []), *(_plain(s, kept, wanted) for s in rest)])
    tree = parsed(source, wanted.limit)
    taken = {n for s in kept for n in s.binds | s.reads}
    new = {name: wanted.function}
    other = re.compile(re.escape(wanted.function) + r"(_v\d+)?")
    for used in sorted(n for n in taken if other.fullmatch(n) and n != name):
        new[used] = fresh(f"{wanted.function}_base", taken | set(new.values()))
    source = rename(tree, source, new) + "\n"
    parsed(source, wanted.limit)
    return source


def _plain(statement: Statement, kept: Sequence[Statement], wanted: Wanted) -> str:
    """The statement's source; a function without `async`, and without decorators that nothing
    defines (the mark of the skeleton)."""
    node, lines = statement.node, statement.text.split("\n")
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return statement.text
    node = next(iter(ast.parse(statement.text).body))
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    have = {n for s in kept for n in s.binds} | _BUILTINS | wanted.known
    for mark in node.decorator_list:
        used = {n.id for n in ast.walk(mark) if isinstance(n, ast.Name)}
        if not used <= have or ast.unparse(mark).endswith("evolve"):
            for at in range(mark.lineno - 1, mark.end_lineno or mark.lineno):
                lines[at] = ""
    if isinstance(node, ast.AsyncFunctionDef):
        line = lines[node.lineno - 1]
        lines[node.lineno - 1] = re.sub(r"\basync\s+def\b", "def", line, count=1)
    return "\n".join(lines).lstrip("\n")


def fresh(name: str, taken: set[str] | frozenset[str]) -> str:
    """`name`, or with the first number from 2 on that makes it new."""
    if name not in taken:
        return name
    return next(f"{name}{i}" for i in range(2, len(taken) + 3) if f"{name}{i}" not in taken)
