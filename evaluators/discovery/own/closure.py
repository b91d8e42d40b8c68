"""What of a problem's file goes into the sandbox: the statements that the evolved function and
`solve` need, found in the syntax tree, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from evaluators.discovery.skeleton import MARK, Skeleton, marked
from evaluators.errors import BadInput

TRUSTED = ("score", "verify", "train", "validation", "held_out", "baselines")
"""Names of a problem's file that must stay on the trusted side."""
ALWAYS = ("math", "numpy")
"""Modules whose imports go along unasked: evolution may come to use them."""
BLOCKS = (ast.If, ast.Try, ast.For, ast.While, ast.With)


@dataclass(frozen=True)
class Statement:
    """A statement at top level: the names that it makes or changes, and those that it reads."""

    node: ast.stmt
    makes: frozenset[str]
    reads: frozenset[str]


def cut_own(source: str, path: str) -> Skeleton:
    """The skeleton of a problem's file: its marked function, and before and after it the closure of
    what that and `solve` use, in the order of the file. Raises BadInput with line and remedy."""
    tree = ast.parse(source, path)
    node = _one_marked(tree, path)
    statements = [_statement(s) for s in tree.body]
    needed = _closure(node, statements, path)
    lines = source.splitlines(keepends=True)

    def text(part: Iterable[Statement]) -> str:
        found = []
        for s in part:
            # `a = 1; b = 2` are two statements on one line, which is copied once
            begin, end = _first_line(s.node) - 1, s.node.end_lineno or s.node.lineno
            if (piece := "".join(lines[begin:end]).rstrip("\n") + "\n") not in found[-1:]:
                gap = "\n\n" if isinstance(s.node, ast.FunctionDef | ast.ClassDef) else ""
                found.append(gap + piece)
        return "".join(found)

    at = tree.body.index(node)
    before = text(s for s in statements[:at] if s in needed)
    decorators = [d for d in node.decorator_list if ast.unparse(d).split(".")[-1] != MARK]
    first = min([node.lineno, *(d.lineno for d in decorators)])
    own = "".join(lines[first - 1 : node.end_lineno])
    return Skeleton(
        f"{before}\n\n" if before else "",
        own if own.endswith("\n") else own + "\n",
        text(s for s in statements[at + 1 :] if s in needed).lstrip("\n"),
        node.name,
        first,
    )


def _one_marked(tree: ast.Module, path: str) -> ast.FunctionDef:
    found = marked(tree)
    if len(found) > 1:
        lines = " and ".join(f"{n.name} (line {n.lineno})" for n in found)
        raise BadInput(f"{path}: one function is marked @evolve, not {len(found)}: {lines}")
    if found:
        node = found[0]
        if not isinstance(node, ast.FunctionDef):
            raise BadInput(f"{path}:{node.lineno}: @evolve marks a plain function (def)")
        return node
    for inner in ast.walk(tree):
        for mark in getattr(inner, "decorator_list", []):
            if MARK in ast.unparse(mark):
                remedy = (
                    "write @evolve without brackets"
                    if isinstance(mark, ast.Call)
                    else "the marked function must stand at top level, not inside another"
                )
                raise BadInput(f"{path}:{mark.lineno}: {remedy}")
    raise BadInput(
        f"{path}: no function is marked: put @evolve above the one that evolution may rewrite"
        " (from evaluators.discovery import evolve)"
    )


def _closure(node: ast.FunctionDef, statements: list[Statement], path: str) -> list[Statement]:
    """The statements that the marked function and `solve` need, the marked one left out."""
    makers: dict[str, list[Statement]] = {}
    for statement in statements:
        for name in statement.makes:
            makers.setdefault(name, []).append(statement)
    why = {node.name: "the evolved function"}
    if "solve" in makers:
        why["solve"] = "solve"
    needed = [s for s in statements if _is_always(s.node)]
    todo = list(why)
    while todo:
        name = todo.pop()
        for statement in makers.get(name, []):
            if statement in needed:
                continue
            needed.append(statement)
            _refuse_project(statement, name, why[name], path)
            for read in sorted(statement.reads):
                if read in TRUSTED and read in makers:
                    raise BadInput(
                        f"{path}:{_line_of(statement.node, read)}: {name}, which runs in the"
                        f" sandbox, uses {read!r}: hand over what it may know through the instance"
                    )
                if read in makers and read not in why:
                    why[read] = name
                    todo.append(read)
    return [s for s in needed if s.node is not node]


def _is_always(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return all(a.name.split(".")[0] in ALWAYS for a in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__" or (node.module or "").split(".")[0] in ALWAYS
    return False


def _refuse_project(statement: Statement, name: str, user: str, path: str) -> None:
    node = statement.node
    modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom):
        modules = ["." * node.level + (node.module or "")]
    for module in modules:
        if module.startswith(".") or module.split(".")[0] in (
            "evaluators", "reasoning", "search", "labs"
        ):  # fmt: skip
            raise BadInput(
                f"{path}:{node.lineno}: {user} uses {name!r} from {module}, which the sandbox does"
                " not have: define what it needs in this file"
            )


def _statement(node: ast.stmt) -> Statement:
    """A definition makes its own name; other statements also what they change in place."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return Statement(node, frozenset({node.name}), _reads(node))
    makes: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import | ast.ImportFrom):
            makes |= {(a.asname or a.name).split(".")[0] for a in inner.names}
        elif isinstance(inner, ast.FunctionDef | ast.ClassDef):
            makes.add(inner.name)
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            makes.add(inner.id)
        elif isinstance(inner, ast.Subscript | ast.Attribute) and isinstance(inner.ctx, ast.Store):
            makes |= _base(inner)
    loose = [n for n in ast.walk(node) if isinstance(n, ast.Expr)] if _loose(node) else []
    for inner in loose:  # `TABLE.append(x)`
        if isinstance(inner.value, ast.Call):
            makes |= _base(inner.value.func)
    return Statement(node, frozenset(makes), _reads(node))


def _loose(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Expr, *BLOCKS))


def _base(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _reads(node: ast.stmt) -> frozenset[str]:
    names: set[str] = set()
    skipped: set[int] = set()
    for mark in getattr(node, "decorator_list", []):
        if ast.unparse(mark).split(".")[-1] == MARK:
            skipped |= {id(n) for n in ast.walk(mark)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and id(inner) not in skipped:
            names.add(inner.id)
        elif isinstance(inner, ast.Global | ast.Nonlocal):
            names |= set(inner.names)
    return frozenset(names)


def _first_line(node: ast.stmt) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


def _line_of(node: ast.stmt, name: str) -> int:
    return next(
        (n.lineno for n in ast.walk(node) if isinstance(n, ast.Name) and n.id == name), node.lineno
    )
