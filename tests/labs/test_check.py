"""`reasonlab check`: verdicts a line, accuracy last, bad rows named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labs.cli import main

PROBLEM = {"numbers": [3, 5, 7, 2], "target": 24}
CHAIN = "3*7=21 5 2\n5-2=3 21\n21+3=24\n</think>24"


def write(folder: Path, *rows: object) -> str:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("completion", "passed"),
    [
        ("3*7+5-2", True),
        ("(3*7)+5-2=24", True),
        (CHAIN, True),
        (CHAIN.replace("</think>", "Answer: "), True),
        ("3*7+5", False),
        ("3*7+5-2+0", False),
        (CHAIN.replace("21+3=24", "21+3=25"), False),
        ("", False),
        ("__import__('os').getcwd()", False),
    ],
)
def test_countdown_takes_an_expression_or_a_chain(
    completion: str, passed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {"problem": PROBLEM, "completion": completion})
    assert main(["check", "countdown", path]) == 0
    first, last = capsys.readouterr().out.splitlines()
    verdict = json.loads(first)
    assert list(verdict) == ["score", "passed", "answer", "reason"]
    assert verdict["passed"] is passed
    assert verdict["score"] == float(passed)
    assert last == f"accuracy {float(passed):.4f} ({int(passed)}/1)"


def test_accuracy_counts_every_row_and_blank_lines_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {"expression": "(3+4)*2-5"}
    rows = [{"problem": fields, "completion": c} for c in ("9", "7*2-5\n14-5\n9\n</think>9", "8")]
    assert main(["check", "expressions", write(tmp_path, rows[0], "", *rows[1:])]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 4
    assert out[-1] == "accuracy 0.6667 (2/3)"


def test_a_gold_number_may_be_written_in_any_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"gold": gold, "completion": "14-5\n9\n**Answer:** 9"} for gold in (9, 9.0, " 9 ", 8)]
    assert main(["check", "expressions", write(tmp_path, *rows)]) == 0
    assert capsys.readouterr().out.endswith("accuracy 0.7500 (3/4)\n")
    assert main(["check", "expressions", write(tmp_path, {"gold": "nine", "completion": "9"})]) == 2
    assert "rows.jsonl:1: the reference answer 'nine' is no number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "rows.jsonl:2: not JSON"),
        ("[1]", 'rows.jsonl:2: a row needs "completion"'),
        ({"completion": "9"}, 'rows.jsonl:2: a row needs either "problem" or "gold"'),
        ({"problem": PROBLEM, "gold": "9", "completion": "9"}, "either"),
        ({"problem": {"numbers": "3 5"}, "completion": "9"}, "rows.jsonl:2: a countdown problem"),
        ({"problem": [1], "completion": "9"}, "rows.jsonl:2"),
        ({"gold": "9", "completion": "9"}, "many answers to countdown are right"),
        ({"gold": None, "completion": "9"}, '"gold" must be a string or a number'),
        ({"problem": PROBLEM, "completion": 9}, 'needs "completion", a string'),
    ],
)
def test_a_bad_row_is_named_and_prints_no_verdict(
    row: object, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {"problem": PROBLEM, "completion": "3*7+5-2"}, row)
    assert main(["check", "countdown", path]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


def test_an_empty_or_missing_file_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "countdown", write(tmp_path, "")]) == 2
    assert "holds no rows" in capsys.readouterr().err
    assert main(["check", "countdown", str(tmp_path / "none.jsonl")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert main(["check", "countdwn", write(tmp_path, "")]) == 2
    assert "Did you mean 'countdown'" in capsys.readouterr().err


def test_a_line_separator_inside_a_completion_does_not_split_the_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = json.dumps({"problem": PROBLEM, "completion": "3*7+5-2\u2028"}, ensure_ascii=False)
    assert main(["check", "countdown", write(tmp_path, row)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("accuracy")


@pytest.mark.parametrize(
    ("gold", "completion", "passed"),
    [
        ("9", "9", True),
        (9, "7*2-5\n9\n</think>9", True),
        ("9", "</think>8", False),
        ("9", "", False),
    ],
)
def test_a_gold_row_is_judged_by_its_answer_alone(
    gold: object, completion: str, passed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {"gold": gold, "completion": completion})
    assert main(["check", "expressions", path]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["passed"] is passed
