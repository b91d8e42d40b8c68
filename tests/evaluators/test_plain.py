"""The chain tasks judge English: Markdown, LaTeX, list marks and remarks around the formulas."""

from __future__ import annotations

import time

import pytest

from evaluators import BadInput
from evaluators.tasks import chain_sum, chains, countdown, expressions

TASKS = {
    "ex": (expressions.TASK, expressions.Expressions.parse_problem("(3+4)*2-5")),
    "cd": (countdown.TASK, countdown.Countdown.parse_problem("8 3 2 1=24")),
    "cs": (chain_sum.TASK, chain_sum.ChainSum.parse_problem("347+589")),
}
MOVES = "2-1=1\n8*3=24\n24*1=24\n"
COLUMNS = "7+9=16\n4+8+1=13\n3+5+1=9\n"

FINALS = [
    ("ex", "**Answer:** 9", True), ("ex", "**Answer: 9**", True), ("ex", "Answer: **9**", True),
    ("ex", "### Final Answer: $9$", True), ("ex", "- Answer: 9.", True),
    ("ex", "Answer:\n9", True), ("ex", r"\[ \boxed{9} \]", True),
    ("ex", "Step 1: 3+4=7\nStep 2: 7*2=14\nStep 3: 14-5=9\n\nThe final answer is 9.", True),
    ("ex", "Answer: (3+4)*2-5 = 9", True), ("ex", "Answer: 9\n\nI hope that this helps!", True),
    ("ex", "<think>7*2-5\n14-5\n9\n</think>\n\n**Answer:** 9", True), ("ex", "Answer: 9.0", True),
    ("ex", "<think>Answer: 9", False),  # the reasoning has no end
    ("ex", "Answer: 8\n</think>9", True), ("ex", "Answer: 9\n</think>8", False),
    ("ex", "Answer: 9 or 10", False), ("ex", "Answer: 8, 9", False), ("ex", "Answer: 8 9", False),
    ("ex", "Answer: 9\nAnswer: 10", False), ("ex", "The answer is not 9", False),
    ("ex", "Answer: ٩", False), ("ex", "Answer: " + "9" * 5000, False), ("ex", "Answer: -9", False),
    ("ex", "Answer: 1e99999", False), ("ex", "7*2-5\n14-5\n9", False),  # no answer is marked
    ("cd", "**Answer:** 8*3*(2-1)", True), ("cd", r"Answer: \boxed{8*3*(2-1)}", True),
    ("cd", r"Answer: $8 \times 3 \times (2-1)$", True), ("cd", "Answer: `8*3*(2-1)`.", True),
    ("cd", r"Answer: \frac{8*3}{2-1}", True), ("cd", "Answer: 24 = 8*3*(2-1)", True),
    ("cd", "The answer is 8*3*(2-1), which equals 24.", True),
    ("cd", MOVES + "**Answer:** 24", True), ("cd", "Let me try.\n" + MOVES + "Answer: 24", True),
    ("cd", "Step 1: 2 - 1 = 1\nStep 2: 8 * 3 = 24\n- 24*1=24 (done)\nAnswer: 24", True),
    ("cd", MOVES + "Answer: 23", False), ("cd", MOVES + "Answer: 24 or 25", False),
    ("cd", "Answer: 8*3*(2-1) or 8*3/(2-1)", False), ("cd", "Answer: 8*3*(2-1) = 25", False),
    ("cd", "Answer: 8*3*(2-1) = 24 = 1+1", False), ("cd", "Answer: 24", False),
    ("cd", "Answer: 8*3", False), ("cd", "Let me try.\n8*3=24\nAnswer: 24", False),
    ("cs", "**Answer:** 936", True), ("cs", COLUMNS + r"\boxed{936}", True),
    ("cs", "Answer: 9 3 6", False), ("cs", "Answer: 1,936", False),
]  # fmt: skip


@pytest.mark.parametrize(("task", "text", "passed"), FINALS)
def test_final_answers_are_found_and_two_are_none(task: str, text: str, passed: bool) -> None:
    judge, problem = TASKS[task]
    assert judge.verifier.check(problem, text).passed is passed
    if passed:
        assert judge.answer_key(problem, text) is not None


