"""Are two answers the same? Exact rules first, math-verify in its worker for what is left.

The first argument is the reference. An answer to a question whose answer is a number has to be
worked out: `(25-5)*3` is not 60. Each decision stands in the case table of the tests.
"""

from __future__ import annotations

import re
import time
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from evaluators.errors import UnknownName
from evaluators.literals import MAX_CHARS, Number, plain, read_number
from evaluators.math_worker import compare_math

Kind = Literal["math", "number", "exact", "choice"]
KINDS: tuple[Kind, ...] = ("math", "number", "exact", "choice")

ROUNDED_DIGITS = 6
"""A decimal with this many significant digits stands for a fraction or root that it rounds."""

_WORKER_CALLS = 40  # of one comparison, and
_WORKER_SECONDS = 6.0  # after which no further one begins, so that a list cannot hold the caller
_MAX_ITEMS = 64
_MAX_DEPTH = 4
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_FUNCTIONS = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "log", "exp", "sqrt", "abs", "max", "min", "lim",
    "mod", "gcd", "lcm", "det", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "pmatrix",
    "bmatrix", "vmatrix", "matrix",
})  # fmt: skip
_NAME = re.compile(r"\\?[A-Za-z]+(?:_\{?\w{1,3}\}?)?(?:\([a-z]\))?")
_EQUALS = re.compile(r"(?<![<>!:=\\])=(?!=)")


@dataclass(frozen=True)
class Comparison:
    """Whether an answer is the reference, and one sentence why."""

    equal: bool
    reason: str


def equal(gold: str, answer: str, kind: Kind = "math") -> bool:
    """Whether `answer` says the same as the reference `gold` (`compare` also tells why)."""
    return compare(gold, answer, kind).equal


def compare(gold: str, answer: str, kind: Kind = "math") -> Comparison:
    """Compare two answers, already taken out of their texts, under the rules of `kind`.

    `exact`: the same characters but for the amount of white space. `choice`: the same letter.
    `number`: the same number, a percent sign being a unit. `math`: the same number, tuple, set,
    interval or expression, 50 % being 1/2. Never raises for what the texts contain and never
    evaluates them; raises UnknownName for an unknown kind, WorkerBroken without math-verify.
    """
    check_kind(kind)
    if not gold.strip() or not answer.strip():
        return Comparison(False, "there is no answer")
    if kind == "number":
        return _compare_numbers(gold, answer)
    if kind == "math":
        return _Math().compare(gold, answer, 0)
    same = canonical(gold, kind) is not None and canonical(gold, kind) == canonical(answer, kind)
    return Comparison(
        same, "the same" if same else f"another {'letter' * (kind == 'choice') or 'text'}"
    )


def canonical(answer: str, kind: Kind = "math") -> str | None:
    """What equal answers have in common, for counting votes; `None` for no answer.

    Numbers lose separators, units and form (`1,000.0 apples` is `1000`, `50 %` is `0.5` in `math`
    and `50` in `number`); what is no number is normalised text.
    """
    check_kind(kind)
    if kind == "choice":
        letter = re.fullmatch(r"\(?\s*([A-Za-z])\s*[).:]?", plain(answer))
        return letter[1].upper() if letter else None
    if kind == "exact":
        return " ".join(unicodedata.normalize("NFC", answer).split()) or None
    text = last_side(plain(answer))
    number = read_number(text, "unit" if kind == "number" else "factor")
    if number is not None:
        return show(number.value)
    return text.replace(" ", "") or None


