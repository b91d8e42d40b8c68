"""`kill -9` in the middle of one problem's tree: the run that goes on grows the same tree and asks
nothing that the log knows."""

import os
import subprocess
import sys
from pathlib import Path

import killed_tree
import pytest

from search.tree.save import to_rows

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
KILLS = 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    "strategy", ["mcts", "beam-search(width=4)", "best-first", "particle-filter", "ab-mcts"]
)
def test_killed_inside_a_tree_it_grows_the_same_tree_and_asks_nothing_twice(tmp_path, strategy):
    script = [sys.executable, str(HERE / "killed_tree.py"), str(tmp_path), strategy, str(KILLS)]
    done = subprocess.run(script, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    kills = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(kills) == KILLS
    assert [again for _, again in kills] == [0] * KILLS
    counts = [responses for responses, _ in kills]
    assert counts == sorted(counts) and counts[0] < counts[-1]

    before, size = killed_tree.logged(tmp_path), (tmp_path / "asked").stat().st_size
    report = killed_tree.run(tmp_path, strategy)
    asked = (tmp_path / "asked").read_text()[size:].splitlines()
    assert asked, "it was killed before it had finished"
    assert not before & set(asked), "a logged response was asked again"
    (tmp_path / "unbroken").mkdir()
    unbroken = killed_tree.run(tmp_path / "unbroken", strategy, out=False)
    assert report.facts() == unbroken.facts()
    problem = killed_tree.PROCESS.problem("one").id
    assert to_rows(report.tree(problem), leave_out=("ids",)) == to_rows(
        unbroken.tree(problem), leave_out=("ids",)
    )
    assert len(report.tree(problem)) > 100
    total = len((tmp_path / "unbroken" / "asked").read_text().splitlines())
    assert len(before) + len(asked) == total
