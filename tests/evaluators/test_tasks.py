"""The three chain tasks and the operator task: instances, traces, judges."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from evaluators import BadInput, UnknownName, load_task
from evaluators.tasks import chain_sum, countdown, expressions, operator
from evaluators.tasks import countdown_solver as solver
from evaluators.tasks.chains import read, standing

MODULES = {"expressions": expressions, "countdown": countdown, "chain-sum": chain_sum}
KINDS = [
    (name, kind, dialect)
    for name in MODULES
    for kind in ("shortest", "backtracking", "repair")
    for dialect in ("compact", "plain")
] + [("expressions", "terse", "compact")]


@pytest.mark.parametrize(("name", "kind", "dialect"), KINDS)
def test_written_traces_pass_and_only_their_marked_lines_are_rejected(
    name: str, kind: str, dialect: str
) -> None:
    task = load_task(name, split="train", n=40, seed=3)
    rng = np.random.default_rng(4)
    marked = 0
    for problem in task.problems:
        text, errors = MODULES[name].write_trace(problem, kind, dialect, rng)
        assert task.verifier.check(problem, text).passed, (problem, text)
        steps = text.splitlines(keepends=True)
        for at in range(len(steps)):
            verdict = task.step_verifier.check(problem, steps[: at + 1])
            assert verdict.passed is (at not in errors), (steps[: at + 1], verdict)
        marked += len(errors)
        assert ("wait" in text) == (kind in ("backtracking", "repair"))
    assert (marked == len(task.problems)) == (kind == "repair")


@pytest.mark.parametrize("name", list(MODULES))
def test_a_changed_final_answer_fails(name: str) -> None:
    task = load_task(name, n=60)
    rng = np.random.default_rng(5)
    for problem in task.problems:
        text, _ = MODULES[name].write_trace(problem, "shortest", "compact", rng)
        head, mark, tail = text.rpartition("</think>")
        assert task.verifier.check(problem, head + mark + str(int(tail) + 1)).passed is False
        cut = head if name != "countdown" else head.rstrip("\n").rpartition("\n")[0]
        assert task.verifier.check(problem, cut).passed is False, "a truncated trace has no answer"
        assert task.verifier.check(problem, "").passed is False


@pytest.mark.parametrize("name", [*MODULES, "operator"])
def test_splits_share_no_canonical_instance_and_seeds_repeat(name: str) -> None:
    train, test = load_task(name, "train", n=300), load_task(name, "test", n=60)
    keys = [{p.meta["key"] for p in t.problems} for t in (train, test)]
    assert len(keys[0]) == 300 and len(keys[1]) == 60 and not keys[0] & keys[1]
    assert load_task(name, "train", n=300).problems == train.problems
    assert load_task(name, "train", n=300, seed=1).problems != train.problems


def brute_force(numbers: tuple[Fraction, ...], target: int) -> bool:
    """Reachable with positive integers on the way, by trying every pair, operator and order."""
    if len(numbers) == 1:
        return numbers[0] == target
    for i, j in itertools.permutations(range(len(numbers)), 2):
        rest = tuple(n for k, n in enumerate(numbers) if k not in (i, j))
        a, b = numbers[i], numbers[j]
        for value in (a + b, a - b, a * b, a / b):
            positive = value > 0 and value.denominator == 1
            if positive and brute_force((value, *rest), target):
                return True
    return False


def test_the_solver_agrees_with_brute_force() -> None:
    rng = np.random.default_rng(6)
    found = set()
    for _ in range(60):
        numbers = [int(n) for n in rng.integers(1, 9, 4)]
        target = int(rng.integers(1, 120))
        want = brute_force(tuple(map(Fraction, numbers)), target)
        assert solver.solvable(numbers, target) is want
        assert (solver.solve(numbers, target) is not None) is want
        found.add(want)
    assert found == {True, False}


ROWS = [
    ("one solution", "8*3*(2-1)", True), ("other order", "(2-1)*3*8", True),
    ("fractions on the way", "8/(1/3)*(2-1)", False), ("number used twice", "8*3*1*1", False),
    ("number left out", "8*3", False), ("wrong value", "8+3+2+1", False),
    ("with an equals sign", "8*3*(2-1)=24", True), ("plain", "think\nAnswer: 8*3*(2-1)", True),
    ("chain", "2-1=1 8 3\n8*3=24 1\n24*1=24\n</think>24", True),
    ("chain without a final line", "2-1=1 8 3\n8*3=24 1\n24*1=24\n", True),
    ("chain without a final line that misses", "2-1=1 8 3\n8*3=24 1\n24+1=25\n", False),
    ("chain without rests", "2-1=1\n8*3=24\n24*1=24\n</think>24", True),
    ("chain with a wrong step", "2-1=1 8 3\n8*3=25 1\n25-1=24\n</think>24", False),
    ("chain with a number that is gone", "2-1=1\n8*3=24\n24*2=48\n</think>24", False),
    ("chain that stops early", "8*3=24 2 1\n</think>24", False),
    ("answer is not the chain's", "2-1=1\n8*3=24\n24*1=24\n</think>23", False),
    ("taken back", "8-1=7\nwait\n2-1=1\n8*3=24\n24*1=24\n</think>24", True),
    ("code", "__import__('os').system('true')", False), ("nothing", "", False),
    ("division by zero", "8/(2-2)", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "passed"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_countdown_judges(text: str, passed: bool) -> None:
    problem = countdown.Countdown.parse_problem("8 3 2 1=24")
    assert countdown.TASK.verifier.check(problem, text).passed is passed


def test_fractions_on_the_way_count_in_an_expression() -> None:
    problem = countdown.Countdown.parse_problem("8 8 3 3=24")
    assert countdown.TASK.verifier.check(problem, "8/(3-8/3)").passed


def test_countdown_answers_that_differ_only_in_order_are_one_vote() -> None:
    problem = countdown.Countdown.parse_problem("8 3 2 1=24")
    texts = ("8*3*(2-1)", "(2-1)*(3*8)", "2-1=1 8 3\n8*3=24 1\n24*1=24\n</think>24")
    keys = [countdown.TASK.answer_key(problem, text) for text in texts]
    assert keys[0] is not None and keys[1] is not None
    assert keys[2] == countdown.TASK.answer_key(problem, "(8*3)*(2-1)")


def test_a_countdown_vote_does_not_know_which_chain_is_right() -> None:
    problem = countdown.Countdown.parse_problem("8 3 2 1=24")
    wrong = "2-1=3 8 3\n8*3=20 3\n20+4=24\n</think>24"
    assert countdown.TASK.verifier.check(problem, wrong).passed is False
    assert countdown.TASK.answer_key(problem, wrong) == "(((2-1)*8)+4)"


def test_step_verdicts_on_a_step_that_cannot_be_read_are_neither() -> None:
    for name, module in MODULES.items():
        task = load_task(name, n=1)
        verdict = module.TASK.step_verifier.check(task.problems[0], ["hm, let me think\n"])
        assert verdict.passed is None


def test_the_column_verifier_wants_carry_and_order_of_columns() -> None:
    problem = chain_sum.ChainSum.parse_problem("347+589")
    check = chain_sum.TASK.step_verifier.check
    assert check(problem, ["7+9=16\n"]).passed
    assert check(problem, ["4+8=12\n"]).passed is False
    assert check(problem, ["7+9=16\n", "4+8=12\n"]).passed is False, "the carry is missing"
    assert check(problem, ["7+9=16\n", "4+8+1=13\n", "3+5+1=9\n", "</think>936"]).passed
    assert check(problem, ["7+9=16\n", "4+8+1=13\n", "</think>136"]).passed is False


def test_equal_states_share_a_key() -> None:
    cd = countdown.Countdown.parse_problem("8 3 2 1=24")
    a = countdown.TASK.state_key(cd, ["2-1=1 8 3\n", "8*3=24 1\n"])
    assert a == countdown.TASK.state_key(cd, ["8*3=24\n", "2-1=1\n"])
    assert a != countdown.TASK.state_key(cd, ["8*3=24\n"])
    ex = expressions.Expressions.parse_problem("(1+2)*(3+4)")
    assert expressions.TASK.state_key(ex, ["3*(3+4)\n"]) == "3*(3+4)"
    assert expressions.TASK.state_key(ex, ["nonsense\n"]) is None


def test_wait_takes_back_one_line_each_time() -> None:
    assert standing(["a", "b", "wait", "c", "wait", "wait"]) == ()
    assert read("a\nwait\nb\n</think>7").lines == ("b",)
    assert read("step\nAnswer: 12").answer == "12"
    assert read("42").answer == "42"
    assert read("one line\nand another").answer is None


def test_the_operator_task_is_decided_by_its_examples() -> None:
    for problem in load_task("operator", n=50, shots=3).problems:
        a, b = problem.fields["a"], problem.fields["b"]
        fits = {
            kind(a, b)
            for kind in operator.KINDS.values()
            if all(kind(x, y) == z for x, y, z in problem.fields["examples"])
        }
        assert int(problem.answer or -1) in fits


def test_wrong_names_and_options_are_named() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'countdown'"):
        load_task("countdwn")
    with pytest.raises(UnknownName, match="split"):
        load_task("countdown", split="validation")
    with pytest.raises(BadInput, match="'digits'"):
        load_task("countdown", digits=4)
    with pytest.raises(BadInput, match=r"3\.\.6"):
        load_task("countdown", numbers=7)
    with pytest.raises(BadInput, match="ops must lie"):
        load_task("expressions", ops="4..x")
    with pytest.raises(BadInput, match="only about"):
        load_task("operator", n=100_000, shots=0)


@pytest.mark.parametrize("name", list(MODULES))
def test_own_problems_are_checked(name: str) -> None:
    with pytest.raises(BadInput):
        MODULES[name].TASK.parse_problem("what is this")
    with pytest.raises(BadInput):
        MODULES[name].TASK.from_fields({})


def test_an_expression_that_is_equated_to_0_has_the_value_0() -> None:
    task = expressions.TASK
    problem = task.parse_problem("18-(23-5)")
    steps = ["18-18\n", "18-18=0\n", "</think>0"]
    passed = [task.step_verifier.check(problem, steps[: i + 1]).passed for i in range(3)]
    assert passed == [True, True, True]
