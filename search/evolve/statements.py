"""Text that may be Python, as top-level statements: guarded parsing, and salvage of what parses.

Nothing is parsed that is longer than the limit, or nested so deeply that Python's parser, or a
visitor of its trees, could run out of stack.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from search.evolve.names import Place, places

DEEPEST = 100
"""Levels of a syntax tree, and of open brackets, beyond which source is refused."""

TRIES = 100
"""How often salvaging one text calls the parser."""

_RUN = re.compile(r"(?:[-+~]\s*){40}|(?:(?:not|await|yield|lambda\s*:)\s*){40}")
_STARTS = re.compile(
    r"(?:from|import|def|async\s+def|class|for|while|if|try|with)\b|@|[A-Za-z_]\w*\s*(?::[^=]+)?=[^=]"
)
_GOES_ON = re.compile(r"(?:else|elif|except|finally)\b|[)\]}#]")
_OPEN = ("was never closed", "unterminated triple-quoted", "unexpected EOF")


class Unreadable(Exception):
    """Text that is no Python, or too much of it; says why."""


@dataclass(frozen=True)
class Statement:
    """One top-level statement: its source, with the comments above it, and its syntax tree. `cut`
    says that lines after it were lost or dropped, so that its end is unknown."""

    text: str
    node: ast.stmt
    cut: bool = False

    @cached_property
    def places(self) -> list[Place]:
        """Its module-level names; lines count in `text`."""
        return places(ast.parse(self.text), self.text)

    @property
    def binds(self) -> set[str]:
        """Module-level names that it binds."""
        return {p.name for p in self.places if p.binds}

    @property
    def reads(self) -> set[str]:
        """Module-level names that it needs."""
        return {p.name for p in self.places if not p.binds}


def parsed(text: str, limit: int) -> ast.Module:
    """The syntax tree of `text`. Raises Unreadable for what is no Python, longer than `limit` bytes
    or nested too deeply."""
    if len(text) > limit or len(text.encode("utf-8", "replace")) > limit:
        raise Unreadable(f"longer than {limit} bytes")
    if _nesting(text) > DEEPEST or _RUN.search(text):
        raise Unreadable(f"nested more than {DEEPEST} levels deep")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in strings that are not ours
            tree = ast.parse(text)
    except SyntaxError as error:
        where = f" in line {error.lineno}" if error.lineno else ""
        raise Unreadable(f"no Python{where}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(f"no Python: {str(error) or type(error).__name__}") from error
    if _depth(tree) > DEEPEST:
        raise Unreadable(f"nested more than {DEEPEST} levels deep")
    return tree


def split(tree: ast.Module, text: str) -> list[Statement]:
    """The statements of a whole module, each with the comments directly above it."""
    lines = text.split("\n")
    found: list[Statement] = []
    before = 0  # last line of the statement before, from 1
    for index, node in enumerate(tree.body):
        first, last = _first(node), node.end_lineno or node.lineno
        after = tree.body[index + 1] if index + 1 < len(tree.body) else None
        if first <= before or (after is not None and _first(after) <= last):
            own = ast.get_source_segment(text, node) or ""  # it shares a line with another
        else:
            while first - 1 > before and lines[first - 2].lstrip().startswith("#"):
                first -= 1
            own = "\n".join(lines[first - 1 : last])
        found.append(Statement(own.rstrip(), node))
        before = last
    return found


def statements(text: str, limit: int, cut: bool = False) -> list[Statement]:
    """The top-level statements in `text`, in order; lines that are no Python are left out. `cut`
    says that the text ends before its author did. Raises Unreadable where nothing can be read."""
    lines = text.split("\n")
    if cut:  # its last line may lack its end
        text = "\n".join(lines[:-1])
    try:
        found = split(parsed(text, limit), text)
    except Unreadable as error:
        if len(text) > limit or "deep" in str(error):
            raise
        found = list(_salvaged(text.split("\n"), limit))
        if not found:
            raise
    if cut and found:
        end = found[-1]
        found[-1] = Statement(end.text, end.node, True)
    return found


def _salvaged(lines: list[str], limit: int) -> Iterator[Statement]:
    """Statements that begin at the margin of a text that does not parse as a whole."""
    tries, start = TRIES, 0
    while start < len(lines) and tries > 0:
        if not _STARTS.match(lines[start]):
            start += 1
            continue
        stop = _end(lines, start + 1)
        first_stop, whole = stop, True
        while tries > 0 and stop > start:
            tries -= 1
            text = "\n".join(lines[start:stop]).rstrip()
            try:
                made = split(parsed(text, limit), text)
            except Unreadable as error:
                if "deep" in str(error):
                    raise
                opened = any(mark in str(error) for mark in _OPEN)
                decorator = lines[start].startswith("@") and _bare(lines[start:stop])
                if whole and stop < len(lines) and (opened or decorator):
                    stop = _end(lines, stop + 1)
                    continue
                if whole:  # no more lines help: fewer might
                    stop, whole = first_stop, False
                stop -= 1
                continue
            yield from made if whole else [Statement(s.text, s.node, True) for s in made]
            break
        start = max(stop, start + 1)


def _end(lines: list[str], stop: int) -> int:
    """The first line from `stop` on that no longer belongs to the statement before it."""
    while stop < len(lines) and (
        not lines[stop].strip() or lines[stop][0] in " \t" or _GOES_ON.match(lines[stop])
    ):
        stop += 1
    return stop


def _bare(lines: list[str]) -> bool:
    """Whether these lines hold decorators alone."""
    return all(not line.strip() or line.startswith("@") for line in lines)


def _first(node: ast.stmt) -> int:
    """The first line of a statement, decorators included."""
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _nesting(text: str) -> int:
    """The most brackets open at once, strings and comments not told apart."""
    depth = most = 0
    for letter in re.findall(r"[(\[{}\])]", text):
        depth = max(0, depth + (1 if letter in "([{" else -1))
        most = max(most, depth)
    return most


def _depth(tree: ast.AST) -> int:
    """Levels of a syntax tree, counted without recursion."""
    most, waiting = 0, [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        most = max(most, depth)
        waiting.extend((part, depth + 1) for part in ast.iter_child_nodes(node))
    return most
