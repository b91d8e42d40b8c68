"""The contract of every training method, kept by training each a few steps on a tiny model.

A method that is registered is held to it: `SHORT` gives the settings of a run of a few steps. The
same call after a stop makes the same weights as a run that was not stopped, bit for bit.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evaluators import load_task
from evaluators.errors import BadInput, UnknownName
from reasoning.data.pairs import pair
from reasoning.data.rows import Piece
from reasoning.data.solver import solver_traces
from reasoning.models import embedded_folder, load_model
from reasoning.models.weights import weights_id
from reasoning.runlog import read_events, read_settings
from reasoning.train.methods import METHODS, policy_folder, recipe_of, trained
from reasoning.train.practice import Practice

SHORT: dict[str, dict[str, Any]] = {
    "sft": {"steps": 4, "batch": 4},
    "logits": {"steps": 4, "batch": 4, "teacher": "tiny", "top_k": 8},
    "on-policy": {"steps": 4, "batch": 4, "own_first": 0.5, "max_new_tokens": 6},
    "star": {"rounds": 1, "problems": 8, "k": 2, "steps": 4, "batch": 4},
    "dpo": {"steps": 4, "batch": 4},
    "grpo": {"steps": 4, "batch": 2, "samples": 4, "max_tokens": 12, "lr": 1e-3},
    "ppo": {"steps": 4, "batch": 2, "samples": 4, "max_tokens": 12, "lr": 1e-3},
    "quantise": {"problems": 4},
    "rloo": {"steps": 4, "batch": 2, "samples": 4, "max_tokens": 12, "lr": 1e-3},
}
"""Settings of a run of a few steps, by method; all save a checkpoint every other step."""

POLICIES = {"star": "tiny-weak", "grpo": "tiny-weak", "rloo": "tiny-weak", "ppo": "tiny-weak"}
"""Who is trained, where a `tiny-student` would find nothing to learn from."""

SAMPLES = {"on-policy", "star", "grpo", "rloo", "ppo"}
"""Methods whose student samples; they count it."""
TEACHER = {"logits", "on-policy"}
"""Methods with a teacher, whose compute they count apart."""
UNTRAINED = {"quantise"}
"""Methods that take no steps."""

EACH = pytest.mark.parametrize("method", sorted(METHODS))


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    """What the kinds of methods learn from."""
    task = load_task("expressions", "train", 12, ops=2)
    rows = solver_traces(task)
    wrong = [
        replace(row, id=f"{row.id}-", pieces=(Piece("0</think>0"),), verdict={"passed": False})
        for row in rows
    ]
    return {
        "rows": rows,
        "pairs": [pair(row, bad) for row, bad in zip(rows, wrong, strict=True)],
        "task": Practice(((task, 2.0), (load_task("countdown", "train", 8, numbers=3), 1.0))),
    }


@pytest.fixture(scope="module")
def runs(data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Each method's short run, trained when it is first asked for."""
    found: dict[str, SimpleNamespace] = {}

    def of(method: str) -> SimpleNamespace:
        if method not in found:
            assert method in SHORT, f"give {method} the settings of a short run in SHORT"
            if method == "quantise":
                pytest.importorskip("bitsandbytes")
            folder = tmp_path_factory.mktemp(method)
            rows: list[dict[str, Any]] = []
            often = {} if method in UNTRAINED else {"save_every": 2}
            recipe = recipe_of(method, {**SHORT[method], **often})
            policy = policy_folder(name_of(method))
            train = METHODS[method].train()
            place = train(data[METHODS[method].data], policy, folder, recipe, rows.append, None)
            found[method] = SimpleNamespace(
                folder=folder, place=place, rows=rows, recipe=recipe, policy=policy, train=train,
                data=data[METHODS[method].data], record=read(place), weights=identity(place),
            )  # fmt: skip
        return found[method]

    return of


def name_of(method: str) -> str:
    return POLICIES.get(method, "tiny-student")


def read(place: Path) -> dict[str, Any]:
    return json.loads((place / "training.json").read_text())


def identity(place: Path) -> str:
    return weights_id(str(place), None)


@EACH
def test_what_is_made_opens_as_a_model_and_is_not_what_it_was(method, runs):
    run = runs(method)
    assert run.place == run.folder / "model"
    assert identity(run.place) != weights_id(run.policy, None)
    model: Any = load_model(f"hf:{run.place}")
    assert model.dialect == "compact" and model.flops_per_token > 0
    model.close()


