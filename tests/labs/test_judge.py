"""`reasonlab judge`: pass@k, endings and `passed P/T` last; every mistake named; resumable."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from evaluators.errors import BadInput
from evaluators.tasks import load_task
from labs import judge
from labs.cli import main
from reasoning.budget import Budget
from search import Direct, compare
from tests.labs.serving import Scripted

PROBLEMS = Path(__file__).parents[1] / "evaluators" / "data" / "code_problems.jsonl"
ROWS = [json.loads(line) for line in PROBLEMS.read_text("utf-8").splitlines()]


@pytest.fixture(autouse=True)
def _needs_a_sandbox(strong):
    return strong


def samples(path: Path, *pairs: tuple[str, str]) -> str:
    rows = [json.dumps({"task_id": name, "completion": text}) + "\n" for name, text in pairs]
    path.write_text("".join(rows))
    return str(path)


def last(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[-1]


def test_own_solutions_all_pass(capsys):
    assert main(["judge", str(PROBLEMS), "--canonical", "--timeout", "10"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["passed", "12"]
    assert out[-1] == "passed 12/12"
    assert any(line.startswith("pass@1 1.0000 [0.75") for line in out)


@pytest.mark.parametrize(
    "completion",
    ["    return None\n", "    import sys; sys.exit(0)\n", "    import os; os._exit(0)\n",
     "    return type('A', (), {'__eq__': lambda a, b: True})()\n", "    print('passed 9/9')\n"],
)  # fmt: skip
def test_cheats_pass_nowhere(tmp_path, capsys, completion):
    file = samples(tmp_path / "s.jsonl", *((row["task_id"], completion) for row in ROWS))
    assert main(["judge", str(PROBLEMS), file, "--timeout", "10"]) == 0
    assert last(capsys) == "passed 0/12"


def test_several_samples_packed_files_and_pass_at_k(tmp_path, capsys):
    first, second = ROWS[0], ROWS[2]
    right = [row["canonical_solution"] for row in (first, second)]
    pairs = [(first["task_id"], right[0]), (first["task_id"], "    return text\n")]
    pairs += [(second["task_id"], f"```python\n{second['prompt']}{right[1]}```")] * 2
    file = samples(tmp_path / "s.jsonl", *pairs)
    packed = tmp_path / "s.jsonl.gz"
    packed.write_bytes(gzip.compress(Path(file).read_bytes()))
    problems = tmp_path / "p.jsonl.gz"
    problems.write_bytes(gzip.compress(PROBLEMS.read_bytes()))
    assert main(["judge", str(problems), str(packed), "--k", "2,1,3", "--timeout", "10"]) == 0
    out = capsys.readouterr().out
    assert "pass@1 0.7500 [" in out and "pass@2 1.0000 [" in out
    assert "no pass@3: a problem has only 2 judged samples" in out
    assert "10 problems have no sample" in out
    assert out.endswith("passed 3/4\n")


def test_what_cannot_be_judged_is_counted_apart_and_said(tmp_path, capsys):
    empty = ROWS[0] | {"task_id": "own/empty", "test": "def check(candidate):\n    pass\n"}
    problems = tmp_path / "p.jsonl"
    problems.write_text(json.dumps(empty) + "\n" + json.dumps(ROWS[1]) + "\n")
    pairs = [("own/empty", "    return 1\n"), (ROWS[1]["task_id"], "    return None\n")]
    file = samples(tmp_path / "s.jsonl", *pairs)
    assert main(["judge", str(problems), file]) == 0
    out = capsys.readouterr().out
    assert "unjudged          1" in out
    assert "not judged: own/empty: cannot judge: the tests never call the candidate" in out
    assert "pass@1 0.0000" in out and "over 1 problems" in out
    assert out.endswith("passed 0/2\n")


def test_judgements_are_written_as_they_come_and_resumed(tmp_path, capsys, monkeypatch):
    name, right = ROWS[1]["task_id"], ROWS[1]["canonical_solution"]
    pairs = [(name, right), (name, "    return 1\n"), (name, right), (name, "    return \ud83d\n")]
    file, out = samples(tmp_path / "s.jsonl", *pairs), tmp_path / "deep" / "out.jsonl"
    line = ["judge", str(PROBLEMS), file, "--out", str(out), "--workers", "1"]
    add = judge.Progress.add

    def interrupt(self, row):
        add(self, row)
        if row["ending"] == "wrong":
            raise KeyboardInterrupt

    monkeypatch.setattr(judge.Progress, "add", interrupt)
    assert main(line) == 130
    said = capsys.readouterr().err
    assert "continue with: reasonlab judge" in said and said.rstrip().endswith("--resume")
    assert len(out.read_text().splitlines()) == 2
    monkeypatch.setattr(judge.Progress, "add", add)
    assert main(line) == 2
    assert "add --resume" in capsys.readouterr().err
    with out.open("a") as file_:
        file_.write('{"task_id": "own')  # a torn line
    times = [json.loads(row)["seconds"] for row in out.read_text().splitlines()[:2]]
    assert main([*line, "--resume"]) == 0
    assert last(capsys) == "passed 2/4"
    rows = [json.loads(row) for row in out.read_text().splitlines()]
    assert [row["passed"] for row in rows] == [True, False, True, False]
    assert [row["seconds"] for row in rows[:2]] == times, "the first two were judged again"
    assert {"task_id", "completion", "ending", "reason", "seconds", "backend"} <= set(rows[0])
    assert rows[1]["ending"] == "wrong" and rows[3]["ending"] == "bad_output"


def test_a_full_disk_is_told_with_the_way_on():
    with judge.Rows(Path("/dev/full")) as rows, pytest.raises(BadInput, match="--resume"):
        rows.add({"passed": True})


def test_samples_of_a_single_problem_say_next_to_nothing_of_others():
    rows = [{"task_id": "a", "passed": x == 0, "ending": "wrong", "reason": ""} for x in range(3)]
    lines = judge.report(rows, [1], 0)
    assert lines[1:] == ["pass@1 0.3333 [0.0000, 1.0000] (95 % interval over 1 problems)",
                         "passed 1/3"]  # fmt: skip


def test_resuming_with_other_samples_is_refused(tmp_path, capsys):
    name, right = ROWS[1]["task_id"], ROWS[1]["canonical_solution"]
    file, out = samples(tmp_path / "s.jsonl", (name, right)), str(tmp_path / "out.jsonl")
    assert main(["judge", str(PROBLEMS), file, "--out", out]) == 0
    other = samples(tmp_path / "t.jsonl", (name, "    return 2\n"))
    assert main(["judge", str(PROBLEMS), other, "--out", out, "--resume"]) == 2
    assert "line 1: a judgement of another sample" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "give either a file of samples, or --canonical"),
        (["s.jsonl", "--canonical"], "give either a file of samples, or --canonical"),
        (["--canonical", "--out", ".", "--resume"], "cannot resume ."),
        (["none.jsonl"], "does not exist"),
        (["--canonical", "--k", "x"], "--k takes numbers"),
        (["--canonical", "--k", "0,1"], "--k takes numbers of 1 or more"),
        (["--canonical", "--workers", "0"], "--workers must be 1 or more"),
        (["--canonical", "--timeout", "0"], "--timeout must be a number of seconds above 0"),
        (["--canonical", "--timeout", "nan"], "--timeout must be"),
        (["--canonical", "--resume"], "give --out"),
        (["--canonical", "--sandbox", "docker"], "unknown sandbox back-end 'docker'"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(capsys, options, said):
    assert main(["judge", str(PROBLEMS), *options]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and len(captured.err.splitlines()) == 1
    assert captured.out == ""


def test_a_wrong_file_is_named_with_its_line(tmp_path, capsys):
    file = samples(tmp_path / "s.jsonl", ("own/nowhere", "x"))
    assert main(["judge", str(PROBLEMS), file]) == 2
    assert "line 1: no problem has the task_id 'own/nowhere'" in capsys.readouterr().err
    (tmp_path / "p.jsonl").write_text("{oops\n")
    assert main(["judge", str(tmp_path / "p.jsonl"), "--canonical"]) == 2
    assert "line 1: not JSON" in capsys.readouterr().err
    bare = {key: value for key, value in ROWS[0].items() if key != "canonical_solution"}
    (tmp_path / "p.jsonl").write_text(json.dumps(bare))
    assert main(["judge", str(tmp_path / "p.jsonl"), "--canonical"]) == 2
    assert "no problem has a canonical_solution" in capsys.readouterr().err


def test_a_broken_sandbox_is_no_verdict_and_exit_1(capsys, monkeypatch):
    from evaluators.code import batch
    from evaluators.code.judge import Judgement

    died = Judgement(None, "sandbox_died", "the interpreter is gone")
    monkeypatch.setattr(batch, "judge_all", lambda problems, samples, *_: [died] * len(samples))
    assert main(["judge", str(PROBLEMS), "--canonical"]) == 1
    out = capsys.readouterr().out
    assert "sandbox_died     12" in out and out.endswith("passed 0/12\n")


def test_check_judges_code_rows_and_says_what_it_cannot(tmp_path, capsys):
    fields = {name: ROWS[1][name] for name in ("prompt", "entry_point", "test")}
    broken = fields | {"test": "def check(candidate):\n    pass\n"}
    rows = [(fields, ROWS[1]["canonical_solution"]), (fields, "    return 1\n"), (broken, "x = 1")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"problem": p, "completion": c}) + "\n" for p, c in rows))
    assert main(["check", "code", str(path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["passed"] for line in out[:3]] == [True, False, None]
    assert out[3] == "not judged 1 of 3 rows: the problem is at fault"
    assert out[4] == "accuracy 0.5000 (1/2)"


def test_strategies_compare_on_code_and_a_faulty_problem_is_an_error_not_a_zero(tmp_path):
    empty = ROWS[1] | {"task_id": "own/empty", "test": "def check(candidate):\n    pass\n"}
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (ROWS[1], empty)))
    model = Scripted("```python\ndef extremes(xs):\n    return min(xs), max(xs)\n```")
    report = compare([Direct()], load_task(f"code:{path}"), model, [Budget(500)])
    states = {cell.problem: (cell.state, cell.correct) for cell in report.cells}
    assert states == {"code:p/own/tuple": ("done", True), "code:p/own/empty": ("error", False)}
    assert any("never call the candidate" in cell.reason for cell in report.cells)
