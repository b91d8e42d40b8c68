"""A model's answer as blocks of text that may be code: thinking left out, fences taken off."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 1 << 18
"""Characters of an answer beyond which it is not read."""

BLOCKS = 32
"""Fenced blocks that are looked at: the last ones."""

_THOUGHT = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_FENCE = re.compile(r"^(?P<margin>[ \t>]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<tag>[^`\n]*)$")
_PYTHON = re.compile(r"(?:\{?\.?(?:python|py|python3|py3|ipython|sage|pycon)\b.*)?", re.IGNORECASE)
_ODD = {"\r\n": "\n", "\r": "\n", "\x0c": "", "\ufeff": "", "\u200b": "", "\u00a0": " "}


@dataclass(frozen=True)
class Block:
    """A piece of an answer; `last` says that the answer ends in it, inside its fence if it has
    one."""

    text: str
    fenced: bool
    last: bool


def blocks(answer: str) -> list[Block]:
    """The last BLOCKS fenced blocks of Python, in order, then the whole text without fences."""
    lines = answer.split("\n")
    found: list[Block] = []
    outside: list[str] = []
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if opening is None:
            outside.append(lines[at])
            at += 1
            continue
        mark = opening["mark"]
        stop = at + 1
        while stop < len(lines) and not _closes(lines[stop], mark):
            stop += 1
        inside = [_without(line, opening["margin"]) for line in lines[at + 1 : stop]]
        if _PYTHON.fullmatch(opening["tag"].strip()):
            closed = stop < len(lines)
            found.append(Block(_level("\n".join(inside)), True, not closed))
            outside += inside
        at = stop + 1
    whole = Block(_level("\n".join(outside)), False, not found or found[-1].last)
    return [*found[-BLOCKS:], whole]


def cleaned(answer: str) -> str:
    """The answer without thinking, in plain line ends and spaces. An answer that never stopped
    thinking has nothing left."""
    for odd, plain in _ODD.items():
        answer = answer.replace(odd, plain)
    answer = answer.encode("utf-8", "replace").decode()  # halves of characters
    kept, at, thinking = [], 0, False
    for mark in _THOUGHT.finditer(answer):
        if mark[1] and not thinking:
            kept.clear()  # begun by the template, not by the model
        elif not mark[1] and not thinking:
            kept.append(answer[at : mark.start()])
        thinking = not mark[1]
        at = mark.end()
    return "".join(kept if thinking else [*kept, answer[at:]])


def idea(answer: str, longest: int = 300) -> str:
    """The first paragraph before any code: what the model says that it tries; empty without."""
    said: list[str] = []
    for line in answer.split("\n"):
        if _FENCE.match(line) or re.match(r"\s*(?:def|import|from|class|@)\b", line):
            break
        if not line.strip() and said:
            break
        said += [line.strip()] if line.strip() else []
    return " ".join(said)[:longest]


def _closes(line: str, mark: str) -> bool:
    bare = line.strip(" \t>")
    return len(bare) >= len(mark) and set(bare) == {mark[0]}


def _without(line: str, margin: str) -> str:
    return line[len(margin) :] if line.startswith(margin) else line.lstrip(" \t>")


def _level(text: str) -> str:
    """The text without the margin that all its lines share; tabs that Python cannot compare with
    spaces are its own affair."""
    lines = [line for line in text.split("\n") if line.strip()]
    margins = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines]
    shared = min(margins, key=len, default="")
    if not shared or not all(margin.startswith(shared) for margin in margins):
        return text
    return "\n".join(line.removeprefix(shared) for line in text.split("\n"))
