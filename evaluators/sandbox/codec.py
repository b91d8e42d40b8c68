"""Plain data to bytes and back, where nothing that arrives is trusted.

A body is the length of a JSON text (4 bytes, big-endian), the text `[tree, arrays]`, and the raw
bytes of the arrays, each at a multiple of 16. Nothing is evaluated, unpickled or decompressed.

What crosses, by exact type: None, bool, int, float, complex, str, bytes, list, tuple, set,
frozenset, dict, numpy arrays of booleans and numbers; a numpy scalar arrives as the Python number.
NaN and infinities cross as themselves, marked, so that a scorer sees them and refuses; the words
NaN and Infinity in the JSON text do not. Not subclasses (a subclass could answer any comparison as
it likes), not text that is not Unicode, not what exceeds the caps below. A set's order is not kept.

This file runs on both sides and imports the standard library alone.
"""

from __future__ import annotations

import json
import sys
from math import inf, isfinite, nan
from typing import Any

from evaluators.sandbox.plain import (
    LEAVES,
    MAX_ARRAYS,
    MAX_DEPTH,
    MAX_KEY_NODES,
    MAX_NODES,
    CannotCross,
    all_plain,
    check_int,
    check_shape,
    check_text,
    key_nodes,
    no_constant,
    to_complex,
)

NUMBER = 4  # bytes of the length
ALIGN = 16
DTYPES = frozenset(
    "|b1 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8 <f2 <f4 <f8 <c8 <c16".split()  # noqa: SIM905
)
_JSON = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":"))
_READ = json.JSONDecoder(parse_constant=no_constant)
_FLOATS = {"nan": nan, "inf": inf, "-inf": -inf}


def encode(value: Any) -> bytes:
    """`value` as a body. Raises CannotCross, naming the type or the cap."""
    writer = _Writer()
    tree = writer.tree(value, 0)
    text = _JSON.encode([tree, writer.heads]).encode()
    parts = [len(text).to_bytes(NUMBER, "big"), text]
    size = NUMBER + len(text)
    for raw in writer.raws:
        parts += [bytes(-size % ALIGN), raw]
        size += -size % ALIGN + len(raw)
    return b"".join(parts)


def decode(body: bytes | bytearray) -> Any:
    """The value of a body; its arrays are views of `body`, writable where it is a bytearray.

    Raises CannotCross for whatever `encode` could not have written.
    """
    if len(body) < NUMBER:
        raise CannotCross("the answer is cut short")
    end = NUMBER + int.from_bytes(body[:NUMBER], "big")
    if end > len(body):
        raise CannotCross("the answer is cut short")
    text = bytes(body[NUMBER:end])
    check_shape(text)
    try:
        whole = _READ.decode(text.decode())
    except (ValueError, RecursionError) as error:
        raise CannotCross(f"the answer is no data: {str(error)[:120]}") from None
    if type(whole) is not list or len(whole) != 2 or type(whole[1]) is not list:
        raise CannotCross("the answer is no data: not a pair")
    return _Reader(_arrays(body, end, whole[1])).value(whole[0], 0)


