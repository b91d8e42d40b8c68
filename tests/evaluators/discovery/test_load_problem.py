"""`load_problem`: names, options, what importing costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evaluators.discovery import PROBLEMS, DiscoveryProblem, Evaluation, load_problem, names
from evaluators.errors import BadInput, UnknownName


def test_every_name_loads_and_is_its_problems_name() -> None:
    known = names()
    assert {"bin-packing:weibull-5k", "bin-packing:or-3", "cap-set:6"} <= set(known)
    for name in known:
        problem = load_problem(name)
        assert problem.name == name
        assert f"def {problem.function}(" in problem.start
        assert "@evolve" in problem.skeleton and problem.description
        assert problem.instances("train") and problem.instances("held-out")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bin-packing:weibul-5k", "Did you mean 'bin-packing:weibull-5k'"),
        ("bin-packing:OR-3", "Did you mean 'bin-packing:or-"),
        ("binpacking:or-3", "Did you mean 'bin-packing:or-3'"),
        ("weibull-5k", "Did you mean 'bin-packing:weibull-5k'"),
        ("bin-packing", "bin-packing:or-1"),
        ("bin-packing:", "bin-packing:or-1"),
        ("", "FILE.py"),
    ],
)
def test_a_wrong_name_meets_its_nearest(name: str, words: str) -> None:
    with pytest.raises(UnknownName) as caught:
        load_problem(name)
    assert words in str(caught.value)


def test_a_wrong_option_meets_its_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean 'validation'"):
        load_problem("bin-packing:or-1", validatoin=3)
    with pytest.raises(BadInput, match="It has: none"):
        load_problem("cap-set:6", train=3)


def test_a_problem_can_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(variant: str = "small", *, seed: int = 0) -> DiscoveryProblem:
        problem = load_problem("cap-set:3")
        problem.name = f"mine:{variant}:{seed}"
        return problem

    monkeypatch.setitem(PROBLEMS, "mine", load)
    assert load_problem("mine").name == "mine:small:0"
    assert load_problem("mine:big", seed=4).name == "mine:big:4"
    assert "mine" in names()


def test_loading_problems_compiles_nothing() -> None:
    code = (
        "import sys; from evaluators.discovery import load_problem, names;"
        "[load_problem(n) for n in names()]; sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_an_evaluation_survives_its_row() -> None:
    found = Evaluation("ok", 1.5, (1.0, 2.0), behaviour="x", cpu=0.1)
    assert Evaluation.from_row(found.to_row()) == found
