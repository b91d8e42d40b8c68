"""Trees of a comparison: logged before their cell, read back one at a time, the same after a
resume, and there without a folder too."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.errors import BadInput, UnknownName
from reasoning.core import Solution
from reasoning.runlog import read_events
from search import Report, compare
from search.best_first import BestFirst
from search.scorers import StepsChecked
from search.tree import SearchTree
from tests.search.toy_lab import Scripted, StepJudge, toy


def arms() -> dict:
    search = BestFirst(scorer=StepsChecked(StepJudge()), enough=2)
    return {"direct": "direct", "search": search, "long": BestFirst(
        scorer=StepsChecked(StepJudge()), enough=3, temperature=0.9)}  # fmt: skip


def ran(out: Path | None = None, **settings) -> Report:
    return compare(arms(), toy(3), Scripted(0.6), [12, 200], seeds=[0, 1], out=out, progress=False,
                   **settings)  # fmt: skip


def shape(tree: SearchTree) -> list:
    return [(n.parent, n.text, n.tokens, n.score, n.closed, n.answer, n.key) for n in tree]


class Spy(BestFirst):
    """Remembers the trees that it grew."""

    async def solve(self, problem, ctx):
        solution = await super().solve(problem, ctx)
        GROWN[problem.id] = solution.tree
        return solution


GROWN: dict[str, SearchTree] = {}


@pytest.mark.parametrize("logged", [True, False], ids=["logged", "in memory"])
def test_the_tree_that_was_grown_is_read_back(tmp_path: Path, logged: bool) -> None:
    GROWN.clear()
    spy = Spy(scorer=StepsChecked(StepJudge()), enough=2)
    task = toy(3)
    report = compare({"spy": spy}, task, Scripted(0.6), [200], progress=False,
                     out=tmp_path / "run" if logged else None)  # fmt: skip
    for problem in task.problems:
        back, tree = report.tree(problem.id), GROWN[problem.id]
        assert shape(back) == shape(tree) and len(tree) > 3
        assert (back.chosen, back.stopped_by, back.settled) == (tree.chosen, tree.stopped_by, True)
        assert back.prompt == tree.prompt


def test_a_run_folder_and_a_run_in_memory_have_the_same_trees(tmp_path: Path) -> None:
    folder, memory = ran(tmp_path / "run"), ran()
    opened = Report.load(tmp_path / "run")
    for arm in ("search", "long"):
        for budget in (12, "200"):
            for seed in (0, 1):
                wanted = shape(memory.tree("toy/1", arm, budget, seed))
                assert shape(folder.tree("toy/1", arm, budget, seed)) == wanted
                assert shape(opened.tree("toy/1", arm, budget, seed)) == wanted


def test_without_further_words_it_is_the_first_arm_with_a_tree_at_the_last_budget() -> None:
    report = ran()
    assert shape(report.tree("toy/2")) == shape(report.tree("toy/2", "search", 200, 0))
    assert shape(report.tree("toy/2")) != shape(report.tree("toy/2", "search", 12, 0))


def test_each_tree_is_logged_before_its_cell_and_once(tmp_path: Path) -> None:
    ran(tmp_path / "run")
    events = [e for e in read_events(tmp_path / "run") if e["kind"] in ("tree", "cell")]
    for before, event in zip([{"kind": ""}, *events], events, strict=False):
        if event["kind"] == "cell":
            assert (before["kind"] == "tree") == (event["arm"] != "direct")
    scopes = [e["scope"] for e in events if e["kind"] == "tree"]
    assert len(scopes) == len(set(scopes)) == 2 * 2 * 2 * 3


def test_a_resumed_run_keeps_its_trees(tmp_path: Path) -> None:
    first = ran(tmp_path / "run")
    log = tmp_path / "run" / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b'"kind":"tree"' in line)
    log.write_bytes(b"".join(lines[: at + 1]))  # killed after the tree and before its cell
    again = ran(tmp_path / "run", resume=True)
    for problem in ("toy/0", "toy/1", "toy/2"):
        assert shape(again.tree(problem, "long", 12, 1)) == shape(
            first.tree(problem, "long", 12, 1)
        )
    assert again.facts() == first.facts()


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    report = ran(tmp_path / "run")
    for asked in ({"arm": "serch"}, {"budget": 61}, {"seed": 3}):
        with pytest.raises(UnknownName):
            report.tree("toy/1", **asked)
    with pytest.raises(UnknownName, match="problem"):
        report.tree("toy/9")
    with pytest.raises(BadInput, match="direct left a tree"):
        report.tree("toy/1", "direct")
    report.to_jsonl(tmp_path / "report.jsonl")
    with pytest.raises(BadInput, match="run folder"):
        Report.load(tmp_path / "report.jsonl").tree("toy/1")


class OwnTree:
    """A strategy whose tree is something of its own."""

    async def solve(self, problem, ctx):
        return Solution(None, (), None, tree={"mine": 1})


def test_a_tree_of_another_kind_is_passed_over(tmp_path: Path) -> None:
    report = compare({"own": OwnTree()}, toy(1), Scripted(), [60], out=tmp_path / "r",
                     progress=False)  # fmt: skip
    with pytest.raises(BadInput, match="left a tree"):
        report.tree("toy/0")
