"""When two sources are the same program: a key of the normalised syntax tree, and its size.

Comments, layout, docstrings, annotations and the names of local variables make no difference. A
name is left alone where renaming could change what the program does: parameters and names of the
module's own functions, module variables, imports, builtins, names that are used as keywords; and
every name, where the source has a class or looks at its own names (`locals`, `eval`, …).
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import warnings
from typing import Any

_BUILTINS = frozenset(dir(builtins))
_LOOKS = frozenset({"eval", "exec", "locals", "globals", "vars", "dir", "compile", "getattr"})
_SKIPPED = frozenset({"type_comment", "type_ignores", "returns", "annotation", "kind", "ctx"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DOCUMENTED = (*_FUNCTIONS, ast.Module)
_NAMING: dict[type[ast.AST], str] = {
    ast.FunctionDef: "name", ast.AsyncFunctionDef: "name", ast.ClassDef: "name",
    ast.keyword: "arg", ast.alias: "name", ast.Global: "names", ast.Nonlocal: "names",
    ast.ExceptHandler: "name", ast.MatchAs: "name", ast.MatchStar: "name", ast.MatchMapping: "rest",
}  # fmt: skip
"""Nodes that name something by a text, and the field."""

_TEXTS = frozenset({"attr", "name", "asname", "module", "level", "id", "arg", "rest", "value",
                    "is_async", "conversion"})  # fmt: skip


def _fields(kind: type[ast.AST]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that make a difference: those that hold texts and numbers, and those that hold
    nodes, last one first (they go on a stack)."""
    told = [field for field in kind._fields if field not in _SKIPPED]
    plain = _TEXTS if kind in (ast.Constant, ast.MatchSingleton) else _TEXTS - {"value"}
    if kind.__name__ == "TypeAlias":  # its name is a node
        plain -= {"name"}
    texts = tuple(field for field in told if field in plain)
    return texts, tuple(field for field in reversed(told) if field not in plain)


_FIELDS = {
    kind: _fields(kind)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


def syntax_key(source: str, limit: int = 65536) -> tuple[int, int]:
    """A 64-bit key of the normalised syntax tree and the number of its nodes.

    A source that cannot be parsed, or is longer than `limit` characters (it is not parsed: the
    parser is no place for untrusted text of any size), gets a key of its text, and its length as
    size. Never raises for what the source holds.
    """
    try:
        if len(source) > limit:
            raise ValueError("too long")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in a candidate is its own affair
            tree = ast.parse(source)
        parts, size = _serialise(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _digest("text:" + source), len(source)
    return _digest("tree:" + "\x1f".join(parts)), size


def _digest(text: str) -> int:
    raw = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(raw, "little")


def _serialise(tree: ast.Module) -> tuple[list[str], int]:
    """The tree in preorder as texts, local names replaced by the order of their first use."""
    parts: list[str] = []
    names: list[tuple[int, str]] = []  # where in `parts` a name stands that may be local
    bound: set[str] = set()
    kept = _module_names(tree)
    frozen, size = False, 0
    stack: list[Any] = [tree]
    while stack:
        node: Any = stack.pop()
        kind: Any = type(node)
        if kind not in _FIELDS:
            parts.append(node if kind is str else repr(node))
            continue
        size += 1
        texts, children = _FIELDS[kind]
        parts.append(kind.__name__)
        if kind is ast.Name:
            names.append((len(parts), node.id))
            parts.append(node.id)
            if type(node.ctx) is ast.Store:
                bound.add(node.id)
            frozen = frozen or node.id in _LOOKS
            continue
        if kind is ast.arg:
            names.append((len(parts), node.arg))
            parts.append(node.arg)
            bound.add(node.arg)
            continue
        if kind in _NAMING:
            frozen = _note(node, kept) or frozen
        for field in texts:
            parts.append(repr(getattr(node, field, None)))
        for field in children:
            value = getattr(node, field, None)
            if type(value) is list:
                if field == "body" and kind in _DOCUMENTED:
                    value = _without_docstring(value)
                stack.extend(reversed(value))
                stack.append(len(value))
            else:
                stack.append(value)
    local: dict[str, str] = {}
    if not frozen:
        for at, name in names:
            if name in bound and name not in kept and name not in _BUILTINS:
                parts[at] = local.setdefault(name, f"#{len(local)}")
    return parts, size


def _note(node: Any, kept: set[str]) -> bool:
    """Add the names that the node binds as a text to `kept`; returns whether no name at all may
    change (a class: its variables are attributes)."""
    kind = type(node)
    if kind in (ast.Global, ast.Nonlocal):
        kept.update(node.names)
    elif kind is ast.alias:
        kept.add(node.asname or node.name.split(".")[0])
    else:
        name = getattr(node, _NAMING[kind])
        if name:
            kept.add(name)
    return kind is ast.ClassDef


def _without_docstring(body: list[Any]) -> list[Any]:
    first = body[0] if len(body) > 1 else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return body[1:] if isinstance(first.value.value, str) else body
    return body


def _module_names(tree: ast.Module) -> set[str]:
    """Names that others may use: what the module's statements bind, parameters of its functions."""
    found: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, _FUNCTIONS):
            a = statement.args
            every = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
            found.update(arg.arg for arg in every if arg is not None)
        else:
            found.update(
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            )
    return found
