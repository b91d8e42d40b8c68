"""From a genome back to Python that people read: short lines, repeated parts named once."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from search.evolve.mutate.expression import LEAVES, Node, children, size, walk
from search.evolve.mutate.parse import Genome

WIDTH = 72
_ATOM = 20
_PRECEDENCE = {
    "or": 1, "and": 2, "<": 4, "<=": 4, ">": 4, ">=": 4, "==": 4, "!=": 4,
    "+": 9, "-": 9, "*": 10, "/": 10, "%": 10, "//": 10, "neg": 11, "**": 12,
}  # fmt: skip
_NOT_NEGATIVE = ("abs", "square", "sqrt", "log", "exp")


class Renderer:
    """Says expressions in Python; `numpy` and `math` are the names those modules have in the
    program, None where it does not import them. With numpy, choices are `np.where`, so that the
    function works on whole arrays; without it they are `… if … else …`."""

    def __init__(
        self,
        numpy: str | None = "np",
        math: str | None = None,
        titles: Iterable[tuple[Node, str]] = (),
    ) -> None:
        self.numpy, self.math, self.titles = numpy, math, dict(titles)

    def program(self, genome: Genome) -> str:
        """The source of the module."""
        text = genome.frame
        if not genome.inlined:
            for index in reversed(range(len(genome.roots))):
                text = text.replace(f"__slot_{index}__", self.text(genome.roots[index]))
            return text + "\n"
        head, _, tail = text.partition("return __slot_0__")
        indent = head[head.rfind("\n") + 1 :]
        lines = self.lines(genome.roots[0], _words(genome.frame, genome.roots[0]))
        return head + f"\n{indent}".join(lines) + tail + "\n"

    def lines(self, root: Node, taken: Iterable[str]) -> list[str]:
        """Assignments and a return that compute `root`."""
        writer = _Writer(self, set(taken))
        writer.name_repeated(root)
        last = writer.say(root)[0]
        return [*writer.assignments, f"return {last}"]

    def text(self, node: Node) -> str:
        """One expression."""
        return self.join(node, [(self.text(c), self.level(c)) for c in children(node)])

    def level(self, node: Node) -> int:
        """How tightly a rendered node binds."""
        operator = node[0]
        if operator == "#":
            return _ATOM if isinstance(node[1], bool) or node[1] >= 0 else 11
        if operator in ("square", "cube"):
            return 12
        if operator == "@":
            return _tightness(node[1])
        if self.numpy is not None and operator in ("and", "or", "not"):
            return {"or": 6, "and": 8, "not": 11}[operator]
        if operator == "not":
            return 3
        if operator == "where" and self.numpy is None:
            return 0
        return _PRECEDENCE.get(operator, _ATOM)

    def join(self, node: Node, parts: list[tuple[str, int]]) -> str:
        """A node's text from the texts and levels of its children."""
        operator = node[0]
        if operator == "#":
            return repr(node[1])
        if operator in ("x", "@"):
            return node[1]
        level, texts = self.level(node), [text for text, _ in parts]
        if operator in ("square", "cube"):
            return f"{_wrap(parts[0], 13)}**{2 if operator == 'square' else 3}"
        if operator == "**":
            return f"{_wrap(parts[0], 13)}**{_wrap(parts[1], 12)}"
        if operator == "neg":
            return f"-{_wrap(parts[0], 11)}"
        if operator == "not":
            return f"~{_wrap(parts[0], 11)}" if self.numpy else f"not {_wrap(parts[0], 3)}"
        if operator == "where" and self.numpy is None:
            return f"{_wrap((texts[1], parts[1][1]), 1)} if {_wrap(parts[0], 1)} else {texts[2]}"
        sign = operator
        if self.numpy is not None:
            sign = {"and": "&", "or": "|"}.get(operator, operator)
        if level < _ATOM:
            # Comparisons do not chain here: both sides bind tighter.
            left = level + 1 if level == 4 else level
            return f"{_wrap(parts[0], left)} {sign} {_wrap(parts[1], level + 1)}"
        if operator in ("sqrt", "log") and node[1][0] not in _NOT_NEGATIVE:
            texts = [f"{self.function('abs')}({texts[0]})"]
        return f"{self.function(operator)}({', '.join(texts)})"

    def function(self, operator: str) -> str:
        """The name of a function in the program."""
        if operator.startswith("call:"):
            return operator[5:]
        name = {"min": "minimum", "max": "maximum", "log": "log1p"}.get(operator, operator)
        if self.numpy is not None:
            return f"{self.numpy}.{name}"
        return operator if operator in ("min", "max", "abs") else f"{self.math}.{name}"


