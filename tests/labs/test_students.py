"""`reasonlab students` and its charts."""

from __future__ import annotations

import json

import pytest

from evaluators.errors import BadInput, UnknownName
from evaluators.intervals import Interval
from labs import cli
from labs.student_figures import break_even, compute_chart
from labs.students import students_of, tasks_of
from search.student_cost import Cost
from search.student_report import SAMPLE, Point, StudentReport
from search.student_samples import Sampled


def report(**costs: Cost) -> StudentReport:
    """Two students on one task, one sample each."""
    sampled = {}
    for name, right, flops in (("small", 0.4, 1e6), ("big", 0.6, 5e6)):
        one = Interval(right, right - 0.1, right + 0.1)
        sampled[name, "sums"] = Sampled(4, 16, 0, one, {1: one}, one, flops, 0.0, None, None)
    given = {"small": Cost(1e12, 3e9, 1e9), "big": Cost(2e12)} | costs
    return StudentReport(("small", "big"), ("sums",), (), "small", 4, 1.0, sampled, {}, given)


def at(axes) -> list[float]:
    """The places of a panel's points, in the order of the students."""
    return [float(line.get_xdata()[0]) for line in axes.get_lines() if line.get_marker() == "*"]


def test_the_chart_adds_a_share_of_the_making_where_it_is_amortised():
    alone, shared = compute_chart(report(), "sums", questions=(None, 1000)).axes
    assert at(alone) == [1e6, 5e6]
    assert at(shared) == [1e6 + 4e9 / 1000, 5e6]  # training and teacher; big is its own pretraining
    [whole] = compute_chart(report(), "sums", questions=(1e6,), pretraining=True).axes
    assert at(whole) == [pytest.approx(1e6 + 1.004e6), 5e6 + 2e6]


def test_a_chart_of_what_was_not_measured_is_refused():
    with pytest.raises(UnknownName, match="task"):
        compute_chart(report(), "products")
    with pytest.raises(UnknownName, match="student"):
        compute_chart(report(), "sums", students=["medium"])


def test_training_has_paid_after_what_it_cost_over_what_an_answer_saves():
    small, big = (Point(s, "sums", SAMPLE, "", "nothing", Interval(0.5, 0.4, 0.6), flops, 10.0)
                  for s, flops in (("small", 1e6), ("big", 5e6)))  # fmt: skip
    assert break_even(report(), "sums", small, big) == pytest.approx(4e9 / 4e6)
    assert break_even(report(), "sums", big, small) is None
    assert break_even(report(small=Cost()), "sums", small, big) == 0.0


def test_students_and_tasks_are_read_from_text():
    assert students_of(["tiny", "a=hf:x=y", "hf:b=c"]) == {
        "tiny": "tiny", "a": "hf:x=y", "hf:b=c": "hf:b=c"
    }  # fmt: skip
    tasks = tasks_of("countdown(numbers=3), expressions(ops=2..3)", 2, 0)
    assert list(tasks) == ["countdown(numbers=3)", "expressions(ops=2..3)"]
    assert len(tasks["countdown(numbers=3)"].problems[0].fields["numbers"]) == 3
    for wrong in (["a=x", "a=y"], ["=x"], ["a="]):
        with pytest.raises(BadInput, match="student"):
            students_of(wrong)
    with pytest.raises(BadInput, match="is no task"):
        tasks_of("countdown(numbers=3", 2, 0)


def test_the_command_prints_tables_and_leaves_charts_and_figures(tmp_path, capsys):
    argv = ["students", "weak=tiny-weak", "tiny", "--task", "countdown(numbers=3)",
            "--elsewhere", "expressions(ops=2)", "--strategy", "self-consistency",
            "--budget", "40", "--problems", "4", "--k", "4", "--out", str(tmp_path)]  # fmt: skip
    assert cli.main(argv) == 0
    said = capsys.readouterr().out
    for word in ("minus weak", "pass@4", "not practised", "self-consistency", "pretraining"):
        assert word in said
    told = json.loads((tmp_path / "students.json").read_text("utf-8"))
    assert told["baseline"] == "weak" and len(told["samples"]) == 4
    assert (tmp_path / "compute-1.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main([*argv, "--resume"]) == 0
    assert capsys.readouterr().out == said


def test_a_strategy_without_a_budget_is_refused(capsys):
    assert cli.main(["students", "tiny", "--task", "countdown", "--strategy", "direct"]) == 2
    assert "--strategy and --budget go together" in capsys.readouterr().err
