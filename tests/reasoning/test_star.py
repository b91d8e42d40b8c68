"""STaR on the weak embedded model: what is kept, where each round starts, what it costs, resuming.

One run of two rounds is made once and looked at from all sides.
"""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from evaluators import load_task
from evaluators.errors import BadInput
from reasoning.core import Message
from reasoning.data.rows import Piece, TraceRow, instance_of, question, read
from reasoning.data.tokens import prompt_of
from reasoning.models import embedded_folder, load_model
from reasoning.models.weights import weights_id
from reasoning.train.practice import Practice
from reasoning.train.star import StarRecipe, train_star
from reasoning.train.star_traces import Harvest, Sitting
from search import StepResample

BASE = embedded_folder("tiny-weak")
PRACTICE = Practice.of([
    load_task("countdown", "train", 30, 11, numbers=3),
    load_task("expressions", "train", 30, 11, ops=3),
])  # fmt: skip
RECIPE = StarRecipe(rounds=2, problems=40, k=4, keep=2, steps=2, batch=8, seed=3)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run: its folder and what it reported."""
    folder = tmp_path_factory.mktemp("star")
    told = []
    train_star(PRACTICE, BASE, folder, RECIPE, told.append)
    return folder, told


def record(folder: Path) -> dict:
    return json.loads((folder / "model" / "training.json").read_text("utf-8"))


def test_only_right_and_different_traces_are_kept_and_few_a_problem(run):
    folder, _ = run
    rows = read(folder / "round-1" / "traces.jsonl")
    sampled = read(folder / "round-1" / "all.jsonl")
    assert rows and all(row.correct and row.finish == "eos" for row in rows)
    by_problem = {}
    for row in rows:
        by_problem.setdefault(row.problem["id"], []).append(row.text)
    assert all(len(texts) == len(set(texts)) <= 2 for texts in by_problem.values())
    assert {row.task for row in rows} == {"countdown", "expressions"}
    wrong = [row for row in sampled if not row.correct]
    assert len(sampled) == 40 * 4 and wrong and all(row.verdict is not None for row in wrong)


def test_every_round_samples_with_the_last_model_and_starts_from_the_base(run):
    folder, _ = run
    parents = [
        json.loads((folder / f"round-{n}" / "model" / "training.json").read_text("utf-8"))["parent"]
        for n in (1, 2)
    ]
    assert {parent["weights"] for parent in parents} == {weights_id(BASE, None)}
    writers = [read(folder / f"round-{n}" / "all.jsonl")[0].teacher["fingerprint"] for n in (1, 2)]
    assert writers[0] != writers[1]


def test_each_round_asks_other_problems_first(run):
    folder, _ = run
    asked = [{r.problem["id"] for r in read(folder / f"round-{n}" / "all.jsonl")} for n in (1, 2)]
    assert asked[0] != asked[1] and all(len(ids) == 40 for ids in asked)


def test_the_result_is_the_last_rounds_model_and_tells_its_rounds(run):
    folder, told = run
    assert weights_id(str(folder / "model"), None) == weights_id(
        str(folder / "round-2" / "model"), None
    )
    made = record(folder)
    assert [one["round"] for one in made["rounds"]] == [1, 2]
    assert made["method"] == "star" and made["parent"]["weights"] == weights_id(BASE, None)
    assert [row["round"] for row in told if "kept" in row] == [1, 2]
    steps = [row["step"] for row in told if "loss" in row]
    assert steps == sorted(steps) and steps[-1] == 4


def test_sampling_and_learning_are_counted_token_by_token(run):
    folder, _ = run
    made, model = record(folder), load_model("tiny-weak")
    sampled = sum(
        len(model.encode(prompt_of(row))) + row.n_tokens  # type: ignore[attr-defined]
        for n in (1, 2)
        for row in read(folder / f"round-{n}" / "all.jsonl")
    )
    spent = made["spent"]
    assert spent["sampled"] == sampled
    assert spent["forward"] == model.flops_per_token
    rounds = [
        json.loads((folder / f"round-{n}" / "model" / "training.json").read_text("utf-8"))["spent"]
        for n in (1, 2)
    ]
    assert spent["learned"] == sum(one["learned"] for one in rounds)
    assert spent["flops"] == pytest.approx(
        sampled * spent["forward"] + spent["learned"] * 3 * spent["forward"]
    )
    assert [one["flops"] for one in made["rounds"]] == pytest.approx([
        one["tokens"] * spent["forward"] + of["flops"]
        for one, of in zip(made["rounds"], rounds, strict=True)
    ])  # fmt: skip


def test_a_run_that_was_stopped_goes_on_and_ends_at_the_same_weights(run, tmp_path):
    folder, _ = run
    stop = threading.Event()

    def after_the_first_round(row):
        if "kept" in row:
            stop.set()

    place = train_star(PRACTICE, BASE, tmp_path, RECIPE, after_the_first_round, stop)
    first = weights_id(str(folder / "round-1" / "model"), None)
    assert weights_id(str(place), None) == first
    assert len(record(tmp_path)["rounds"]) == 1
    again = train_star(PRACTICE, BASE, tmp_path, RECIPE)
    assert weights_id(str(again), None) == weights_id(str(folder / "model"), None)
    assert record(tmp_path)["spent"] == record(folder)["spent"]


def test_a_stop_ends_the_sampling_and_what_was_sampled_is_not_asked_again(run, tmp_path):
    folder, _ = run
    stop = threading.Event()
    stop.set()
    place = train_star(PRACTICE, BASE, tmp_path, RECIPE, stop=stop)
    assert weights_id(str(place), None) == weights_id(BASE, None)  # no round has any weights yet
    assert record(tmp_path)["rounds"] == [] and record(tmp_path)["finished"] is False
    late = threading.Timer(0.3, stop.set)
    stop.clear()
    late.start()
    train_star(PRACTICE, BASE, tmp_path, RECIPE, stop=stop)
    again = train_star(PRACTICE, BASE, tmp_path, RECIPE)
    assert weights_id(str(again), None) == weights_id(str(folder / "model"), None)
    assert record(tmp_path)["spent"] == record(folder)["spent"]


def test_a_finished_run_is_not_made_again(run):
    folder, _ = run
    before = (folder / "round-2" / "model" / "model.safetensors").stat().st_mtime_ns
    sampled = (folder / "round-2" / "all.jsonl").stat().st_mtime_ns
    train_star(PRACTICE, BASE, folder, RECIPE)
    assert (folder / "round-2" / "model" / "model.safetensors").stat().st_mtime_ns == before
    assert (folder / "round-2" / "all.jsonl").stat().st_mtime_ns == sampled


def test_other_settings_in_the_same_folder_are_refused(run):
    folder, _ = run
    with pytest.raises(BadInput, match="keep"):
        train_star(PRACTICE, BASE, folder, replace(RECIPE, keep=3))


def test_a_cap_on_flops_ends_sampling_and_training(tmp_path):
    forward = load_model("tiny-weak").flops_per_token
    cap = 8000 * forward
    recipe = replace(RECIPE, rounds=1, steps=None, epochs=100.0, flops=cap, problems=60)
    train_star(PRACTICE, BASE, tmp_path, recipe)
    spent = record(tmp_path)["spent"]
    step = 3 * 8 * 60  # tokens read thrice of a step of 8 rows of about 40 tokens, at most 60
    assert cap <= spent["flops"] <= cap + step * forward


def test_a_search_may_make_the_traces(tmp_path):
    practice = Practice.of(load_task("expressions", "train", 12, 5, ops=5))
    recipe = replace(RECIPE, rounds=1, problems=12, k=1, steps=1)
    train_star((practice, StepResample(restarts=1)), BASE, tmp_path, recipe)
    rows = read(tmp_path / "round-1" / "all.jsonl")
    assert {row.teacher["strategy"] for row in rows} == {"StepResample"}
    told = json.loads((tmp_path / "run.json").read_text("utf-8"))["settings"]
    assert told["strategy"]["kind"] == "StepResample"


def test_problems_without_a_right_trace_are_asked_again_with_a_hint(tmp_path):
    practice = Practice.of(load_task("countdown", "train", 12, 5, numbers=4))
    recipe = replace(RECIPE, rounds=1, problems=12, k=2, steps=1, hints="step")
    train_star(practice, BASE, tmp_path, recipe)
    rows = read(tmp_path / "round-1" / "all.jsonl")
    solved = {row.problem["id"] for row in rows if row.correct and not row.hint_used}
    told = [row for row in rows if row.hint_used]
    assert told and not solved & {row.problem["id"] for row in told}
    assert all(row.pieces[0].source == "forced" for row in told)  # read, never learned
    [made] = record(tmp_path)["rounds"]
    assert made["hinted"] == len({row.problem["id"] for row in told if row.correct}) > 0
    assert made["solved"] == len(solved)
    learned = read(tmp_path / "round-1" / "traces.jsonl")
    assert {r.problem["id"] for r in learned} == solved | {
        r.problem["id"] for r in told if r.correct
    }


def test_a_round_without_a_right_trace_says_what_to_do(tmp_path):
    hard = load_task("chain-sum", "train", 4, 5, terms=4, digits=5)
    with pytest.raises(BadInput, match="no right trace in 8 of 4 problems: practise on easier"):
        train_star(Practice.of(hard), BASE, tmp_path, replace(RECIPE, k=2))


def test_a_reward_that_does_not_say_what_is_right_is_refused(tmp_path):
    with pytest.raises(BadInput, match="'verifier' or 'sound', not 'form'"):
        train_star(replace(PRACTICE, reward="form"), BASE, tmp_path, RECIPE)


def test_several_processes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadInput, match="star runs in one process"):
        train_star(PRACTICE, BASE, tmp_path, RECIPE)


def test_recipes_that_cannot_be_are_refused():
    for wrong in ({"rounds": 0}, {"k": 0}, {"keep": 0}, {"temperature": 0.0}, {"sampling": 1.0},
                  {"hints": "all"}):  # fmt: skip
        with pytest.raises(BadInput, match=next(iter(wrong))):
            StarRecipe(**wrong)  # type: ignore[arg-type]


def test_sound_keeps_no_right_answer_by_wrong_steps():
    task = load_task("expressions", "train", 1, 0, ops=3)
    problem = replace(task.problems[0], fields={"expression": "(1+2)*3-4"}, answer="5")

    def row(text: str) -> TraceRow:
        return TraceRow(
            id=text, task=task.name, split="train", seed=0, problem=question(problem),
            instance=instance_of(task.name, problem), messages=(Message("user", "?"),),
            pieces=(Piece(text),), finish="eos", verdict={"passed": True},
        )  # fmt: skip

    good, lucky = row("3*3-4\n9-4\n5\n</think>5"), row("4*3-4\n9-4\n5\n</think>5")
    found = Harvest([good, lucky])
    assert found.right(Practice.of(task)) == [good, lucky]
    assert found.right(Practice.of(task, reward="sound")) == [good]


def test_a_problem_is_asked_once_a_round_and_tasks_are_mixed_in_every_chunk():
    sitting = Sitting(PRACTICE, None, 500, 4, 1.0, "none", 0)
    [tasks] = sitting.decks()
    assert [len(task) for task in tasks] == [30, 30]  # 500 draws of 60 problems
    few = replace(sitting, problems=20).decks()
    assert sum(len(task) for task in few[0]) == 20 and len(few[0]) == 2
