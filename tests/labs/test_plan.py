import pytest

from evaluators.errors import BadInput, UnknownName
from labs.plan import run, shown
from search import Adaptive, compare
from search.plan import Plan


def test_the_command_writes_a_plan_that_a_comparison_follows(tmp_path, capsys):
    from evaluators import load_task
    from reasoning import load_model

    file = tmp_path / "plan.json"
    asked = ["--problems", "6", "--budget", "20,60", "--strategy", "self-consistency",
             "--options", "ops=3", "--probes", "1", "--bins", "2"]  # fmt: skip
    assert run([str(file), *asked]) == 0
    said = capsys.readouterr().out
    assert "mean 20 tokens" in said and f"plan: {file}" in said
    plan = Plan.load(file)
    assert [option.tokens for option in plan.options] == [20, 60]
    assert plan.made["problems"] == 6 and {p.probes for p in plan.predictors} == {0, 1}
    report = compare(
        f"adaptive(plan={file},mean=60)", load_task("expressions", n=3, ops=3),
        load_model("tiny"), [90], progress=False,
    )  # fmt: skip
    assert all(cell.state == "done" for cell in report.cells)


def test_wrong_names_and_numbers_fail_at_once(tmp_path):
    file = str(tmp_path / "plan.json")
    with pytest.raises(UnknownName, match="strategy"):
        run([file, "--strategy", "telepathy"])
    with pytest.raises(BadInput, match="whole numbers"):
        run([file, "--budget", "many"])
    with pytest.raises(BadInput, match="name=value"):
        run([file, "--options", "ops"])
    for wrong in (["--budget", "0,40"], ["--probes", "-1"], ["--bins", "0"]):
        with pytest.raises(BadInput, match="or more"):
            run([file, "--problems", "6", *wrong])


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_run(tmp_path):
    for place in (tmp_path, tmp_path / "none" / "plan.json"):
        with pytest.raises(BadInput, match="cannot be written"):
            run([str(place), "--problems", "6", "--budget", "20"])


def test_a_plan_without_options_is_no_plan(tmp_path):
    file = tmp_path / "plan.json"
    file.write_text('{"kind": "plan", "options": [], "predictors": [], "made": {}}')
    with pytest.raises(BadInput, match="is no plan"):
        Adaptive(plan=str(file))


def test_a_plan_is_shown_by_difficulty():
    table = str(shown(Adaptive().fitted, 100))
    assert "difficulty" in table and "validation" in table
