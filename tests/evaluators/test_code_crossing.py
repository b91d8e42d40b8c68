"""What crosses between candidate and tests: exact types, and a plain word for what does not."""

from __future__ import annotations

import datetime
import math
import random
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from evaluators.code.crossing import Uncrossable, dumps, loads

CROSSING = [
    None, True, 0, -5, 2**53, -(2**53), 2**2000, -(3**500), 1.5, -0.0, 5e-324, 1e308,
    "", "a\nb", "żółw", "\ud800", "[1", b"", b"\x00\xff", bytearray(b"x"), 1 + 2j, -0j,
    [], [1, [2, [3]]], (), (1,), (1, (2, None)), set(), {1, "1", (2,)}, frozenset({1.5}),
    {}, {"a": 1}, {1: "a", (1, 2): [3], None: {}}, {True: 1}, range(3), range(9, 1, -2),
    Decimal("1.10"), Fraction(-1, 3), Counter("aab"), OrderedDict(b=1, a=2), deque([1, 2], 5),
    defaultdict(list, {1: [2]}), defaultdict(None, {1: 2}), int, dict, KeyError,
    datetime.date(2024, 2, 29), datetime.time(1, 2, 3, 4), datetime.timedelta(-1, 5, 7),
    datetime.datetime(2024, 1, 1, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=-3))),
]  # fmt: skip


# Numbered, for the text of a set differs from one process to the next.
@pytest.mark.parametrize(
    "value", CROSSING, ids=[f"{i}-{type(value).__name__}" for i, value in enumerate(CROSSING)]
)
def test_a_value_comes_back_equal_and_of_its_type(value):
    back = loads(dumps(value))
    assert type(back) is type(value)
    assert repr(back) == repr(value)
    assert back == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, complex(math.nan, -math.inf)])
def test_floats_that_are_no_numbers_cross(value):
    assert repr(loads(dumps([value]))) == repr([value])


def test_order_of_keys_and_types_of_equal_keys_are_kept():
    value = {"b": 1, "a": 2, 1.0: "float"}
    assert list(loads(dumps(value))) == ["b", "a", 1.0]
    assert type(next(iter(loads(dumps({1.0: 0}))))) is float


@pytest.mark.parametrize(
    "value",
    [np.arange(6).reshape(2, 3), np.zeros((0, 3), np.float32), np.array(["a", "bcd"]),
     np.array(7), np.float64(1.5), np.bool_(True), np.int8(-3), np.array([1 + 2j])],
    ids=repr,
)  # fmt: skip
def test_numpy_arrays_and_scalars_keep_shape_and_dtype(value):
    back = loads(dumps(value))
    assert type(back) is type(value)
    assert back.dtype == value.dtype and back.shape == value.shape
    assert np.array_equal(back, value)


class Always:
    def __eq__(self, other):
        return True

    __hash__ = None  # type: ignore[assignment]


class MyInt(int):
    pass


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda: 1, "a function"), ((x for x in ()), "a generator"), (map(str, []), "a map"),
        (iter([]), "a list_iterator"), (object(), "an object"), (Always(), "an Always"),
        (MyInt(3), "a MyInt"), (namedtuple("Point", "x")(1), "a Point"), (Always, "a class"),
        (len, "a builtin"), (math, "a module"), (np.array([None]), "array of object"),
        (defaultdict(lambda: 0), "a defaultdict"), (ValueError("x"), "a ValueError"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)  # fmt: skip
def test_what_cannot_cross_is_named(value, said):
    for whole in (value, [value], {"k": (value,)}):
        with pytest.raises(Uncrossable, match=said):
            dumps(whole)


def test_a_value_inside_itself_or_too_deep_is_refused():
    ring: list = []
    ring.append(ring)
    deep: list = []
    for _ in range(200):
        deep = [deep]
    wide = [[0] * 1000] * 300
    for value in (ring, deep, wide):
        with pytest.raises(Uncrossable, match="nested more than 100 deep, or of more than"):
            dumps(value)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '["x"]', '["i","zz"]', '["i"]', '["y","Always"]', '["y","__import__"]',
     '["d",1]', '["s",["l"]]', '["n","|O",[1],"AAAA"]', '["n","<i8",[2],""]', '["b","?"]',
     '["T","datetime","tomorrow"]', '["T","timezone",1]', '["F","0x1","0x0"]', '["D","x"]',
     '["m","eval"]', '[["l"]]', "[" * 100_000],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_a_text_that_is_no_value_is_refused_and_nothing_is_run(text):
    with pytest.raises(Uncrossable):
        loads(text)


def random_value(rng: random.Random, depth: int):
    """A value of nested plain types."""
    leaves = [None, True, rng.randint(-(2**70), 2**70), rng.random(), "tekst", b"by", 2j]
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(leaves)
    parts = [random_value(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    kind = rng.choice(["list", "tuple", "dict", "set"])
    if kind == "set":
        return {dumps(part) for part in parts}
    if kind == "dict":
        return {rng.choice([at, str(at), (at,)]): part for at, part in enumerate(parts)}
    return parts if kind == "list" else tuple(parts)


def test_random_nested_values_come_back_and_equal_values_have_equal_texts():
    rng = random.Random(5)
    for _ in range(500):
        value = random_value(rng, 5)
        text = dumps(value)
        assert loads(text) == value
        assert dumps(loads(text)) == text
        assert text.isascii()
