"""Module-level names in a piece of source: where they stand, and how to rename them.

Local variables, parameters, attributes and keyword arguments of the same name are left alone, and
so are comments and layout.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NAMED = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs,
    ast.MatchStar,
)  # fmt: skip
_DEFINITION = re.compile(rb"(?:async\s+)?(?:def|class)[\s\\]+")


class Clash(Exception):
    """A name cannot be given: something local has it."""


@dataclass(frozen=True)
class Place:
    """Where a module-level name stands: line (from 1), first and last byte in it; whether it is
    bound there; the local names that are in force."""

    name: str
    line: int
    first: int
    last: int
    binds: bool
    local: frozenset[str]


def places(tree: ast.Module, source: str) -> list[Place]:
    """All module-level names in `source`, of which `tree` is the syntax tree. The binding of an
    import has no width: it cannot be renamed."""
    finder = _Finder([line.encode() for line in source.split("\n")])
    for node in tree.body:
        finder.visit(node, frozenset())
    return finder.found


def rename(tree: ast.Module, source: str, names: Mapping[str, str]) -> str:
    """The source with module-level names replaced. Raises Clash where a new name would be caught
    by a local variable."""
    lines = [line.encode() for line in source.split("\n")]
    wanted = [p for p in places(tree, source) if p.name in names and p.last > p.first]
    for place in sorted(wanted, key=lambda p: (p.line, p.first), reverse=True):
        new = names[place.name]
        if new in place.local:
            raise Clash(f"line {place.line} has a local variable named {new!r}")
        line = lines[place.line - 1]
        lines[place.line - 1] = line[: place.first] + new.encode() + line[place.last :]
    return b"\n".join(lines).decode()


class _Finder:
    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines
        self.found: list[Place] = []

    def visit(self, node: ast.AST, local: frozenset[str]) -> None:
        """Note the names in `node`, which stands where `local` names hide those of the module."""
        if isinstance(node, ast.Name):
            binds = not isinstance(node.ctx, ast.Load)
            self._note(node.id, node.lineno, node.col_offset, node.end_col_offset, binds, local)
        elif isinstance(node, _FUNCTIONS):
            self._function(node, local, local)
        elif isinstance(node, ast.ClassDef):
            self._defined(node, local)
            for part in (*node.decorator_list, *node.bases, *node.keywords):
                self.visit(part, local)
            own = local | _bound(node.body)
            for part in node.body:  # what a class binds is unknown to its methods
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                    self._function(part, local, own)
                else:
                    self.visit(part, own)
        elif isinstance(node, _COMPREHENSIONS):
            own = local | _bound([part.target for part in node.generators])
            self._inside(node, own)
        else:
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name in _imported(node):
                    self._note(name, node.lineno, 0, 0, True, local)
            elif isinstance(node, ast.Global):
                self._global(node)
            self._inside(node, local)

    def _inside(self, node: ast.AST, local: frozenset[str]) -> None:
        for part in ast.iter_child_nodes(node):
            self.visit(part, local)

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        local: frozenset[str], around: frozenset[str],
    ) -> None:  # fmt: skip
        """`local` is what hides names in its body, `around` what does where it stands."""
        spec = node.args
        every = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
        every += [a for a in (spec.vararg, spec.kwarg) if a is not None]
        outside: list[ast.AST] = [*spec.defaults, *(d for d in spec.kw_defaults if d)]
        outside += [a.annotation for a in every if a.annotation is not None]
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
        if not isinstance(node, ast.Lambda):
            self._defined(node, around)
            outside += node.decorator_list + ([node.returns] if node.returns else [])
        for part in outside:
            self.visit(part, around)
        shared = {n for s in _scope(body) if isinstance(s, ast.Global) for n in s.names}
        own = (local | {a.arg for a in every} | _bound(body)) - shared
        for part in body:
            self.visit(part, own)

    def _defined(self, node: ast.stmt, local: frozenset[str]) -> None:
        """The name in a `def` or `class` line."""
        name: str = node.name  # type: ignore[attr-defined]
        match = _DEFINITION.match(self.lines[node.lineno - 1], node.col_offset)
        start = match.end() if match else 0
        if not self.lines[node.lineno - 1].startswith(name.encode(), start):
            start = -len(name.encode())  # on a continued line: cannot be renamed
        self._note(name, node.lineno, max(start, 0), start + len(name.encode()), True, local)

    def _global(self, node: ast.Global) -> None:
        line = self.lines[node.lineno - 1]
        for name in node.names:
            found = re.search(rb"\b%b\b" % name.encode(), line[node.col_offset :])
            start = node.col_offset + found.start() if found else 0
            stop = start + len(name.encode()) if found else 0
            self._note(name, node.lineno, start, stop, False, frozenset())

    def _note(
        self, name: str, line: int, first: int, last: int | None, binds: bool,
        local: frozenset[str],
    ) -> None:  # fmt: skip
        if name not in local:
            self.found.append(Place(name, line, first, last or 0, binds, local))


def _scope(body: Iterable[ast.AST]) -> Iterable[ast.AST]:
    """The nodes of one scope: those of inner functions, classes and comprehensions left out."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef, *_COMPREHENSIONS)):
            waiting.extend(ast.iter_child_nodes(node))


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [(alias.asname or alias.name).split(".")[0] for alias in node.names]


def _bound(body: Iterable[ast.AST]) -> frozenset[str]:
    """The names that one scope binds."""
    found: set[str] = set()
    for node in _scope(body):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update(_imported(node))
        elif isinstance(node, _NAMED) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
    return frozenset(found)
