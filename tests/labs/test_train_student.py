"""`reasonlab train METHOD`: options out of recipes, one stage with its manifest, stop and go on."""

from __future__ import annotations

import _thread
import argparse
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from evaluators.errors import BadInput, LabError, UnknownName
from labs import cli, train
from labs.manifest import MANIFEST, identity
from labs.recipe_options import add_options, checked, given, help_of, options_of, typed
from labs.stage import Stage, made, run_stage, stoppable
from labs.train_student import line, listener, parser
from labs.training_data import Source, fields_of, gather, named
from reasoning.train.methods import METHODS

SHORT = ["--task", "expressions(ops=2)", "--problems", "8", "--batch", "4"]


def quiet(row: dict[str, Any]) -> None:
    pass


# -- options --------------------------------------------------------------------------


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_setting_of_every_method_is_an_option_with_a_help_text(method):
    recipe = METHODS[method].settings()
    told = parser(method).format_help()
    for field, _ in typed(recipe):
        assert f"--{field.name.replace('_', '-')}" in told
        assert help_of(recipe, field.name), f"name {field.name} in the recipe's docstring"
    own = {field.name for field, _ in typed(recipe)}
    assert not own & set(fields_of(method, METHODS[method].data)), (
        "a setting is data's and the recipe's"
    )


def test_the_list_of_methods_loads_nothing_heavy():
    code = "import sys; from labs.train import usage; usage(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@dataclass(frozen=True)
class Odd:
    """Settings of every type. `names` are texts, `shares` numbers.

    The `kind` is what it is. A `limit` may be none, and `often` too.
    """

    count: int = 3
    limit: float | None = None
    kind: Literal["a", "b"] = "a"
    often: bool = False
    names: tuple[str, ...] = ()
    shares: tuple[float, ...] = (1.0,)
    more: Mapping[str, Any] = None  # type: ignore[assignment]


def parsed(*words: str) -> dict[str, Any]:
    made = argparse.ArgumentParser(exit_on_error=False)
    add_options(made, Odd)
    return given(Odd, vars(made.parse_args(list(words))))


@pytest.mark.parametrize(
    ("words", "want"),
    [
        ((), {}),
        (("--count", "1e3"), {"count": 1000}),
        (("--limit", "none"), {"limit": None}),
        (("--limit", "2e12"), {"limit": 2e12}),
        (("--kind", "b"), {"kind": "b"}),
        (("--often",), {"often": True}),
        (("--no-often",), {"often": False}),
        (("--names", "x(a=1,b=2..3),y"), {"names": ("x(a=1,b=2..3)", "y")}),
        (("--shares", "1,0.5"), {"shares": (1.0, 0.5)}),
        (("--more", "ops=2..4,split=hard"), {"more": {"ops": (2, 4), "split": "hard"}}),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, tuple) else "",
)
def test_options_are_read_as_the_types_of_their_fields(words, want):
    assert parsed(*words) == want


@pytest.mark.parametrize("words", [("--count", "1.5"), ("--kind", "c"), ("--shares", "x")])
def test_options_of_another_type_are_refused(words):
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parsed(*words)


@pytest.mark.parametrize(
    ("key", "value", "want"),
    [("limit", 2, 2.0), ("count", 4.0, 4), ("names", ["x"], ("x",)), ("shares", "1,2", (1.0, 2.0)),
     ("more", {"ops": 2}, {"ops": 2}), ("often", True, True)],
)  # fmt: skip
def test_settings_out_of_a_file_become_the_types_of_their_fields(key, value, want):
    assert checked(Odd, {key: value}, "here") == {key: want}


@pytest.mark.parametrize(
    ("key", "value"), [("count", "many"), ("count", 1.5), ("often", 1), ("names", 3), ("kind", 2)]
)
def test_settings_of_another_type_are_refused_by_name(key, value):
    with pytest.raises(BadInput, match=f"here: {key}"):
        checked(Odd, {key: value}, "here")


def test_a_field_that_no_option_can_express_is_told_by_name():
    @dataclass(frozen=True)
    class Wrong:
        """One `thing`."""

        thing: complex = 1j

    with pytest.raises(LabError, match="thing"):
        add_options(argparse.ArgumentParser(), Wrong)


def test_a_help_text_is_the_sentence_that_names_the_field():
    assert help_of(Odd, "shares") == "names are texts, shares numbers"
    assert help_of(Odd, "limit") == "A limit may be none, and often too"
    assert help_of(Odd, "count") == ""


