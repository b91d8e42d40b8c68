"""`reasonlab traces`: from collecting to the card, on traces that solvers write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labs.cli import main
from labs.traces_files import made_of
from reasoning.data import pairs, rows
from reasoning.data.columns import read, unflat
from reasoning.data.problems import read as read_problems
from reasoning.data.select import select
from reasoning.train import labels

TASK = "expressions(ops=2..3)"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of right traces and of wrong ones: what a solver wrote, the answer changed in half."""
    folder = tmp_path_factory.mktemp("traces")
    collect = ["traces", "collect", "--task", TASK, "--problems", "8", "--out", str(folder)]
    assert main([*collect, "--model", "solver:random", "--k", "3"]) == 0
    from dataclasses import replace

    known = rows.read(folder / "traces.jsonl")
    wrong = [
        replace(
            row, id=row.id + "-wrong", answer="-7", dedup_key="",
            pieces=(rows.Piece(row.text.rpartition("</think>")[0] + "</think>-7"),),
            verdict={"passed": False, "score": 0.0, "reason": "it is not -7"},
        )
        for row in known[::2]
    ]  # fmt: skip
    file = folder / "mixed.jsonl"
    rows.save([*known, *wrong], file)
    return file


def test_a_solver_writes_traces_into_a_folder(tmp_path, capsys):
    collect = ["traces", "collect", "--task", TASK, "--problems", "3", "--out", str(tmp_path)]
    assert main([*collect, "--model", "solver"]) == 0
    assert "3 traces (100% correct) of 3 problems" in capsys.readouterr().out
    assert len(rows.read(tmp_path / "traces.jsonl")) == 3
    assert main([*collect, "--model", "solver", "--temperature", "1"]) == 2
    assert "--temperature is for models" in capsys.readouterr().err


def test_selecting_tells_every_rule_and_keeps_a_record(mixed, tmp_path, capsys):
    out = tmp_path / "chosen.jsonl"
    command = ["traces", "select", str(mixed), "--each", "1", "--prefer", "shortest",
               "--sound", "--held-out", "expressions(n=20)", "--out", str(out)]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr().out
    kept = rows.read(out)
    assert kept == list(select(rows.read(mixed), each=1, prefer="shortest", sound=True))
    assert "right" in said and "sound steps" in said and "held against 20 questions" in said
    told = made_of(out)
    assert told["selection"]["settings"]["each"] == 1 and told["traces"] == len(kept) == 8
    assert told["sources"][0]["file"] == "mixed.jsonl"
    rows.save(kept[:3], out)
    assert made_of(out) == {}, "the record of other rows is not believed"


def test_test_instances_never_come_through(tmp_path, capsys):
    collect = ["traces", "collect", "--task", TASK, "--problems", "3", "--out", str(tmp_path)]
    assert main([*collect, "--model", "solver", "--split", "test"]) == 0
    select_ = ["traces", "select", str(tmp_path), "--out", str(tmp_path / "x.jsonl")]
    assert main(select_) == 1
    assert "taken out 3: of the split test" in capsys.readouterr().out
    assert main([*select_, "--keep-test"]) == 0


def test_ends_and_names_are_checked_before_the_work(mixed, tmp_path, capsys):
    command = ["traces", "select", str(mixed), "--out", str(tmp_path / "x.jsonl")]
    assert main([*command, "--solved", "0.5"]) == 2
    assert "--solved takes two ends" in capsys.readouterr().err
    assert main(["traces", "select", str(mixed), "--out", str(tmp_path / "x.csv")]) == 2
    assert main(["traces", "selct"]) == 2
    assert "select" in capsys.readouterr().err
    assert main(["traces", "stats", str(tmp_path)]) == 2
    assert "neither traces.jsonl" in capsys.readouterr().err


