"""A problem of one's own: what goes into the sandbox, scores, the check and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from evaluators.discovery import check, examples, load_problem
from evaluators.discovery.own import OwnProblem, plain
from evaluators.discovery.own.closure import cut_own
from evaluators.errors import BadInput
from evaluators.sandbox import Sandbox

EXAMPLE = Path(examples.__file__).parent / "one_machine.py"

GOOD = '''"""Guess a number near the target."""

import json
import math

from evaluators.discovery import evolve

DIRECTION = "minimise"
SCALE = 2
TABLE = {}
for k in range(3):
    TABLE[k] = k * SCALE
UNUSED = [1, 2, 3]
SECRET = 41


def double(x):
    return SCALE * x


@evolve
def guess(size):
    """A number."""
    return size


class Answer:
    scale = 1


def solve(instance):
    return [double(guess(instance["size"])) * Answer.scale][TABLE[0]]


def score(instance, answer):
    if not isinstance(answer, float | int):
        raise ValueError(f"a number is wanted, not {answer!r}")
    assert answer < 1000, "too large"
    if answer < 0:
        return None
    return abs(answer - 3 * instance["size"]) + 0 * SECRET


def train():
    return {"a": {"size": 1}, "b": {"size": 2}}


validation = [{"size": 3}]
held_out = [{"size": 4}, {"size": 5}]
LIMITS = {"wall": 5}
baselines = {"three halves": "def guess(size):\\n    return size * 3 / 2\\n"}
'''


def write(tmp_path: Path, text: str = GOOD, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (tmp_path / "mine.py").write_text(text)
    return str(tmp_path / "mine.py")


def load(path: str) -> OwnProblem:
    found = load_problem(path)
    assert isinstance(found, OwnProblem)
    return found


def test_a_file_is_a_problem(tmp_path: Path, sandbox: Sandbox) -> None:
    problem = load(write(tmp_path))
    assert (problem.name, problem.function, problem.direction) == ("mine", "guess", "minimise")
    assert problem.limits.wall == 5
    assert problem.instances("train") == ["a", "b"]
    assert problem.instances("held-out") == ["held-out/0", "held-out/1"]
    found = problem.evaluate(problem.start, sandbox)  # |2x - 3x|
    assert (found.verdict, found.scores, found.score) == ("ok", (1.0, 2.0), 1.5)
    best = problem.evaluate(problem.baselines["three halves"], sandbox, "held-out")
    assert best.scores == (0.0, 0.0)
    assert problem.evaluate(problem.baselines["three halves"], sandbox, floor=-1.0).score == 0.0


def test_the_sandbox_gets_the_closure_and_nothing_else(tmp_path: Path) -> None:
    problem = load(write(tmp_path))
    module, offset = problem.parts.compose(problem.start)
    for word in (
        "SCALE = 2",
        "TABLE = {}",
        "TABLE[k] =",
        "def double",
        "class Answer",
        "import math",
    ):
        assert word in module
    for word in (
        "score",
        "SECRET",
        "UNUSED",
        "held_out",
        "train",
        "import json",
        "evolve",
        "target",
    ):
        assert word not in module
    assert module.splitlines()[offset].startswith("def guess")
    assert "@evolve\ndef guess" in problem.skeleton
    space: dict = {}
    exec(module, space)
    assert space["solve"]({"size": 5}) == 10


def test_without_solve_the_function_gets_the_instance(tmp_path: Path, sandbox: Sandbox) -> None:
    text = GOOD[: GOOD.index("class Answer")] + GOOD[GOOD.index("def score") :]
    problem = load(write(tmp_path, text, ("return size\n", "return 3 * size['size']\n")))
    assert problem.evaluate(problem.start, sandbox).scores == (0.0, 0.0)


def test_other_decorators_and_lines_of_the_program_are_kept(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = write(
        tmp_path,
        GOOD,
        ("@evolve\n", "@evolve\n@lru_cache\n"),
        ("import math", "from functools import lru_cache"),
    )
    problem = load(path)
    assert problem.start.startswith("@lru_cache\ndef guess")
    assert problem.evaluate(problem.start, sandbox).score == 1.5
    broken = problem.start.replace("return size", "return size.nothing")
    found = problem.evaluate(broken, sandbox)
    assert (found.verdict, found.line) == ("exception", 4)


@pytest.mark.parametrize(
    ("body", "verdict", "words"),
    [
        ("return 'x'", "invalid", "a: a number is wanted, not 'xx'"),
        ("return 600", "invalid", "a: too large"),
        ("return -1", "invalid", "a: score refused the answer"),
        ("return float('nan')", "invalid", "too large"),
        ("return float('-inf')", "invalid", "score refused"),
        ("return 1 / 0", "exception", "ZeroDivisionError"),
        ("return score", "exception", "score"),
        ("return held_out", "exception", "held_out"),
        ("import sys; sys.exit(0)", "crashed", ""),
    ],
)
def test_a_failing_program_has_no_score(
    tmp_path: Path, sandbox: Sandbox, body: str, verdict: str, words: str
) -> None:
    path = write(tmp_path, GOOD, ("if answer < 0:", "if not answer >= 0:"))
    found = load(path).evaluate(f"def guess(size):\n    {body}\n", sandbox)
    assert (found.verdict, found.score) == (verdict, None), found.reason
    assert words in found.reason


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("'high'", "score returned str, not a number"),
        ("float('nan')", "score returned nan"),
        ("float('inf')", "score returned inf"),
        ("instance['length']", "score raised KeyError"),
        ("1j", "score returned complex"),
    ],
)
def test_a_score_that_is_no_number_is_invalid_never_a_number(
    tmp_path: Path, sandbox: Sandbox, returned: str, words: str
) -> None:
    path = write(tmp_path, GOOD, ("return abs(answer", f"return {returned}\n    return abs(answer"))
    found = load(path).evaluate("def guess(size):\n    return size\n", sandbox)
    assert (found.verdict, found.score) == ("invalid", None)
    assert words in found.reason
    if "raised" in words:
        assert "mine.py:" in found.reason


def test_numbers_of_numpy_and_truth_values_are_scores(tmp_path: Path, sandbox: Sandbox) -> None:
    for returned in ("np.float32(2)", "np.int64(2)", "2", "np.True_ + True"):
        path = write(
            tmp_path, GOOD, ("return abs(answer", f"return {returned}\n    return abs(answer"),
            ("import json", "import numpy as np"),
        )  # fmt: skip
        assert load(path).evaluate("def guess(size):\n    return size\n", sandbox).score in (1, 2)


def test_a_problem_travels_to_another_process(tmp_path: Path, sandbox: Sandbox) -> None:
    problem = load(write(tmp_path))
    sent = cloudpickle.dumps(problem)
    (tmp_path / "mine.py").write_text("changed since")
    copy = cloudpickle.loads(sent)
    assert copy.evaluate(copy.start, sandbox).score == 1.5
    assert copy.fingerprint() == problem.fingerprint()


def test_artefacts_are_scored_again_offline(tmp_path: Path, sandbox: Sandbox) -> None:
    problem = load(write(tmp_path))
    artefact = json.loads(json.dumps(problem.artefact(problem.start, sandbox)))
    assert (
        problem.verify(artefact).score == problem.evaluate(problem.start, sandbox, "held-out").score
    )
    artefact["answers"]["held-out/0"] = 2000
    assert problem.verify(artefact).reason == "held-out/0: too large"
    del artefact["answers"]["held-out/0"]
    assert "has no answer" in problem.verify(artefact).reason
    assert problem.artefact("def guess(size):\n    return 'x' - 1\n", sandbox) is None


def test_verify_may_be_stricter_than_score(tmp_path: Path, sandbox: Sandbox) -> None:
    problem = load(write(tmp_path, GOOD + "\n\ndef verify(instance, answer):\n    return None\n"))
    assert problem.evaluate(problem.start, sandbox, "held-out").score == 4.5
    check = problem.verify(problem.artefact(problem.start, sandbox))
    assert not check.valid and "verify refused" in check.reason


PLAIN = [
    1, 2.5, True, None, "x", float("inf"), [1, [2]], (1, (2, 3)), {"a": 1}, {1: (2,), "$x": 3},
    {1, 2}, frozenset({"a"}), b"\x00\xff", 1 + 2j,
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_answers_survive_json(value: object) -> None:
    back = plain.from_json(json.loads(json.dumps(plain.to_json(value), allow_nan=False)))
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("dtype", ["int32", "float64", "float32", "bool", "complex128"])
def test_arrays_survive_json(dtype: str) -> None:
    value = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    if value.dtype.kind == "f":
        value[0, 0] = np.nan
    back = plain.from_json(json.loads(json.dumps(plain.to_json(value), allow_nan=False)))
    assert back.dtype == value.dtype and back.shape == value.shape
    assert np.array_equal(back, value, equal_nan=value.dtype.kind in "fc")


def test_the_example_knows_its_optimum(sandbox: Sandbox) -> None:
    problem = load(str(EXAMPLE))
    scores = {n: problem.evaluate(s, sandbox).score for n, s in problem.baselines.items()} | {
        "start": problem.evaluate(problem.start, sandbox).score
    }
    assert scores["smith"] == 0.0
    assert min(s for n, s in scores.items() if n != "smith" and s is not None) > 10
    twice = problem.evaluate("def urgency(length, weight):\n    return np.zeros(2)\n", sandbox)
    assert twice.score is None


def test_the_check_reports_what_it_found(tmp_path: Path, sandbox: Sandbox) -> None:
    text = check(write(tmp_path), sandbox)
    assert "evolves guess (line 22), minimise" in text
    assert "solve(instance), with math, SCALE, TABLE, k, double, Answer" in text
    assert "2 train, 1 validation, 2 held-out" in text
    assert "starting program: train 1.5, validation 3, held-out 4.5" in text
    assert "baseline three halves: train 0" in text
    assert "smith: train 0" in check(str(EXAMPLE), sandbox)


ERRORS = [
    ("no mark", [("@evolve\n", "")], "mine.py: no function is marked"),
    ("two marks", [("def double", "@evolve\ndef double")], "not 2: double (line 18) and guess"),
    ("called mark", [("@evolve\n", "@evolve()\n")], "mine.py:21: write @evolve without brackets"),
    ("a class", [("@evolve\n", ""), ("class Answer", "@evolve\nclass Answer")], "a plain function"),
    ("syntax", [("DIRECTION =", "DIRECTION = =")], "mine.py:8: not Python"),
    ("raises", [("SCALE = 2", "SCALE = 1 / 0")], "mine.py:9: ZeroDivisionError"),
    ("no import", [("from evaluators.discovery import evolve", "")], "mine.py:21: NameError"),
    ("no direction", [('DIRECTION = "minimise"', "")], "DIRECTION is missing: add DIRECTION"),
    ("lower case", [("DIRECTION", "direction")], "line 8 defines direction: rename it"),
    ("wrong direction", [('"minimise"', '"minimize"')], "must be 'maximise' or 'minimise', not"),
    ("no score", [("def score(", "def scores(")], "scores: rename it"),
    ("score no function", [("SECRET = 41", "score = 3"), ("def score(", "def other(")], "a func"),
    ("no held-out", [("held_out = ", "heldout = ")], "line 49 defines heldout: rename it"),
    ("no validation", [("validation = [", "rows = [")], "validation is missing"),
    ("empty", [("validation = [{\"size\": 3}]", "validation = []")], "validation has no instances"),
    ("no list", [("validation = [{\"size\": 3}]", "validation = 3")], "not int"),
    ("array", [("[{\"size\": 3}]", "[{3}]")], "validation['validation/0'] is not plain data"),
    ("nan", [("[{\"size\": 3}]", "[float('nan')]")], "is not plain data"),
    ("train raises", [("return {\"a\"", "1 / 0\n    return {\"a\"")], "mine.py:45: train() raised"),
    ("overlap", [("{\"size\": 3}", "{\"size\": 2}")], "validation['validation/0'] and train['b']"),
    ("limits", [("\"wall\"", "\"wal\"")], "LIMITS has no 'wal'; did you mean 'wall'"),
    ("limit value", [("{\"wall\": 5}", "{\"wall\": 0}")], "LIMITS['wall'] must be a number"),
    ("solve scores", [("return [double(", "return [score(1, 1), double(")], "mine.py:32: solve"),
    ("deep score", [("return SCALE * x", "return score(x, 1)")], "mine.py:18: double"),
    ("start sees train", [("    return size\n", "    return len(train())\n")], "mine.py:24: guess"),
    ("project import", [("double(guess", "evolve(guess")], "solve uses 'evolve' from evaluators"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_a_wrong_file_is_refused_with_line_and_remedy(
    tmp_path: Path, changes: list[tuple[str, str]], words: str
) -> None:
    with pytest.raises(BadInput) as caught:
        load_problem(write(tmp_path, GOOD, *changes))
    assert words in str(caught.value)


CHECKED = [
    ("leak", [("SCALE = 2\n", "SCALE = 2\nKNOWN = ['x', {'size': 1, 'name': 'the first'}]\n"),
              ("* Answer.scale", "* len(KNOWN)"), ("{\"a\": {\"size\": 1},", "{\"a\": KNOWN[1],")],
     "KNOWN, which goes into the sandbox, holds instance 'a'"),
    ("start raises", [("    return size\n", "    return size.x\n")], "mine.py:24: the start"),
    ("draws", [("[double(guess", "[RNG.random() + double(guess"),
               ("SCALE = 2\n", "import numpy as np\nSCALE = 2\nRNG = np.random.default_rng()\n")],
     "answers differently from run to run"),
    ("score draws", [("import json", "import random"), ("return abs", "return random.random() #")],
     "for the same answers"),
    ("refused", [("assert answer < 1000", "assert answer < 1")], "invalid: a: too large"),
    ("baseline", [("size * 3 / 2", "size * 3 / 0")], "(line 2 of it): baseline"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"), [e[1:] for e in CHECKED], ids=[e[0] for e in CHECKED]
)
def test_the_check_refuses(
    tmp_path: Path, sandbox: Sandbox, changes: list[tuple[str, str]], words: str
) -> None:
    with pytest.raises(BadInput) as caught:
        check(write(tmp_path, GOOD, *changes), sandbox)
    assert words in str(caught.value)


def test_a_missing_file_meets_its_nearest(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(BadInput, match=r"did you mean .*mine\.py"):
        load_problem(str(tmp_path / "mein.py"))


def test_a_mark_inside_another_function_is_named() -> None:
    source = "def f():\n    @evolve\n    def g(x):\n        return x\n    return g\n"
    with pytest.raises(BadInput, match=r"x\.py:2: the marked function must stand at top level"):
        cut_own(source, "x.py")
