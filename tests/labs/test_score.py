"""`reasonlab score`: one line of JSON, exit codes, which skeleton, baselines, artefacts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from evaluators.discovery import examples
from evaluators.discovery.bin_packing import priority
from evaluators.discovery.cap_set.baselines import BASELINES
from evaluators.errors import BadInput, UnknownName
from evaluators.sandbox import Limits
from labs.cli import main
from labs.score import run, skeleton_of

pytestmark = pytest.mark.filterwarnings("ignore::evaluators.sandbox.WeakSandbox")

INSTANCES = {
    "by hand": {"capacity": 10, "items": [6, 6, 4, 3, 2]},
    "halves": {"capacity": 10, "items": [5, 5, 5, 5]},
}
BEST_FIT = """import numpy as np


def priority(item: float, bins: np.ndarray) -> np.ndarray:
    return -(bins - item)
"""
APART = "def priority(item, bins):\n    return bins\n"


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Run the command in the weak sandbox: its exit code and the JSON of its last line."""

    def call(problem: str, *words: str, program: str | None = None) -> tuple[int, dict]:
        given = list(words)
        if program is not None:
            (tmp_path / "program.py").write_text(program)
            given.insert(0, str(tmp_path / "program.py"))
        code = run([problem, *given, "--sandbox", "process"])
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    return call


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "instances.json").write_text(json.dumps(INSTANCES))
    return str(tmp_path / "instances.json")


def test_instances_of_a_file_are_all_scored(score, file: str) -> None:
    code, row = score("bin-packing:or-1", "--instances", file, program=BEST_FIT)
    assert code == 0
    assert row["valid"] is True and row["score"] == row["excess"] == 0.0
    assert row["split"] == "all" and row["scores"] == {"halves": 0.0, "by hand": 0.0}
    code, row = score("bin-packing:or-1", "--instances", file, program=APART)
    assert code == 0
    # one bin an item: 4 over a bound of 2, 5 over one of 3
    assert row["excess"] == pytest.approx((100 + 200 / 3) / 2)
    assert row["bins"] == 4.5 and row["bound"] == 2.5
    assert row["excess_of_means"] == pytest.approx(80.0)


def test_both_skeletons_score_a_heuristic_alike(score, file: str) -> None:
    table = "def priority(item, remaining):\n    return item - remaining\n"
    here = score("bin-packing:or-2", "--held-out", "5", program=BEST_FIT)
    there = score("bin-packing:or-2", "--held-out", "5", program=table)
    known = score("bin-packing:or-2", "--held-out", "5", "--baseline", "best-fit")
    assert here == there == known
    assert here[1]["score"] == pytest.approx(6.0, abs=1.0)
    assert len(here[1]["scores"]) == 5


