"""The lineage explorer: what a click tells, what is drawn, what a stored notebook shows."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

import labs.widgets.lineage as module
from labs.ancestry import SHOW
from labs.widgets.lineage import Lineage, axes, colours, detail
from tests.labs.evolution_script import START, lineage


@pytest.fixture
def view() -> Lineage:
    return Lineage(lineage(60))


def test_the_best_program_is_chosen_first(view: Lineage) -> None:
    best = view.graph.graph["best"]
    assert view.drawing.selected == best
    assert view.drawing.detail["title"] == f"Program {best} · the best"
    assert view.drawing.path[0] == best and view.drawing.path[-1] == 0


def test_a_choice_tells_source_difference_and_scores(view: Lineage) -> None:
    child = next(k for k in view.graph if view.graph.nodes[k]["parents"] == (0,)
                 and view.graph.nodes[k]["score"] is not None)  # fmt: skip
    view.drawing.selected = child
    told = view.drawing.detail
    assert told["source"] == view.graph.nodes[child]["source"]
    assert [diff["parent"] for diff in told["diffs"]] == [0]
    kinds = [kind for kind, _ in told["diffs"][0]["rows"]]
    assert "old" in kinds and "new" in kinds
    assert [row[0] for row in told["scores"]] == ["one", "two"]
    assert [row[2] for row in told["scores"]] == ["3.9", "4.1"]
    assert view.drawing.path == [child, 0]


def test_a_failure_tells_its_verdict_and_reason(view: Lineage) -> None:
    failed = next(k for k in view.graph if view.graph.nodes[k]["verdict"] == "exception")
    view.drawing.selected = failed
    told = view.drawing.detail
    assert ["verdict", "exception"] in [list(fact) for fact in told["facts"]]
    assert "division by zero" in told["reason"]
    assert told["scores"] == []


def test_a_models_prompt_and_answer_are_told() -> None:
    graph = lineage(5)
    graph.nodes[3].update(prompt="write better", response="```python```", origin="model")
    assert detail(graph, 3)["texts"] == [
        ("what the model was asked", "write better"),
        ("what it answered", "```python```"),
    ]


def test_a_duplicate_names_its_original() -> None:
    graph = lineage(5)
    graph.nodes[3].update(score=None, verdict="duplicate", duplicate_of=1, reason="", source=START)
    told = detail(graph, 3)
    assert told["reason"] == "the same as program 1"


def test_everything_that_is_sent_is_plain_json(view: Lineage) -> None:
    json.dumps([view.drawing.scene, view.drawing.detail, view.drawing.path], allow_nan=False)


def test_every_program_drawn_has_a_name_for_screen_readers(view: Lineage) -> None:
    nodes = view.drawing.scene["nodes"]
    assert nodes and all(node["title"].startswith(f"program {node['k']}, ") for node in nodes)


def test_another_selection_draws_other_programs(view: Lineage) -> None:
    before = {node["k"] for node in view.drawing.scene["nodes"]}
    view.show.value = SHOW[3]
    after = {node["k"]: node["kind"] for node in view.drawing.scene["nodes"]}
    assert set(after) != before
    assert "failed" in after.values()
    assert "no score" in [text for _, text in view.drawing.scene["yticks"]]


def test_height_by_island_names_the_islands(view: Lineage) -> None:
    view.by.value = "island"
    assert view.drawing.scene["yticks"][0][1] == "island 0"


def test_update_reads_the_run_again_and_keeps_the_choice() -> None:
    class Run:
        count = 20

        def lineage(self) -> object:
            return lineage(self.count)

    run = Run()
    view = Lineage(run)
    view.drawing.selected = 7
    run.count = 40
    view.update.click()
    assert len(view.graph) == 40
    assert view.drawing.selected == 7


def test_of_thousands_of_programs_the_limit_is_drawn_and_the_rest_counted() -> None:
    view = Lineage(lineage(4000), limit=300)
    assert len(view.drawing.scene["nodes"]) == 300
    assert "300 of 4,000 programs; left out" in view.drawing.scene["note"]


def test_equal_scores_have_one_colour_and_the_best_is_bluest() -> None:
    graph = lineage(3)
    for k, score in enumerate((2.0, 1.0, 2.0)):
        graph.nodes[k]["score"] = score
    found = colours(graph, [0, 1, 2])
    assert found[0] == found[2] != found[1]
    assert found[1] == "#0072b2"


def test_ticks_lie_where_their_programs_lie() -> None:
    graph = lineage(50)
    x, y = axes(graph, sorted(graph), "score")
    assert x[0] == (0.0, "0")
    assert all(0 <= place <= 1 for place, _ in [*x, *y])


def test_a_stored_notebook_shows_a_picture(view: Lineage) -> None:
    bundle = view._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_the_script_writes_no_markup_and_loads_nothing() -> None:
    script = Path(module.__file__).with_suffix(".js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
    assert not re.search(r"\bimport\b|https?://(?!www\.w3\.org/2000/svg)", script)
