"""Every strategy conforms, as it comes and with settings to which more of the rules apply."""

import asyncio
import sys
from pathlib import Path

import broken
import pytest

from evaluators.errors import BadInput, LabError, UnknownName
from search.conformance import (
    RULES,
    Case,
    Process,
    assert_conforms,
    brute_force,
    check_strategy,
    replay,
)
from search.conformance.process import SPELT
from search.conformance.subject import maze
from search.strategies import STRATEGIES, parse

DEPTH = 200
"""Of the deep problem, where recursion ends 200 levels above where the check begins."""

MORE = [
    "chain-of-thought(temperature=0.8)",
    "best-of-n(stop=first-accepted)",
    "best-of-n(vote=true)",
    "beam-search(frugal=false)",
    "beam-search(stop=first-accepted)",
    "budget-forcing(temperature=0.8)",
    "particle-filter(ess=1.0)",
    "tool-use(n=none,scorer=verifier,temperature=0.8)",
    "self-refine(rounds=none)",
    "self-refine(critic=model)",
    "mcts(rollout=1.0)",
    "uncertainty(n=none)",
    "deep-conf(warmup=4)",
]
ALL = {  # rules that have to hold, and not only not to fail, of a strategy that can be judged
    "optimum", "values", "names", "order", "seeds", "ledger", "budget", "ends", "used", "counts",
    "anywhere", "resume", "sound",
}  # fmt: skip
EARLY = {"uncertainty", "self-refine"}
"""Ends by itself before it can have found the best; the rule then asks for less, and says so."""


@pytest.mark.parametrize("name", [*STRATEGIES, *MORE])
def test_every_strategy_conforms(name):
    report = check_strategy(parse(name), rules=[rule for rule in RULES if rule != "deep"])
    assert report.ok, str(report)
    missing = ALL - set(report.held) - ({"optimum", "values"} if name in EARLY else set())
    assert missing <= {"values"}, f"did not apply: {missing}"
    if "values" in missing:
        assert report.not_apply["values"] == "no judge is asked"


@pytest.fixture
def shallow():
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(200)  # of a thread that has just begun
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_strategy_recurses_with_depth(name, shallow):
    assert_conforms(parse(name), rules=["deep"], depth=DEPTH)


def test_a_strategy_that_recurses_is_seen_there(shallow):
    report = check_strategy(broken.Recursive(), rules=["deep"], depth=DEPTH)
    assert "RecursionError" in report.findings[0].seen


@pytest.mark.slow
def test_two_thousand_steps_are_no_limit():
    assert_conforms(parse("beam-search"), rules=["deep"], depth=2_000)


# -- the processes --------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_value_of_a_path_is_that_of_the_best_leaf_below_it(depth):
    process = maze(depth)
    best, worth = brute_force(process)
    assert (best, worth) == (process.best, 1.0)
    paths = [""]
    for _ in range(depth):
        paths = [path + move for path in paths for move in "012"]
        for path in paths:
            left = depth - len(path)
            below = brute_force(
                Process(left, "abc", {k[len(path):]: v for k, v in process.rewards.items()
                                      if k.startswith(path)})
            )[1] if left else process.reward(path)  # fmt: skip
            assert process.value(path) == below


@pytest.mark.parametrize("depth", [3, SPELT + 1])
def test_a_trace_is_read_as_it_was_written(depth):
    process = maze(depth)
    text = process.text(process.best)
    assert process.read(text)[0] == process.best == process.leaf(text)
    assert process.leaf(text[:-1] + "?") is None
    assert process.read("Wait,\n" + text)[0] == process.best
    assert process.judged(text, True) == 1.0


# -- the report -----------------------------------------------------------------------


def test_a_finding_says_the_line_that_shows_it_again():
    report = check_strategy(broken.AsksAfterTheEnd(), rules=["ends"])
    [found] = report.findings
    line = str(found).splitlines()[-1].removeprefix("    again: ")
    run = eval(line, {"replay": replay, "Case": Case, "Process": Process,
                      "strategy": broken.AsksAfterTheEnd()})  # fmt: skip
    assert sum(call.ended for call in run.model.calls) == 4
    assert "does not hold" in report._repr_html_() and found.seen in str(report)


def test_in_a_test_one_line_says_all():
    assert_conforms(broken.Climb(), rules=["ends", "used"])
    with pytest.raises(AssertionError, match=r"ends: expected no call after the end of a trace"):
        assert_conforms(broken.AsksAfterTheEnd(), rules=["ends", "used"])


def test_a_strategy_can_be_named_and_a_rule_chosen():
    report = check_strategy("best-of-n(n=4)", rules=["ends", "sound"])
    assert report and report.held == ("ends", "sound")
    with pytest.raises(UnknownName, match="ends"):
        check_strategy("best-of-n", rules=["end"])
    with pytest.raises(BadInput, match="async def solve"):
        check_strategy(broken.Climb)


def test_it_works_in_a_cell_of_a_notebook():
    async def cell():
        return check_strategy(broken.Climb(), rules=["sound", "anywhere"])

    assert asyncio.run(cell()).ok


def test_inside_the_labs_own_loop_it_says_so_and_does_not_hang():
    from reasoning.loop import run

    async def work():
        check_strategy(broken.Climb())

    with pytest.raises(LabError, match="outside the lab's event loop"):
        run(work())


def test_every_rule_is_seen_to_fail_by_some_broken_strategy():
    source = (Path(__file__).parent / "test_conformance_catches.py").read_text()
    assert [rule for rule in RULES if f'"{rule}"' not in source] == []
