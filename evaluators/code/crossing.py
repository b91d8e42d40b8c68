"""Values as text and back with their exact types, for what passes between candidate and tests.

The text is JSON in which everything but None, bools, strings, small integers and finite floats is
a list that begins with a tag. Nothing is pickled or evaluated, and both ends run inside a sandbox:
the trusted side passes the text on without reading it.

==========================================================  =======================================
crosses, type kept                                          remark
==========================================================  =======================================
None, True, False, str, int of any size, float (nan, inf)   exactly
complex, bytes, bytearray, range, Decimal, Fraction         exactly
list, tuple, set, frozenset, dict (any keys that cross)     as copies: identity is lost
deque, OrderedDict, Counter, defaultdict of a plain type    as copies
date, time, datetime, timedelta                             fixed offsets or none as time zone
numpy arrays and scalars of bools, numbers and texts        as copies
plain built-in types and exception types (`int`, `KeyError`)  by name
exceptions that the candidate raises                        as their nearest built-in type, message
==========================================================  =======================================

What does not: functions and lambdas, generators and other iterators, coroutines, files, modules,
instances and subclasses of other classes (named tuples, enums, data classes), arrays of objects,
values nested more than 100 deep, of more than 200,000 parts or more than 1 MB as text. These raise
Uncrossable. Arguments are copies: a change that the candidate makes to one does not reach the
tests (it is noticed, and said where the tests then fail).

This file is also sent into the sandboxes as text: it imports the standard library alone.
"""

from __future__ import annotations

import base64
import builtins
import datetime
import json
import math
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

DEPTH = 100
PARTS = 200_000
SMALL = 1 << 53

_TYPES = {name: kind for name, kind in vars(builtins).items() if isinstance(kind, type)}
_NAMES = {kind: name for name, kind in _TYPES.items()}
_GROUPS: dict[type, str] = {list: "l", tuple: "t", set: "s", frozenset: "z"}
_DICTS: dict[type, str] = {dict: "d", OrderedDict: "o", Counter: "C"}
_MADE = {tag: kind for kind, tag in (_GROUPS | _DICTS).items()}
_BYTES: dict[type, str] = {bytes: "b", bytearray: "B"}
_CLOCK = {"date": datetime.date, "time": datetime.time, "datetime": datetime.datetime}


class Uncrossable(Exception):
    """A value that has no text; says which, in words."""


def dumps(value: Any) -> str:
    """The text of a value, ASCII; equal sets give equal texts. Raises Uncrossable."""
    return json.dumps(_out(value, 0, [PARTS]), separators=(",", ":"))


def loads(text: str) -> Any:
    """The value of a text that `dumps` wrote. Raises Uncrossable for any other text."""
    try:
        return _in(json.loads(text))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
        raise Uncrossable(f"no value can be read from it ({type(error).__name__})") from error
    except RecursionError as error:
        raise Uncrossable("it is nested too deeply") from error


