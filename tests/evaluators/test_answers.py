"""The table of decisions, and what holds for every text."""

import random
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evaluators.answers import KINDS, canonical, compare, equal, extract
from evaluators.errors import UnknownName

CASES = runpy.run_path(str(Path(__file__).with_name("answer_cases.py")))
EXTRACT, COMPARE = CASES["EXTRACT"], CASES["COMPARE"]


@pytest.mark.parametrize(
    ("kind", "text", "expected"), [row[1:4] for row in EXTRACT], ids=[row[0] for row in EXTRACT]
)
def test_extracts(kind, text, expected):
    assert extract(text, kind) == expected


@pytest.mark.parametrize(
    ("kind", "gold", "answer", "same"),
    [row[1:5] for row in COMPARE],
    ids=[row[0] for row in COMPARE],
)
def test_compares(kind, gold, answer, same):
    found = compare(gold, answer, kind)
    assert found.equal is same, found.reason
    assert "timeout" not in found.reason


def test_the_table_covers_at_least_150_decisions_under_names_of_their_own():
    names = [row[0] for row in EXTRACT], [row[0] for row in COMPARE]
    assert len(EXTRACT) + len(COMPARE) >= 150
    for column in names:
        assert len(set(column)) == len(column)
    assert all(row[-1] for row in EXTRACT + COMPARE)


def test_every_reference_that_a_row_accepts_is_equal_to_itself():
    golds = {(row[1], row[2]) for row in COMPARE if row[4]}
    assert all(equal(gold, gold, kind) for kind, gold in golds)


def test_equal_answers_of_the_number_kind_vote_together():
    for name, kind, gold, answer, same, _why in COMPARE:
        if kind == "number" and len(gold) < 100 and "unit" not in name and "currency" not in name:
            assert (canonical(gold, kind) == canonical(answer, kind)) is same, name


@pytest.mark.parametrize(
    ("answer", "kind", "vote"),
    [
        ("1,000.0 apples", "number", "1000"),
        ("50 %", "number", "50"),
        ("50 %", "math", "0.5"),
        ("x = 3 1/3", "math", "10/3"),
        (r"\sqrt {2}", "math", r"\sqrt{2}"),
        ("(c)", "choice", "C"),
        ("Paris", "choice", None),
        (" New  York", "exact", "New York"),
        ("", "math", None),
    ],
)
def test_canonical_form_for_votes(answer, kind, vote):
    assert canonical(answer, kind) == vote


@pytest.mark.parametrize("call", [extract, lambda t, k: equal(t, t, k), canonical])
def test_an_unknown_kind_lists_the_known_ones(call):
    with pytest.raises(UnknownName, match="math"):
        call("5", "maths")


PIECES = re.split(
    r"\s+",
    r"""\boxed{ } { ( ) [ ] , ; = 1 2.5 1/3 \frac{1}{2} \sqrt{ ^ _ 9^9 % $ € − ½ answer is
Answer: <answer> </answer> </think> <think> #### not or and x y π ! \text{ \{ \} é 🙂 1e9 1e999 0/0
-- ** \left( \right] \infty 1,000 a dog (A) B.""",
)
PIECES += ["\n", "\t", "\x00", "\ud800", ""]


def random_texts(seed, count, longest):
    rng = random.Random(seed)
    for _ in range(count):
        glue = rng.choice(["", " "])
        yield glue.join(rng.choice(PIECES) for _ in range(rng.randrange(longest)))


def test_no_text_makes_extraction_raise():
    for text in random_texts(1, 3000, 24):
        for kind in KINDS:
            found = extract(text, kind)
            assert found is None or (isinstance(found, str) and found.strip())


def test_no_pair_makes_comparison_raise_or_hang():
    texts = list(random_texts(2, 240, 7))
    start = time.monotonic()
    for gold, answer in zip(texts[::2], texts[1::2], strict=True):
        for kind in KINDS:
            assert compare(gold, answer, kind).equal in (True, False)
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    "text",
    ["(" * 50_000, "\\boxed{" * 20_000, "answer is " * 20_000, "1," * 50_000, "1 " * 50_000,
     "$" * 50_000, "\\text{" * 20_000, "-" * 50_000, "<answer>" * 20_000, "answer " * 20_000,
     "#### " * 20_000, "{" * 50_000, "9" * 50_000, "or " * 20_000, "\\boxed{1} " * 5_000,
     "answer a b c d e f g h " * 3_000, "1/" * 30_000, "= " * 30_000, "\\frac{" * 10_000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_long_monotonous_text_takes_no_more_than_a_moment(text):
    start = time.monotonic()
    for kind in KINDS:
        extract(text, kind)
        compare(text, text + "1", kind)
        canonical(text, kind)
    assert time.monotonic() - start < 3


def test_two_thousand_characters_of_anything_are_compared_at_once():
    for sign in "(", "1,", "{", "-", "$", "1 ", "\\", "=", "x=", "and 1 ", "1.", "a ":
        text = (sign * 2000)[:1990]
        start = time.monotonic()
        compare(text + "1", text + "2", "math")
        assert time.monotonic() - start < 6, sign


def test_comparing_loads_no_sympy_into_this_process():
    program = (
        "import sys; from evaluators.answers import equal; "
        "assert equal(r'\\sqrt{2}/2', r'1/\\sqrt{2}'); "
        "assert not [m for m in sys.modules if m.split('.')[0] in ('sympy', 'math_verify')]"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root, timeout=60)
