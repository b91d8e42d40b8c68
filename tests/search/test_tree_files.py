"""Files of search trees: what is saved comes back, at any depth; what was cut off is left out."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import networkx as nx
import pytest

from evaluators.errors import BadInput
from reasoning.core import Message, Prompt
from search.tree import Node, SearchTree
from search.tree.save import COLUMNS, load_tree, save_tree, to_rows

DEEP = 5_000
PROMPT = Prompt((Message("user", "3 5 7=15\u2028<think>"),), "so ", (5, "forced", 7))


def small() -> SearchTree:
    """One of everything: merged, pruned, cut, tool, whole, odd scores and odd characters."""
    tree = SearchTree(PROMPT, "toy/1")
    first = tree.add(tree.root, "a\u2028b\n", tokens=3, finish="boundary", ids=(1, 2, 3),
                     score=0.5, key="0/toy%2F1/node/0/0", logprob=-1.25, draws=2)  # fmt: skip
    tool = tree.add(first, "=15", tokens=2, source="tool", finish="boundary", score=-math.inf)
    tree.add(tool, "</think>15", tokens=4, finish="eos", over=True, answer="15", closed="finished",
             visits=3, value=2.5, score=1.0)  # fmt: skip
    tree.add(tree.root, "c\n", tokens=2, finish="boundary", same_as=1, closed="equal state")
    tree.add(first, "bad \x00 \ud800 <b>\n", tokens=2, finish="length", closed="pruned",
             note={"uct": 0.25, "why": ["x", 1]})  # fmt: skip
    tree.add(tree.root, "whole", tokens=9, whole=True, over=True, closed="no answer", finish="eos")
    tree.states[((3, 5), 15)] = 1
    tree.chosen, tree.settled, tree.stopped_by = 3, True, "done"
    return tree


def deep(levels: int = DEEP) -> SearchTree:
    tree = SearchTree(Prompt((Message("user", "count:"),)), "deep")
    node = tree.root
    for level in range(levels):
        node = tree.add(node, f"{level}\n", tokens=1, finish="boundary", score=level / levels)
    node.over, node.answer, node.closed = True, "done", "finished"
    tree.chosen, tree.settled, tree.stopped_by = node.id, True, "done"
    return tree


def fields(node: Node) -> dict:
    return {name: getattr(node, name) for name in Node.__slots__}


def test_a_saved_tree_comes_back_with_every_field_of_every_node(tmp_path: Path) -> None:
    tree = small()
    back = load_tree(save_tree(tree, tmp_path / "tree.jsonl"))
    assert [fields(node) for node in back] == [fields(node) for node in tree]
    assert (back.prompt, back.problem) == (tree.prompt, tree.problem)
    assert (back.chosen, back.settled, back.stopped_by) == (3, True, "done")
    assert back.states == {"3 5, 15": 1}
    assert back.trace(back[3]) == tree.trace(tree[3])
    assert back.prompt_at(back[4]) == tree.prompt_at(tree[4])


def test_saving_a_loaded_tree_gives_the_same_file(tmp_path: Path) -> None:
    once = save_tree(small(), tmp_path / "a.jsonl")
    again = save_tree(load_tree(once), tmp_path / "b.jsonl")
    assert once.read_bytes() == again.read_bytes()


def test_every_field_of_a_node_has_a_column_or_follows_from_the_parents() -> None:
    derived = {"id", "depth", "total", "children"}
    assert set(Node.__slots__) == (set(COLUMNS) - {"state"}) | derived


def test_a_row_ends_with_the_last_value_that_says_something() -> None:
    tree = SearchTree(PROMPT)
    tree.add(tree.root, "a\n", tokens=3, finish="boundary")
    assert to_rows(tree)[1] == [[], [0, "a\n", 3, "boundary"]]


def test_the_lines_are_json_that_any_reader_reads(tmp_path: Path) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    lines = save_tree(small(), tmp_path / "t.jsonl").read_bytes().split(b"\n")
    for line in lines[:-1]:
        json.loads(line.decode("utf-8", "surrogatepass"), parse_constant=refuse)
    assert lines[-1] == b""


def test_a_half_written_last_line_is_left_out(tmp_path: Path) -> None:
    tree = small()
    raw = save_tree(tree, tmp_path / "whole.jsonl").read_bytes()
    starts = [at + 1 for at, byte in enumerate(raw) if byte == 10]
    middles = [(a + b) // 2 for a, b in pairwise(starts)]
    for cut in [*starts[:-1], *middles, *(start - 1 for start in starts[1:])]:
        (tmp_path / "cut.jsonl").write_bytes(raw[:cut])
        back = load_tree(tmp_path / "cut.jsonl")
        whole = sum(start <= cut for start in starts) - 1
        assert len(back) == max(whole, 1)
        assert not back.settled
        assert back.chosen == (3 if whole > 3 else -1)
        assert [node.text for node in back] == [node.text for node in tree][: max(whole, 1)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no tree"),
        (b'{"kind":"tree","vers', "holds no tree"),
        (b"[1]\n", "holds no tree"),
        (b"not json\n", "holds no tree"),
    ],
    ids=["empty", "half a head", "no head", "no json"],
)
def test_what_is_no_tree_is_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said):
        load_tree(path)


def test_a_tree_of_another_version_is_refused(tmp_path: Path) -> None:
    path = save_tree(small(), tmp_path / "t.jsonl")
    path.write_text(path.read_text("utf-8", "surrogatepass").replace('"note"', '"later"'), "utf-8",
                    "surrogatepass")  # fmt: skip
    with pytest.raises(BadInput, match=r"another version.*later"):
        load_tree(path)


def test_an_unknown_ending_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\.jsonl, \.graphml, \.html, \.eval"):
        save_tree(small(), tmp_path / "tree.png")
    with pytest.raises(BadInput, match="No such file"):
        load_tree(tmp_path / "none.jsonl")
    with pytest.raises(BadInput, match=r"loaded from \.jsonl"):
        load_tree(tmp_path / "none.html")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = save_tree(small(), tmp_path / "t.jsonl")
    before = path.read_bytes()
    (tmp_path / "t.jsonl.new").mkdir()
    with pytest.raises(BadInput, match="cannot write"):
        save_tree(deep(3), path)
    assert path.read_bytes() == before


def test_a_tree_of_5000_levels_saves_and_loads(tmp_path: Path) -> None:
    back = load_tree(save_tree(deep(), tmp_path / "deep.jsonl"))
    assert (len(back), back.depth) == (DEEP + 1, DEEP)
    assert back.trace(back[back.chosen]).text == deep().trace(deep()[DEEP]).text


def test_graphml_is_read_by_networkx_with_plain_attributes(tmp_path: Path) -> None:
    tree = small()
    graph = nx.read_graphml(save_tree(tree, tmp_path / "t.graphml"), node_type=int)
    assert set(graph.edges) == {(node.parent, node.id) for node in tree.nodes[1:]}
    assert graph.graph["problem"] == "toy/1"
    assert graph.nodes[1]["text"] == "a\u2028b\n"
    assert graph.nodes[1]["ids"] == "1 2 3"
    assert graph.nodes[1]["score"] == 0.5
    assert "score" not in graph.nodes[4]
    assert graph.nodes[2]["score"] == -math.inf
    assert graph.nodes[3]["over"] is True
    assert graph.nodes[5]["text"] == "bad \\u0000 \\ud800 <b>\n"
    assert json.loads(graph.nodes[5]["note"]) == {"uct": 0.25, "why": ["x", 1]}


def test_a_tree_of_5000_levels_is_written_as_graphml(tmp_path: Path) -> None:
    graph = nx.read_graphml(save_tree(deep(), tmp_path / "deep.graphml"), node_type=int)
    assert nx.dag_longest_path_length(graph, weight=None) == DEEP


def test_an_inspect_log_is_opened_by_inspect(tmp_path: Path) -> None:
    log = pytest.importorskip("inspect_ai.log", reason="the extra inspect is not installed")
    tree = small()
    read = log.read_eval_log(str(save_tree(tree, tmp_path / "t.eval")))
    [sample] = read.samples
    assert (read.status, sample.id) == ("success", "toy/1")
    assert sample.output.completion == tree.trace(tree[3]).text
    opened = {event.id: event.parent_id for event in sample.events if event.event == "span_begin"}
    assert opened == {f"node-{n.id}": f"node-{n.parent}" if n.id else None for n in tree}
    data = {event.span_id: event.data for event in sample.events if event.event == "info"}
    assert data["node-4"]["closed"] == "equal state"
    scores = {e.span_id: e.score.value for e in sample.events if e.event == "score"}
    assert scores["node-1"] == 0.5


def test_a_tree_of_5000_levels_is_written_for_inspect(tmp_path: Path) -> None:
    log = pytest.importorskip("inspect_ai.log", reason="the extra inspect is not installed")
    read = log.read_eval_log(str(save_tree(deep(), tmp_path / "deep.eval")))
    assert sum(event.event == "span_begin" for event in read.samples[0].events) == DEEP + 1


def test_without_inspect_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "inspect_ai.log", None)
    with pytest.raises(BadInput, match=r"reasoning-lab\[inspect\]"):
        save_tree(small(), tmp_path / "t.eval")
