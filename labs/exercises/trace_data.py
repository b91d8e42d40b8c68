"""Lab 06: rejection sampling by hand, the same question in another order, and what is learned."""

from __future__ import annotations

from collections.abc import Sequence

from labs.exercises.exercise import Case, Exercise

Sample = tuple[str, str, bool]
"""(problem, text, whether it is right)"""


def rejection_sampling(samples: Sequence[Sample], m: int) -> list[tuple[str, str]]:
    """The first `m` different right texts of every problem, in the order of the samples (Yuan et
    al. 2023, section 3.3)."""
    kept: list[tuple[str, str]] = []
    for problem, text, right in samples:
        full = sum(p == problem for p, _ in kept) >= m
        if right and not full and (problem, text) not in kept:
            kept.append((problem, text))
    return kept


def _no_filter(samples: Sequence[Sample], m: int) -> list[tuple[str, str]]:
    return rejection_sampling([(p, t, True) for p, t, _ in samples], m)


def _repeats(samples: Sequence[Sample], m: int) -> list[tuple[str, str]]:
    kept: list[tuple[str, str]] = []
    for problem, text, right in samples:
        if right and sum(p == problem for p, _ in kept) < m:
            kept.append((problem, text))
    return kept


def _m_in_all(samples: Sequence[Sample], m: int) -> list[tuple[str, str]]:
    return rejection_sampling(samples, len(samples))[:m]


def _first_m_tried(samples: Sequence[Sample], m: int) -> list[tuple[str, str]]:
    tried: dict[str, int] = {}
    kept = []
    for problem, text, right in samples:
        tried[problem] = tried.get(problem, 0) + 1
        if tried[problem] <= m and right and (problem, text) not in kept:
            kept.append((problem, text))
    return kept


def _across(samples: Sequence[Sample], m: int) -> list[tuple[str, str]]:
    kept: list[tuple[str, str]] = []
    for problem, text, right in samples:
        if right and text not in [t for _, t in kept] and sum(p == problem for p, _ in kept) < m:
            kept.append((problem, text))
    return kept


_SAMPLES = [("a", "1+6=7", True), ("a", "1+6=8", False), ("b", "2*3=6", True), ("a", "1+6=7", True),
            ("a", "6+1=7", True), ("b", "3*2=6", True), ("a", "7", True)]  # fmt: skip

SELECT = Exercise(
    "my_select",
    rejection_sampling,
    [
        Case((_SAMPLES, 1), [("a", "1+6=7"), ("b", "2*3=6")], "one right text of each problem"),
        Case((_SAMPLES, 2), [("a", "1+6=7"), ("b", "2*3=6"), ("a", "6+1=7"), ("b", "3*2=6")],
             "the same text twice counts once; keep the order of the samples"),
        Case(([("a", "x", False), ("a", "y", True)], 1), [("a", "y")],
             "a wrong text uses up no place"),
        Case(([("a", "7", True), ("b", "7", True)], 2), [("a", "7"), ("b", "7")],
             "equal texts of different problems are different traces"),
        Case(([], 3), [], "nothing from nothing"),
    ],
    {
        "wrong ones too": _no_filter,
        "repeats": _repeats,
        "m in all": _m_in_all,
        "the first m tried": _first_m_tried,
        "different across problems": _across,
        "nothing": lambda samples, m: None,
    },
)  # fmt: skip

Question = tuple[list[int], int]
"""(numbers, target) of a countdown problem"""


def same_question(a: Question, b: Question) -> bool:
    """Whether two countdown problems are one instance: the same multiset of numbers, the same
    target."""
    return sorted(a[0]) == sorted(b[0]) and a[1] == b[1]


SAME = Exercise(
    "my_same",
    same_question,
    [
        Case((([3, 5, 7, 2], 24), ([3, 5, 7, 2], 24)), True, "a question is the same as itself"),
        Case((([3, 5, 7, 2], 24), ([7, 2, 3, 5], 24)), True, "the order of the numbers is free"),
        Case((([3, 5, 7, 2], 24), ([3, 5, 7, 2], 42)), False, "another target, another question"),
        Case((([3, 3, 7], 24), ([3, 7, 7], 24)), False, "how often a number stands there counts"),
        Case((([12, 3], 15), ([1, 23], 15)), False, "compare numbers, not their digits in a row"),
        Case((([2, 6, 7], 24), ([3, 5, 7], 24)), False, "an equal sum is not enough"),
        Case((([3, 5], 8), ([3, 5, 5], 8)), False, "one number more is another question"),
    ],
    {
        "as written": lambda a, b: a == b,
        "as sets": lambda a, b: set(a[0]) == set(b[0]) and a[1] == b[1],
        "numbers alone": lambda a, b: sorted(a[0]) == sorted(b[0]),
        "as text": lambda a, b: (
            sorted("".join(map(str, a[0]))) == sorted("".join(map(str, b[0]))) and a[1] == b[1]
        ),
        "same sum": lambda a, b: (sum(a[0]), len(a[0]), a[1]) == (sum(b[0]), len(b[0]), b[1]),
        "always": lambda a, b: True,
    },
)

Part = tuple[list[int], str]
"""(token ids, who wrote them: prompt, model, forced or tool)"""


def labels(parts: Sequence[Part]) -> list[int]:
    """The ids to be learned, -100 where the token is not the model's."""
    return [i if source == "model" else -100 for ids, source in parts for i in ids]


def _prompt_only(parts: Sequence[Part]) -> list[int]:
    return [-100 if source == "prompt" else i for ids, source in parts for i in ids]


_CALL = [([5, 6], "prompt"), ([7, 8], "model"), ([9], "tool"), ([3, 1], "model")]

MASK = Exercise(
    "my_labels",
    labels,
    [
        Case(([([5, 6], "prompt"), ([7, 1], "model")],), [-100, -100, 7, 1],
             "one label a token: -100 for the prompt, the token itself for the model's"),
        Case((_CALL,), [-100, -100, 7, 8, -100, 3, 1], "a tool's words are not the model's"),
        Case(([([5], "prompt"), ([7], "forced"), ([1], "model")],), [-100, -100, 1],
             "forced text was not the model's choice"),
        Case(([],), [], "nothing to read, nothing to learn"),
    ],
    {
        "prompt alone masked": _prompt_only,
        "all learned": lambda parts: [i for ids, _ in parts for i in ids],
        "left out": lambda parts: [i for ids, source in parts if source == "model" for i in ids],
        "zero for none": lambda parts: [i * (s == "model") for ids, s in parts for i in ids],
        "the wrong way round": lambda parts: [-100 if s == "model" else i for ids, s in parts
                                              for i in ids],
    },
)  # fmt: skip

EXERCISES = (SELECT, SAME, MASK)
