"""Training curves: they follow runs without holding a cell, stop them, and tell what failed."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest

from evaluators.errors import LabError, UnknownName
from labs.curve_drawing import MOST, colours_of, curves_figure, curves_html, short, thinned
from labs.trainings import InTurn, training
from labs.widgets.curve import Curves
from reasoning.train.background import Training


def run_of(
    name: str, rows: int, gate: threading.Event | None = None, error: str = "", begun: Any = None
) -> Training:
    """A run that reports `rows` metrics, then waits for the gate or for being stopped."""

    def work(progress: Any, stop: threading.Event) -> Path:
        if begun is not None:
            begun.append(name)
        for step in range(1, rows + 1):
            progress({"step": step, "loss": 4.0 / step, "flops": 1e9 * step})
        progress({"step": rows, "train_runtime": 1.0})
        while gate is not None and not gate.is_set() and not stop.is_set():
            stop.wait(0.01)
        if error:
            raise LabError(error)
        return Path(name)

    return Training(work, name)


def test_a_run_is_drawn_to_its_end_with_its_last_values() -> None:
    run = run_of("sft", 5)
    curves = Curves(run.start())
    assert curves.wait(10)
    assert curves.panels() == {"loss": {"sft": [(k, 4.0 / k) for k in (1.0, 2.0, 3.0, 4.0, 5.0)]}}
    picture = curves.widget.children[1].value
    assert "done · step 5 · loss 0.8" in picture and picture.count("<path") == 1
    assert curves.button.description == "Done" and curves.button.disabled
    assert curves._repr_mimebundle_()["image/png"]


def test_stop_asks_every_run_and_what_there_is_stays() -> None:
    gate = threading.Event()
    runs = {name: run_of(name, 3, gate).start() for name in ("a", "b")}
    curves = Curves(runs, ("loss", "flops"))
    curves.button.click()
    assert curves.wait(10)
    assert all(run.stopped and run.wait(1) == Path(name) for name, run in runs.items())
    assert curves.button.description == "Stopped"
    assert curves.widget.children[1].value.count("<svg") == 2
    assert "stopped · step 3" in curves.widget.children[1].value


def test_a_failed_run_says_why_below_the_curves() -> None:
    curves = Curves(run_of("sft", 2, error="no <disk> left").start())
    assert curves.wait(10)
    assert curves.button.description == "Failed"
    assert "LabError: no &lt;disk&gt; left" in curves.widget.children[2].value


def test_runs_in_turn_begin_one_after_the_other_and_none_after_stop() -> None:
    gate, begun = threading.Event(), []
    runs = {name: run_of(name, 1, gate, begun=begun) for name in ("a", "b", "c")}
    turns = InTurn(runs)
    with pytest.raises(LabError, match="start"):
        turns.wait()
    curves = Curves(turns.start())
    with pytest.raises(LabError, match="before"):
        turns.start()
    curves.stop()
    assert curves.wait(10)
    assert turns.wait(5) == {"a": Path("a")} and begun == ["a"]
    assert "waits" in curves.widget.children[1].value


def test_all_runs_in_turn_are_told_by_name() -> None:
    begun: list[str] = []
    turns = InTurn({name: run_of(name, 1, begun=begun) for name in ("a", "b")}).start()
    assert turns.wait(5) == {"a": Path("a"), "b": Path("b")} and begun == ["a", "b"]
    assert turns.done()


def test_a_failed_run_ends_the_turns_and_is_raised() -> None:
    turns = InTurn({"a": run_of("a", 1, error="broken"), "b": run_of("b", 1)}).start()
    with pytest.raises(LabError, match="broken"):
        turns.wait(5)
    assert turns.runs["b"].state == "ready"


def test_a_training_is_checked_before_it_is_started(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="learning_rate"):
        training("sft", "tiny-student", [], tmp_path, learning_rate=1.0)
    with pytest.raises(UnknownName, match="training method"):
        training("distil", "tiny-student", [], tmp_path)


def test_names_are_escaped_and_seeds_of_an_arm_share_their_colour() -> None:
    lines = {"<a> · seed 0": [(1.0, 1.0), (2.0, 0.5)], "<a> · seed 1": [(1.0, 1.0)], "b": []}
    html = curves_html({"loss": lines}, "step", dict.fromkeys(lines, "done"))
    assert "<a>" not in html and "&lt;a&gt; · seed 0" in html
    colours = colours_of(list(lines))
    assert colours["<a> · seed 0"] == colours["<a> · seed 1"] != colours["b"]
    assert curves_html({"loss": {}}, "step", {}).count("no value yet") == 2  # seen and spoken
    assert len(curves_figure({"loss": lines}, "step", log=True).axes) == 1


def test_a_logarithmic_axis_leaves_out_what_has_no_logarithm_and_halves_look_alike() -> None:
    lines = {"a": [(1.0, 4.0), (2.0, 2.0), (3.0, 0.0), (4.0, 1.0)]}
    html = curves_html({"loss": lines}, "step", {"a": ""}, log=True)
    path = re.search(r'<path d="M([^"]*)"', html)
    assert path is not None
    heights = [float(point.split()[1]) for point in path[1].split("L")]
    assert len(heights) == 3
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.2)


def test_long_lines_are_thinned_and_keep_their_ends() -> None:
    points = [(float(k), 1.0) for k in range(10_000)]
    kept = thinned(points)
    assert len(kept) == MOST and kept[0] == points[0] and kept[-1] == points[-1]
    assert [short(x) for x in (1500, 2e12, 0.25, 0)] == ["1.5k", "2T", "0.25", "0"]