def test_a_stage_takes_settings_of_data_and_recipe_and_knows_no_others():
    stage = made("s", "sft", "tiny", {"problems": 5, "task": ["countdown"], "lr": 1}, "here")
    assert stage.source.problems == 5 and stage.settings == {"lr": 1.0}
    with pytest.raises(UnknownName, match="Did you mean 'problems'"):
        made("s", "sft", "tiny", {"problms": 5}, "here")
    with pytest.raises(UnknownName, match="training method"):
        made("s", "stf", "tiny", {}, "here")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("countdown", ("countdown", {})),
        ("expressions(ops=2..4)", ("expressions", {"ops": (2, 4)})),
        ("gym:chain_sum(size=3)", ("gym:chain_sum", {"size": 3})),
        ("jsonl:a/b.jsonl", ("jsonl:a/b.jsonl", {})),
    ],
)
def test_a_task_is_named_with_its_difficulty(text, want):
    assert named(text) == want


def test_sources_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(BadInput, match="one of them"):
        Source(data=("a",), task=("b",))
    with pytest.raises(BadInput, match="--mix"):
        Source(task=("a", "b"), mix=(1.0,))
    with pytest.raises(BadInput, match="--data FILE, or --task"):
        gather(Source(), "rows", tmp_path)
    with pytest.raises(BadInput, match="name=value"):
        options_of("ops")


# -- data -----------------------------------------------------------------------------


def test_traces_are_written_kept_and_read_again(tmp_path):
    source = Source(task=("expressions(ops=2)", "countdown(numbers=3)"), problems=5, samples=1)
    first = gather(source, "rows", tmp_path)
    assert first.rows == 10 and {row.task for row in first.data} == {"expressions", "countdown"}
    again = gather(source, "rows", tmp_path)
    assert again.hash == first.hash and again.data == first.data
    from_file = gather(Source(data=(str(tmp_path / "data.jsonl"),)), "rows", tmp_path / "other")
    assert from_file.hash == first.hash


def test_wrong_traces_of_a_file_are_left_out_and_said(tmp_path, capsys):
    from dataclasses import replace

    from reasoning.data import rows

    source = Source(task=("expressions(ops=2)",), problems=3, samples=1)
    right, wrong, unjudged = gather(source, "rows", tmp_path / "a").data
    wrong = replace(wrong, verdict={**wrong.verdict, "passed": False})
    unjudged = replace(unjudged, verdict=None)
    file = str(tmp_path / "mixed.jsonl")
    rows.save([right, wrong, unjudged], Path(file))
    kept = gather(Source(data=(file,)), "rows", tmp_path / "b").data
    assert [row.id for row in kept] == [right.id, unjudged.id]
    assert "1 of 3 traces are wrong and left out" in capsys.readouterr().out
    assert gather(Source(data=(file,), keep="all"), "rows", tmp_path / "c").rows == 3
    rows.save([wrong], Path(file))
    with pytest.raises(BadInput, match="the verifier passed no trace of mixed"):
        gather(Source(data=(file,)), "rows", tmp_path / "d")
    rows.save([], Path(file))
    with pytest.raises(BadInput, match="holds no trace"):
        gather(Source(data=(file,)), "rows", tmp_path / "e")


def test_traces_of_a_model_are_verified_and_what_it_spent_is_told(tmp_path):
    source = Source(task=("expressions(ops=2)",), problems=4, writer="tiny", samples=2)
    got = gather(source, "rows", tmp_path)
    assert got.rows and all(row.correct for row in got.data) and got.flops > 0
    assert gather(source, "rows", tmp_path).flops == 0, "nothing was written now"


def test_answers_alone_are_asked_for_directly(tmp_path):
    source = Source(task=("expressions(ops=2)",), problems=4, format="direct")
    rows = gather(source, "rows", tmp_path).data
    assert all(row.text == row.gold for row in rows)


def test_a_practice_mixes_its_tasks_by_weight(tmp_path):
    source = Source(task=("expressions(ops=2)", "countdown"), pool=6, mix=(3.0, 1.0))
    got = gather(source, "task", tmp_path)
    assert [weight for _, weight in got.data.tasks] == [3.0, 1.0] and got.rows == 12


def test_preferences_need_right_and_wrong_traces(tmp_path):
    with pytest.raises(BadInput, match="--writer"):
        gather(Source(task=("expressions(ops=2)",), problems=4), "pairs", tmp_path)


