"""Attacks by the source itself: what parsing, compiling and finding the function may do."""

# ruff: noqa: E501 (lines of candidates)
from __future__ import annotations

from attacks.case import ANYTHING, Attack, patience

LONG = 60_000


def source(name: str, text: str, verdicts: str = "exception", value: object = ANYTHING) -> Attack:
    """A whole module as it stands."""
    return Attack(name, "programs", text, frozenset(verdicts.split()), patience(verdicts), value)


DEFINED = "\ndef attack(world):\n    return 1\n"
BUSY = "exception crashed memory timeout bad_output"

ATTACKS: list[Attack] = [
    source("no-source", ""),
    source("no-such-function", "x = 1\n"),
    source("function-is-a-number", "attack = 3\n"),
    source(
        "function-is-a-class",
        "class attack(float):\n    def __new__(cls, world): return cls\n",
        "bad_output exception",
    ),
    source("wrong-arguments", "def attack():\n    return 1\n"),
    source("syntax-error", "def attack(world:\n    return\n"),
    source("indentation-error", "def attack(world):\nreturn 1\n"),
    source("null-byte", "x = 1\0\n" + DEFINED),
    source("lone-surrogate-in-source", "x = '\ud800'\n" + DEFINED, "exception bad_output ok"),
    source("encoding-comment", "# -*- coding: rot13 -*-\n" + DEFINED, "ok exception", 1),
    source("unknown-encoding", "# -*- coding: no-such-thing -*-\n" + DEFINED, "ok exception", 1),
    source("source-too-long", "#" * (1 << 20) + DEFINED, "exception bad_output"),
    source("open-brackets", "x = " + "(" * LONG + DEFINED, BUSY),
    source("nested-brackets", "x = " + "(" * 20_000 + ")" * 20_000 + DEFINED, BUSY),
    source("many-minuses", "x = " + "-" * LONG + "1" + DEFINED, BUSY + " ok"),
    source(
        "long-attribute-chain", "def attack(world):\n    return world" + ".a" * 30_000 + "\n", BUSY
    ),
    source("long-call-chain", "def attack(world):\n    return world" + "()" * 30_000 + "\n", BUSY),
    source("long-sum", "x = " + "1+" * 29_000 + "1" + DEFINED, BUSY + " ok"),
    source(
        "deep-blocks",
        "".join(" " * i + "if 1:\n" for i in range(300)) + " " * 300 + "pass\n" + DEFINED,
        BUSY,
    ),
    source("many-lambdas", "x = " + "lambda:" * 8000 + "0" + DEFINED, BUSY + " ok"),
    source(
        "nested-functions",
        "".join(" " * i + "def f():\n" for i in range(200)) + " " * 200 + "pass\n",
        BUSY,
    ),
    source("folded-constant", "x = (1 << 2 ** 40)" + DEFINED, BUSY),
    source("folded-product", "x = 'a' * 2 ** 40" + DEFINED, BUSY),
    source("long-number", "x = " + "9" * LONG + DEFINED, BUSY),
    source("star-bomb", "x = [*[*[*range(10 ** 9)]]]" + DEFINED, BUSY),
    source(
        "decorated-away",
        "import os\n@os._exit\ndef attack(world):\n    return 1\n",
        "crashed exception",
    ),
    source("class-body-exits", "class A:\n    import os; os._exit(3)\n" + DEFINED, "crashed"),
    source(
        "metaclass-at-import",
        "class M(type):\n    def __new__(*a): raise SystemExit\nclass A(metaclass=M): pass\n"
        + DEFINED,
        "crashed exception",
    ),
    source("coroutine", "async def attack(world):\n    return 1\n", "bad_output exception"),
    source("generator-function", "def attack(world):\n    yield 1\n", "bad_output exception"),
    source("eval-of-crash", "def attack(world):\n    return eval('(' * 300 + ')' * 300)\n", BUSY),
    source(
        "code-object-of-junk",
        "import types\ndef attack(world):\n    c = attack.__code__\n    f = types.FunctionType(c.replace(co_code=bytes([151, 0, 116, 255] * 9), co_stacksize=1), {})\n    return f(world)\n",
        BUSY + " forbidden ok",
    ),
]
