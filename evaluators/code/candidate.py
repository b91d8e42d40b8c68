"""The program around a candidate, inside its sandbox: finds the program in a text and calls it.

Sent as text after `crossing`. Whatever the candidate changes here, it changes only its own answers.
"""

from __future__ import annotations

import ast
import builtins
import errno
import symtable
import sys
import types
from collections.abc import Callable
from typing import Any

from evaluators.code.crossing import Uncrossable, dumps, loads

BROKEN = (SyntaxError, ValueError, RecursionError)
"""What reading a text that is no program raises."""

_entry: list[Callable[..., Any]] = []


def readings(prompt: str, text: str, entry: str) -> list[str]:
    """The programs that a text after a prompt may mean, the likeliest first.

    Of a text that by itself is a program with the function `entry`: it after what stands before the
    prompt's last function, or it alone. Of any: the prompt continued, as HumanEval has it; the
    prompt continued by a body that lost the indentation of its first line, or of all lines.
    """
    whole: list[str] = []
    if defines(text, entry):
        whole = [preamble(prompt) + "\n" + text, text]
    lines = text.split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    stripped = "\n".join(lines[:first] + ["    " + line for line in lines[first : first + 1]])
    stripped = "\n".join([stripped, *lines[first + 1 :]])
    shifted = "\n".join("    " + line if line.strip() else line for line in lines)
    joint = "" if prompt.endswith("\n") or not prompt else "\n"
    return [*whole, prompt + text, prompt + joint + stripped, prompt + joint + shifted]


def parsed(source: str) -> ast.Module | None:
    """The syntax tree of a program; `None` for what is none."""
    try:
        return ast.parse(source)
    except BROKEN:
        return None


def preamble(prompt: str) -> str:
    """What stands before the prompt's last function; empty where the prompt is no code."""
    for whole in (prompt, prompt + "\n    pass\n"):
        tree = parsed(whole)
        if tree is None:
            continue
        body = tree.body
        if not body or not isinstance(body[-1], ast.FunctionDef | ast.ClassDef):
            return prompt
        first = min([body[-1].lineno, *(d.lineno for d in body[-1].decorator_list)])
        return "\n".join(prompt.split("\n")[: first - 1])
    return ""


def defines(source: str, name: str) -> bool:
    """Whether a text is a program that binds `name` at its top level, perhaps in an `if`."""
    try:
        top = symtable.symtable(source, "<candidate>", "exec")
    except BROKEN:
        return False
    return name in top.get_identifiers() and top.lookup(name).is_assigned()


def load(prompt: str, texts: list[str], entry: str) -> list[str]:
    """Run the first reading of the first text that is a program with `entry`; `["ok"]`, or
    `["unreadable", why]` where none is. What the program raises comes out."""
    why = ""
    for text in texts:
        for source in readings(prompt, text, entry):
            try:
                code = compile(source, "<candidate>", "exec", dont_inherit=True, optimize=0)
            except BROKEN as error:
                why = why or f"{type(error).__name__}: {error}"
                continue
            if not defines(source, entry):
                why = why or f"it defines no {entry}"
                continue
            module = types.ModuleType("candidate")
            sys.modules["candidate"] = module
            exec(code, module.__dict__)
            _entry[:] = [module.__dict__[entry]]
            return ["ok"]
    return ["unreadable", _clean(why[:300])]


def call(sent: str) -> list[str]:
    """One call of the candidate: `["value", text, loss]`, `["raised", arguments, loss, built-in
    type]` or `["uncrossable", what, ""]`; `loss` says what of it does not cross, or nothing."""
    arguments, named = loads(sent)
    try:
        value = _entry[0](*arguments, **named)
    except Exception as error:
        if _refused(error):
            raise  # the sandbox tells of it
        return _raised(error)
    try:
        text = dumps(value)
    except Uncrossable as error:
        return ["uncrossable", _clean(str(error)), ""]
    try:
        changed = dumps([arguments, named]) != sent
    except Uncrossable:
        changed = True
    return ["value", text, "it changed its arguments, the tests hold copies" if changed else ""]


def _refused(error: Exception) -> bool:
    """Whether the sandbox's limits are behind an error, not the candidate's own logic."""
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return error.errno > 1000 or error.errno in (errno.EPERM, errno.EACCES, errno.EROFS)
    return isinstance(error, MemoryError) or "start new thread" in str(error)[:200]


def _raised(error: Exception) -> list[str]:
    own = type(error)
    kind = next(k for k in own.__mro__ if vars(builtins).get(k.__name__) is k)
    if kind in (StopIteration, StopAsyncIteration):
        kind = RuntimeError  # as generators do: `all(map(candidate, …))` would take it for the end
    try:
        text = dumps(list(error.args))
    except Uncrossable:
        text = dumps([str(error)[:2000]])
    loss = "" if kind is own else f"it raised {own.__name__[:60]}, which crosses as {kind.__name__}"
    return ["raised", text, _clean(loss), kind.__name__]


def _clean(text: str) -> str:
    """The text without what is no Unicode (halves of surrogate pairs)."""
    return text.encode("utf-8", "replace").decode()
