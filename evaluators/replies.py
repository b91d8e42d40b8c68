"""Read what a judge wrote: a score out of 1..5, or which of two answers is better, and why.

A judge that reasons first may mention scores on the way, so that a mark counts before the bare
text, and the last mark before earlier ones. What names no score of the scale, or several, is a
failure, not a guess: `None`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal

LOW, HIGH = 1, 5
Choice = Literal["A", "B", "tie"]

MAX_REPLY = 20_000
"""Only this many last characters of a reply are read."""

_NUMBER = r"(?<![\d.\-−–])(\d+(?:\.\d+)?)"
_SCALE = r"(?:\s*(?:/|out of|of)\s*(\d+))?"
_END = r"(?![\d%]|\.\d|\s*(?:-|–|to)\s*\d)"
_MARK = r"(?:score|rating|grade)"
_MARKED = re.compile(
    rf"\b{_MARK}\b[*_`\"]*\s*(?:is|of|as|:|=)?[\s*_`\"\[(]*{_NUMBER}{_SCALE}{_END}", re.IGNORECASE
)
_BRACKETS = re.compile(rf"\[\[\s*{_NUMBER}{_SCALE}\s*\]\]")
_OUT_OF = re.compile(rf"{_NUMBER}\s*(?:/|out of)\s*(\d+){_END}", re.IGNORECASE)
_ALONE = re.compile(rf"[\s*_`\"'(\[]*{_NUMBER}{_SCALE}(?:\s*(?:points?|stars?))?[\s*_`\"').\]]*")
_OBJECT = re.compile(r"\{[^{}]*\}")
_FENCE = re.compile(r"```\w*")
_SCORES, _WINNERS = ("score", "rating", "grade"), ("winner", "verdict", "better", "preference")
_REASONS = ("reason", "reasoning", "explanation", "rationale", "feedback")

_NAMES: dict[str, Choice] = {
    "a": "A", "b": "B", "1": "A", "2": "B", "first": "A", "second": "B", "tie": "tie", "c": "tie",
    "equal": "tie", "both": "tie", "neither": "tie", "draw": "tie",
}  # fmt: skip
_NAME = r"(?:(?:the\s+)?(?:answer|assistant|candidate|response|solution|option)\s+)?" \
        r"(?:the\s+)?(a|b|c|1|2|first|second|tie|equal|both|neither|draw)\b"  # fmt: skip
_WINS = re.compile(
    rf"\b(?:winner|verdict|better|preference|choice)\b[*_`\"]*\s*(?:is|:|=)[\s*_`\"\[(]*{_NAME}",
    re.IGNORECASE,
)
_LETTER = re.compile(r"\[\[\s*([ABC])\s*\]\]")
_IS_BETTER = re.compile(rf"\b{_NAME}[*_`\"]*\s+(?:is|was|seems)\s+(?:the\s+)?better", re.IGNORECASE)
_ONE = re.compile(rf"[\s*_`\"'(\[]*(?:it(?:'s| is) an? )?{_NAME}[\s*_`\"').\]]*", re.IGNORECASE)


def score(reply: str) -> float | None:
    """The score that a reply gives, in 1..5; `None` where it gives none, or several and no mark."""
    text = _said(reply)
    told = _field(text, _SCORES)
    if told is not None:
        found = _ALONE.fullmatch(str(told))
        return None if found is None else _on_scale(found)
    for pattern in (_BRACKETS, _MARKED):
        marks = list(pattern.finditer(text))
        if marks:
            return _on_scale(marks[-1])
    alone = _ALONE.fullmatch(text)
    if alone is not None:
        return _on_scale(alone)
    values = {_on_scale(found) for found in _OUT_OF.finditer(text)}
    return values.pop() if len(values) == 1 else None


def choice(reply: str) -> Choice | None:
    """Which answer a reply finds better, `tie` for neither; `None` where it does not say."""
    text = _said(reply)
    told = _field(text, _WINNERS)
    if told is not None:
        found = _ONE.fullmatch(str(told))
        return None if found is None else _NAMES[found.group(1).lower()]
    for pattern in (_LETTER, _WINS, _IS_BETTER):
        marks = list(pattern.finditer(text))
        if marks:
            return _NAMES[marks[-1].group(1).lower()]
    alone = _ONE.fullmatch(text)
    return None if alone is None else _NAMES[alone.group(1).lower()]


def reason(reply: str) -> str:
    """Why, in the judge's words: the reason of a JSON reply, or what stands beside the marks."""
    text = _said(reply)
    told = _field(text, _REASONS)
    if told is not None:
        return str(told).strip()
    for pattern in (_OBJECT, _BRACKETS, _LETTER, _MARKED, _WINS):
        text = pattern.sub(" ", text)
    return " ".join(re.sub(r"[*`]", "", text).split()).strip(" .:")


def _said(reply: str) -> str:
    """The reply after its reasoning block, without code fences."""
    return _FENCE.sub("", reply[-MAX_REPLY:].rpartition("</think>")[2]).strip()


def _field(text: str, names: tuple[str, ...]) -> Any:
    """The value of the first of the names in the last JSON object of the text that has one."""
    for found in reversed(_OBJECT.findall(text)):
        try:
            row = json.loads(found)
        except ValueError:
            continue
        known = {str(key).strip().lower(): value for key, value in row.items()}
        for name in names:
            if name in known:
                return known[name]
    return None


def _on_scale(found: re.Match[str]) -> float | None:
    value, top = float(found.group(1)), found.group(2)
    return value if LOW <= value <= HIGH and top in (None, str(HIGH)) else None
