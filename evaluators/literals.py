"""Answer text to a plain form, and written numbers to exact fractions. Nothing here evaluates.

A literal is a number as it is written down at the end of a calculation: integer, decimal, fraction,
mixed number, scientific notation, with sign, thousands separators, currency, percent and unit. A
calculation (`(25-5)*3`) is no literal. All work is linear in the text and sizes are capped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

MAX_CHARS = 2000
"""Longer answers are compared as text only."""

MAX_DIGITS = 400
"""Numbers with more digits, or a larger power of ten, are no literals."""

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("−–—‒﹣－⁻", "-"),
        **dict.fromkeys("\u00a0\u2009\u202f\u2007\u200a\u3000\t", " "),
        **dict.fromkeys("\u200b\u2060\ufeff\u200e\u200f", None),
        **{chr(0xFF10 + d): str(d) for d in range(10)},
        "＋": "+", "．": ".", "，": ",", "％": "%", "＄": "$", "（": "(", "）": ")", "：": ":",
        "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/", "⁄": "/", "∕": "/",
        "π": r"\pi ", "∞": r"\infty ", "√": r"\sqrt ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ",
        "∪": r"\cup ", "∩": r"\cap ", "±": r"\pm ", "°": r"^\circ", "“": '"', "”": '"', "’": "'",
        "½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4", "⅕": " 1/5", "⅛": " 1/8",
        "²": "^2", "³": "^3",
    }
)  # fmt: skip
_WRAPPED = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}"
)
_SPACING = re.compile(
    r"\\(?:left|right|displaystyle|quad|qquad|big|Big|limits)(?![A-Za-z])|(?<!\\)\\[,;:! ]|~"
)
_SHELLS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"),
           ("__", "__"), ('"', '"'), ("*", "*"))  # fmt: skip

_COUNT = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d+)(?![\d])"
_DECIMAL = rf"(?:{_COUNT}(?:\.\d*)?|\.\d+)"
_POWER = r"[+-]?\d{1,4}"
_TEN = (
    rf"(?:[eE](?P<e>{_POWER})"
    rf"|\s*(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*(?P<p>\{{\s*{_POWER}\s*\}}|{_POWER}))"
)
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<money>[$€£¥₹]?)\s*(?P<sign2>[+-]?)\s*"
    r"(?:"
    rf"(?P<whole>{_COUNT})(?:\s+|\s*(?=\\))(?:(?P<mn>\d+)\s*/\s*(?P<md>\d+)"
    r"|\\frac\s*(?P<mln>\{\s*\d+\s*\}|\d)\s*(?P<mld>\{\s*\d+\s*\}|\d))"
    rf"|(?P<n>{_DECIMAL})\s*/\s*(?P<d>{_DECIMAL})"
    r"|\\frac\s*(?P<ln>\{\s*[+-]?[\d.,]+\s*\}|\d)\s*(?P<ld>\{\s*[+-]?[\d.,]+\s*\}|\d)"
    rf"|(?P<decimal>{_DECIMAL})(?:{_TEN})?"
    r")"
    r"(?P<rest>.*)",
    re.DOTALL | re.ASCII,
)
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "dozen": 12}
_WORD = r"[A-Za-z][A-Za-z.'-]*(?:\^\{?\d\}?)?"
_UNIT = re.compile(rf"\^\\circ(?: ?[CF])?|{_WORD}(?: ?/ ?{_WORD}| {_WORD})*")
_NOT_UNITS = frozenset({
    "and", "or", "to", "of", "not", "is", "are", "was", "pi", "sqrt", "frac", "sin", "cos", "tan",
    "log", "ln", "exp", "oo", "inf", "infinity", "mod", "plus", "minus", "times", "over", "divided",
    "by", "but", "either", "half", "quarter", "third", "x", "y", "z", "i", "e", "k", "b", "n",
    "mil", "mn", "bn",
})  # fmt: skip
_SHORT_UNITS = frozenset({
    "cm", "mm", "km", "nm", "kg", "mg", "ml", "ft", "in", "yd", "mi", "lb", "oz", "hr", "am", "pm",
    "hz", "kw", "mw", "gb", "mb", "usd",
})  # fmt: skip
_EACH = re.compile(r"(?:each|per|an?)\b")
_MONEY = {"dollar": "$", "usd": "$", "euro": "€", "eur": "€", "yen": "¥", "rupee": "₹"}


@dataclass(frozen=True)
class Number:
    """An exactly read number: `value`, its `unit` (empty if none), and for a decimal the weight of
    its last digit (`ulp`) and how many significant digits it shows; both 0 for whole numbers and
    fractions."""

    value: Fraction
    unit: str = ""
    ulp: Fraction = Fraction(0)
    digits: int = 0


def plain(text: str) -> str:
    """Answer text without typography: one minus sign, one space, no LaTeX spacing, fonts, dollar
    signs around it, emphasis or final period. Text longer than MAX_CHARS is only stripped."""
    text = text.strip()
    if len(text) > MAX_CHARS:
        return text
    text = text.translate(_SIGNS)
    text = (
        text.replace("{,}", ",")
        .replace(r"\%", "%")
        .replace(r"\$", "$")
        .replace("^{\\circ}", "^\\circ")
    )
    text = text.replace(r"\dfrac", r"\frac").replace(r"\tfrac", r"\frac")
    text = _SPACING.sub(" ", text)
    for _ in range(3):  # fonts nest at most this deep in answers
        text = _WRAPPED.sub(r" \1 ", text)
    text = " ".join(text.split()).replace(" ^", "^")
    for _ in range(6):
        bare = _unwrap(text.rstrip(" .;,").strip() or text)
        if bare == text:
            break
        text = bare
    return text


def _unwrap(text: str) -> str:
    for opening, closing in _SHELLS:
        inner = text[len(opening) : len(text) - len(closing)]
        if (
            len(text) > len(opening) + len(closing)
            and text.startswith(opening)
            and text.endswith(closing)
            and opening not in inner
        ):
            return inner.strip()
    if text.startswith("(") and text.endswith(")") and re.fullmatch(r"[+-]?[\d.]+", text[1:-1]):
        return text[1:-1]
    return text


def read_number(text: str, percent: Literal["factor", "unit"]) -> Number | None:
    """The literal that `text` is, or `None` if it is anything else.

    `percent="factor"` reads 50 % as 1/2; `"unit"` reads it as 50 with the unit %, as a question for
    a percentage means it. Words after the number are its unit; thousand, million, dozen multiply.
    """
    text = plain(text)
    match = _NUMBER.fullmatch(text) if len(text) <= MAX_CHARS else None
    if (
        match is None
        or sum(c.isdigit() for c in text) > MAX_DIGITS
        or (match["sign"] and match["sign2"])
    ):
        return None
    size = _size(match)
    tail = _tail(match["rest"], percent) if size is not None else None
    if size is None or tail is None:
        return None
    scale, unit = tail
    if match["money"] and unit not in ("", match["money"]) and not _EACH.match(unit):
        return None
    sign = -1 if "-" in (match["sign"], match["sign2"]) else 1
    value, ulp, digits = size
    return Number(sign * value * scale, match["money"] or unit, ulp * scale, digits)


def _size(match: re.Match[str]) -> tuple[Fraction, Fraction, int] | None:
    """Value without sign, weight of the last digit, significant digits."""
    if match["whole"] is not None:
        top, bottom = match["mn"] or match["mln"], match["md"] or match["mld"]
        part = _ratio(top, bottom)
        # 5 7/2 is a slip of the pen or a product, not a mixed number.
        if part is None or part >= 1:
            return None
        return _decimal(match["whole"])[0] + part, Fraction(0), 0
    if match["n"] is not None or match["ln"] is not None:
        ratio = _ratio(match["n"] or match["ln"], match["d"] or match["ld"])
        return None if ratio is None else (ratio, Fraction(0), 0)
    value, ulp, digits = _decimal(match["decimal"])
    power = int((match["e"] or match["p"] or "0").strip("{} "))
    if abs(power) > MAX_DIGITS:
        return None
    return value * Fraction(10) ** power, ulp * Fraction(10) ** power, digits


def _ratio(top: str, bottom: str) -> Fraction | None:
    parts = [part.strip("{} ") for part in (top, bottom)]
    if not all(re.fullmatch(rf"[+-]?{_DECIMAL}", part) for part in parts):
        return None
    numerator, denominator = (_decimal(part)[0] for part in parts)
    return numerator / denominator if denominator else None


def _decimal(text: str) -> tuple[Fraction, Fraction, int]:
    text = text.replace(",", "").replace(" ", "")
    whole, point, decimals = text.partition(".")
    value = Fraction(f"{whole or '0'}.{decimals or '0'}") if point else Fraction(int(whole))
    if not decimals:
        return value, Fraction(0), 0
    return value, Fraction(1, 10 ** len(decimals)), len((whole + decimals).lstrip("+-0"))


def _tail(rest: str, percent: Literal["factor", "unit"]) -> tuple[Fraction, str] | None:
    """Factor and unit of what follows a number; `None` if it is more than a unit."""
    attached, rest = not rest.startswith(" "), rest.strip()
    if not rest:
        return Fraction(1), ""
    if re.fullmatch(r"%|(?i:percent|per cent|percentage points?)", rest):
        return (Fraction(1, 100), "") if percent == "factor" else (Fraction(1), "%")
    if rest in ("€", "$", "£", "¥", "₹"):
        return Fraction(1), rest
    first, _, more = rest.partition(" ")
    if first.lower() in _SCALES:
        tail = _tail(" " + more, percent)
        return None if tail is None else (tail[0] * _SCALES[first.lower()], tail[1])
    unit = rest.replace("^\\circ", "degree").strip(" .").lower()
    unit = rest.replace("^\\circ", "degree").strip(" .").lower()
    if len(rest) > 60 or not _UNIT.fullmatch(rest) or not _is_unit(unit, attached, percent):
        return None
    unit = unit[:-1] if len(unit) > 2 and unit.endswith("s") else unit
    return Fraction(1), _MONEY.get(unit, unit)


def _is_unit(unit: str, attached: bool, percent: Literal["factor", "unit"]) -> bool:
    """Whether words after a number measure it. In an expression `5xy` is a product, so there a unit
    is a known short one, or words of which one has three letters, apart from the number."""
    words = re.findall(r"[a-z]+", unit)
    if any(word in _NOT_UNITS for word in words):
        return False
    known = any(word in _SHORT_UNITS or word == "degree" for word in words)
    return percent == "unit" or known or (not attached and max(map(len, words)) > 2)
