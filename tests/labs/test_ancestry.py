"""Which programs of a lineage are drawn, and where."""

from __future__ import annotations

import networkx as nx
import pytest

from labs.ancestry import SHOW, ancestors, chosen, layout, parents_of, ranked, title_of, told, trunk
from labs.diff import difference, words
from tests.labs.evolution_script import lineage


def small() -> nx.DiGraph:
    """0 → 1 → 3 → 4 (the best), 0 → 2 → 3 as second parent, 5 fails; 6 is alone."""
    graph = nx.DiGraph(best=4, direction="minimise")
    rows = [(0, (), 5.0), (1, (0,), 4.0), (2, (0,), 6.0), (3, (1, 2), 3.0), (4, (3,), 1.0),
            (5, (4,), None), (6, (), 4.0)]  # fmt: skip
    for k, parents, score in rows:
        graph.add_node(k, parents=parents, score=score, island=k % 2, verdict="ok")
        graph.add_edges_from((p, k) for p in parents)
    return graph


def test_the_trunk_follows_first_parents_to_the_start() -> None:
    assert trunk(small(), 4) == [4, 3, 1, 0]


def test_ancestors_come_nearest_first() -> None:
    assert ancestors(small(), [4], 10) == [4, 3, 1, 2, 0]
    assert ancestors(small(), [4], 3) == [4, 3, 1]


def test_a_parent_that_is_not_in_the_graph_is_left_out() -> None:
    graph = small()
    graph.nodes[4]["parents"] = (99, 3)
    assert parents_of(graph, 4) == (3,)


@pytest.mark.parametrize(("direction", "first"), [("minimise", 4), ("maximise", 2)])
def test_the_best_comes_first_in_the_order_of_the_direction(direction: str, first: int) -> None:
    graph = small()
    graph.graph["direction"] = direction
    assert ranked(graph)[0] == first
    assert 5 not in ranked(graph)


@pytest.mark.parametrize(
    ("what", "want"),
    [
        (SHOW[0], [0, 1, 2, 3, 4, 6]),
        (SHOW[1], [0, 1, 2, 3, 4]),
        (SHOW[2], [0, 1, 2, 3, 4, 5, 6]),
        (SHOW[3], [0, 1, 3, 4, 5]),
    ],
)
def test_what_is_shown(what: str, want: list[int]) -> None:
    assert chosen(small(), what) == want


def test_of_programs_that_behave_alike_the_first_is_shown() -> None:
    graph = small()
    graph.nodes[6]["duplicate_of"] = 1
    assert chosen(graph, SHOW[0]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("what", SHOW)
def test_the_limit_is_kept_and_the_best_line_shown(what: str) -> None:
    graph = lineage(600)
    line = trunk(graph, graph.graph["best"])
    shown = chosen(graph, what, 100)
    assert len(shown) <= 100
    assert set(line) <= set(shown)
    assert shown == sorted(shown)


def test_a_graph_without_scores_can_be_shown() -> None:
    graph = nx.DiGraph(direction="minimise")
    graph.add_node(0, parents=(), score=None, verdict="exception")
    assert chosen(graph) == []
    assert chosen(graph, SHOW[3]) == [0]
    assert layout(graph, [0])[0].y == 0


def test_left_to_right_by_number_and_upwards_by_score() -> None:
    places = layout(small(), [0, 1, 2, 3, 4, 5])
    assert sorted(places, key=lambda k: places[k].x) == [0, 1, 2, 3, 4, 5]
    assert sorted(places, key=lambda k: -places[k].y) == [4, 3, 1, 0, 2, 5]
    assert places[4].y == 1 and places[5].y == 0


def test_by_island_lanes_do_not_overlap() -> None:
    places = layout(small(), [0, 1, 2, 3, 4, 5, 6], by="island")
    even = [places[k].y for k in (0, 2, 4, 6)]
    odd = [places[k].y for k in (1, 3, 5)]
    assert min(even) > max(odd)
    assert places[4].y == max(even)


def test_it_says_what_is_left_out() -> None:
    assert told(small(), [0, 1, 2, 3, 4, 5, 6]) == "all 7 programs"
    assert told(small(), [0, 1, 3, 4]) == ("4 of 7 programs; left out: 2 with a score, 1 without")


def test_a_title_says_number_score_origin_and_parents() -> None:
    data = {"score": 0.5, "origin": "crossover", "parents": (1, 2)}
    assert title_of(data, 7) == "program 7, score 0.5, crossover of 1 and 2"
    failed = {"score": None, "verdict": "timeout", "origin": "model", "parents": (1,)}
    assert title_of(failed, 8) == "program 8, timeout, model of 1"
    cut = {"score": None, "verdict": "ok", "origin": "model", "parents": (1,)}
    assert title_of(cut, 9) == "program 9, ended early, model of 1"


# -- differences ---------------------------------------------------------------------------


def text_of(rows: list, *kinds: str) -> list[str]:
    return ["".join(text for _, text in pieces) for kind, pieces in rows if kind in kinds]


PAIRS = [
    ("a\nb\nc\n", "a\nB\nc\n"),
    ("a\n", "a\nb\n"),
    ("", "x\ny"),
    ("return item + 1", "return item - 1"),
]


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_rows_hold_both_texts(old: str, new: str) -> None:
    rows = difference(old, new)
    assert text_of(rows, "same", "old") == old.splitlines()
    assert text_of(rows, "same", "new") == new.splitlines()


def test_equal_programs_have_no_difference() -> None:
    assert difference("a\nb", "a\nb\n") == []


def test_equal_lines_far_away_are_one_gap() -> None:
    lines = [f"line {i}" for i in range(30)]
    rows = difference("\n".join(lines), "\n".join([*lines[:-1], "other"]))
    assert rows[0] == ("gap", [(False, "26 equal lines")])
    assert text_of(rows, "same") == lines[26:29]


def test_only_the_words_that_changed_are_marked() -> None:
    old, new = words("return item * 2 + rest", "return item * 3 + rest")
    assert [text for changed, text in old if changed] == ["2"]
    assert [text for changed, text in new if changed] == ["3"]
