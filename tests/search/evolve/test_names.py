"""Module-level names: found and renamed, those of inner scopes left alone."""

import ast

import pytest

from search.evolve.names import Clash, places, rename

RENAMED = {
    "definition and call": ("def f(x):\n    return f(x - 1)", "def g(x):\n    return g(x - 1)"),
    "a parameter": ("def h(f):\n    return f\nf = 1", "def h(f):\n    return f\ng = 1"),
    "a local variable": (
        "def h():\n    f = 1\n    return f\nf()",
        "def h():\n    f = 1\n    return f\ng()",
    ),
    "a local of an inner function only": (
        "def h():\n    def k():\n        f = 1\n    return f",
        "def h():\n    def k():\n        f = 1\n    return g",
    ),
    "a default is outside": (
        "def h(f=f):\n    return f",
        "def h(f=g):\n    return f",
    ),
    "attributes and keywords": ("f(f=1).f", "g(f=1).f"),
    "global": (
        "def h():\n    global f\n    f = 1",
        "def h():\n    global g\n    g = 1",
    ),
    "a comprehension": ("[f for f in f2]; f", "[f for f in f2]; g"),
    "a lambda": ("lambda f: f; lambda x: f", "lambda f: f; lambda x: g"),
    "a method of the name": (
        "class C:\n    def f(self):\n        return f(1)",
        "class C:\n    def f(self):\n        return g(1)",
    ),
    "a handler": (
        "def h():\n    try:\n        pass\n    except E as f:\n        f\nf",
        "def h():\n    try:\n        pass\n    except E as f:\n        f\ng",
    ),
    "a pattern": (
        "def h(x):\n    match x:\n        case [f]:\n            return f\nf",
        "def h(x):\n    match x:\n        case [f]:\n            return f\ng",
    ),
    "a decorator": ("@f\ndef h(f):\n    return f", "@g\ndef h(f):\n    return f"),
    "letters of several bytes before it": ("é = 'ü'; f(é)", "é = 'ü'; g(é)"),
    "comments and texts": ("f()  # f\n'f'", "g()  # f\n'f'"),
}


@pytest.mark.parametrize(("source", "expected"), RENAMED.values(), ids=RENAMED)
def test_only_the_module_level_name_is_renamed(source, expected):
    assert rename(ast.parse(source), source, {"f": "g"}) == expected


def test_names_may_be_exchanged():
    source = "def f():\n    return g()\ndef g():\n    return f()"
    assert rename(ast.parse(source), source, {"f": "g", "g": "f"}) == (
        "def g():\n    return f()\ndef f():\n    return g()"
    )


def test_a_new_name_that_a_local_variable_has_is_refused():
    source = "def h(g):\n    return f(g)"
    with pytest.raises(Clash, match="line 2 has a local variable named 'g'"):
        rename(ast.parse(source), source, {"f": "g"})


def test_what_is_bound_and_what_is_read_are_told_apart():
    source = "import a.b as c, d.e\nfrom m import n\nx = y\nclass K(z):\n    w = x\n"
    found = places(ast.parse(source), source)
    assert {p.name for p in found if p.binds} == {"c", "d", "n", "x", "K"}
    assert {p.name for p in found if not p.binds} == {"y", "z", "x"}
