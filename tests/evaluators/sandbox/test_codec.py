"""What crosses arrives as it was; everything else is refused, on either side."""

from __future__ import annotations

import json
import math
import random
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from fractions import Fraction

import numpy as np
import pytest

from evaluators.sandbox.child import read_call, write_call
from evaluators.sandbox.codec import ALIGN, decode, encode
from evaluators.sandbox.plain import MAX_DEPTH, MAX_INT_BITS, MAX_KEY_NODES, MAX_NODES, CannotCross

Pair = namedtuple("Pair", "a b")


class Sly(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class SlyText(str):
    __slots__ = ()


def body(text: str | bytes) -> bytearray:
    raw = text.encode() if isinstance(text, str) else text
    return bytearray(len(raw).to_bytes(4, "big") + raw)


def same(a, b) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b or a != a


PLAIN = [
    None,
    True,
    0,
    -1,
    2**63,
    -(2**MAX_INT_BITS) + 1,
    0.1,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    math.nan,
    math.inf,
    -math.inf,
    1 + 2j,
    complex(math.inf, math.nan),
    "",
    "é\n\0\u2028😀",
    b"",
    b"\x00\xff" * 50,
    [],
    [1, True, None, 2.5, "x", [[]]],
    [1.0, math.nan, 2.0],
    (),
    (1, (2, [3, ()])),
    {},
    {"a": 1, "": [2], "d": {"f": "nan"}},
    {1: "a", "1": "b", None: 0, (1, "x"): (), 2.5: 1, b"k": 2, False: 3},
    set(),
    {1, "a", (2, 3)},
    frozenset({frozenset({1}), 2}),
    {"t": {"t": ({"m": [[1], [2]]},)}},
    list(range(100_000)),
    ["x"] * 1000,
]
# Numbered, for the text of a set differs from one process to the next.
NAMES = [f"{i}-{type(value).__name__}" for i, value in enumerate(PLAIN)]


@pytest.mark.parametrize("value", PLAIN, ids=NAMES)
def test_plain_data_arrive_as_they_were(value) -> None:
    assert same(decode(bytearray(encode(value))), value)


ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.array(3.5),
    np.zeros((0, 5), np.float32),
    np.array([True, False]),
    np.array([1 + 2j], np.complex64),
    np.asfortranarray(np.arange(12, dtype=np.int16).reshape(3, 4)),
    np.arange(20, dtype=np.uint8)[::3],
    np.array([math.nan, math.inf]),
    np.arange(3, dtype=np.float16),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}-{a.shape}")
def test_arrays_arrive_writable_and_as_they_were(array) -> None:
    arrived = decode(bytearray(encode({"x": [array, array]})))["x"]
    assert same(arrived[0], np.ascontiguousarray(array).reshape(array.shape))
    arrived[0][...] = 0
    assert same(arrived[1], np.ascontiguousarray(array).reshape(array.shape))


def test_arrays_stand_at_aligned_places() -> None:
    for array in decode(bytearray(encode(["odd", b"xyz", *ARRAYS])))[2:]:
        assert array.flags.aligned and array.ctypes.data % min(ALIGN, array.itemsize) == 0


@pytest.mark.parametrize(
    ("scalar", "plain"),
    [(np.float64(0.5), 0.5), (np.int8(-3), -3), (np.bool_(True), True), (np.str_("a"), "a"),
     (np.float32(0.1), float(np.float32(0.1))), (np.complex128(1j), 1j)],
    ids=str,
)  # fmt: skip
def test_a_numpy_scalar_arrives_as_the_python_number(scalar, plain) -> None:
    assert same(decode(encode([scalar])), [plain])


@pytest.mark.parametrize("value", PLAIN[:-2], ids=NAMES[:-2])
def test_a_call_arrives_with_its_arguments_as_they_were(value) -> None:
    for arguments in ([], [value], [1, value, ARRAYS[0], "x"]):
        message = write_call("source", "f", arguments, True)
        assert int.from_bytes(message[:4], "big") == len(message) - 4
        source, function, arrived, last = read_call(bytearray(message[4:]))
        assert (source, function, last) == ("source", "f", True) and same(arrived, arguments)