def _out(x: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if depth > DEPTH or left[0] < 0:
        raise Uncrossable("a value nested more than 100 deep, or of more than 200,000 parts")
    kind = type(x)
    if x is None or kind is bool or kind is str:
        return x
    if kind is int:
        return x if -SMALL < x < SMALL else ["i", hex(x)]
    if kind is float:
        return x if math.isfinite(x) else ["f", repr(x)]
    if kind in _GROUPS:
        parts = [_out(part, depth + 1, left) for part in x]
        if kind in (set, frozenset):
            parts.sort(key=json.dumps)
        return [_GROUPS[kind], *parts]
    if kind in _DICTS:
        return [_DICTS[kind], *_pairs(x, depth, left)]
    return _rare(x, kind, depth, left)


def _pairs(x: Any, depth: int, left: list[int]) -> list[Any]:
    return [_out(part, depth + 1, left) for pair in x.items() for part in pair]


def _rare(x: Any, kind: type, depth: int, left: list[int]) -> list[Any]:
    if kind in _BYTES:
        return [_BYTES[kind], base64.b64encode(x).decode()]
    if kind is complex:
        return ["c", repr(x.real), repr(x.imag)]
    if kind is range:
        return ["r", *(_out(part, depth + 1, left) for part in (x.start, x.stop, x.step))]
    if kind is Decimal:
        return ["D", str(x)]
    if kind is Fraction:
        return ["F", hex(x.numerator), hex(x.denominator)]
    if kind is deque:
        return ["q", x.maxlen, *(_out(part, depth + 1, left) for part in x)]
    if kind is defaultdict and (x.default_factory is None or x.default_factory in _NAMES):
        made = None if x.default_factory is None else _NAMES[x.default_factory]
        return ["m", made, *_pairs(x, depth, left)]
    if kind is datetime.timedelta:
        return ["T", "timedelta", x.days, x.seconds, x.microseconds]
    if kind in _CLOCK.values():
        zone = getattr(x, "tzinfo", None)
        if (zone is None or type(zone) is datetime.timezone) and not getattr(x, "fold", 0):
            return ["T", kind.__name__, x.isoformat()]
    if kind is type and x in _NAMES:
        return ["y", _NAMES[x]]
    numpy = sys.modules.get("numpy")
    if numpy is not None and (kind is numpy.ndarray or isinstance(x, numpy.generic)):
        return _array(x, numpy)
    raise Uncrossable(_named(x, kind))


def _named(x: Any, kind: type) -> str:
    """What a value is, in words, without asking the value."""
    if kind is type:
        return "a class"
    name = str(type.__getattribute__(kind, "__name__"))[:60]
    return f"{'an' if name[:1] in 'aeiouAEIOU' else 'a'} {name}"


def _array(x: Any, numpy: Any) -> list[Any]:
    whole = numpy.asarray(x)
    if whole.dtype.kind not in "biufcSU":
        raise Uncrossable(f"an array of {whole.dtype}")
    data = base64.b64encode(whole.tobytes()).decode()
    shape = list(whole.shape) if type(x) is numpy.ndarray else None
    return ["n", whole.dtype.str, shape, data]


def _in(x: Any) -> Any:
    if not isinstance(x, list):
        if isinstance(x, dict):
            raise ValueError
        return x
    tag, rest = x[0], x[1:]
    if tag in ("l", "t", "s", "z"):
        return _MADE[tag](_in(part) for part in rest)
    if tag in ("d", "o", "C"):
        return _MADE[tag](_unpaired(rest))
    if tag == "i":
        return int(rest[0], 16)
    if tag == "f":
        return float(rest[0])
    return _in_rare(tag, rest)


def _unpaired(parts: list[Any]) -> dict[Any, Any]:
    return {_in(key): _in(value) for key, value in zip(parts[::2], parts[1::2], strict=True)}


def _in_rare(tag: str, rest: list[Any]) -> Any:
    if tag in ("b", "B"):
        data = base64.b64decode(rest[0], validate=True)
        return data if tag == "b" else bytearray(data)
    if tag == "c":
        return complex(float(rest[0]), float(rest[1]))
    if tag == "r":
        return range(*map(_in, rest))
    if tag == "D":
        return Decimal(rest[0])
    if tag == "F":
        return Fraction(int(rest[0], 16), int(rest[1], 16))
    if tag == "q":
        return deque(map(_in, rest[1:]), rest[0])
    if tag == "m":
        return defaultdict(None if rest[0] is None else _TYPES[rest[0]], _unpaired(rest[1:]))
    if tag == "T":
        if rest[0] == "timedelta":
            return datetime.timedelta(*rest[1:])
        return _CLOCK[rest[0]].fromisoformat(rest[1])
    if tag == "y":
        return _TYPES[rest[0]]
    if tag == "n":
        import numpy

        kind = numpy.dtype(rest[0])
        if kind.kind not in "biufcSU":
            raise ValueError
        whole = numpy.frombuffer(base64.b64decode(rest[2], validate=True), kind)
        return whole[0] if rest[1] is None else whole.reshape(rest[1]).copy()
    raise ValueError