STEPS = [
    ("ex", ["- 7*2-5"], True), ("ex", ["1. 7*2-5"], True), ("ex", ["**7*2-5**"], True),
    ("ex", [r"$7 \times 2 - 5$"], True), ("ex", ["(3+4)*2-5 = 7*2-5"], True),
    ("ex", ["7*2-5", "= 14-5"], True), ("ex", ["7*2-5", "14-5 = 9"], True),
    ("ex", ["First, the bracket.", "7*2-5"], True), ("ex", ["3+4=7", "7*2-5"], True),
    ("ex", ["- 8*2-5"], False), ("ex", ["8*2-5"], False),
    ("ex", ["Step 1: 3+4=7"], None), ("ex", ["3+4=7"], None), ("ex", ["Step 1: 3+4"], None),
    ("ex", ["Let us see."], None), ("ex", ["7*2-5", "Let me start over.", "14*2"], None),
    ("ex", ["7*2-5", "14-5", "9", "**Answer:** 9"], True),
    ("ex", ["7*2-5", "14-5", "9", r"So we have \boxed{9}"], True),
    ("ex", ["7*2-5", "14-5", "9", "**Answer:** 8"], False),
    ("ex", ["7*2-5", "14-5", "9", "Answer: 9 or 8"], False),
    ("ex", ["7*2-5", "The answer: I do not know"], None),
    ("ex", ["Let me find the answer: 7*2-5"], None), ("ex", ["So the answer is 8"], False),
    ("cd", ["The answer can be found from 2-1=1"], None),
    ("cd", ["The answer should be 24"], False),
    ("cd", ["2 - 1 = 1"], True), ("cd", ["Step 1: 2-1=1"], True), ("cd", ["2*1=2, 8, 3"], True),
    ("cd", ["2-1=1 (8 and 3 are left)"], True), ("cd", [r"\(8 \times 3 = 24\)"], True),
    ("cd", ["Hmm", "2-1=1"], True), ("cd", ["2-1=1 8 x"], None), ("cd", ["8 3 2 1"], None),
    ("cd", ["2*1=3"], False), ("cd", ["* 2*1=3"], False), ("cd", ["Perhaps: 2*1=3"], None),
    ("cd", [*MOVES.split("\n"), "**Answer:** 8*3*(2-1)"], True),
    ("cd", [*MOVES.split("\n"), "**Answer:** 8*3"], False),
    ("cs", ["Ones: 7+9=16"], True), ("cs", ["7+9=16 (carry 1)", "- 4+8+1=13"], True),
    ("cs", ["7+9=16", "4+8=12"], False), ("cs", ["7+9=16", "Then the tens.", "4+8=12"], None),
    ("cs", [*COLUMNS.split("\n"), "**Answer:** 936"], True),
    ("cs", [*COLUMNS.split("\n"), "**Answer:** 937"], False),
]  # fmt: skip


@pytest.mark.parametrize(("task", "lines", "passed"), STEPS)
def test_formulas_are_judged_and_prose_is_never_rejected(
    task: str, lines: list[str], passed: bool | None
) -> None:
    judge, problem = TASKS[task]
    assert judge.step_verifier is not None
    verdict = judge.step_verifier.check(problem, [line + "\n" for line in lines])
    assert verdict.passed is passed, verdict


def test_prose_has_no_state_to_share() -> None:
    for task, problem in TASKS.values():
        assert task.state_key(problem, ["First, the bracket.\n"]) is None
        assert task.state_key(problem, []) is not None


def test_an_own_expression_may_have_a_negative_or_broken_value() -> None:
    for text, right, wrong in (("3-5", "-2", "2"), ("1/2", "0.5", "1"), ("1/3", "1/3", "0.3")):
        problem = expressions.Expressions.parse_problem(text)
        for mark in ("</think>", "Answer: "):
            assert expressions.TASK.verifier.check(problem, mark + right).passed
            assert expressions.TASK.verifier.check(problem, mark + wrong).passed is False


def test_an_own_expression_that_cannot_be_asked_says_how_to_write_one() -> None:
    for text, said in (("1/(2-2)", "divides by zero"), ("3 plus 4", r"like \(3\+4\)")):
        with pytest.raises(BadInput, match=said):
            expressions.Expressions.parse_problem(text)


def test_long_texts_take_no_long_time() -> None:
    texts = [c * 50_000 for c in ("(", "9", "a", "- ", "(a", "2-1=1\n", "\\boxed{", "Answer: (")]
    start = time.perf_counter()
    for text in [*texts, *("a</think>a" + t for t in texts)]:
        for task, problem in TASKS.values():
            task.verifier.check(problem, text)
            task.answer_key(problem, text)
            assert chains.formula(text) is None or len(text) > 0
    assert time.perf_counter() - start < 10
