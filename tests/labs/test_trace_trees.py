"""`reasonlab traces trees`: what was kept of a tree search, as files that trainings read."""

import pytest

from labs.cli import main
from reasoning.data import branches, pairs, rows
from reasoning.train import labels
from tests.reasoning.test_tree_traces import tree


@pytest.fixture
def folder(tmp_path):
    branches.save([tree()], tmp_path / "trees.jsonl")
    return tmp_path


def made(folder, *more):
    return main(["traces", "trees", str(folder), "--out", str(folder / "made.jsonl"), *more])


def test_trees_become_pairs_traces_and_labels(folder, capsys):
    assert made(folder) == 0
    assert [p.chosen.text for p in pairs.read(folder / "made.jsonl")] == ["1+6\n", "7\n"]
    assert capsys.readouterr().out.startswith("2 pairs of 1 trees\n")
    assert made(folder, "--margin", "0.6") == 0
    assert len(pairs.read(folder / "made.jsonl")) == 1
    assert made(folder, "--into", "traces", "--by", "exact") == 0
    assert [r.labels for r in rows.read(folder / "made.jsonl")] == [(1, 1, 1), (1, 0, 0), (0, 0, 0)]
    assert made(folder, "--into", "labels") == 0
    assert len(labels.read(folder / "made.jsonl")) == 4


def test_without_trees_the_remedy_is_named(tmp_path, capsys):
    assert made(tmp_path) == 2
    assert "collect with a tree search and --trees" in capsys.readouterr().err


def test_trees_without_a_difference_write_no_file(folder):
    branches.save([branches.TraceTree.from_json({**tree().to_json(), "nodes": [[-1]]})],
                  folder / "trees.jsonl")  # fmt: skip
    assert made(folder) == 1 and not (folder / "made.jsonl").exists()
