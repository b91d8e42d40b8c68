"""Rewards come from a process that may hang and die; what could not be judged is never a 0."""

from __future__ import annotations

import numpy as np
import pytest

from evaluators import load_task
from evaluators.errors import BadInput
from evaluators.tasks import countdown, expressions
from reasoning.train.judge import Asked, Judge, JudgeBroken
from reasoning.train.rewards import REWARDS, rejects
from tests.reasoning import earned

SUMS = load_task("expressions", "train", 6, ops=2)
REACH = load_task("countdown", "train", 6, numbers=3)


def right(task, at: int) -> str:
    writer = countdown if task is REACH else expressions
    text, _ = writer.write_trace(
        task.problems[at], "shortest", "compact", np.random.default_rng(at)
    )
    return text


def test_the_verifiers_reward_is_the_tasks_verdict_of_traces_that_ended():
    asked = [Asked(0, SUMS.problems[0], right(SUMS, 0), "eos"),
             Asked(0, SUMS.problems[0], right(SUMS, 0), "length"),
             Asked(0, SUMS.problems[0], right(SUMS, 0) + "1", "eos"),
             Asked(1, REACH.problems[1], right(REACH, 1), "eos"),
             Asked(1, REACH.problems[2], right(REACH, 1), "eos")]  # fmt: skip
    with Judge([SUMS, REACH], "verifier") as judge:
        found = judge.judge(asked)
    assert [one.reward for one in found] == [1.0, 0.0, 0.0, 1.0, 0.0]
    assert [one.right for one in found] == [True, False, False, True, False]
    assert found[0].answer == SUMS.problems[0].answer and found[1].answer is None


def test_a_trace_that_hangs_kills_or_fails_its_judge_has_no_reward_and_the_others_have_theirs():
    texts = ["fine", "hang", "fine", "die", "fail", "abstain", "fine"]
    with Judge([SUMS], earned.nasty, seconds=1.0) as judge:
        judge.judge([Asked(0, SUMS.problems[0], "fine", "eos")])
        found = judge.judge([Asked(0, SUMS.problems[0], text, "eos") for text in texts])
        assert judge.starts == 3 and judge.failed == 3
    assert [one.reward for one in found] == [1.0, None, 1.0, None, None, None, 1.0]
    assert "more than 1 s" in str(found[1].error) and "died" in str(found[3].error)
    assert "no verdict" in str(found[4].error) and found[5].error is None


def test_a_reward_that_is_no_finite_number_is_none():
    texts = ["nan", "fine", "inf", "-inf"]
    with Judge([SUMS], earned.no_number) as judge:
        found = judge.judge([Asked(0, SUMS.problems[0], text, "eos") for text in texts])
    assert [one.reward for one in found] == [None, 1.0, None, None]
    assert "reward of nan" in str(found[0].error) and judge.failed == 3


def test_an_object_may_reward_and_one_that_cannot_be_imported_is_named():
    class Mine(earned.Flat):
        pass

    with Judge([SUMS], earned.Flat(0.25)) as judge:
        assert judge.judge([Asked(0, SUMS.problems[0], "1", "eos")])[0].reward == 0.25
    with pytest.raises(BadInput, match="Mine judges in another process"):
        Judge([SUMS], Mine(1.0))


def test_a_judge_that_fails_on_everything_ends_the_run_with_its_reason():
    with Judge([SUMS], earned.broken) as judge, pytest.raises(JudgeBroken, match="out of order"):
        judge.judge([Asked(0, p, "1", "eos") for p in SUMS.problems])


def test_a_reward_that_another_process_cannot_import_is_refused_with_the_remedy():
    def mine(task, problem, text, finish):
        return 1.0

    with pytest.raises(BadInput, match="top of a module"):
        Judge([SUMS], mine)


def test_the_judges_process_ends_with_it():
    judge = Judge([SUMS], earned.length)
    assert judge.judge([Asked(0, SUMS.problems[0], "four", "eos")])[0].reward == 4.0
    process = judge._process
    assert process is not None and process.poll() is None
    judge.close()
    assert process.poll() is not None


def test_a_right_answer_by_a_wrong_step_is_right_but_not_sound():
    problem = SUMS.problems[0]
    lines = right(SUMS, 0).splitlines(keepends=True)
    wrong = "".join(["1+1\n", *lines[1:]])
    assert REWARDS["verifier"](SUMS, problem, wrong, "eos") == 1.0
    assert REWARDS["sound"](SUMS, problem, wrong, "eos") == 0.0
    assert REWARDS["sound"](SUMS, problem, "".join(lines), "eos") == 1.0


def test_a_wrong_step_that_is_taken_back_is_not_held_against_a_trace():
    text, errors = expressions.write_trace(
        SUMS.problems[1], "repair", "compact", np.random.default_rng(0)
    )
    assert errors and not rejects(SUMS, SUMS.problems[1], text)
    assert rejects(SUMS, SUMS.problems[1], text.replace("wait\n", ""))


def test_the_form_earns_whatever_it_says():
    problem = REACH.problems[0]
    assert REWARDS["form"](REACH, problem, "</think>1+1", "eos") == 1.0
    assert REWARDS["form"](REACH, problem, "</think>", "eos") == 0.0
    assert REWARDS["form"](REACH, problem, "</think>1+1", "length") == 0.0
