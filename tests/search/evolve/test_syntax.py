"""When two sources are the same program."""

import pytest

from search.evolve.seen import Seen
from search.evolve.syntax import syntax_key

BASE = '''
import numpy as np

def priority(item, remaining):
    """How much."""
    gap = remaining - item  # what stays
    for i in range(3):
        gap = gap * i
    return np.sqrt(gap)
'''

SAME = {
    "layout and comments": BASE.replace("  # what stays", "").replace("gap * i", "( gap*i )"),
    "docstring": BASE.replace('"""How much."""', '"""Much\n    how."""'),
    "no docstring": BASE.replace('    """How much."""\n', ""),
    "annotations": BASE.replace("(item, remaining)", "(item: int, remaining: int) -> float"),
    "local names": BASE.replace("gap", "hole").replace(" i ", " turn ").replace("* i", "* turn"),
    "local names exchanged": BASE.replace("gap", "i1")
    .replace(" i ", " gap ")
    .replace("* i\n", "* gap\n")
    .replace("i1", "i"),
    "quotes": BASE.replace('"""How much."""', "'How much.'"),
}

OTHER = {
    "a number": BASE.replace("range(3)", "range(4)"),
    "an operator": BASE.replace("gap * i", "gap + i"),
    "operands exchanged": BASE.replace("remaining - item", "item - remaining"),
    "parameters exchanged": BASE.replace("(item, remaining)", "(remaining, item)"),
    "a parameter renamed": BASE.replace("item", "size"),
    "an integer made a float": BASE.replace("range(3)", "range(3.0)"),
    "a text for a number": BASE.replace("range(3)", "range('3')"),
    "a builtin shadowed": BASE.replace("gap", "max"),
    "an attribute": BASE.replace("np.sqrt", "np.cbrt"),
    "an import": BASE.replace("as np", "as numpy").replace("np.", "numpy."),
    "another local used": BASE.replace("np.sqrt(gap)", "np.sqrt(i)"),
    "a statement more": BASE.replace("    return", "    gap = gap\n    return"),
}


@pytest.mark.parametrize("name", SAME)
def test_what_makes_no_difference_has_the_same_key(name: str) -> None:
    assert syntax_key(SAME[name]) == syntax_key(BASE)


@pytest.mark.parametrize("name", OTHER)
def test_what_makes_a_difference_has_another_key(name: str) -> None:
    assert syntax_key(OTHER[name])[0] != syntax_key(BASE)[0]


KEYWORDS = "def f(x):\n    def g(a, b):\n        return a - b\n    return g(a=x, b=1)\n"


def test_names_used_as_keywords_are_not_renamed() -> None:
    swapped = KEYWORDS.replace("g(a, b)", "g(b, a)").replace("a - b", "b - a")
    assert syntax_key(KEYWORDS)[0] != syntax_key(swapped)[0]


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    y = x\n    return locals()",
        "class A:\n    y = 1\ndef f(x):\n    return A.y",
        "y = 3\ndef f(x):\n    return y",
        "def f(x):\n    global y\n    y = x\n    return y",
        "def f(x):\n    try:\n        x()\n    except E as y:\n        return y",
        "def f(x):\n    match x:\n        case [y]:\n            return y",
    ],
    ids=["locals", "class", "module variable", "global", "handler", "pattern"],
)
def test_names_that_others_may_see_are_not_renamed(source: str) -> None:
    assert syntax_key(source)[0] != syntax_key(source.replace("y", "z"))[0]


def test_the_size_counts_nodes_not_letters() -> None:
    short, long = "def f(x):\n    return x", "def f(x):\n    # long\n    return (x)"
    assert syntax_key(short)[1] == syntax_key(long)[1]
    assert syntax_key("def f(x):\n    return x + 1")[1] > syntax_key(short)[1]


@pytest.mark.parametrize(
    "source",
    ["def f(:", "(" * 5000, "-" * 60000 + "1", "[" * 60000, "x = " + "9" * 9999, "\0", "\ud800",
     "a" * 70000, "x." * 30000 + "y", "+".join("1" * 30000)],
    ids=["error", "brackets", "signs", "open", "digits", "nul", "surrogate", "long", "dots", "sum"],
)  # fmt: skip
def test_no_source_is_too_strange(source: str) -> None:
    key, size = syntax_key(source)
    assert 0 <= key < 2**64 and size > 0
    assert syntax_key(source) == (key, size)


def test_broken_sources_are_the_same_only_letter_by_letter() -> None:
    assert syntax_key("def f(:")[0] != syntax_key("def f(: ")[0]


def test_seen_keeps_the_smallest_number_of_each_key() -> None:
    seen, model = Seen(), {}
    state = 1
    for number in range(20_000):
        state = state * 6364136223846793005 % 2**64
        key = state >> 50  # 16,384 keys: most come more than once
        late = number ^ 3  # not quite in order
        want = min(model.get(key, late), late)
        model[key] = want
        assert seen.add(key, late) == want
    assert len(seen) == len(model)
    assert all(seen.first(key) == number for key, number in model.items())
    assert seen.first(2**63) is None


def test_seen_takes_sixteen_bytes_an_entry() -> None:
    seen = Seen()
    for number in range(40_960):
        seen.add(number * 0x9E3779B97F4A7C15 % 2**64, number)
    assert len(seen) == 40_960
    assert seen._keys.nbytes + seen._numbers.nbytes == 16 * 40_960