def show(value: Fraction) -> str:
    """A fraction as decimal where that ends within twelve places, else as `n/d`."""
    if value.denominator == 1 or 10**12 % value.denominator:
        return str(value)
    digits = str(abs(value.numerator) * (10**12 // value.denominator)).rjust(13, "0")
    text = f"{digits[:-12]}.{digits[-12:]}".rstrip("0")
    return f"-{text}" if value < 0 else text


def check_kind(kind: str) -> None:
    """Raise UnknownName unless `kind` is one of KINDS."""
    if kind not in KINDS:
        raise UnknownName("kind of answer", kind, KINDS)


def _compare_numbers(gold: str, answer: str) -> Comparison:
    first = read_number(gold, "unit")
    second = read_number(last_side(plain(answer)), "unit")
    if first is None:
        same = canonical(gold, "exact") == canonical(answer, "exact")
        return Comparison(same, "the reference is no number; compared as text")
    if second is None:
        return Comparison(False, "the answer is not a number that was worked out")
    return _same_number(first, second)


def _same_number(gold: Number, answer: Number) -> Comparison:
    if gold.unit and answer.unit and gold.unit != answer.unit:
        return Comparison(False, f"the unit is {answer.unit}, not {gold.unit}")
    if gold.value == answer.value:
        return Comparison(True, "the same number")
    gap = abs(gold.value - answer.value)
    for decimal, other in ((gold, answer), (answer, gold)):
        if decimal.digits >= ROUNDED_DIGITS and not other.digits and gap < decimal.ulp:
            return Comparison(True, "the decimal is the fraction rounded or cut")
    return Comparison(False, f"{show(answer.value)} is not {show(gold.value)}")


def last_side(text: str) -> str:
    """What stands right of the last equals sign."""
    return _EQUALS.split(text)[-1].strip() if len(text) <= MAX_CHARS else text


class _Math:
    """One comparison under the rules of `math`, counting its calls of the worker."""

    def __init__(self) -> None:
        self.calls = _WORKER_CALLS
        self.until = time.monotonic() + _WORKER_SECONDS

    def compare(self, gold: str, answer: str, depth: int) -> Comparison:
        first, second = plain(gold), plain(answer)
        if first.replace(" ", "") == second.replace(" ", ""):
            return Comparison(True, "the same text")
        if len(first) > MAX_CHARS or len(second) > MAX_CHARS:
            return Comparison(False, "too long to be compared but as text")
        left, right = split(first), split(second)
        if (left or right) and depth < _MAX_DEPTH:
            if left and right:
                return self._structures(left, right, depth)
            bare = second if left else first
            if not _EQUALS.search(bare) and "\\" not in bare and not _PROSE.search(bare):
                return Comparison(False, "several values against one")
        sides = _sides(first, second)
        if sides is None:
            return Comparison(False, "values of different variables")
        if sides != (first, second) and depth < _MAX_DEPTH:
            return self.compare(*sides, depth + 1)
        return self._single(first, second)

    def _single(self, gold: str, answer: str) -> Comparison:
        first, second = read_number(gold, "factor"), read_number(answer, "factor")
        if first is not None and second is not None:
            return _same_number(first, second)
        if first is not None:
            return Comparison(False, "the answer is not a number that was worked out")
        if is_prose(gold) or is_prose(answer):
            same = gold.casefold() == answer.casefold()
            return Comparison(same, "the same words" if same else "other words")
        if gold.replace(" ", "").casefold() == answer.replace(" ", "").casefold():
            return Comparison(False, "a small letter is another variable than its capital")
        if self.calls == 0 or time.monotonic() > self.until:
            return Comparison(False, "more expressions than are compared in one answer")
        self.calls -= 1
        tolerance = None
        if second is not None and second.digits >= ROUNDED_DIGITS:
            tolerance = float(second.ulp)
        verdict = compare_math(gold, _latex(second, answer), tolerance)
        if verdict.outcome in ("timeout", "memory"):
            self.calls = 0
        return Comparison(verdict.equal, verdict.reason)

    def _structures(
        self, gold: tuple[str, list[str]], answer: tuple[str, list[str]], depth: int
    ) -> Comparison:
        (left, golds), (right, answers) = gold, answer
        if left != right:
            return Comparison(False, f"{right} brackets instead of {left}")
        if max(len(golds), len(answers)) > _MAX_ITEMS:
            return Comparison(False, "too many items to be compared")
        if left == "{}":
            golds, answers = _without_common(golds, answers)
        if len(golds) != len(answers):
            return Comparison(False, f"{len(answers)} items, not {len(golds)}")
        # A number is matched before an expression, so that no worker is asked in vain.
        for item in golds:
            pairs = answers if left == "{}" else answers[:1]
            match = next((a for a in pairs if self.compare(item, a, depth + 1).equal), None)
            if match is None:
                return Comparison(False, f"no item is {item[:40]}")
            answers = list(answers)
            answers.remove(match)
        return Comparison(True, "the same items")


def split(text: str) -> tuple[str, list[str]] | None:
    """Brackets and items of a tuple, interval or set; `None` for a single value.

    A bare list (`1, 2`, `1 and 2`) counts as the set of its items. `1,000` is one number.
    """
    if text.startswith("\\{") and text.endswith("\\}"):
        return "{}", _items(text[2:-2]) if text[2:-2].strip() else []
    if text[:1] in _CLOSING and text[-1:] in ")]}" and _encloses(text):
        items = _items(text[1:-1])
        if len(items) > 1 or text[0] == "{":
            return text[0] + text[-1], items
        return None
    if re.fullmatch(r"[^\d]?\d{1,3}(,\d{3})+(\.\d+)?[^,]*", text):
        return None
    items = [x for part in _items(text) for x in re.split(r"\s+(?:and|or)\s+", part) if x]
    items = [re.sub(r"^(?:and|or)\s+", "", item) for item in items]
    return ("{}", items) if len(items) > 1 and all(items) else None


def _encloses(text: str) -> bool:
    """Whether the first bracket closes with the last character; ( may close with ]."""
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth <= 0:
            return place == len(text) - 1
    return False


def _items(text: str) -> list[str]:
    """The text cut at commas and semicolons outside of brackets."""
    items, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if sign in ",;" and depth == 0:
            items.append(text[start:place].strip())
            start = place + 1
    return [*items, text[start:].strip()]


def _without_common(golds: list[str], answers: list[str]) -> tuple[list[str], list[str]]:
    """Two sets without repetitions and without what is literally in both; numbers first."""
    left = {canonical(item): item for item in golds}
    right = {canonical(item): item for item in answers}
    common = left.keys() & right.keys()

    def rest(items: dict[str | None, str]) -> list[str]:
        kept = [item for key, item in items.items() if key not in common]
        return sorted(kept, key=lambda item: read_number(item, "factor") is None)

    return rest(left), rest(right)


def _sides(gold: str, answer: str) -> tuple[str, str] | None:
    """Both without `x =` where that says no more; `None` when they name different variables."""
    left, right = _EQUALS.split(gold), _EQUALS.split(answer)
    if len(left) == 1:
        return gold, right[-1].strip()
    names = [side[0].replace(" ", "") for side in (left, right)]
    if not _NAME.fullmatch(names[0]):
        return gold, answer
    if len(right) > 1 and names[0] != names[1]:
        return None if _NAME.fullmatch(names[1]) else (gold, answer)
    return left[-1].strip(), right[-1].strip()


def is_prose(text: str) -> bool:
    """Whether words stand in the text that name no function or constant."""
    return any(word.lower() not in _FUNCTIONS for word in _PROSE.findall(text))


def _latex(number: Number | None, text: str) -> str:
    """A literal as the grammar can read it (it knows no separators, units or mixed numbers)."""
    if number is None:
        return text
    if 10**12 % number.value.denominator == 0:
        return show(number.value)
    return f"\\frac{{{number.value.numerator}}}{{{number.value.denominator}}}"