@EACH
def test_the_record_tells_method_recipe_data_and_the_way_to_the_parent(method, runs):
    run = runs(method)
    record, recipe = run.record, json.loads(json.dumps(asdict(run.recipe)))
    assert record["method"] == method
    assert record["recipe"].items() <= recipe.items()
    assert set(recipe) - set(record["recipe"]) <= {"cache"}
    assert record["data"]["rows"] == len(run.data) and record["data"]["hash"]
    assert record["parent"]["weights"] == weights_id(run.policy, None)
    parent = (run.place / record["parent"]["path"]).resolve()
    assert parent == Path(embedded_folder(name_of(method))).resolve()


@EACH
def test_what_the_student_spent_is_counted_and_the_teachers_apart(method, runs):
    spent = runs(method).record.get("spent")
    if method in UNTRAINED:
        assert spent is None
        return
    assert spent["flops"] == pytest.approx(
        spent["learned"] * spent["learning"] + (spent["sampled"] + spent["read"]) * spent["forward"]
    )
    assert spent["learned"] > 0
    assert (spent["sampled"] > 0) == (method in SAMPLES)
    assert (spent["teacher"] > 0) == (method in TEACHER)


@EACH
def test_the_run_log_has_settings_and_finite_metrics(method, runs):
    run = runs(method)
    assert read_settings(run.folder)["method"] == method
    metrics = [event for event in read_events(run.folder) if event["kind"] == "metrics"]
    if method not in UNTRAINED:
        assert metrics and run.rows
    for row in [*metrics, *run.rows]:
        numbers = [value for value in row.values() if isinstance(value, float)]
        assert all(abs(number) < float("inf") for number in numbers), row


@EACH
def test_a_run_that_was_stopped_goes_on_to_the_same_weights(method, runs, tmp_path):
    run, stop = runs(method), threading.Event()
    stop.set()
    train = run.train
    early = train(run.data, run.policy, tmp_path, run.recipe, lambda row: None, stop)
    if method not in UNTRAINED:
        assert identity(early) != run.weights
    place = train(run.data, run.policy, tmp_path, run.recipe, lambda row: None, None)
    assert identity(place) == run.weights
    assert read(place).get("spent") == run.record.get("spent")


@EACH
def test_a_run_that_broke_down_goes_on_from_its_last_checkpoint_to_the_same_weights(
    method, runs, tmp_path
):
    """It breaks down in the last step, so the steps since the checkpoint before are lost."""
    run = runs(method)

    def break_down(row: dict[str, Any]) -> None:
        if row.get("step") == row.get("of", 0):
            raise MemoryError(row["step"])

    with pytest.raises(MemoryError):
        run.train(run.data, run.policy, tmp_path, run.recipe, break_down, None)
    assert not (tmp_path / "model/training.json").exists()
    place = run.train(run.data, run.policy, tmp_path, run.recipe, lambda row: None, None)
    assert identity(place) == run.weights
    assert read(place).get("spent") == run.record.get("spent")


@EACH
def test_a_run_that_is_done_is_left_as_it_is_by_the_same_call(method, runs):
    run = runs(method)
    place = run.train(run.data, run.policy, run.folder, run.recipe, lambda row: None, None)
    assert identity(place) == run.weights
    assert read(place).get("spent") == run.record.get("spent")


@EACH
def test_other_settings_in_the_same_folder_are_refused(method, runs):
    run = runs(method)
    other = replace(run.recipe, seed=run.recipe.seed + 1)
    with pytest.raises(BadInput, match="other settings"):
        run.train(run.data, run.policy, run.folder, other, lambda row: None, None)


def test_trained_opens_what_a_method_makes_and_refuses_unknown_names(data, tmp_path):
    model = trained("sft", "tiny-student", data["rows"], tmp_path, **SHORT["sft"])
    assert model.name == f"hf:{tmp_path / 'model'}"
    model.close()
    with pytest.raises(UnknownName, match="Did you mean 'sft'"):
        trained("sftt", "tiny-student", data["rows"])
    with pytest.raises(UnknownName, match="setting of sft"):
        trained("sft", "tiny-student", data["rows"], tmp_path, stepps=3)
    with pytest.raises(BadInput, match="policy"):
        trained("sft", "tiny-studnt", data["rows"], tmp_path)