class _Writer:
    """Spreads an expression over assignments: parts that repeat, and what makes a line long."""

    def __init__(self, renderer: Renderer, taken: set[str]):
        self.renderer, self.taken = renderer, taken
        self.assignments: list[str] = []
        self.repeated: set[Node] = set()
        self.named: dict[Node, str] = {}

    def name_repeated(self, root: Node) -> None:
        """Mark what occurs more than once, counting a part of a repeated part only once."""
        counts: Counter[Node] = Counter()
        stack = [root]
        while stack:
            node = stack.pop()
            counts[node] += 1
            if counts[node] == 1:
                stack.extend(children(node))
        self.repeated = {n for n, c in counts.items() if c > 1 and _worth_a_name(n)}

    def say(self, node: Node, root: bool = True) -> tuple[str, int]:
        if node in self.named:
            return self.named[node], _ATOM
        if node[0] in LEAVES and node not in self.repeated:
            return self.renderer.join(node, []), self.renderer.level(node)
        parts = [self.say(child, False) for child in children(node)]
        text = self.renderer.join(node, parts)
        while len(text) > WIDTH:
            longest = max(range(len(parts)), key=lambda i: len(parts[i][0]))
            if len(parts[longest][0]) < 12:
                break
            name = self.assign(children(node)[longest], parts[longest][0])
            parts = [(name, _ATOM) if children(node)[i] == children(node)[longest] else part
                     for i, part in enumerate(parts)]  # fmt: skip
            text = self.renderer.join(node, parts)
        if node in self.repeated and not root:
            return self.assign(node, text), _ATOM
        return text, self.renderer.level(node)

    def assign(self, node: Node, text: str) -> str:
        title = self.renderer.titles.get(node, "a")
        name = next(n for n in (title, *_NAMES) if n not in self.taken)
        self.taken.add(name)
        self.named[node] = name
        self.assignments.append(f"{name} = {text}")
        return name


@lru_cache(maxsize=1024)
def _tightness(text: str) -> int:
    """An atom's level: 0, to be put in brackets, unless it is a name, a call or a subscript."""
    node = ast.parse(text, mode="eval").body
    atoms = ast.Name | ast.Call | ast.Subscript | ast.Attribute | ast.Constant | ast.List
    return _ATOM if isinstance(node, atoms) else 0


_NAMES = (*"abcdefghjkmnpqrstuvwxyz", *(f"part{number}" for number in range(1, 1000)))


@lru_cache(maxsize=1024)
def _reads(text: str) -> frozenset[str]:
    """The names in a piece of Python, whether it is whole or has its slots."""
    return frozenset(n for n in re.findall(r"[A-Za-z_]\w*", text))


def _words(frame: str, root: Node) -> set[str]:
    """Names that are not free: those in the module and in the atoms of the expression."""
    return set(_reads(frame)).union(*(_reads(n[1]) for _, n in walk(root) if n[0] in ("x", "@")))


def _worth_a_name(node: Node) -> bool:
    return size(node) >= 3 or (node[0] == "@" and len(node[1]) > 12)


def _wrap(part: tuple[str, int], level: int) -> str:
    text, own = part
    return f"({text})" if own < level else text