class _Writer:
    def __init__(self) -> None:
        self.nodes = 0
        self.keys = 0
        self.heads: list[Any] = []
        self.raws: list[bytes] = []

    def tree(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in LEAVES:
            return value
        if kind is int:
            check_int(value)
            return value
        if kind is float:
            return value if isfinite(value) else {"f": repr(value)}
        if kind is str:
            check_text(value)
            return value
        if depth > MAX_DEPTH:
            raise CannotCross(f"the data are nested more than {MAX_DEPTH} deep")
        if kind is list:
            return self.items(value, depth)
        if kind is tuple:
            return {"t": self.items(list(value), depth)}
        if kind is dict:
            return self.mapping(value, depth)
        if kind is set or kind is frozenset:
            self.count_keys(value)
            return {"s" if kind is set else "z": self.items(list(value), depth)}
        if kind is bytes or kind is bytearray:
            return {"b": self.raw(bytes(value), "bytes", [len(value)])}
        if kind is complex:
            return {"c": [self.tree(value.real, depth), self.tree(value.imag, depth)]}
        return self.numpy(value, depth)

    def items(self, values: list[Any], depth: int) -> list[Any]:
        self.nodes += len(values)
        if self.nodes > MAX_NODES:
            raise CannotCross(f"the data have more than {MAX_NODES} parts")
        if all_plain(values):
            return values
        return [self.tree(value, depth + 1) for value in values]

    def mapping(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        if all(type(key) is str for key in value):
            keys = self.items(list(value), depth)
            return {"d": dict(zip(keys, self.items(list(value.values()), depth), strict=True))}
        self.count_keys(value)
        keys = self.items(list(value), depth)
        return {"m": [keys, self.items(list(value.values()), depth)]}

    def count_keys(self, keys: Any) -> None:
        if not all(type(key) is str for key in keys):
            self.keys += sum(map(key_nodes, keys))
        if self.keys > MAX_KEY_NODES:
            raise CannotCross(f"more than {MAX_KEY_NODES} keys are not text")

    def numpy(self, value: Any, depth: int) -> Any:
        numpy = sys.modules.get("numpy")
        kind = type(value)
        if numpy is not None and kind is numpy.ndarray:
            if value.dtype.str not in DTYPES:
                raise CannotCross(f"an array of {value.dtype} cannot cross; booleans, numbers can")
            return {"a": self.raw(value.tobytes(), value.dtype.str, list(value.shape))}
        if numpy is not None and isinstance(value, numpy.generic):
            number = value.item()
            if type(number) in (bool, int, float, complex, str, bytes):
                return self.tree(number, depth)
        raise CannotCross(f"a value of type {kind.__name__[:80]!r} cannot cross: only plain data")

    def raw(self, data: bytes, dtype: str, shape: list[int]) -> int:
        if len(self.raws) >= MAX_ARRAYS:
            raise CannotCross(f"the data have more than {MAX_ARRAYS} arrays")
        self.raws.append(data)
        self.heads.append([dtype, shape])
        return len(self.raws) - 1


class _Reader:
    def __init__(self, arrays: list[Any]) -> None:
        self.arrays = arrays
        self.nodes = 0
        self.keys = 0

    def value(self, tree: Any, depth: int) -> Any:
        kind = type(tree)
        if kind in LEAVES:
            return tree
        if kind is int:
            check_int(tree)
            return tree
        if kind is float:
            if not isfinite(tree):
                raise CannotCross("a number is too large for a float")
            return tree
        if kind is str:
            check_text(tree)
            return tree
        if depth > MAX_DEPTH:
            raise CannotCross(f"the data are nested more than {MAX_DEPTH} deep")
        if kind is list:
            return self.items(tree, depth)
        if len(tree) != 1:
            raise CannotCross("the answer is no data: a mark that is none")
        ((mark, inner),) = tree.items()
        return self.marked(mark, inner, depth)

    def items(self, trees: Any, depth: int) -> list[Any]:
        if type(trees) is not list:
            raise CannotCross("the answer is no data: a list was due")
        self.nodes += len(trees)
        if self.nodes > MAX_NODES:
            raise CannotCross(f"the data have more than {MAX_NODES} parts")
        return trees if all_plain(trees) else [self.value(tree, depth + 1) for tree in trees]

    def marked(self, mark: str, inner: Any, depth: int) -> Any:
        if mark == "f" and type(inner) is str and inner in _FLOATS:
            return _FLOATS[inner]
        if mark == "t":
            return tuple(self.items(inner, depth))
        if mark == "d" and type(inner) is dict:
            keys = self.items(list(inner), depth)
            return dict(zip(keys, self.items(list(inner.values()), depth), strict=True))
        if mark == "m" and type(inner) is list and len(inner) == 2:
            values = self.items(inner[1], depth)
            keys = self.hashable(inner[0], depth)
            if len(keys) == len(values):
                return dict(zip(keys, values, strict=True))
        if mark in ("s", "z"):
            members = self.hashable(inner, depth)
            return set(members) if mark == "s" else frozenset(members)
        if mark in ("a", "b") and type(inner) is int and 0 <= inner < len(self.arrays):
            array = self.arrays[inner]
            if (type(array) is bytes) == (mark == "b"):
                return array
        if mark == "c" and type(inner) is list and len(inner) == 2:
            parts = self.items(inner, depth)
            if all(type(part) in (int, float) for part in parts):
                return to_complex(*parts)
        raise CannotCross("the answer is no data: a mark that is none")

    def hashable(self, trees: Any, depth: int) -> list[Any]:
        keys = self.items(trees, depth)
        if not all(type(key) is str for key in keys):
            self.keys += sum(map(key_nodes, keys))
        if self.keys > MAX_KEY_NODES:
            raise CannotCross(f"more than {MAX_KEY_NODES} keys are not text")
        return keys


def _arrays(body: bytes | bytearray, at: int, heads: list[Any]) -> list[Any]:
    if not heads and at != len(body):
        raise CannotCross("the answer is longer than it says")
    if len(heads) > MAX_ARRAYS:
        raise CannotCross(f"the data have more than {MAX_ARRAYS} arrays")
    arrays = []
    for head in heads:
        at += -at % ALIGN
        array, size = _array(body, at, head)
        at += size
        arrays.append(array)
    if at != len(body):
        raise CannotCross("the answer is longer or shorter than it says")
    return arrays


def _array(body: bytes | bytearray, at: int, head: Any) -> tuple[Any, int]:
    if type(head) is not list or len(head) != 2 or type(head[1]) is not list:
        raise CannotCross("the answer is no data: an array without a head")
    dtype, shape = head
    if not all(type(n) is int and 0 <= n < 2**40 for n in shape) or len(shape) > 32:
        raise CannotCross("an array has an impossible shape")
    count = 1
    for n in shape:
        count *= n
    if dtype == "bytes" and len(shape) == 1 and at + count <= len(body):
        return bytes(body[at : at + count]), count
    if type(dtype) is not str or dtype not in DTYPES:
        raise CannotCross("an array has a type that cannot cross")
    size = count * int(dtype[2:])
    if at + size > len(body):
        raise CannotCross("the answer is cut short")
    import numpy

    try:
        if not count:
            return numpy.zeros(shape, dtype), 0
        return numpy.frombuffer(body, dtype, count, at).reshape(shape), size
    except (ValueError, MemoryError) as error:
        raise CannotCross(f"an array has an impossible shape: {error}") from None
