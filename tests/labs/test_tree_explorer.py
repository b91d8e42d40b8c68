"""The tree explorer: pushes while the tree grows, plain data, and what a stored notebook shows."""

from __future__ import annotations

import json

import pytest

import labs.widgets.tree_explorer as module
from labs.explore import explore
from labs.tree_figure import draw_trees, places
from labs.widgets.tree_explorer import TreeExplorer, TreeView, watch_trees
from tests.labs.test_explore import arm, until
from tests.search.test_tree_files import DEEP, deep, small
from tests.search.toy_lab import Scripted, toy


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)


def ended(**settings) -> TreeExplorer:
    view = watch_trees([arm(enough=2), arm(enough=3)], toy(2), Scripted(0.6), budget=300,
                       **settings)  # fmt: skip
    assert view.wait(20)
    return view


def test_the_drawing_grows_while_the_search_runs_and_stop_stops_it() -> None:
    view = watch_trees(arm(), toy(1), Scripted(0.5, delay=0.02), budget=100_000)
    drawn = view.drawings[0]
    until(lambda: len(drawn.scene.get("rows", [])) > 3)
    first = len(drawn.scene["rows"])
    until(lambda: len(drawn.scene["rows"]) > first)
    view.button.click()
    assert view.wait(20) and view.run.done()
    assert (view.button.description, view.button.disabled) == ("Stopped", True)
    assert len(drawn.scene["rows"]) == len(view.run.trees[0])


def test_the_last_state_is_drawn_and_told() -> None:
    view = ended()
    for drawn, search in zip(view.drawings, view.run.searches, strict=True):
        assert len(drawn.scene["rows"]) == len(search.tree)
        assert drawn.scene["chosen"] == search.tree.chosen
        assert f"{search.ledger.spent.tokens} of 300 tokens" in drawn.scene["title"]
        assert f"answer {search.solution.answer}" in drawn.scene["title"]
    assert view.button.description == "Done"


def test_a_chosen_node_is_known_to_python() -> None:
    view = ended()
    assert view.node(1) is None
    view.drawings[1].selected = 2
    assert view.node(1) is view.run.trees[1][2]


def test_everything_that_is_sent_is_plain_json() -> None:
    for view in (ended().drawings[0], TreeView(small()).drawing):
        json.dumps(view.scene, allow_nan=False)


def test_the_states_are_told_as_the_task_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(toy(1))
    monkeypatch.setattr(kind, "state_text", lambda self, problem, steps: f"{len(steps)} steps")
    drawn = ended().drawings[0].scene
    tree = small()
    assert drawn["states"]["0"] == "0 steps" and drawn["states"]["1"] == "1 steps"
    assert set(drawn["states"]) == {str(k) for k in range(len(drawn["rows"]))}
    assert TreeView(tree).drawing.scene["states"] == {}


def test_a_failed_search_is_told_in_the_view() -> None:
    def broken(prompt, seed):
        raise ConnectionError("the <server> is gone")

    view = TreeExplorer(explore(arm(), toy(1), Scripted(fault=broken), budget=80))
    assert view.wait(20)
    assert view.button.description == "Failed"
    assert "the &lt;server&gt; is gone" in view._error.value


def test_a_notebook_keeps_a_picture_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list = []
    monkeypatch.setattr("IPython.display.display", lambda data, **how: shown.append((data, how)))
    view = ended()
    view._ipython_display_()
    last, how = shown[-1]
    assert how["update"] and "data:image/png;base64," in last["text/html"]
    assert "best-first" in shown[0][0]["text/plain"]
    TreeView(small())._ipython_display_()
    assert "data:image/png;base64," in shown[-1][0]["text/html"]


def test_a_parent_stands_half_way_between_its_first_and_last_child() -> None:
    at = places(small())
    assert at[2][1] == 0.0 == at[3][1] and at[5][1] == 1.0
    assert at[1] == (1.0, 0.5)
    assert at[0][1] == (at[1][1] + at[6][1]) / 2


def test_a_tree_of_5000_levels_is_drawn_with_the_way_to_the_choice() -> None:
    tree = deep()
    at = places(tree, limit=10)
    assert len(at) == DEEP + 1 and at[DEEP] == (float(DEEP), 0.0)
    tree.chosen = -1
    assert len(places(tree, limit=10)) == 10
    assert draw_trees([tree], ["deep"])._repr_png_()[:4] == b"\x89PNG"