def test_pairs_are_what_preference_training_reads(mixed, tmp_path, capsys):
    out = tmp_path / "pairs.jsonl"
    assert main(["traces", "pairs", str(mixed), "--each", "2", "--out", str(out)]) == 0
    found = pairs.read(out)
    assert found == pairs.pairs_from(rows.read(mixed), each=2)
    assert f"{len(found)} pairs of" in capsys.readouterr().out
    view = ["traces", "view", str(out), "--as", "preferences", "--out", str(tmp_path / "v.jsonl")]
    assert main(view) == 0
    assert len(read(tmp_path / "v.jsonl")) == len(found)


@pytest.mark.parametrize("kind", ["messages", "prompt-completion", "preferences", "steps"])
def test_views_are_written(mixed, tmp_path, kind):
    place = tmp_path / "view.parquet"
    assert main(["traces", "view", str(mixed), "--as", kind, "--out", str(place)]) == 0
    found = read(place)
    assert found and (kind != "steps" or {0.0, 1.0} <= {x for row in found for x in row["labels"]})


def test_whole_rows_and_labels_are_written(mixed, tmp_path):
    place = tmp_path / "rows.parquet"
    assert main(["traces", "view", str(mixed), "--as", "rows", "--out", str(place)]) == 0
    assert [r.id for r in unflat(read(place))] == [r.id for r in rows.read(mixed)]
    place = tmp_path / "labels.jsonl"
    assert main(["traces", "view", str(mixed), "--as", "labels", "--out", str(place)]) == 0
    assert len(labels.read(place)) == len(rows.read(mixed))


def test_tokens_are_those_of_the_model_that_is_named(mixed, tmp_path, capsys):
    view = ["traces", "view", str(mixed), "--as", "tokens", "--out", str(tmp_path / "t.jsonl")]
    assert main(view) == 2
    assert "--model" in capsys.readouterr().err
    assert main([*view, "--model", "tiny-student"]) == 0
    (first, *_) = read(tmp_path / "t.jsonl")
    assert first["labels"][: first["prompt"]] == [-100] * first["prompt"]


def test_figures_are_printed_and_given_as_json(mixed, capsys):
    assert main(["traces", "stats", str(mixed)]) == 0
    said = capsys.readouterr().out
    assert "problems by solve rate" in said and "diversity:" in said
    assert main(["traces", "stats", str(mixed), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tasks"][0]["problems"] == 8 and told["diversity"]["texts"] > 8


def test_traces_are_shown_with_their_verdicts(mixed, capsys):
    assert main(["traces", "show", str(mixed), "--verdict", "wrong", "--n", "1"]) == 0
    said = capsys.readouterr().out
    assert "wrong (it is not -7)" in said and "✗ </think>-7" in said and "✓ " in said
    assert main(["traces", "show", str(mixed), "--problem", "nobody/1"]) == 1


def test_the_card_knows_how_its_file_was_selected(mixed, tmp_path, capsys):
    out = tmp_path / "chosen.jsonl"
    assert main(["traces", "select", str(mixed), "--out", str(out)]) == 0
    assert main(["traces", "card", str(out), "--name", "Mine", "--license", "mit"]) == 0
    text = (tmp_path / "README.md").read_text()
    assert "different texts" in text and "license: mit" in text and "Held against" in text
    assert main(["traces", "card", str(mixed), "--out", str(tmp_path / "other")]) == 0
    assert "Nothing is known of a selection" in (tmp_path / "other" / "README.md").read_text()


def test_chats_are_imported_and_judged(tmp_path, capsys):
    chats = tmp_path / "chats.jsonl"
    turns = [("user", "6*7?"), ("assistant", "Answer: 42")]
    good = {"messages": [{"role": r, "content": c} for r, c in turns], "answer": "42"}
    chats.write_text("".join(json.dumps(row) + "\n" for row in (good, {"x": 1})))
    command = ["traces", "import", str(chats), "--check", "number", "--out"]
    assert main([*command, str(tmp_path / "r.jsonl")]) == 2
    assert "line 2" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "r.jsonl"), "--skip"]) == 0
    assert "1 traces, 1 judged, 1 right; 1 lines left out" in capsys.readouterr().out
    assert main(["traces", "show", str(tmp_path / "r.jsonl")]) == 0


