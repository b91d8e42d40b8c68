"""The difference of two programs as rows of marked pieces, down to words within a line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

Piece = tuple[bool, str]
"""(whether it changed, text)"""

Row = tuple[str, list[Piece]]
"""(kind, pieces); the kind is `same`, `old`, `new` or `gap` (equal lines left out)."""

_WORD = re.compile(r"\w+|\s+|[^\w\s]")


def difference(old: str, new: str, context: int = 3) -> list[Row]:
    """Rows from `old` to `new`: lines only in the old text, only in the new one, and up to
    `context` equal lines around them. No rows where the lines are equal."""
    before, after = old.splitlines(), new.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    rows: list[Row] = []
    codes = matcher.get_opcodes() if before != after else []
    for at, (kind, i, j, m, n) in enumerate(codes):
        if kind == "equal":
            rows += _equal(before[i:j], context, first=at == 0, last=at == len(codes) - 1)
        elif kind == "replace" and j - i == n - m:
            pairs = [words(a, b) for a, b in zip(before[i:j], after[m:n], strict=True)]
            rows += [("old", pieces) for pieces, _ in pairs]
            rows += [("new", pieces) for _, pieces in pairs]
        else:
            rows += [("old", [(False, line)]) for line in before[i:j]]
            rows += [("new", [(False, line)]) for line in after[m:n]]
    return rows


def words(old: str, new: str) -> tuple[list[Piece], list[Piece]]:
    """Two lines as pieces, marked where their words differ; unmarked where hardly any agree."""
    a, b = _WORD.findall(old), _WORD.findall(new)
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    if matcher.ratio() < 0.3:
        return [(False, old)], [(False, new)]
    codes = matcher.get_opcodes()
    left = [(kind != "equal", "".join(a[i:j])) for kind, i, j, _, _ in codes if j > i]
    right = [(kind != "equal", "".join(b[m:n])) for kind, _, _, m, n in codes if n > m]
    return left, right


def _equal(lines: list[str], context: int, *, first: bool, last: bool) -> Iterator[Row]:
    head = 0 if first else context
    tail = 0 if last else context
    for i, line in enumerate(lines):
        if i < head or i >= len(lines) - tail:
            yield "same", [(False, line)]
        elif i == head:
            left = len(lines) - head - tail
            yield "gap", [(False, f"{left} equal line{'s' * (left != 1)}")]
