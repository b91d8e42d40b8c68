"""Decontamination: the same question in another order is the same question; others stay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators import load_task
from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import Message
from reasoning.data.decontaminate import canonical, decontaminate, normal
from reasoning.data.rows import TraceRow, instance_of, question
from reasoning.prompts import PromptStyle, build


def asked(task: Task, problem: Problem, **more) -> TraceRow:
    """An empty trace of a problem."""
    prompt = build(task, problem, PromptStyle(), "compact")
    made = TraceRow(
        id=problem.id, task=task.name, split="train", seed=0, problem=question(problem),
        instance=instance_of(task.name, problem), messages=prompt.messages, pieces=(),
        finish="eos",
    )  # fmt: skip
    return replace(made, **more)


def own(task, text, **more):
    return asked(task, replace(task.parse_problem(text), id=text), **more)


TEST = load_task("countdown", "test", n=20)
TRAIN = load_task("countdown", "train", n=50)
EMPTY = load_task("expressions", n=0)


def test_training_instances_stay_and_held_out_ones_go():
    rows = [asked(TRAIN, p) for p in TRAIN.problems] + [asked(TEST, p) for p in TEST.problems]
    found = decontaminate(rows, [TEST])
    assert list(found.rows) == rows[:50] and len(found.dropped) == 20 and found.held_out == 20


def test_the_same_numbers_in_another_order_are_the_same_instance():
    problem = TEST.problems[0]
    numbers, target = problem.fields["numbers"], problem.fields["target"]
    turned = " ".join(str(n) for n in reversed(numbers)) + f"={target}"
    row = own(TEST, turned)
    assert "key" not in row.problem["meta"]
    assert canonical("countdown", row.asked()) == canonical("countdown", problem)
    (gone,) = decontaminate([row], []).dropped
    assert gone.reason == "an instance kept for testing"


def test_an_instance_is_told_by_its_key_whatever_the_row_says():
    same = [canonical("expressions", EMPTY.parse_problem(t)) for t in ("1+2*3", "3*1+2", "2+3*1")]
    assert len(set(same)) == 1
    assert canonical("expressions", EMPTY.parse_problem("1+2+3")) not in same


def test_a_held_out_training_instance_goes_too():
    kept = replace(TRAIN, problems=TRAIN.problems[:10])
    rows = [asked(TRAIN, p) for p in TRAIN.problems]
    found = decontaminate(rows, [kept])
    assert list(found.rows) == rows[10:]
    assert {d.reason for d in found.dropped} == {"a held-out instance"}


def test_rows_that_say_they_are_of_the_test_split_go():
    row = asked(TRAIN, TRAIN.problems[0], split="test")
    assert [d.reason for d in decontaminate([row]).dropped] == ["of the split test"]


def chat(text: str) -> TraceRow:
    return TraceRow(
        id=text, task="chats", split="train", seed=0, instance="", pieces=(), finish="eos",
        problem={"id": text, "fields": {"question": text}},
        messages=(Message("user", text),),
    )  # fmt: skip


def test_a_chat_with_a_held_out_question_goes_by_its_text():
    problem = TEST.problems[0]
    text = TEST.render(problem, "chain", "plain")
    rows = [chat(text.upper().replace(" ", "\n ")), chat(f"an example\n\n{text}"), chat("Hello!")]
    found = decontaminate(rows, [TEST])
    assert [r.id for r in found.rows] == ["Hello!"]
    assert normal(f" {text}\n<think>") == normal(text)


def test_runs_of_words_are_compared_where_asked_for():
    task = load_task("jsonl", n=0)
    text = "A ferry carries 36 cars on each trip and makes 5 trips"
    held = replace(task, problems=[Problem("q", {"question": text}, "180")])
    rows = [chat("Yesterday a ferry carries 36 cars on each trip and sinks"), chat("A ferry.")]
    assert len(decontaminate(rows, [held]).rows) == 2
    found = decontaminate(rows, [held], words_in_common=8)
    assert [r.id for r in found.rows] == ["A ferry."]
    assert "8 words in a row" in str(found) and found.told()["kept"] == 1
    with pytest.raises(BadInput):
        decontaminate(rows, [held], words_in_common=0)


def test_runs_of_words_would_flag_every_question_of_a_template():
    rows = [replace(asked(TRAIN, p), messages=(Message("user", TRAIN.render(p, "chain", "plain")),))
            for p in TRAIN.problems[:5]]  # fmt: skip
    assert len(decontaminate(rows, [TEST]).rows) == 5
    assert not decontaminate(rows, [TEST], words_in_common=8).rows


def test_a_row_that_cannot_be_read_is_named():
    row = replace(asked(TRAIN, TRAIN.problems[0]), problem={"id": "x", "fields": {"number": 1}})
    with pytest.raises(BadInput, match="x is none of task"):
        decontaminate([row])
