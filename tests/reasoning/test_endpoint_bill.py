"""Which token counts of a server are believed."""

from __future__ import annotations

import numpy as np
import pytest

from reasoning.core import Usage
from reasoning.models.endpoint.answers import Choice
from reasoning.models.endpoint.bill import bill


def made(tokens: int | None, text: str = "abc") -> Choice:
    """A choice whose tokens can be counted, or cannot (None)."""
    return Choice(text, "stop", None, None if tokens is None else (7,) * tokens)


def told(prompt, completion, cached=None) -> dict:
    details = {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
    return {"prompt_tokens": prompt, "completion_tokens": completion, **details}


CASES = {  # usage, choices, what is believed (of 20 granted each, a prompt of at most 50)
    "right": (told(5, 8, 2), [made(8)], [Usage(5, 2, 8)], 0),
    "right, not countable": (told(5, 8), [made(None)], [Usage(5, 0, 8)], 0),
    "two choices": (told(5, 11), [made(8), made(3)], [Usage(5, 0, 8), Usage(0, 0, 3)], 0),
    "hidden tokens": (told(5, 12), [made(8)], [Usage(5, 0, 12)], 0),
    "hidden tokens of two": (
        told(5, 30),
        [made(8), made(3)],
        [Usage(5, 0, 20), Usage(0, 0, 10)],
        0,
    ),
    "hidden tokens in the total alone": (
        {**told(5, 8), "total_tokens": 17},
        [made(8)],
        [Usage(5, 0, 12)],
        0,
    ),
    "a total too small": ({**told(5, 8), "total_tokens": 8}, [made(8)], [Usage(5, 0, 8)], 0),
    "a total too large": ({**told(5, 8), "total_tokens": 99}, [made(8)], [Usage(5, 0, 20)], 1),
    "none": (None, [made(8)], [Usage(50, 0, 8)], 2),
    "none, not countable": (None, [made(None)], [Usage(50, 0, 20)], 2),
    "no numbers": (told("5", [8]), [made(8)], [Usage(50, 0, 8)], 2),
    "true is no number": (told(True, True), [made(None)], [Usage(50, 0, 20)], 2),
    "negative": (told(-1, -8), [made(None)], [Usage(50, 0, 20)], 2),
    "fractions": (told(5.5, 8.5), [made(8)], [Usage(50, 0, 8)], 2),
    "too small": (told(5, 3), [made(8)], [Usage(5, 0, 8)], 1),
    "zero for a text": (told(5, 0), [made(None)], [Usage(5, 0, 1)], 1),
    "zero for no text": (told(5, 0), [made(None, "")], [Usage(5, 0, 0)], 0),
    "too large": (told(10**9, 10**9), [made(8)], [Usage(50, 0, 20)], 2),
    "more cached than read": (told(5, 8, 9), [made(8)], [Usage(5, 0, 8)], 1),
    "cached no number": (told(5, 8, "all"), [made(8)], [Usage(5, 0, 8)], 1),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_believed(case):
    usage, choices, believed, doubts = case
    found = bill(usage, choices, 20, 50)
    assert list(found.usages) == believed and len(found.doubts) == doubts and not found.overrun


def test_tokens_that_are_there_are_charged_even_past_what_was_granted():
    found = bill(told(5, 30), [made(30)], 20, 50)
    assert found.usages == (Usage(5, 0, 30),) and found.overrun


def test_no_report_makes_a_bill_below_what_is_there_or_above_what_was_reserved():
    rng = np.random.default_rng(0)
    values = [None, -3, 0, 1, 7, 19, 20, 21, 40, 10**12, 2.5, "8", True, [1], float("nan")]
    for _ in range(3000):
        n, granted = int(rng.integers(1, 4)), int(rng.integers(1, 30))
        counts = [int(rng.integers(0, granted + 1)) for _ in range(n)]
        choices = [made(c) for c in counts] if n > 1 or rng.random() < 0.5 else [made(None)]
        pick = [values[int(i)] for i in rng.integers(0, len(values), 3)]
        usage = told(pick[0], pick[1], pick[2]) if rng.random() < 0.9 else pick[0]
        found = bill(usage, choices, granted, 50)
        for choice, used in zip(choices, found.usages, strict=True):
            least = choice.counted if choice.counted is not None else 1
            assert least <= used.completion <= granted
            assert 0 <= used.cached <= used.prompt <= 50