def test_a_model_writes_problems_that_can_be_asked(tmp_path, capsys):
    file = tmp_path / "problems.jsonl"
    command = ["traces", "problems", "--n", "3", "--seeds", "6", "--out", str(file)]
    assert main(command) == 0
    assert "proposals" in capsys.readouterr().out
    collect = ["traces", "collect", "--from", str(file), "--model", "solver", "--out"]
    assert main([*collect, str(tmp_path / "solved")]) == 0
    asked = {row.problem["id"] for row in rows.read(tmp_path / "solved" / "traces.jsonl")}
    assert asked == {problem.id for problem in read_problems(file)}


def test_a_hint_helps_where_nothing_was_solved(tmp_path, capsys):
    collect = ["traces", "collect", "--task", TASK, "--problems", "6", "--model", "tiny-student"]
    assert main([*collect, "--k", "1", "--out", str(tmp_path / "t")]) == 0
    again = ["traces", "rationalise", str(tmp_path / "t"), "--task", TASK, "--model", "tiny-weak",
             "--k", "2", "--out", str(tmp_path / "h")]  # fmt: skip
    assert main(again) == 0
    found = rows.read(tmp_path / "h" / "rationalised.jsonl")
    assert found and all(row.hint_used for row in found)


def test_the_help_lists_every_work(capsys):
    from labs.trace_data import WORKS

    assert main(["traces", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in WORKS)


@pytest.mark.parametrize("line", ["[1]", "null", "7", '"text"'])
def test_a_line_that_is_no_object_is_named(tmp_path, capsys, line):
    (tmp_path / "rows.jsonl").write_text(line + "\n")
    assert main(["traces", "stats", str(tmp_path / "rows.jsonl")]) == 2
    assert "line 1 of" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_told_in_one_line(mixed, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out, given = ["--out", str(tmp_path / "file" / "x.jsonl")], str(mixed)
    solver = ["collect", "--task", TASK, "--problems", "2", "--model", "solver"]
    for command in (["select", given], ["pairs", given], ["view", given, "--as", "labels"],
                    ["view", given], solver):  # fmt: skip
        assert main(["traces", *command, *out]) == 2, command
        assert "cannot be written" in capsys.readouterr().err


def test_a_solver_takes_no_k_of_0_and_no_trees(tmp_path, capsys):
    solver = ["traces", "collect", "--task", TASK, "--problems", "2", "--model", "solver"]
    for more, says in ((["--k", "0"], "k must be 1 or more"), (["--trees"], "grows no tree")):
        assert main([*solver, "--out", str(tmp_path / "run"), *more]) == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_half_a_surrogate_pair_goes_through_jsonl_and_is_named_by_parquet(tmp_path, capsys):
    turns = [{"role": "user", "content": "a\ud800"}, {"role": "assistant", "content": "b\udc00"}]
    (tmp_path / "chats.jsonl").write_text(json.dumps({"messages": turns}))
    file = str(tmp_path / "rows.jsonl")
    assert main(["traces", "import", str(tmp_path / "chats.jsonl"), "--out", file]) == 0
    for kind in ("messages", "rows"):
        view = ["traces", "view", file, "--as", kind, "--out"]
        assert main([*view, str(tmp_path / "view.jsonl")]) == 0
        (row,) = read(tmp_path / "view.jsonl")
        assert row["messages"][0]["content"] == "a\ud800"
        for place in ("view.parquet", "folder"):
            assert main([*view, str(tmp_path / place)]) == 2
            assert "surrogate" in capsys.readouterr().err
            assert not (tmp_path / place).exists()
    known = [labels.Labelled("sums", "p", ("a\ud800", "b\udc00"), (None, 1.0))]
    labels.save(known, tmp_path / "new" / "labels.jsonl")
    assert labels.read(tmp_path / "new" / "labels.jsonl") == known
