"""`reasonlab solve`: the traces of one problem with verdicts, within its budget."""

from __future__ import annotations

import re

import pytest

from labs.cli import main
from labs.solve import ask
from reasoning.models import MODELS
from reasoning.models.endpoint.retry import ServerFault
from tests.labs.serving import Scripted


@pytest.mark.parametrize(
    ("task", "text", "fields"),
    [
        ("countdown", "3 5 7 2=24", {"numbers": [3, 5, 7, 2], "target": 24}),
        ("expressions", "(3+4)*2-5", {"expression": "(3+4)*2-5"}),
        ("chain-sum", "347+589+126", {"terms": [347, 589, 126]}),
        ("countdown", '{"numbers": [1, 2], "target": 3}', {"numbers": [1, 2], "target": 3}),
    ],
)
def test_a_problem_is_read_in_its_tasks_own_notation(
    task: str, text: str, fields: dict[str, object]
) -> None:
    asked = ask(task, text)
    assert dict(asked.problem.fields) == fields
    assert list(asked.task.problems) == [asked.problem]


@pytest.mark.parametrize("strategy", ["chain-of-thought", "best-of-n(n=2)", "step-resample"])
def test_traces_are_printed_step_by_step_within_the_budget(
    strategy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["solve", "countdown", "3 5 7 2=24", "--strategy", strategy, "--budget", "60"]
    assert main(line) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("trace 1 ")
    assert re.search(r"^  [✓✗?] \d", shown, re.MULTILINE)
    spent = re.search(r"(\d+) of 60 tokens", shown.splitlines()[-1])
    assert spent is not None
    assert 0 < int(spent.group(1)) <= 60


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["countdown", "3 5 7 2"], "no countdown problem"),
        (["expressions", "3+"], "no expression"),
        (["chain-sum", '{"terms": 3'], "not JSON"),
        (["countdwn", "3 5=8"], "Did you mean 'countdown'"),
        (["countdown", "3 5=8", "--model", "tinny"], "Did you mean 'tiny'"),
        (["countdown", "3 5=8", "--strategy", "best"], "unknown strategy"),
        (["countdown", "3 5=8", "--budget", "-1"], "budget"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_exit_2(
    line: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["solve", *line]) == 2
    captured = capsys.readouterr().err
    assert said in captured
    assert len(captured.splitlines()) == 1


def test_a_server_that_is_gone_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(MODELS, "gone", lambda: Scripted(fault=ServerFault("nobody is there")))
    line = ["solve", "countdown", "3 5=8", "--model", "gone", "--strategy", "direct"]
    assert main(line) == 2
    assert capsys.readouterr().err.splitlines() == [
        "reasonlab: a call of model 'scripted' failed: nobody is there"
    ]


def test_what_the_calculator_wrote_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["solve", "expressions", "23*47+188-95", "--model", "tiny-tools"]
    assert main([*line, "--strategy", "tool-use", "--budget", "200"]) == 0
    shown = capsys.readouterr().out
    assert "? [23*47]=1081    [tool: =1081]" in shown
    assert "answer 1174 · stopped by done" in shown
