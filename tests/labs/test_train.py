"""`reasonlab train`: the methods it knows, the options it reads, and a reward model end to end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from evaluators.errors import BadInput, UnknownName
from labs import train
from labs.recipes import prm
from labs.recipes.prm_card import Measured, one, page
from labs.train_reward import RewardSettings, options_of, policy_folder
from labs.train_reward import train as train_reward


def test_help_names_every_method(capsys):
    assert train.run(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in train.METHODS)


def test_a_wrong_method_lists_the_known_ones():
    with pytest.raises(UnknownName, match="reward"):
        train.run(["rewrd"])


@pytest.mark.parametrize(
    ("text", "want"),
    [("", {}), ("ops=8", {"ops": 8}), ("ops=4..8, path=a.b", {"ops": (4, 8), "path": "a.b"})],
)
def test_options_are_numbers_ranges_or_text(text, want):
    assert options_of(text) == want


def test_an_option_without_a_value_is_refused():
    with pytest.raises(BadInput, match="name=value"):
        options_of("ops")


def test_a_policy_is_an_embedded_model_or_a_folder(tmp_path):
    assert policy_folder("tiny").endswith("tiny")
    assert policy_folder(f"hf:{tmp_path}") == str(tmp_path)
    with pytest.raises(BadInput, match="tiny"):
        policy_folder("tyni")


def test_a_process_model_is_made_from_nothing_but_settings_and_kept(tmp_path):
    settings = RewardSettings(options={"ops": 3}, problems=6, samples=2, epochs=1.0)
    place = train_reward(settings, tmp_path)
    record = json.loads((place / "training.json").read_text())
    assert record["method"] == "reward/process" and record["parent"]["place"] == "tiny"
    assert record["data"]["rows"] == len((tmp_path / "rows.jsonl").read_text().splitlines())
    with pytest.raises(BadInput, match="other settings"):
        train_reward(RewardSettings(options={"ops": 4}, problems=6), tmp_path)


def test_an_outcome_model_learns_from_preferences_of_a_file(tmp_path):
    from evaluators import load_task
    from reasoning.data import pairs
    from reasoning.data.rows import Piece
    from reasoning.data.solver import solver_traces

    rows = solver_traces(load_task("expressions", "train", 6, ops=2))
    wrong = [replace(row, pieces=(Piece("0</think>0"),)) for row in rows]
    pairs.save([pairs.pair(a, b) for a, b in zip(rows, wrong, strict=True)], tmp_path / "p.jsonl")
    settings = RewardSettings(kind="outcome", model="tiny-student", data=str(tmp_path / "p.jsonl"))
    place = train_reward(settings, tmp_path / "run")
    record = json.loads((place / "training.json").read_text())
    assert record["data"]["rows"] == 6 and record["method"] == "reward/outcome"
    with pytest.raises(BadInput, match="--kind outcome"):
        train_reward(replace(settings, kind="process"), tmp_path / "other")


def test_numbers_that_cannot_be_and_a_folder_that_is_a_file_are_refused(tmp_path):
    for wrong in (RewardSettings(temperature=-1.0), RewardSettings(lr=0.0)):
        with pytest.raises(BadInput, match="--temperature"):
            train_reward(wrong, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        train_reward(RewardSettings(problems=2), tmp_path / "file")


def test_walks_label_each_step_exactly_on_training_problems():
    from evaluators import load_task

    task = load_task("countdown", "train", 30, 1001, numbers=4)
    rows = prm.walks(4, 30, 1)
    assert [row.problem for row in rows] == [problem.id for problem in task.problems]
    for problem, row in zip(task.problems, rows, strict=True):
        values = [task.value(problem, row.pieces[1 : at + 1]) for at in range(1, len(row.pieces))]
        assert list(row.labels[1:]) == values
    labels = [label for row in rows for label in row.labels[1:]]
    assert 0.3 < sum(filter(None, labels)) / len(labels) < 0.7


@pytest.mark.parametrize(("aggregate", "want"), [("min", 0.2), ("product", 0.1), ("last", 0.5)])
def test_ratings_become_one_number(aggregate, want):
    assert one(aggregate, [0.2, 1.0, 0.5]) == pytest.approx(want)


def test_the_card_tells_recipe_data_parent_and_figures():
    training = {
        "recipe": {"tokens_per_step": 3000, "optimiser": "muon", "lr": 1e-3, "seed": 0},
        "data": {"rows": 12345, "hash": "abc"}, "curve": [{"of": 77}],
        "parent": {"place": "tiny", "weights": "f00"},
    }  # fmt: skip
    rows = [Measured("expressions ops=8", "all", "min", 0.951, 0.94, 0.96, 800, 0.3)]
    text = page("tiny-prm", training, rows)
    for told in ("12,345", "abc", "f00", "77 steps", "0.951 | 0.940 to 0.960 | 800 | 0.30"):
        assert told in text
