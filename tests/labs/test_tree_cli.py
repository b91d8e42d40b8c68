"""`reasonlab tree`: a file of the tree that was asked for, and one line for what is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from labs.cli import main
from search import compare
from search.best_first import BestFirst
from search.scorers import StepsChecked
from search.tree.html import to_html
from search.tree.save import load_tree
from tests.search.test_tree_files import DEEP, deep, small
from tests.search.toy_lab import Scripted, StepJudge, toy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    arms = {n: BestFirst(scorer=StepsChecked(StepJudge()), enough=n) for n in (2, 3)}
    compare({f"search {n}": arm for n, arm in arms.items()}, toy(2), Scripted(0.6), [12, 200],
            out=folder, progress=False)  # fmt: skip
    return folder


def data(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_a_page_is_written_into_the_run_folder(run: Path, capsys) -> None:
    assert main(["tree", str(run), "toy/1"]) == 0
    said = capsys.readouterr().out
    page = (run / "tree_toy_1.html").read_text()
    assert f"tree: {run / 'tree_toy_1.html'}" in said
    nodes = int(re.search(r"(\d+) nodes", said)[1])
    assert len(data(page)["rows"]) == nodes


def test_arm_budget_and_ending_are_taken(run: Path, tmp_path: Path) -> None:
    sizes = {}
    for arm in ("search 2", "search 3"):
        for budget in ("12", "200"):
            out = tmp_path / f"{arm}{budget}.jsonl"
            command = ["tree", str(run), "toy/0", "--arm", arm, "--budget", budget]
            assert main([*command, "--seed", "0", "--out", str(out)]) == 0
            sizes[arm, budget] = len(load_tree(out))
    assert sizes["search 2", "12"] < sizes["search 2", "200"] < sizes["search 3", "200"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["toy/9"], "toy/9"),
        (["toy/1", "--arm", "serch 2"], "search 2"),
        (["toy/1", "--budget", "13"], "12"),
        (["toy/1", "--out", "tree.png"], ".graphml"),
    ],
    ids=["problem", "arm", "budget", "ending"],
)
def test_a_wrong_word_is_one_line_and_exit_code_2(run: Path, words, said, capsys) -> None:
    assert main(["tree", str(run), *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and said in error


def test_a_folder_without_a_run_is_named(tmp_path: Path, capsys) -> None:
    assert main(["tree", str(tmp_path), "toy/1"]) == 2
    assert "holds no run" in capsys.readouterr().err


def test_the_page_asks_nothing_of_the_network() -> None:
    page = to_html(small())
    assert "default-src 'none'" in page
    assert not re.search(
        r"""(src|href)\s*=|@import|url\(|https?://(?!www\.w3\.org/2000/svg)""", page
    )


def test_no_text_can_leave_its_element() -> None:
    tree = small()
    tree.add(tree.root, "</script><script>window.broken = 1</script>", tokens=1)
    tree.problem = "<img src=x onerror=broken()>"
    page = to_html(tree)
    assert page.count("</script>") == 2 and "<img" not in page
    assert data(page)["rows"][-1][1].startswith("</script>")


def test_a_page_of_a_tree_of_5000_levels_holds_them_all() -> None:
    assert len(data(to_html(deep()))["rows"]) == DEEP + 1
