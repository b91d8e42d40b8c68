"""The browser of traces, and the ablation's arms, measures and table."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "reasoning"))

from evaluators import load_task
from evaluators.errors import BadInput
from labs.trace_ablation import (
    BEFORE,
    arms_of,
    measured,
    outcome_chart,
    outcome_table,
    selections,
    trainings,
)
from labs.widgets.trace_rows import RowBrowser, trace_of
from reasoning.core import Completion, Usage
from reasoning.data.rows import Piece
from reasoning.data.solver import solver_traces
from tests.reasoning.trace_rows import TASK, row

ROWS = [
    row(1, "1+6\n7\n</think>7"),
    row(2, "1+5\n6\n</think>7"),
    row(3, "3*3\n9\n</think>9", False),
    row(4, "9-6\n3\n</think>3", True, "9-2*3"),
    row(5, "7*", False, "9-2*3", finish="length"),
    row(6, "x<b>", None, "2*2*2"),
]


def test_every_row_is_of_one_kind():
    browser = RowBrowser(ROWS)
    assert [browser.kind(r) for r in ROWS] == [
        "right", "right, a step rejected", "wrong", "right", "cut", "not judged"]  # fmt: skip
    assert ("right (2)", "right") in browser.verdict.options


def test_choosing_a_verdict_leaves_the_problems_that_have_it():
    browser = RowBrowser(ROWS)
    assert len(browser.problem.options) == 3
    assert "1+2*3<think> (2 of 3 right)" in browser.problem.options[0][0]
    browser.verdict.value = "cut"
    assert [r.id for r in browser.chosen()] == ["r5"]
    assert "9-2*3" in browser.problem.options[0][0] and len(browser.problem.options) == 1
    browser.verdict.value = "right, a step rejected"
    assert [r.id for r in browser.chosen()] == ["r2"]
    assert "✗ 1+5" in browser.view.value and "✓ 7" not in browser.view.value
    browser.verdict.value = "all"
    assert [r.id for r in browser.chosen()] == ["r1", "r2", "r3"]


def test_what_a_model_wrote_is_no_markup():
    browser = RowBrowser([row(1, "<b>bold</b>", False), row(2, "<i>x</i>", False, task="mine")])
    assert "<b>bold" not in browser.view.value
    browser.problem.value = browser.problem.options[1][1]
    assert "&lt;i&gt;x" in browser.view.value


def test_a_row_is_the_trace_it_was():
    tool = replace(ROWS[0], pieces=(Piece("1+6"), Piece("=7", "tool"), Piece("\n</think>7")))
    made = trace_of(tool)
    assert made.text == tool.text and [s.source for s in made.steps] == ["model", "tool", "model"]
    assert made.verdict is not None and made.verdict.passed
    assert "tool: =7" in RowBrowser([tool], TASK).view.value
    assert trace_of(replace(tool, pieces=())).steps == ()
    with pytest.raises(BadInput):
        RowBrowser([])


def test_arms_are_every_filter_with_every_number():
    assert list(arms_of([1, None], {"right": {}})) == ["right, 1 a problem", "right, all a problem"]
    found = selections(ROWS, arms_of([1, None]))
    sizes = {name: len(rows) for name, rows in found.kept.items()}
    assert sizes == {
        "no filter, 1 a problem": 3, "no filter, all a problem": 6,
        "right answer, 1 a problem": 2, "right answer, all a problem": 3,
        "right answer, sound steps, 1 a problem": 2, "right answer, sound steps, all a problem": 2,
    }  # fmt: skip
    assert "0.50" in str(found.table())
    with pytest.raises(BadInput, match="keeps no trace"):
        selections([ROWS[2]], arms_of([1]))


class Sure:
    """Answers every expression with the same number."""

    can, dialect, flops_per_token = frozenset({"n"}), "compact", 2.0

    def __init__(self, answer):
        self.name, self.answer = f"says {answer}", answer

    def fingerprint(self):
        return {"name": self.name}

    async def generate(self, prompt, sampling, ledger, seed):
        made = []
        for at in range(sampling.n):
            grant = ledger.reserve(purpose="sample", model=self.name, key=seed.child(at).text,
                                   max_tokens=sampling.max_tokens)  # fmt: skip
            usage = Usage(1, 0, 5)
            grant.settle(usage)
            made.append(Completion(f"</think>{self.answer}", "eos", usage))
        return made


def test_arms_are_measured_on_the_same_problems_against_the_policy_before():
    problems = tuple(
        replace(TASK.parse_problem(text), id=text) for text in ("1+1", "2*1", "3-1", "5+1")
    )
    task = replace(TASK, problems=problems)
    models = {BEFORE: [Sure(6)], "better": [Sure(2)], "two seeds": [Sure(2), Sure(6)]}
    before, better, both = measured(models, task, samples=2)  # type: ignore[arg-type]
    assert (before.accuracy.value, better.accuracy.value, both.accuracy.value) == (0.25, 0.75, 0.5)
    assert before.gain is None and better.gain is not None and better.gain.value == 0.5
    assert better.tokens == 5
    assert "+0.50" in str(outcome_table([before, better, both]))
    (axes,) = outcome_chart([before, better, both]).axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["better", "two seeds"]


@pytest.mark.slow
def test_selections_are_trained_in_turn_to_the_same_flops(tmp_path):
    task = load_task("expressions", "train", n=12, ops=1)
    chosen = selections(solver_traces(task), {"all": {}, "one": {"each": 1}})
    runs = trainings(chosen, "tiny-student", tmp_path, flops=2e9, batch=4)
    places = runs.start().wait(300)
    assert list(places) == ["all", "one"]
    spent = [run.rows[-1]["flops"] for run in runs.runs.values()]
    assert all(2e9 <= each < 4e9 for each in spent)


def test_the_ablation_checks_its_numbers_before_the_work(capsys):
    from labs.cli import main

    for wrong in (["--each", "1,x"], ["--seeds", ""], ["--problems", "0"]):
        assert main(["traces", "ablate", *wrong]) == 2
    assert "--problems" in capsys.readouterr().err
