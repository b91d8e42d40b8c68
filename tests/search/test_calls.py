"""Settings as text: calls, values, and what is made of them."""

from __future__ import annotations

import pytest

from evaluators.errors import BadInput, UnknownName
from search import BestOfN
from search.calls import make, read, shown, split, value
from search.strategies import label, parse

CASES = [
    ("name", ("name", [])), ("name()", ("name", [])), ("a-b(8)", ("a-b", [("", "8")])),
    ("a(n=8, b=c)", ("a", [("n", "8"), ("b", "c")])),
    ("a(s=graded(auc=0.9,x=1),n=2)", ("a", [("s", "graded(auc=0.9,x=1)"), ("n", "2")])),
    ("m(graded(auc=0.9),likelihood)", ("m", [("", "graded(auc=0.9)"), ("", "likelihood")])),
    ('a("x=1, y")', ("a", [("", '"x=1, y"')])), ("a(b", None), ("", None), ("a b", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "call"), CASES, ids=[c[0] for c in CASES])
def test_a_call_is_read(text, call):
    assert read(text) == call


def test_commas_in_brackets_and_quotes_do_not_split():
    assert split('a(b,c), "d,e" ,f') == ["a(b,c)", '"d,e"', "f"]


def test_a_strategy_with_a_scorer_of_options_reads_back():
    for text in (
        "best-of-n(scorer=graded(auc=0.9),n=4)",
        'best-of-n(n=4,scorer="graded(auc=0.9)")',
    ):
        strategy = parse(text)
        assert strategy.scorer == "graded(auc=0.9)" and strategy.n == 4
        assert parse(label(strategy)) == strategy


@pytest.mark.parametrize("role", ['say "a, b" once', "don't, please", "[", "see [1, 2]", "a)", "]"])
def test_a_label_reads_back_whatever_marks_stand_in_a_text(role):
    strategy = BestOfN(3, role=role, temperature=0.5)
    assert parse(label(strategy)) == strategy


def test_every_value_that_is_shown_reads_back():
    for given, declared in (
        (None, "int | None"), (True, "bool"), (3, "int"), (0.25, "float"), ("a,b", "str"),
        ("none", "str"), ("", "str"), ("graded(auc=0.9)", "str | Scorer"),
    ):  # fmt: skip
        assert value(shown(given), declared, "x") == given


def take(task: str, auc: float = 0.8, mean: bool = False) -> tuple:
    return task, auc, mean


def many(task: str, *parts: str, rule: str = "sum") -> tuple:
    return task, parts, rule


KNOWN = {
    "take": take, "many": many, "bare": lambda task: task,
    "plain": lambda task, n=2, name=None, *rest: (task, n, name, rest),
}  # fmt: skip


def test_options_reach_the_maker_by_its_parameters():
    assert make("take(0.9)", "scorer", KNOWN, "t") == ("t", 0.9, False)
    assert make("take(mean=true)", "scorer", KNOWN, "t") == ("t", 0.8, True)
    assert make("many(a(b=1),c,rule=min)", "scorer", KNOWN, "t") == ("t", ("a(b=1)", "c"), "min")
    assert make("bare", "scorer", KNOWN, "t") == "t"
    assert make("plain(n=3,name=x)", "scorer", KNOWN, "t") == ("t", 3, "x", ())


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("tak", UnknownName, "scorer"), ("take(auk=1)", UnknownName, "option of take"),
        ("take(auc=much)", BadInput, "must be a number"), ("take(auc=1,auc=1)", BadInput, "twice"),
        ("take(0.9,0.8)", BadInput, "needs its name"), ("bare(1)", BadInput, "takes no options"),
        ("take(", BadInput, "is no scorer"), ("take(mean=1)", BadInput, "true or false"),
    ],
)  # fmt: skip
def test_a_wrong_call_says_what_is_wrong(text, error, says):
    with pytest.raises(error, match=says):
        make(text, "scorer", KNOWN, "t")
