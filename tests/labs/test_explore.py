"""Searches in the background: seen while they grow, stopped, the same as without onlookers."""

from __future__ import annotations

import asyncio
import time

import pytest

from evaluators.errors import BadInput, LabError, UnknownName
from labs.explore import Exploration, explore, problem_of
from reasoning.ledger import Budget
from search.best_first import BestFirst
from search.scorers import StepsChecked
from search.tree import SearchTree
from tests.search.toy_lab import Scripted, StepJudge, solve, toy


def arm(**settings) -> BestFirst:
    return BestFirst(scorer=StepsChecked(StepJudge()), **settings)


def shape(tree: SearchTree) -> list:
    return [(n.parent, n.text, n.tokens, n.score, n.closed, n.answer) for n in tree]


def until(true, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def test_the_tree_is_there_while_it_grows() -> None:
    run = explore(arm(), toy(1), Scripted(0.5, delay=0.02), budget=4000)
    assert not run.done()
    until(lambda: run.trees[0] is not None and len(run.trees[0]) > 3)
    first = len(run.trees[0])
    until(lambda: len(run.trees[0]) > first)
    assert not run.trees[0].settled
    run.stop()
    run.wait(20)


def test_stop_stops_and_keeps_what_has_grown() -> None:
    model = Scripted(0.5, delay=0.02)
    run = explore([arm(), arm(expansions=3)], toy(1), model, budget=100_000)
    until(lambda: all(tree is not None and len(tree) > 5 for tree in run.trees))
    run.stop()
    assert run.wait(20) is run and run.done() and run.stopped
    calls, sizes = model.calls, [len(tree) for tree in run.trees]
    time.sleep(0.1)
    assert (model.calls, [len(tree) for tree in run.trees]) == (calls, sizes)
    assert run.solutions == [None, None]
    assert min(sizes) > 5


@pytest.mark.parametrize("pace", [0.0, 0.002], ids=["at once", "paced"])
def test_a_watched_search_grows_what_it_grows_alone(pace: float) -> None:
    task = toy(3)
    run = explore([arm(enough=2), arm(enough=3)], task, Scripted(0.6), 1, budget=300, seed=4,
                  pace=pace)  # fmt: skip
    run.wait(20)
    for search, strategy in zip(run.searches, (arm(enough=2), arm(enough=3)), strict=True):
        alone, ledger = solve(strategy, task, Scripted(0.6), task.problems[1],
                              Budget(tokens=300), 4)  # fmt: skip
        assert shape(search.tree) == shape(alone.tree)
        assert search.solution.answer == alone.answer
        assert search.ledger.spent.tokens == ledger.spent.tokens


def test_each_strategy_has_a_budget_of_its_own() -> None:
    run = explore([arm(), arm()], toy(1), Scripted(0.6), budget=80).wait(20)
    assert [search.ledger.spent.tokens for search in run.searches] == [80, 80]


def test_a_failure_is_raised_by_wait_and_told_by_its_search() -> None:
    def broken(prompt, seed):
        raise ConnectionError("the server is gone")

    run = explore(arm(), toy(1), Scripted(fault=broken), budget=80)
    with pytest.raises(LabError, match="the server is gone"):
        run.wait(20)
    assert "the server is gone" in str(run.searches[0].error)


def test_a_waiting_coroutine_leaves_the_loop_alive() -> None:
    async def cell() -> Exploration:
        run = explore(arm(), toy(1), Scripted(0.5, delay=0.01), budget=100_000)
        asyncio.get_running_loop().call_later(0.1, run.stop)
        return await asyncio.to_thread(run.wait)

    assert asyncio.run(cell()).stopped


def test_what_cannot_work_is_said_before_any_call() -> None:
    model = Scripted()
    for asked, error in (
        ({"strategies": "bset-first"}, UnknownName),
        ({"strategies": []}, BadInput),
        ({"strategies": "best-first", "problem": "toy/7"}, BadInput),
        ({"strategies": "best-first", "problem": 7}, BadInput),
        ({"strategies": "best-first", "pace": -1.0}, BadInput),
    ):
        with pytest.raises(error):
            explore(task=toy(1), model=model, **asked)
    assert model.calls == 0


def test_a_problem_is_named_by_itself_its_id_or_its_place() -> None:
    task = toy(3)
    wanted = task.problems[1]
    assert problem_of(task, wanted) is problem_of(task, "toy/1") is problem_of(task, 1) is wanted
