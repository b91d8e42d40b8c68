"""Attacks with what is returned and printed: floods, depth, odd types, lying objects."""

# ruff: noqa: E501 (lines of candidates)
from __future__ import annotations

from functools import partial

from attacks.case import SHORT, Attack, attack

case = partial(attack, "output")

RETURN = """
import numpy

{before}
def attack(world):
    return {value}
"""


def returns(
    name: str, text: str, verdicts: str = "bad_output exception", before: str = "", **more: object
) -> Attack:
    """Return one expression."""
    return case(name, RETURN.format(value=text, before=before), verdicts, **more)


ATTACKS: list[Attack] = [
    case(
        "print-flood",
        """
        def attack(world):
            for _ in range(20_000):
                print("x" * 1000)
            return 3
        """,
        "ok exception crashed forbidden",
        value=3,
    ),
    case(
        "endless-print",
        """
        def attack(world):
            while True:
                print("x" * 1000)
        """,
        "timeout exception crashed forbidden",
        limits=SHORT,
    ),
    case(
        "error-flood",
        """
        import sys

        def attack(world):
            for _ in range(20_000):
                sys.stderr.write("x" * 1000)
            return 3
        """,
        "ok exception crashed forbidden",
        value=3,
    ),
    case(
        "descriptor-flood",
        """
        import os

        def attack(world):
            for _ in range(20_000):
                os.write(1, b"x" * 1000)
                os.write(2, b"x" * 1000)
            return 3
        """,
        "ok exception crashed forbidden timeout",
        value=3,
    ),
    case(
        "one-huge-line",
        """
        def attack(world):
            print("x" * 50_000_000)
            return 3
        """,
        "ok exception crashed memory forbidden",
        value=3,
    ),
    case(
        "control-characters",
        """
        def attack(world):
            print("\\x1b]0;owned\\x07\\x1b[2J\\x00\\ud800")
            return 3
        """,
        "ok exception",
        value=3,
    ),
    case(
        "close-the-printers",
        """
        import os, sys

        def attack(world):
            sys.stdout.close()
            sys.stderr = None
            return 3
        """,
        "ok exception crashed",
        value=3,
    ),
    returns("too-long-text", "'x' * 2_000_000"),
    returns("too-long-list", "list(range(2_000_000))", "bad_output exception memory"),
    returns("too-large-array", "numpy.zeros(2_000_000)", "bad_output exception memory"),
    returns(
        "stretched-array",
        "numpy.broadcast_to(numpy.zeros(1), (1 << 40,))",
        "bad_output exception memory",
    ),
    returns("empty-array-of-huge-shape", "numpy.zeros((1 << 40, 0))", "bad_output exception ok"),
    returns("many-dimensions", "numpy.zeros((1,) * 60)", "bad_output exception"),
    returns("array-of-objects", "numpy.array([object(), print], dtype=object)"),
    returns("array-of-records", "numpy.zeros(3, dtype=[('a', 'O'), ('b', 'f8')])"),
    returns("array-of-times", "numpy.zeros(3, dtype='M8[s]')", "bad_output exception ok"),
    returns("array-of-raw-bytes", "numpy.zeros(3, dtype='V9')", "bad_output exception"),
    returns(
        "array-subclass",
        "Sub(3)",
        "bad_output exception",
        "class Sub(numpy.ndarray):\n    def __eq__(self, other): return True\n    def tobytes(self): return b'x'\n",
    ),
    returns("nested-too-deep", "__import__('functools').reduce(lambda x, _: [x], range(5000), 0)"),
    returns(
        "nested-dicts", "__import__('functools').reduce(lambda x, _: {'a': x}, range(5000), 0)"
    ),
    returns(
        "too-many-nodes", "[[[] for _ in range(300)] for _ in range(300)]", "bad_output exception"
    ),
    returns("keys-mixed-up", "{1: 1, True: 2, 1.0: 3}", "ok bad_output", value={1: 3}),
    returns(
        "keys-that-collide", "{i * (2 ** 61 - 1): 0 for i in range(4000)}", "bad_output timeout"
    ),
    returns(
        "keys-mixed", "{1: 1, '1': 2, None: 4}", "ok bad_output", value={1: 1, "1": 2, None: 4}
    ),
    returns(
        "keys-of-a-subclass",
        "{Key('a'): 1}",
        "bad_output exception",
        "class Key(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__\n",
    ),
    returns("lone-surrogate", "'\\ud800'"),
    returns("memory-view", "memoryview(b'abc')"),
    returns("range", "range(10**12)"),
    returns("weak-set", "__import__('weakref').WeakSet()"),
    returns("function", "attack"),
    returns("module", "numpy"),
    returns("generator", "(x for x in [1])"),
    returns(
        "always-equal",
        "Equal()",
        "bad_output exception",
        "class Equal:\n    def __eq__(self, other): return True\n    __hash__ = None\n    def __bool__(self): return True\n    def __ge__(self, other): return True\n",
    ),
    returns(
        "always-equal-number",
        "Equal(0)",
        "bad_output exception",
        "class Equal(int):\n    def __eq__(self, other): return True\n    def __lt__(self, other): return True\n    __hash__ = int.__hash__\n",
    ),
    returns(
        "always-equal-text",
        "Equal('x')",
        "bad_output exception",
        "class Equal(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__\n",
    ),
    returns(
        "always-equal-list",
        "Equal([1])",
        "bad_output exception",
        "class Equal(list):\n    def __eq__(self, other): return True\n    def __len__(self): return 10**9\n    def __iter__(self): return iter(range(10**9))\n",
    ),
    returns(
        "lying-class",
        "Liar()",
        "bad_output exception",
        "class Liar:\n    __class__ = property(lambda self: float)\n    def __float__(self): return 1e9\n",
    ),
    returns(
        "lying-dict",
        "Liar()",
        "bad_output exception",
        "class Liar(dict):\n    def items(self): return [('score', 1e9)] * 9\n    def __len__(self): return 1\n",
    ),
    returns(
        "conversion-hooks",
        "Hook()",
        "bad_output exception",
        "class Hook:\n    def __array__(self, *a, **k): return numpy.zeros(3)\n    def __index__(self): return 3\n    def __float__(self): return 3.0\n    def tolist(self): return [3]\n    def __json__(self): return '3'\n",
    ),
    returns("iterator-without-end", "__import__('itertools').count()"),
    returns("class-as-answer", "type('float', (), {})"),
    returns("exception-as-answer", "ValueError('x')"),
]