def test_a_call_with_an_argument_that_cannot_cross_is_refused() -> None:
    for argument in (object(), Sly(1), SlyText("x"), [Sly(1)], memoryview(b"x")):
        with pytest.raises(CannotCross):
            write_call("source", "f", [1, argument], False)


REFUSED = {
    "an object": object(),
    "a function": len,
    "a class": int,
    "an int that equals everything": Sly(3),
    "such an int in a list": [1, 2, Sly(3)],
    "such an int as a key": {Sly(3): 1},
    "a text of one's own": SlyText("x"),
    "a text of one's own as a key": {SlyText("x"): 1},
    "a counter": Counter("aab"),
    "an ordered dict": OrderedDict(a=1),
    "a default dict": defaultdict(int),
    "a named tuple": Pair(1, 2),
    "a deque": deque([1]),
    "a fraction": Fraction(1, 3),
    "a range": range(3),
    "a generator": (x for x in ()),
    "a huge int": 2**MAX_INT_BITS,
    "a huge int in a list": [1, -(2**MAX_INT_BITS)],
    "half a surrogate pair": "\ud800",
    "one in a list": ["a", "\udfff"],
    "one as a key": {"\ud800": 1},
    "an array of objects": np.array([object()]),
    "an array of texts": np.array(["a"]),
    "an array of dates": np.array(["2020-01-01"], "datetime64[D]"),
    "a long double": np.longdouble(1),
    "a masked array": np.ma.array([1]),
    "a matrix of records": np.zeros(2, [("a", "i4")]),
    "an array of the other byte order": np.arange(3, dtype=">i4"),
    "too many parts": [0] * (MAX_NODES + 1),
    "keys that could collide": dict.fromkeys(range(MAX_KEY_NODES + 1)),
    "members that could collide": {float(k) for k in range(MAX_KEY_NODES + 1)},
    "keys of many parts": {(k,) * 30: 0 for k in range(100)},
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_values_are_refused(name: str) -> None:
    with pytest.raises(CannotCross):
        encode(REFUSED[name])


def test_a_list_within_itself_is_refused() -> None:
    knot: list = []
    knot.append(knot)
    with pytest.raises(CannotCross, match="nested"):
        encode(knot)


def test_a_small_value_that_unfolds_to_billions_is_refused() -> None:
    bomb: list = ["ha", 1]
    for _ in range(40):
        bomb = [bomb, bomb]
    with pytest.raises(CannotCross, match="parts"):
        encode(bomb)


def test_nesting_crosses_up_to_the_cap_and_no_further() -> None:
    for wrap in (lambda x: [x], lambda x: (x,), lambda x: {"k": x}, lambda x: {1: x}):
        value: object = 1
        for _ in range(MAX_DEPTH + 1):
            value = wrap(value)
        assert same(decode(bytearray(encode(value))), value)
        with pytest.raises(CannotCross, match="nested"):
            encode(wrap(value))


BAD_BODIES = {
    "nothing": b"",
    "a length without text": b"\0\0\0\x09[1",
    "no JSON": body("hello"),
    "no pair": body("[1]"),
    "an object": body('{"a":1}'),
    "the word NaN": body("[NaN,[]]"),
    "the word Infinity": body("[[-Infinity],[]]"),
    "a float beyond floats": body("[1e999,[]]"),
    "floats beyond floats": body("[[1e999,2.0],[]]"),
    "an int of many digits": body("[" + "9" * 5000 + ",[]]"),
    "an int of too many bits": body("[" + "9" * 4200 + ",[]]"),
    "half a surrogate pair": body('["\\ud800",[]]'),
    "half a pair as a key": body('[{"d":{"\\ud800":1}},[]]'),
    "no UTF-8": body(b'["\xff",[]]'),
    "UTF-16": body('["ab",[]]'.encode("utf-16")),
    "UTF-32": body('["ab",[]]'.encode("utf-32-le")),
    "depth": body("[" + "[" * 5000 + "]" * 5000 + ",[]]"),
    "depth of objects": body("[" + '{"t":[' * 3000 + "]}" * 3000 + ",[]]"),
    "depth that is never closed": body("[" * 100_000),
    "depth behind a quote": body('["\\"",' + "[" * 5000),
    "depth behind a text without end": body("[" * 100 + '"' + '\\"' * 400_000),
    "depth and many texts": body("[" * 100 + '"\\' * 400_000),
    "runs of digits": body("[" * 200 + ("9" * 4299 + " ") * 200),
    "parts": body("[[" + "0," * 400_000 + "0],[]]"),
    "a mark that is none": body('[{"q":1},[]]'),
    "two marks": body('[{"t":[],"s":[]},[]]'),
    "no mark": body("[{},[]]"),
    "a float mark with a number": body('[{"f":1},[]]'),
    "a float mark with another word": body('[{"f":"1e5"},[]]'),
    "a tuple that is no list": body('[{"t":{}},[]]'),
    "a dict that is no object": body('[{"d":[]},[]]'),
    "more keys than values": body('[{"m":[[1,2],[3]]},[]]'),
    "a list as a key": body('[{"m":[[[1]],[3]]},[]]'),
    "a dict in a set": body('[{"s":[{"d":{}}]},[]]'),
    "a tuple that holds a list as a key": body('[{"s":[{"t":[[1]]}]},[]]'),
    "colliding keys": body(json.dumps([{"s": [k * (2**61 - 1) for k in range(2001)]}, []])),
    "a complex of texts": body('[{"c":["1","2"]},[]]'),
    "a complex of a huge int": body('[{"c":[1' + "0" * 400 + ",0]},[]]"),
    "an array that is not there": body('[{"a":0},[]]'),
    "an array of negative place": body('[{"a":-1},[["|b1",[0]]]]'),
    "an array as bytes": body('[{"b":0},[["|b1",[0]]]]'),
    "an array of objects": body('[{"a":0},[["|O8",[0]]]]'),
    "an array of unknown type": body('[{"a":0},[["nonsense",[0]]]]'),
    "an array of a type that is no text": body('[{"a":0},[[["<i8"],[0]]]]'),
    "an array longer than the body": body('[{"a":0},[["<i8",[4]]]]'),
    "an array of a negative length": body('[{"a":0},[["<i8",[-1]]]]'),
    "an array of a length that is no int": body('[{"a":0},[["<i8",[true]]]]'),
    "an array of impossible shape": body('[{"a":0},[["<i8",[1099511627775,1099511627775,0]]]]'),
    "an array of 33 dimensions": body('[{"a":0},[["|b1",[' + "0," * 32 + "0]]]]"),
    "a head that is none": body('[{"a":0},[7]]'),
    "bytes after the end": body("[1,[]]") + b"x",
    "bytes after the arrays": body('[{"a":0},[["|b1",[0]]]]') + bytes(32),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bytes_that_encode_would_not_write_are_refused(name: str) -> None:
    with pytest.raises(CannotCross):
        decode(BAD_BODIES[name])


def test_damaged_bodies_decode_to_plain_data_or_are_refused() -> None:
    rng = random.Random(0)
    good = encode([PLAIN[-5], {1: (2.5, "x"), "k": b"raw"}, ARRAYS[0], ARRAYS[7], {3}, 1j])
    refused = 0
    for _ in range(3000):
        bad = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        if rng.random() < 0.3:
            del bad[rng.randrange(len(bad)) :]
        try:
            encode(decode(bad))  # whatever came out can go back
        except CannotCross:
            refused += 1
    assert 500 < refused < 3000
