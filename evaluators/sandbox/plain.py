"""What counts as plain data: the caps and the checks of the codec, for both sides.

Imports the standard library alone.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

MAX_DEPTH = 64
MAX_NODES = 300_000
MAX_KEY_NODES = 2_000
"""Keys that are not text (and members of sets): their hashes can be made to collide."""
MAX_INT_BITS = 12_288
MAX_ARRAYS = 10_000
LEAVES = frozenset({bool, type(None)})
_LONG = re.compile(rb"(?<![0-9])[0-9]{4300}")  # digits; to make a number of n takes n * n steps
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A text, to the end of all if it is never closed: each byte is looked at once, whatever comes."""


class CannotCross(Exception):
    """A value, or bytes that claim to be one, that this codec refuses. The text says why."""


def all_plain(values: list[Any]) -> bool:
    """Whether each of `values` crosses as it is; checked at the speed of C for long lists."""
    kinds = set(map(type, values))
    if kinds <= LEAVES:
        return True
    if len(kinds) != 1:
        return False
    if kinds == {int}:
        check_int(max(values))
        check_int(min(values))
        return True
    if kinds == {str}:
        check_text("".join(values))
        return True
    return kinds == {float} and all(map(isfinite, values))


def check_int(value: int) -> None:
    """Refuses whole numbers too long to print."""
    if value.bit_length() > MAX_INT_BITS:
        raise CannotCross(f"a whole number has more than {MAX_INT_BITS} bits")


def check_text(value: str) -> None:
    """Refuses text that is not Unicode (half of a surrogate pair)."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise CannotCross("a text is not Unicode: it holds half a surrogate pair") from None


def key_nodes(key: Any) -> int:
    """How many values hash with `key`; raises CannotCross for what has no hash."""
    kind = type(key)
    if kind is tuple or kind is frozenset:
        return 1 + sum(map(key_nodes, key))
    if kind in (list, dict, set, bytearray) or "numpy" in kind.__module__:
        raise CannotCross(f"a {kind.__name__[:80]} cannot be a key")
    return 1


def to_complex(real: Any, imag: Any) -> complex:
    """`complex(real, imag)` of two numbers that may be huge."""
    try:
        return complex(real, imag)
    except OverflowError:
        raise CannotCross("a number is too large for a float") from None


def no_constant(word: str) -> Any:
    """For `json.loads`: refuses NaN and Infinity as words."""
    raise CannotCross(f"the answer is no data: the word {word}")


def check_shape(text: bytes) -> None:
    """Refuses, before parsing, what is nested too deep or has too many parts or digits."""
    if _LONG.search(text) and _LONG.search(_TEXT.sub(b" ", text)):
        raise CannotCross("a number has more than 4300 digits")
    if text.count(b",") + text.count(b"{") > 4 * MAX_NODES:
        text = _TEXT.sub(b"", text)
        if text.count(b",") + text.count(b"{") > 4 * MAX_NODES:
            raise CannotCross(f"the data have more than {MAX_NODES} parts")
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for sign in re.findall(rb"[\[\]{}]", _TEXT.sub(b"", text)):
        depth += 1 if sign in b"[{" else -1
        if depth > 3 * MAX_DEPTH + 8:  # a tuple or dict takes two levels, a dict of keys three
            raise CannotCross(f"the data are nested more than {MAX_DEPTH} deep")
