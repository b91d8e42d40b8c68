"""Every kind of problem on the back-ends that isolate: same scores, cheats found, nothing read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluators.discovery import examples, load_problem
from evaluators.sandbox import Sandbox, probe
from evaluators.sandbox.backends import STRONG

EXAMPLE = str(Path(examples.__file__).parent / "one_machine.py")

SOURCES = [
    ("cap-set:6", {}, "edel-112", 112.0),
    ("bin-packing:or-1", {"train": 4, "held_out": 4}, "best-fit", None),
    ("bin-packing:or-1", {"train": 4, "held_out": 4, "skeleton": "priority"}, "best-fit", None),
    (EXAMPLE, {}, "smith", 0.0),
]


@pytest.fixture(scope="module", params=STRONG)
def strong(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    found = probe()[request.param]
    if not found.works:
        required = os.environ.get("REASONLAB_REQUIRE_BACKENDS", "").split(",")
        stop = pytest.fail if request.param in required else pytest.skip
        stop(f"{request.param}: {found.why}")
    with Sandbox(request.param) as sandbox:
        yield sandbox


@pytest.mark.parametrize(("name", "options", "baseline", "score"), SOURCES)
def test_scores_do_not_depend_on_the_back_end(
    strong: Sandbox, sandbox: Sandbox, name: str, options: dict, baseline: str, score: float | None
) -> None:
    problem = load_problem(name, **options)
    source = problem.baselines[baseline]
    here, there = problem.evaluate(source, strong), problem.evaluate(source, sandbox)
    assert here.verdict == "ok", here.reason
    assert (here.scores, here.behaviour) == (there.scores, there.behaviour)
    assert score is None or here.score == score
    assert problem.audit(source, strong) == ""
    artefact = problem.artefact(source, strong)
    assert problem.verify(artefact).score == problem.evaluate(source, strong, "held-out").score


def test_look_ahead_is_found(strong: Sandbox) -> None:
    problem = load_problem("bin-packing:or-1", skeleton="priority", train=2)
    source = """import sys
def priority(item, bins):
    frame = sys._getframe(1)
    while frame is not None and 'items' not in frame.f_locals:
        frame = frame.f_back
    s = -(bins - item) * 1.0
    if frame is not None and int(frame.f_locals['items'][-9:].sum()) % 2:
        s[-1] = 1
    return s
"""
    assert problem.evaluate(source, strong).verdict == "ok"
    assert problem.audit(source, strong).startswith("or-1/train/")


def test_a_program_cannot_read_the_file_of_its_problem(strong: Sandbox) -> None:
    problem = load_problem(EXAMPLE)
    source = f"def urgency(length, weight):\n    return len(open({EXAMPLE!r}).read())\n"
    found = problem.evaluate(source, strong)
    assert found.verdict in ("exception", "forbidden") and found.score is None
