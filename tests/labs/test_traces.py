"""Traces for reading: every step judged after the ones before it, all text escaped."""

from __future__ import annotations

from dataclasses import replace

from evaluators.tasks import load_task
from evaluators.tasks.base import Task
from labs.traces import as_html, as_text, judge_steps
from labs.widgets.traces import TraceBrowser
from reasoning.core import Solution, Step, Trace
from search.sampler import pieces


def expressions() -> Task:
    task = load_task("expressions", n=0)
    return replace(task, problems=(task.from_fields({"expression": "(3+4)*2-5"}),))  # type: ignore


def solution(*texts: str, finish: str = "eos") -> Solution:
    traces = [Trace((Step(t, 5, finish),), finish, t.rpartition("</think>")[2]) for t in texts]  # type: ignore
    return Solution("9", tuple(traces), 0)


def test_steps_keep_their_boundary_and_join_to_the_text() -> None:
    text = "7*2-5\n14-5\n9\n</think>9"
    assert pieces(text, "\n") == ["7*2-5\n", "14-5\n", "9\n", "</think>9"]
    assert "".join(pieces(text + "\n", "\n")) == text + "\n"
    assert pieces("", "\n") == []
    assert pieces("7\0*2\n\n14", "\n") == ["7\0*2\n", "\n", "14"]


def test_a_wrong_step_is_marked_and_the_right_ones_too() -> None:
    task = expressions()
    marks = [s.mark for s in judge_steps(task, task.problems[0], "7*2-5\n15-5\n10\n</think>10")]
    assert marks == ["✓", "✗", "✓", "✓"]
    assert judge_steps(task, task.problems[0], "oh\n")[0].mark == "?"


def test_the_text_names_verdict_answer_and_reason() -> None:
    task = expressions()
    shown = as_text(task, task.problems[0], solution("7*2-5\n9\n</think>9", "7*2-6\n</think>8"))
    first, second = shown.split("trace 2")
    assert "chosen · right · answer 9" in first
    assert "✗ 7*2-6    (7*2-6 does not follow" in second


def test_a_trace_that_did_not_end_has_no_verdict() -> None:
    task = expressions()
    shown = as_text(task, task.problems[0], solution("7*2-5\n", finish="budget"))
    assert "right" not in shown
    assert "wrong" not in shown
    assert "ended by budget" in shown


def test_what_a_model_writes_is_escaped() -> None:
    task = expressions()
    html = as_html(task, task.problems[0], solution("<img src=x onerror=alert(1)>\n"))
    assert "<img" not in html
    assert "&lt;img" in html
    assert "var(--jp-" in html


def test_the_browser_shows_what_is_chosen_and_says_what_is_missing() -> None:
    task = expressions()
    found = {"a<b @ 32": solution("9"), "chain": solution("7*2-5\n9\n</think>9")}
    browser = TraceBrowser(task, [*found, "late"], lambda arm, problem: found.get(arm))
    assert "trace 1" in browser.view.value
    browser.arm.value = "chain"
    assert "7*2-5" in browser.view.value
    browser.arm.value = "late"
    assert "has not answered" in browser.view.value


def test_what_a_tool_or_the_strategy_wrote_is_named() -> None:
    task = expressions()
    pieces_of = (
        ("[3+4]", "model"), ("=7\n", "tool"), ("7*2-5\n14-5\n", "model"), ("wait\n", "forced"),
        ("14-5\n9\n</think>9", "model"),
    )  # fmt: skip
    steps = tuple(Step(text, 1, "boundary", source=source) for text, source in pieces_of)  # type: ignore
    one = Solution("9", (Trace(steps, "eos", "9"),), 0)
    shown = as_text(task, task.problems[0], one).splitlines()[1:]
    assert [line.partition("    ")[2] for line in shown] == [
        "[tool: =7]", "", "", "[forced: wait]", "", "", ""
    ]  # fmt: skip
    assert shown[0].startswith("  ? [3+4]=7") and shown[1].startswith("  ✓ 7*2-5")
    html = as_html(task, task.problems[0], one)
    assert "[tool: =7]" in html and "[forced: wait]" in html