@pytest.mark.parametrize(
    ("program", "verdict", "words"),
    [
        ("def priority(item, bins):\n    return bins * np.nan\n", "invalid", "nan"),
        ("def priority(item, bins):\n    return bins[1:]\n", "invalid", "numbers for"),
        ("def priority(item, bins):\n    return 1 / 0\n", "exception", "ZeroDivision"),
        ("def priority(item, bins):\n    while True: pass\n", "timeout", ""),
        ("def priority(item, bins)\n    return bins\n", "exception", "SyntaxError"),
        ("x = 1\n", "exception", "priority"),
        ("", "exception", "priority"),
        ("(" * 5000, "exception", ""),
    ],
    ids=["nan", "short", "raises", "loops", "syntax", "nothing", "empty", "nested"],
)
def test_a_failing_program_is_not_valid(
    score, file: str, program: str, verdict: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(priority, "FEW_LIMITS", Limits(wall=3.0, cpu=0.3))
    code, row = score("bin-packing:or-1", "--instances", file, program=program)
    assert code == 1
    assert (row["valid"], row["score"], row["excess"]) == (False, None, None)
    assert row["verdict"] == verdict and words in row["reason"]


CHEAT = """import sys
def priority(item, bins):
    frame = sys._getframe(1)
    while frame is not None and 'items' not in frame.f_locals:
        frame = frame.f_back
    if frame is None:
        return -bins
    ahead = int(frame.f_locals['items'].sum()) % 2
    s = -(bins - item) * 1.0
    s[-1] += 1000 * ahead
    return s
"""


def test_a_program_that_looks_ahead_is_cheating(score) -> None:
    options = ("--train", "2", "--held-out", "2")
    code, row = score("bin-packing:or-1", *options, program=CHEAT)
    assert (code, row["valid"], row["verdict"], row["score"]) == (1, False, "cheating", None)
    assert "or-1/train/" in row["reason"]
    assert score("bin-packing:or-1", *options, "--no-audit", program=CHEAT)[1]["valid"]


def test_the_skeleton_is_told_by_the_parameters() -> None:
    for parameters, skeleton in [
        ("item, bins", "priority"),
        ("item: float, valid_bins: list", "priority"),
        ("item, remaining", "table"),
        ("x, remaining_capacity", "table"),
        ("item, bins_remain_cap", "priority"),
    ]:
        source = f"def priority({parameters}):\n    return 0\n"
        assert skeleton_of(source, Path("p.py")) == skeleton
    with pytest.raises(BadInput, match="--skeleton priority"):
        skeleton_of("def priority(a, b):\n    return 0\n", Path("p.py"))


def test_a_named_skeleton_needs_no_telling(score, file: str) -> None:
    source = "def priority(a, b):\n    return a - b\n"
    for skeleton in ("table", "priority"):
        words = ("--skeleton", skeleton, "--instances", file)
        assert score("bin-packing:or-1", *words, program=source)[1]["score"] == 0.0


def test_published_heuristics_are_baselines_exact_by_default(score) -> None:
    words = ("--held-out", "2", "--baseline", "funsearch-weibull")
    compiled = score("bin-packing:weibull-5k", *words)
    inside = score("bin-packing:weibull-5k", *words, "--skeleton", "priority", "--no-audit")
    assert compiled == inside
    assert compiled[1]["score"] == pytest.approx(0.68, abs=0.25)
    with pytest.raises(UnknownName, match="funsearch-weibull"):
        score("bin-packing:weibull-5k", "--baseline", "funsearch")


def test_a_cap_set_is_scored_by_program_or_as_a_list(score, tmp_path: Path) -> None:
    code, row = score("cap-set:8", program=BASELINES[8]["funsearch-512"])
    assert (code, row["score"], row["valid"]) == (0, 512.0, True)
    space: dict = {"np": np}
    exec(BASELINES[8]["funsearch-512"], space)
    every = np.array(np.unravel_index(np.arange(3**8), (3,) * 8))
    cap = every.T[space["priority"](every)].tolist()
    explicit = tmp_path / "cap.json"
    explicit.write_text(json.dumps(cap))
    code, row = score("cap-set:8", str(explicit))
    assert (code, row["score"], row["valid"]) == (0, 512.0, True)
    cap[100][3] = (cap[100][3] + 1) % 3
    explicit.write_text(json.dumps(cap))
    code, row = score("cap-set:8", str(explicit))
    assert (code, row["score"], row["valid"]) == (1, None, False)
    assert "line" in row["reason"]
    explicit.write_text("[[0, 1")
    with pytest.raises(BadInput, match=r"cap\.json: not JSON"):
        score("cap-set:8", str(explicit))


def test_a_problem_of_ones_own_is_scored(score) -> None:
    example = str(Path(examples.__file__).parent / "one_machine.py")
    code, row = score(example, "--baseline", "smith")
    assert (code, row["score"], row["split"]) == (0, 0.0, "held-out")
    code, row = score(example, "--split", "train")
    assert code == 0 and row["score"] > 10 and len(row["scores"]) == 6


def test_the_last_line_is_strict_json(score, file: str, capsys, tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(BEST_FIT)
    words = ["bin-packing:or-1", str(tmp_path / "p.py"), "--instances", file]
    assert main(["score", *words, "--sandbox", "process"]) == 0
    *before, last = capsys.readouterr().out.splitlines()
    assert before == ["skeleton: priority (by the parameters)", "sandbox: process"]
    row = json.loads(last, parse_constant=lambda word: pytest.fail(word))
    assert list(row)[:4] == ["problem", "split", "score", "excess"]
    assert math.isfinite(row["score"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bin-packing:or-9"], "Did you mean 'bin-packing:or-"),
        (["bin-packing:or-1", "no.py"], "cannot read no.py"),
        (["bin-packing:or-1", "x.py", "--baseline", "best-fit"], "not both"),
        (["cap-set:6", "--instances", "x.json"], "has no option 'instances'"),
        (["bin-packing:or-1", "--baseline", "best-fit", "--instances", "no.json"], "no.json"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else None,
)
def test_a_wrong_command_ends_with_2_and_one_sentence(words, message: str, capsys) -> None:
    assert main(["score", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