# -- one stage ------------------------------------------------------------------------


def stage(**asked: Any) -> Stage:
    """A few steps of fine-tuning on the solver's traces."""
    task = {"task": "expressions(ops=2)", "problems": 8, "samples": 1, "batch": 4, "steps": 2}
    return made("sft", "sft", "tiny-student", {**task, **asked}, "here")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished stage."""
    folder = tmp_path_factory.mktemp("done")
    run_stage(stage(), folder, quiet)
    return folder


def test_a_finished_stage_has_a_manifest_of_all_that_made_it(done):
    record = json.loads((done / MANIFEST).read_text())
    training = json.loads((done / "model/training.json").read_text())
    assert record["method"] == "sft" and record["seed"] == 0
    assert record["data"]["hash"] == training["data"]["hash"] and record["data"]["rows"] == 8
    assert record["parents"]["policy"]["name"] == "tiny-student"
    assert record["parents"]["policy"]["weights"] == training["parent"]["weights"]
    assert record["result"]["weights"] == identity(str(done / "model"))
    assert record["recipe"]["steps"] == 2 and record["source"]["task"] == ["expressions(ops=2)"]


def test_a_finished_stage_is_not_run_again(done):
    before = (done / "model/model.safetensors").stat().st_mtime_ns
    assert run_stage(stage(), done, quiet) == done / "model"
    assert (done / "model/model.safetensors").stat().st_mtime_ns == before


def test_another_stage_in_the_same_folder_is_refused(done):
    with pytest.raises(BadInput, match=r"steps: 2 -> 3"):
        run_stage(stage(steps=3), done, quiet)
    with pytest.raises(BadInput, match=r"data_seed: 0 -> 1"):
        run_stage(stage(data_seed=1), done, quiet)


def test_weights_and_data_that_were_changed_are_told(done, tmp_path):
    for name in (MANIFEST, "data.jsonl"):
        (tmp_path / name).write_text((done / name).read_text())
    (tmp_path / "model").mkdir()
    with pytest.raises(BadInput, match="not those that the manifest tells of"):
        run_stage(stage(), tmp_path, quiet)
    record = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps({**record, "result": None}))
    lines = (tmp_path / "data.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "data.jsonl").write_text("".join(lines[:-1]))
    with pytest.raises(BadInput, match="data in"):
        run_stage(stage(), tmp_path, quiet)


def test_a_run_that_never_began_leaves_its_folder_free(tmp_path):
    for asked in ({"task": ""}, {"task": "expresions"}, {"task": "", "data": "none.jsonl"}):
        with pytest.raises(LabError):
            run_stage(stage(**asked), tmp_path, quiet)
    assert run_stage(stage(), tmp_path, quiet) == tmp_path / "model"


def test_a_file_of_data_that_was_changed_is_told_and_one_that_was_moved_is_the_same(done, tmp_path):
    lines = (done / "data.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "rows.jsonl").write_text("".join(lines))
    file, run = str(tmp_path / "rows.jsonl"), tmp_path / "run"
    from_file = {"task": "", "data": [file], "steps": 1}
    run_stage(stage(**from_file), run, quiet)
    (tmp_path / "rows.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(BadInput, match=r"rows\.jsonl was changed"):
        run_stage(stage(**from_file), run, quiet)
    (tmp_path / "rows.jsonl").unlink()
    assert run_stage(stage(**from_file), run, quiet), "what it learned from is kept in its folder"
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved/rows.jsonl").write_text("".join(lines))
    from_file["data"] = [str(tmp_path / "moved/rows.jsonl")]
    assert run_stage(stage(**from_file), run, quiet)


def test_a_folder_that_cannot_be_is_refused_with_a_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="name another folder"):
        run_stage(stage(), tmp_path / "file", quiet)


def test_a_process_that_does_not_lead_waits_for_the_one_that_does(done, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    later = threading.Timer(
        0.3, lambda: (tmp_path / MANIFEST).write_text((done / MANIFEST).read_text())
    )
    later.start()
    assert run_stage(stage(), tmp_path, quiet) == tmp_path / "model"
    later.join()
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST], "it wrote nothing"
    with pytest.raises(BadInput, match="one process"):
        run_stage(made("r", "reward", "tiny", {}, "here"), tmp_path, quiet)


def test_ctrl_c_ends_after_the_step_and_keeps_what_there_is(tmp_path, capsys):
    def work(report: Any, stop: Any) -> Path:
        _thread.interrupt_main()
        assert stop.wait(30), "nobody asked to stop"
        report({"step": 7})
        return tmp_path

    heard: list[dict[str, Any]] = []
    with pytest.raises(KeyboardInterrupt, match="the weights so far are in"):
        stoppable(work, heard.append)
    assert heard == [{"step": 7}] and "ending after this step" in capsys.readouterr().out


def test_errors_of_a_training_come_through():
    def work(report: Any, stop: Any) -> Path:
        raise TimeoutError("the judge")

    with pytest.raises(TimeoutError, match="the judge"):
        stoppable(work, quiet)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_a_training_that_was_killed_goes_on_to_the_same_weights(tmp_path):
    """A process that is killed between two checkpoints loses the steps after the first, no more."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    asked = [*SHORT, "--steps", "60", "--save-every", "4", "--samples", "1"]
    command = [sys.executable, "-m", "labs.cli", "train", "sft", *asked, "--out", str(killed)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while not [*killed.glob("checkpoints/checkpoint-*/spent.json")]:
        assert run.poll() is None and time.monotonic() < end, "no checkpoint came"
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (killed / "model").exists()
    assert cli.main(["train", "sft", *asked, "--out", str(killed)]) == 0
    assert cli.main(["train", "sft", *asked, "--out", str(whole)]) == 0
    assert identity(str(killed / "model")) == identity(str(whole / "model"))


def test_the_command_trains_and_says_where_the_weights_are(tmp_path, capsys):
    asked = ["train", "sft", *SHORT, "--steps", "2", "--out", str(tmp_path)]
    assert cli.main(asked) == 0
    told = capsys.readouterr().out
    assert f"hf:{tmp_path / 'model'}" in told and "step" in told
    assert cli.main([*asked, "--lr", "0"]) == 2 and "lr must be" in capsys.readouterr().err
    assert cli.main(["train", "sftt"]) == 2 and "Did you mean 'sft'" in capsys.readouterr().err


def test_a_line_of_progress_has_what_there_is():
    row = {"step": 3, "of": 9, "loss": 0.51234, "flops": 1.5e9, "entropy": 2}
    assert line(row) == "step     3 of 9 · loss 0.5123 · 1.5e+09 FLOPs"
    assert line({"step": 3, "train_runtime": 2}) is None
    row = {"round": 2, "right": 300, "sampled": 1600, "kept": 280, "flops": 1e9}
    assert line(row) == "round 2 · 300 of 1,600 samples right, 280 learned"


def test_methods_and_what_is_no_method_have_names_of_their_own():
    assert not set(train.METHODS) & set(METHODS) and not set(train.MORE) & set(METHODS)


# -- trackio --------------------------------------------------------------------------


class Trackio:
    """Records what the library would be told."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.rows: list[tuple[dict[str, Any], int | None]] = []
        self.ended = 0

    def init(self, **settings: Any) -> Any:
        self.runs.append(settings)
        return SimpleNamespace(log=self.log, finish=self.finish)

    def log(self, metrics: dict[str, Any], step: int | None = None) -> None:
        self.rows.append((metrics, step))

    def finish(self) -> None:
        self.ended += 1


def test_metrics_go_to_trackio_by_their_step_and_to_the_terminal(monkeypatch, capsys):
    fake = Trackio()
    monkeypatch.setitem(sys.modules, "trackio", fake)
    with listener("lab", "first", {"lr": 0.1}) as heard:
        heard({"step": 4, "of": 8, "loss": 0.5, "note": "text", "whole": True})
        assert not fake.ended
    assert fake.ended == 1, "what waits to be written is written"
    assert fake.runs[0]["project"] == "lab" and fake.runs[0]["name"] == "first"
    assert fake.runs[0]["config"] == {"lr": 0.1} and fake.runs[0]["resume"] == "allow"
    assert fake.rows == [({"loss": 0.5}, 4)] and "loss 0.5" in capsys.readouterr().out


def test_a_run_log_can_be_told_to_trackio_afterwards(monkeypatch, done):
    from labs.trackio_log import told

    fake = Trackio()
    monkeypatch.setitem(sys.modules, "trackio", fake)
    assert told(done, "lab") == len(fake.rows) > 0 and fake.ended == 1
    assert all("loss" in row or "train_loss" in row for row, _ in fake.rows)


def test_without_trackio_the_option_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(BadInput, match="pip install trackio"), listener("lab", "first", {}):
        pass
