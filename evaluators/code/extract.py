"""The code in what a model wrote: fenced blocks, a bare continuation, prose around.

Nothing here runs. What of a text is a program is found out inside the sandbox; only votes parse on
this side, up to KEY_CHARS. All searching is linear in the text.
"""

from __future__ import annotations

import ast
import hashlib
import re

from evaluators.tasks.base import END_THINK

KEY_CHARS = 20_000
"""Longer programs are compared as text."""

_DEFINED = r"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+{}\b"
"""Linear: no blank lines are skipped over."""


def fence_of(line: str) -> tuple[str, bool]:
    """The fence that a line is, and whether it is bare and so may close a block; empty for none."""
    told = line.strip()
    sign = told[:1]
    if sign not in ("`", "~") or told[:3] != sign * 3:
        return "", False
    rest = told.lstrip(sign)
    if sign in rest:
        return "", False
    return told[: len(told) - len(rest)], not rest


def blocks(text: str) -> tuple[str, list[str]]:
    """What stands before the first fence, and the contents of the fenced blocks; one that is not
    closed runs to the end."""
    before: list[str] = []
    found: list[list[str]] = []
    fence = ""
    for line in text.split("\n"):
        mark, bare = fence_of(line)
        if fence:
            if bare and mark.startswith(fence):
                fence = ""
            else:
                found[-1].append(line)
        elif mark:
            fence = mark
            found.append([])
        elif not found:
            before.append(line)
    return "\n".join(before), ["\n".join(lines) + "\n" for lines in found]


def texts(completion: str, entry: str) -> list[str]:
    """What of a completion may be the code, the likeliest first, each text once.

    After the end of a chain of thought: the last fenced block that defines `entry`; of an indented
    continuation what stands before the first fence; the last other blocks; the whole.
    """
    answer = completion.rpartition(END_THINK)[2]
    before, fenced = blocks(answer)
    if not fenced:
        return [answer]
    defined = re.compile(_DEFINED.format(re.escape(entry)), re.MULTILINE)
    whole = [block for block in reversed(fenced) if defined.search(block)]
    others = [block for block in reversed(fenced) if not defined.search(block)]
    begun = [before + "\n"] if before.strip() else []
    if before.lstrip("\n")[:1] in (" ", "\t"):
        ordered = [*whole, *begun, *others, answer]
    else:
        ordered = [*whole, *others, *begun, answer]
    return list(dict.fromkeys(text for text in ordered if text.strip())) or [answer]


def code_of(completion: str) -> str | None:
    """The code that a completion gives, without fences; `None` where it gives none: it is empty,
    or prose alone."""
    answer = completion.rpartition(END_THINK)[2]
    before, fenced = blocks(answer)
    fenced = [block for block in fenced if block.strip()]
    if fenced:
        if before.lstrip("\n")[:1] in (" ", "\t"):
            return before.rstrip()
        defined = re.compile(_DEFINED.format(r"\w+"), re.MULTILINE)
        whole = [block for block in fenced if defined.search(block)]
        return (whole or fenced)[-1].strip("\n")
    code = answer.strip("\n").rstrip()
    return code if code.strip() and tree_of(code) is not None else None


def tree_of(code: str) -> ast.Module | None:
    """The syntax tree of a function or of the body of one; `None` for what is neither, or for
    more than KEY_CHARS characters."""
    if len(code) > KEY_CHARS:
        return None
    shifted = "\n".join("    " + line for line in code.split("\n"))
    for source in (code, f"def f():\n{code}", f"def f():\n    {code}", f"def f():\n{shifted}"):
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def key_of(code: str) -> str:
    """A short key that programs share which differ in comments, blank space and docstrings only."""
    tree = tree_of(code)
    if tree is None:
        said = code.strip()
    else:
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and len(body) > 1 and _docstring(body[0]):
                del body[0]
        try:
            said = ast.dump(tree)
        except RecursionError:
            said = code.strip()
    return hashlib.blake2b(said.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def _docstring(node: ast.AST) -> bool:
    value = getattr(node, "value", None) if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
