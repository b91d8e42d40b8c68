"""The dashboard: never blocks, never floods, stops on demand, keeps a picture of the end."""

from __future__ import annotations

import base64
import time

import pytest
from toys import Numbers, Script, climb

from evaluators.errors import LabError
from labs.widgets.lineage import Lineage
from search import evolve
from search.evolve.dashboard import INTERVAL, Dashboard, course_of
from tests.labs.evolution_script import Scripted


def test_it_returns_at_once_and_looks_at_most_five_times_a_second() -> None:
    run = Scripted(total=10**6)
    started = time.monotonic()
    view = Dashboard(run)
    returned = time.monotonic() - started
    time.sleep(5 * INTERVAL)
    view.stop()
    assert view.wait(5)
    took = time.monotonic() - started
    assert returned < took / 2
    assert 2 <= view.pushed <= took / INTERVAL + 2
    assert view.drawn < view.pushed


def test_stop_asks_once_and_what_was_found_stays() -> None:
    run = Scripted(total=10**6)
    view = Dashboard(run)
    time.sleep(2 * INTERVAL)
    view.button.click()
    view.button.click()
    assert view.wait(5)
    assert run.stops == 1
    assert view.button.description == "Stopped" and view.button.disabled
    assert f"program {run.best.k} " in view._code.value


def test_the_last_state_is_shown_after_the_end() -> None:
    run = Scripted(total=100)
    view = Dashboard(run, {"best fit": 3.98})
    assert view.wait(10)
    assert (view._bar.value, view._bar.max) == (100, 100)
    assert "100 of 100 programs" in view._count.value and "evaluations" in view._count.value
    assert "best fit 3.98" in view._charts.value
    assert ">25<" in view._verdicts.value  # duplicates
    assert view.button.description == "Done"


def test_names_and_programs_are_escaped() -> None:
    run = Scripted(total=50)
    view = Dashboard(run)
    assert view.wait(10)
    title = view.widget.children[0].children[0].value
    assert "toy:&lt;1&gt;" in title
    assert f"x &lt; {run.best.k}" in view._code.value


def test_a_picture_is_stored_once_the_run_has_ended() -> None:
    run = Scripted(total=10**6)
    view = Dashboard(run)
    assert "image/png" not in view._repr_mimebundle_()
    view.stop()
    assert view.wait(5)
    bundle = view._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_a_failing_run_says_so_in_the_view() -> None:
    class Broken(Scripted):
        def snapshot(self) -> object:
            raise ValueError("broken <run>")

    view = Dashboard(Broken())
    assert view.wait(5)
    assert "ValueError: broken &lt;run&gt;" in view._code.value
    assert view.button.disabled


def test_an_error_that_ended_the_run_is_shown_and_the_last_state_as_well() -> None:
    class Failing(Scripted):
        def wait(self) -> None:
            raise LabError("the model said <no>")

    view = Dashboard(Failing(total=50))
    assert view.wait(10)
    assert "the model said &lt;no&gt;" in view._code.value
    assert view.button.description == "Failed"
    assert "50 of 50 programs" in view._count.value


def test_the_course_has_the_run_bests_and_every_island() -> None:
    run = Scripted(total=100)
    while not run.done():
        run.snapshot()
    course = course_of(run)
    scores = [score for _, score in course.best]
    assert scores == sorted(scores, reverse=True)
    assert len(course.islands) == run.count
    assert sum(map(len, course.islands)) == len(run.history)
    assert course.last == 101


@pytest.mark.usefixtures("in_process")
def test_a_real_run_is_shown_to_its_end_and_can_be_explored() -> None:
    run = evolve(Numbers(), Script(climb), evaluations=120, islands=3, capacity=6, progress=False,
                 wait=False)  # fmt: skip
    view = run.dashboard(target=100.0)
    assert view.wait(20)
    assert view.button.description == "Done"
    assert "120 of 120 programs" in view._count.value
    assert "target 100" in view._charts.value
    course = view.course()
    assert len(course.islands) == 3
    assert course.best[-1][1] == run.snapshot().best.score
    assert course.held_out[-1][1] == run.best.held_out
    told = Lineage(run).drawing.detail
    assert told["k"] == run.best.k and told["source"] == run.best.source
    assert [row[0] for row in told["scores"]] == ["train/0", "train/1", "train/2"]
