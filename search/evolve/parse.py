"""A model's answer as a program: the function that was asked for and all that it needs.

The function is found under the name that was asked for, under its own, as a method, or as the only
function with as many parameters. Of the other statements those are kept that it needs; names that
it does not define are looked up in the answer's other blocks, then in the versions that the model
was shown, best first; well-known modules are imported. What is left of an answer that was cut
counts only if the function's body ends in a `return`: nothing after it could have run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from search.evolve.assemble import Wanted, assembled, needed
from search.evolve.names import Clash
from search.evolve.response import LONGEST, Block, blocks, cleaned
from search.evolve.statements import Statement, Unreadable, parsed, split, statements

BROKEN = "the answer ends, or breaks off, inside the function"


@dataclass(frozen=True)
class Found:
    """A program's source, or None and the reason."""

    source: str | None
    reason: str = ""


def read(answer: str, wanted: Wanted, cut: bool = False, continued: bool = False) -> Found:
    """The program in an answer. `cut`: it ended for its length; `continued`: it goes on after
    `wanted.header`, and may do without a `def` line."""
    if len(answer) > LONGEST:
        return Found(None, f"an answer of {len(answer)} characters is not read")
    answer = cleaned(answer)
    if not answer.strip():
        return Found(None, "no code: nothing but thinking, or nothing at all")
    try:
        return Found(_program(answer, wanted, cut, continued))
    except Unreadable as error:
        return Found(None, str(error))
    except Clash as error:
        return Found(None, f"the function cannot be renamed: {error}")


def _program(answer: str, wanted: Wanted, cut: bool, continued: bool) -> str:
    *fenced, whole = blocks(answer)
    bodies = _bodies([*fenced, whole], wanted, continued)
    errors: list[Unreadable] = []
    for group in (fenced, [whole], *([body] for body in bodies)):
        modules: list[list[Statement]] = []
        for block in group:
            try:
                modules.append(statements(block.text, wanted.limit, cut and block.last))
            except Unreadable as error:
                errors.append(error)
                modules.append([])
        try:
            chosen = _chosen(modules, wanted)
            if chosen is not None:
                return _made(modules, *chosen, wanted)
        except Unreadable as error:
            errors.append(error)
    if not re.search(rf"\bdef\s+{re.escape(wanted.function)}", answer) and not continued:
        raise Unreadable(f"no function {wanted.name} in the answer")
    if cut:
        raise Unreadable(BROKEN)
    raise errors[0] if errors else Unreadable(f"no function {wanted.name} in the answer")


def _made(
    modules: Sequence[list[Statement]], home: int, at: int, target: Statement, wanted: Wanted
) -> str:
    """The program of the chosen statement."""
    name = _checked(target, wanted)
    own = [s for i, s in enumerate(modules[home]) if i != at]
    rest = [m for i, m in enumerate(modules) if i != home]
    shown = [split(parsed(v, wanted.limit), v) for v in reversed(wanted.shown)]
    kept = needed(target, own, [*reversed(rest), *shown], wanted, name)
    return assembled([*kept, target], name, wanted)


def _bodies(parts: Sequence[Block], wanted: Wanted, continued: bool) -> list[Block]:
    """The blocks as the function's body, each under the `def` line that it lacks."""
    made = []
    for part in parts:
        first = next((line for line in part.text.split("\n") if line.strip()), "")
        named = re.search(rf"^[ \t]*def {re.escape(wanted.function)}", part.text, re.MULTILINE)
        returns = re.search(r"^[ \t]*return\b", part.text, re.MULTILINE)
        if named or not returns or not (continued or part.fenced):
            continue
        if first[0] in " \t":
            texts = [part.text]
        else:  # no margin at all, or the first line's alone, which the prompt may have written
            deeper = "\n".join("    " + line for line in part.text.split("\n"))
            texts = [part.text.replace(first, "    " + first, 1), deeper]
        made += [replace(part, text=f"{wanted.header}\n{text}") for text in texts]
    return made


def _chosen(
    modules: Sequence[list[Statement]], wanted: Wanted
) -> tuple[int, int, Statement] | None:
    """Block and number of the statement that defines the function; the last one of the best name:
    as asked, as in a program, a later version, a shown one; then a method; then any function that
    stands alone."""
    found: list[tuple[int, int, int, Statement]] = []
    strangers: list[tuple[int, int, Statement]] = []
    for home, module in enumerate(modules):
        for at, statement in enumerate(module):
            node = statement.node
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                rank = _rank(node.name, wanted)
                if rank:
                    found.append((rank, home, at, statement))
                elif len(node.args.posonlyargs + node.args.args) == wanted.parameters:
                    strangers.append((home, at, statement))
            elif isinstance(node, ast.ClassDef):
                method = _method(statement, wanted)
                if method is not None:
                    found.append((1, home, at, method))
    if found:
        return max(found, key=lambda f: f[:3])[1:]
    names = {getattr(s.node, "name", "") for _, _, s in strangers}
    return strangers[-1] if len(names) == 1 else None


def _rank(name: str, wanted: Wanted) -> int:
    if name == wanted.name:
        return 5
    if name == wanted.function:
        return 4
    number = re.fullmatch(re.escape(wanted.function) + r"_?v?(\d+)", name)
    if number is None:
        return 0
    return 3 if int(number[1]) >= wanted.version else 2


def _method(statement: Statement, wanted: Wanted) -> Statement | None:
    """A class's method of the wanted name as a function; None where it has none. Raises Unreadable
    where it uses its object."""
    for node in ast.parse(statement.text).body[0].body:  # type: ignore[attr-defined]
        if not isinstance(node, ast.FunctionDef) or _rank(node.name, wanted) < 4:
            continue
        static = any(
            isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list
        )
        if not static:
            every = [*node.args.posonlyargs, *node.args.args]
            own = every[0].arg if every else ""
            if not own or any(isinstance(n, ast.Name) and n.id == own for n in ast.walk(node)):
                raise Unreadable(f"{node.name} is a method that uses its object")
            (node.args.posonlyargs or node.args.args).pop(0)
        node.decorator_list = []
        text = ast.unparse(node)
        return Statement(text, ast.parse(text).body[0], statement.cut)
    return None


def _checked(target: Statement, wanted: Wanted) -> str:
    """The name of the function. Raises Unreadable for one that is not whole or cannot be called."""
    node = target.node
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    if target.cut and not isinstance(node.body[-1], ast.Return | ast.Raise):
        raise Unreadable(BROKEN)
    if not any(isinstance(n, ast.Return) for n in ast.walk(node)):
        raise Unreadable(f"{node.name} returns nothing")
    takes = len(node.args.posonlyargs + node.args.args)
    needs = takes - len(node.args.defaults)
    if needs > wanted.parameters or (takes < wanted.parameters and node.args.vararg is None):
        raise Unreadable(f"{node.name} takes {takes} arguments, not {wanted.parameters}")
    if isinstance(node, ast.AsyncFunctionDef) and any(
        isinstance(n, ast.Await | ast.AsyncFor | ast.AsyncWith) for n in ast.walk(node)
    ):
        raise Unreadable(f"{node.name} is async and awaits")
    return node.name
