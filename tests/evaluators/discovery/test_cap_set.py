"""Cap sets: the greedy construction, the exact check against brute force, the known caps."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from evaluators.discovery import load_problem
from evaluators.discovery.cap_set import VARIANTS
from evaluators.discovery.cap_set.problem import BEST_KNOWN, CapSet, build, fault
from evaluators.errors import UnknownName
from evaluators.sandbox import Sandbox


def load(n: int) -> CapSet:
    found = load_problem(f"cap-set:{n}")
    assert isinstance(found, CapSet)
    return found


def has_line(vectors: list[list[int]]) -> bool:
    """By the definition: three different vectors that add up to 0 modulo 3."""
    return any(
        all(sum(digits) % 3 == 0 for digits in zip(*three, strict=True))
        for three in itertools.combinations(vectors, 3)
    )


def vectors_of(numbers: np.ndarray, n: int) -> list[list[int]]:
    return np.array(np.unravel_index(numbers, (3,) * n)).T.tolist()


@pytest.mark.parametrize("n", [3, 4])
def test_the_check_agrees_with_brute_force_on_random_sets(n: int) -> None:
    rng = np.random.default_rng(n)
    verdicts = set()
    for _ in range(150):
        numbers = rng.choice(3**n, rng.integers(1, 12), replace=False)
        vectors = vectors_of(numbers, n)
        found = fault(vectors, n)
        assert bool(found) == has_line(vectors), vectors
        verdicts.add(bool(found))
    assert verdicts == {True, False}


def naive_greedy(priorities: np.ndarray, n: int) -> list[list[int]]:
    order = sorted(range(3**n), key=lambda i: (-priorities[i], i))
    cap: list[list[int]] = []
    for vector in vectors_of(np.array(order), n):
        if not has_line_with(cap, vector):
            cap.append(vector)
    return cap


def has_line_with(cap: list[list[int]], new: list[int]) -> bool:
    return any(
        all((a + b + c) % 3 == 0 for a, b, c in zip(x, y, new, strict=True))
        for x, y in itertools.combinations(cap, 2)
    )


@pytest.mark.parametrize("n", [3, 4, 5])
def test_compiled_greedy_equals_plain_python(n: int) -> None:
    rng = np.random.default_rng(n)
    for levels in (1, 2, 1000):
        priorities = rng.integers(0, levels, 3**n).astype(float)
        assert vectors_of(build(priorities, n), n) == naive_greedy(priorities, n)


def test_in_dimension_3_no_priority_gives_more_than_9_and_some_give_9() -> None:
    rng = np.random.default_rng(0)
    sizes = {len(build(rng.random(27), 3)) for _ in range(400)}
    assert max(sizes) == 9 == BEST_KNOWN[3]


@pytest.mark.parametrize("n", [3, 6, 8, 9])
def test_the_greedy_cap_is_a_cap_that_nothing_can_join(n: int) -> None:
    cap = vectors_of(build(np.random.default_rng(n).random(3**n), n), n)
    assert fault(cap, n) == ""
    rng = np.random.default_rng(1)
    taken = set(map(tuple, cap))
    for number in rng.choice(3**n, 20):
        vector = vectors_of(np.array([number]), n)[0]
        if tuple(vector) not in taken:
            assert "on a line" in fault([*cap, vector], n)


def test_minus_infinity_is_never_taken() -> None:
    priorities = np.full(27, -np.inf)
    priorities[[0, 1, 2, 4]] = [1.0, 2.0, 3.0, np.inf]  # 000, 001, 002 are a line
    assert build(priorities, 3).tolist() == [4, 2, 1]


@pytest.mark.parametrize("n", [int(v) for v in VARIANTS])
def test_no_priority_at_all_gives_two_to_the_n(n: int, sandbox: Sandbox) -> None:
    problem = load(n)
    found = problem.evaluate(problem.start, sandbox)
    assert (found.verdict, found.score, found.scores) == ("ok", 2**n, (2**n,))


@pytest.mark.parametrize(("n", "name", "size"), [(6, "edel-112", 112), (8, "funsearch-512", 512)])
def test_known_caps_are_found_by_their_programs(
    n: int, name: str, size: int, sandbox: Sandbox
) -> None:
    problem = load(n)
    found = problem.evaluate(problem.baselines[name], sandbox)
    assert found.score == size == BEST_KNOWN[n]
    artefact = json.loads(json.dumps(problem.artefact(problem.baselines[name], sandbox)))
    assert problem.verify(artefact).valid
    assert problem.verify(artefact).score == size
    assert problem.verify(artefact["vectors"]).score == size


def test_the_512_cap_is_refused_with_any_one_vector_changed(sandbox: Sandbox) -> None:
    problem = load(8)
    artefact = problem.artefact(problem.baselines["funsearch-512"], sandbox)
    rng = np.random.default_rng(3)
    for _ in range(40):
        vectors = [list(v) for v in artefact["vectors"]]
        at, coordinate = int(rng.integers(512)), int(rng.integers(8))
        vectors[at][coordinate] = (vectors[at][coordinate] + int(rng.integers(1, 3))) % 3
        check = problem.verify(vectors)
        assert not check.valid and check.score is None
        assert "line" in check.reason or "both" in check.reason


@pytest.mark.parametrize(
    ("artefact", "words"),
    [
        ([], "at least one"),
        (None, "at least one"),
        ({"vectors": "012"}, "at least one"),
        ([[0, 1]], "3 coordinates"),
        ([[0, 1, 3]], "0, 1 or 2"),
        ([[0, 1, -1]], "0, 1 or 2"),
        ([[0, 1, 1.0]], "0, 1 or 2"),
        ([[0, 1, True]], "0, 1 or 2"),
        (["012"], "3 coordinates"),
        ([[0, 0, 1], [0, 0, 2], [0, 0, 1]], "both"),
        ([[0, 0, 0], [0, 1, 2], [0, 2, 1]], "on a line"),
    ],
    ids=str,
)
def test_what_is_no_cap_is_refused_with_a_reason(artefact, words: str) -> None:
    check = load(3).verify(artefact)
    assert not check.valid and words in check.reason


@pytest.mark.parametrize(
    ("body", "verdict", "words"),
    [
        ("v.sum(axis=0)", "ok", ""),
        ("v * [[1], [3], [9]]", "ok", ""),  # one a coordinate: added up
        ("-np.inf * (v[0] > 0)", "invalid", "nan for the vector [0, 0, 0]"),
        ("np.where(v[0] > 0, -np.inf, 0)", "ok", ""),
        ("v[0][:5]", "invalid", "shape (5,)"),
        ("v[:2]", "invalid", "shape (2, 27)"),
        ("v * 1j", "exception", "not real"),
        ("v[3]", "exception", "out of bounds"),
    ],
)
def test_what_a_program_returns_is_checked(
    sandbox: Sandbox, body: str, verdict: str, words: str
) -> None:
    found = load(3).evaluate(f"def priority(v):\n    return {body}\n", sandbox)
    assert found.verdict == verdict, found.reason
    assert words in found.reason
    assert (found.score is None) == (verdict != "ok")


def test_rows_are_added_up_and_equal_caps_have_equal_behaviour(sandbox: Sandbox) -> None:
    problem = load(4)

    def evaluate(body: str):
        return problem.evaluate(f"def priority(v):\n    return {body}\n", sandbox)

    rows, added = evaluate("v * v"), evaluate("(v * v).sum(axis=0)")
    assert rows.behaviour == added.behaviour
    assert evaluate("10 + 3 * v * v").behaviour == added.behaviour
    assert evaluate("-v").behaviour != added.behaviour


def test_the_audit_finds_a_cap_that_does_not_repeat(sandbox: Sandbox) -> None:
    problem = load(4)
    drawn = "def priority(v):\n    return np.random.default_rng().random(81)\n"
    assert "from call to call" in problem.audit(drawn, sandbox)
    assert problem.audit(problem.start, sandbox) == ""


def test_other_dimensions_are_refused() -> None:
    for name in ("cap-set:2", "cap-set:10", "cap-set:six", "cap-set"):
        with pytest.raises(UnknownName, match="cap-set:6"):
            load_problem(name)
