"""Take the final answer out of a text, and compare two answers: `extract` and `equal`.

The last mark in the text wins, whatever its kind. Marks are `\\boxed{}`, `<answer>`, `#### x`, and
a sentence or heading with "answer" (`Answer: x`, "the answer is x").
Reasoning before `</think>` is never read. Without a mark the whole text is the answer if it is one
line without prose; failing that, for `number` and `math`, the last number in the text.

Whether the text is finished is the caller's knowledge: a truncated trace has no answer, so it is
not passed here. What shows in the text (an open box, `<think>` without its end) gives `None`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from evaluators.compare import (
    KINDS,
    Comparison,
    Kind,
    canonical,
    check_kind,
    compare,
    equal,
    is_prose,
    last_side,
    split,
)
from evaluators.literals import plain, read_number

__all__ = ["KINDS", "Comparison", "Kind", "canonical", "compare", "equal", "extract", "marked"]

MAX_TEXT = 50_000
"""Only this many last characters of a text are searched."""

MAX_ANSWER = 2000
"""An answer is cut to this many characters."""

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_BARE_BOX = re.compile(r"[^\s{}$.,;]+")
_JOINT = re.compile(r"[\s$.\\()]*(?:,|;|and|or|,\s*and|,\s*or)[\s$\\()]*(?:[A-Za-z]\s*=\s*)?")
_TAG = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL | re.IGNORECASE)
_HASHES = re.compile(r"####[ \t]*([^\n]*)")
_SAID = re.compile(
    r"\banswer\b(?:[ \t]+(?!is\b)[\w']{1,20}){0,8}[ \t*_]*"
    r"(?::|=|\b(?:is|was|are|equals|becomes|(?:should|must|would|will) be)\b[ \t]*:?)[ \t*_]*",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^[#*_ \t]*(?:final[ \t]+)?answer(?:[*_ \t]*$|[ \t](?=[-$\\(\d]))",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE_END = re.compile(r"\.(?=\s|$)|[!?](?=\s|$)|\n|</answer>")
_NOT = re.compile(r"(?:not|never|n't)\b", re.IGNORECASE)
_NUMERAL = re.compile(
    r"(?<![\w.,/])(?<!\d:)-?[ ]?[$€£¥₹]?-?"
    r"(?:\\[dt]?frac\{-?\d{1,40}\}\{\d{1,40}\}|"
    r"(?:\d{1,3}(?:,\d{3})+|\d{1,400})(?:\.\d{1,400})?(?:[eE][+-]?\d{1,3}(?!\w))?"
    r"(?:[ ]?/[ ]?\d{1,40}|[ ]\d{1,9}/\d{1,9})?|\.\d{1,400})"
    r"(?!\d|[:/]\d)(?:[ ]?\\?%)?"
)
_MINUS = str.maketrans(dict.fromkeys("−–﹣－", "-"))
_HEDGED = re.compile(r"\b(?:or|either)\b", re.IGNORECASE)
_ROUGHLY = re.compile(
    r"(?:approximately|about|around|roughly|exactly|only|just|simply|equal to)\s+", re.IGNORECASE
)
_CLAUSE_END = re.compile(r",\s|\(|\b(?:because|which|since|as|so|that)\b", re.IGNORECASE)
_OPERATED = re.compile(r"(?:[+*/^×÷]|\\times|\\cdot|\\div)\s*[({]?\s*\Z")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_LETTER = re.compile(
    r"(?i:option|choice|answer)?[\s:]*"
    r"(?:\(\s*([A-Za-z])\s*\)|([A-Z])(?![\w'])|([a-z])(?=[).:]|\Z))"
)
_SECOND_LETTER = re.compile(r"\s*(?:or|and|,|/)\s*\(?[A-Za-z]\b")
_MARKED_LETTER = re.compile(r"\(\s*([A-Z])\s*\)|^[*_ ]*([A-Z])[*_]*\s*[.):]?[*_ ]*$", re.MULTILINE)


def extract(text: str, kind: Kind = "math") -> str | None:
    """The final answer that a finished text gives, trimmed, or `None` where it gives none.

    For `choice` the capital letter; for the other kinds the answer as it stands (give it to
    `canonical` to count votes). Raises UnknownName for an unknown kind, never for what the text
    contains; linear in the length of the text.
    """
    check_kind(kind)
    told = _after_thinking(text[-MAX_TEXT:])
    if told is None or not told.strip():
        return None
    place, content = _last_mark(told)
    found = place >= 0
    if found and content is None:
        return None
    content = (content or told).strip()
    if kind == "choice":
        return _letter(content, found)
    if kind == "exact":
        return (content if found or "\n" not in content else content.splitlines()[-1])[:MAX_ANSWER]
    return _value(content, kind, found)


def _after_thinking(text: str) -> str | None:
    """What follows the reasoning; `None` if the reasoning does not end."""
    _, end, rest = text.rpartition("</think>")
    if "<think>" in rest:
        return None
    return rest if end else text


def marked(text: str) -> tuple[int, str] | None:
    """Where the line of the last mark begins and what is marked (empty if nothing readable);
    `None` for a text without a mark. Reasoning is read like the rest."""
    place, content = _last_mark(text[-MAX_TEXT:])
    if place < 0:
        return None
    place += max(0, len(text) - MAX_TEXT)
    return text.rfind("\n", 0, place) + 1, (content or "").strip()


def _last_mark(text: str) -> tuple[int, str | None]:
    """Where the last mark stands (-1: nowhere), and its content (`None`: unfinished or empty)."""
    marks: list[tuple[int, str | None]] = [
        *_boxes(text),
        *((m.start(1), m[1]) for m in _TAG.finditer(text) if "\\boxed" not in m[1]),
        *((m.start(), m[1]) for m in _HASHES.finditer(text)),
    ]
    said = [m.end() for pattern in (_SAID, _HEADING) for m in pattern.finditer(text)]
    place, content = max(marks, key=lambda mark: mark[0], default=(-1, None))
    if said and max(said) > place:
        place = max(said)
        content = _statement(text[place:])
    if content is None or not content.strip(" \t\n*_$."):
        return place, None
    return place, content


def _boxes(text: str) -> Iterator[tuple[int, str | None]]:
    """Place and content of every box; neighbours joined by "and" or a comma are one answer."""
    start, parts, end = 0, [], -1
    for match in _BOX.finditer(text):
        if match.start() < end:
            continue  # a box inside the last box
        content, close = _braced(text, match.end())
        if parts and content is not None and _JOINT.fullmatch(text, end, match.start()):
            parts.append(content)
        else:
            if parts:
                yield start, ", ".join(parts)
            if content is None:
                yield match.start(), None
                return
            start, parts = match.start(), [content]
        end = close
    if parts:
        yield start, ", ".join(parts)


def _braced(text: str, start: int) -> tuple[str | None, int]:
    """What stands in the braces that open at `start`, and where they close."""
    if text[start : start + 1] != "{":
        bare = _BARE_BOX.match(text, start)
        return (bare[0], bare.end()) if bare else (None, start)
    depth = 0
    for place in range(start, min(len(text), start + MAX_ANSWER)):
        if text[place] == "\\" and text[place + 1 : place + 2] in ("{", "}"):
            continue
        if text[place - 1] == "\\":
            continue
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            content = text[start + 1 : place]
            inner = _BOX.match(content.strip())
            if inner:
                return _braced(content.strip(), inner.end())[0], place + 1
            return content, place + 1
    return None, len(text)


def _statement(rest: str) -> str:
    """The sentence that begins here; the next line if this one is empty."""
    rest = rest[: MAX_ANSWER * 2].lstrip()
    end = _SENTENCE_END.search(rest)
    sentence = rest[: end.start()] if end else rest
    if sentence.startswith(("$$", r"\[")) and "\n" in rest:
        sentence = " ".join(rest.split("\n")[:3])
    return sentence.rstrip(" \t*_.")


def _value(content: str, kind: Kind, marked: bool) -> str | None:
    """The value in a marked answer, or in a text without marks."""
    percent = "unit" if kind == "number" else "factor"
    content = _ROUGHLY.sub("", content, count=1) if _ROUGHLY.match(content) else content
    if read_number(content, percent) is not None:
        return content[:MAX_ANSWER]
    if _NOT.match(content):
        return (
            _last_number(content) if len(_NUMERAL.findall(content.translate(_MINUS))) > 1 else None
        )
    if kind == "math" and not _told(content, marked):
        return content[:MAX_ANSWER]
    if marked:
        if _HEDGED.search(content) or _is_list(content, percent):
            return None
        for part in (_CLAUSE_END.split(content)[0], content):
            side = last_side(part)
            if read_number(side, percent) is not None:
                return side[:MAX_ANSWER]
    return _last_number(content)


def _told(content: str, marked: bool) -> bool:
    """Whether a number is told in words, rather than standing as the answer."""
    words = len(_WORD.findall(plain(content)))
    if not marked:
        return words > 1 or "\n" in content
    found = _NUMERAL.search(content)
    return found is not None and is_prose(plain(content)) and (words > 2 or found.start() == 0)


def _is_list(content: str, percent: Literal["factor", "unit"]) -> bool:
    """Whether the content is several numbers, none of them the answer more than the others."""
    text = plain(content)
    parts = split(text) if len(text) < MAX_ANSWER else None
    if parts is None or len(parts[1]) < 2:
        return False
    return all(read_number(x, percent) is not None for x in parts[1])


def _last_number(content: str) -> str | None:
    """The last number in the text, unless a calculation ends there that was not worked out."""
    content = content.translate(_MINUS)
    last = max(_NUMERAL.finditer(content), key=lambda match: match.start(), default=None)
    if last is None or _OPERATED.search(content, max(0, last.start() - 12), last.start()):
        return None
    return last[0].strip()


def _letter(content: str, marked: bool) -> str | None:
    """The one letter that is chosen; `None` if several are."""
    whole = canonical(content, "choice")
    if whole is not None:
        return whole
    if marked and not _NOT.match(content):
        text = plain(content)
        first = _LETTER.match(text)
        if first is None or _SECOND_LETTER.match(text, first.end()):
            return None
        return next(letter for letter in first.groups() if letter).upper()
    letters = [m[1] or m[2] for m in _MARKED_LETTER.finditer(content)]
    return letters[-1] if letters else None
