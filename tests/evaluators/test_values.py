"""The exact value of partial traces, against brute force over the verifiers, and state texts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from evaluators import load_task
from evaluators.problem import Problem
from evaluators.tasks import arithmetic as ar
from evaluators.tasks import chain_sum, countdown, expressions
from evaluators.tasks.chains import standing
from evaluators.tasks.countdown_solver import reachable, solvable

MODULES = {"countdown": countdown, "expressions": expressions, "chain-sum": chain_sum}


def accepted(problem: Problem, steps: list[str], numbers: Sequence[int]) -> Iterator[str]:
    """Every line that the step verifier of countdown accepts next."""
    check = countdown.TASK.step_verifier.check
    for (i, a), (j, b) in itertools.permutations(enumerate(numbers), 2):
        assert i != j
        for op, result in (("+", a + b), ("-", a - b), ("*", a * b), ("/", a // b if b else 0)):
            if result >= 0 and check(problem, [*steps, f"{a}{op}{b}={result}\n"]).passed:
                yield f"{a}{op}{b}={result}\n"


def can_finish(problem: Problem, steps: list[str]) -> bool:
    """Whether some continuation of accepted lines passes the verifier: tried one by one."""
    state = countdown.TASK.state_key(problem, steps)
    assert isinstance(state, tuple)
    numbers = [int(n) for n in state[0]]
    if len(numbers) == 1:
        text = "".join(steps) + f"</think>{numbers[0]}"
        return bool(countdown.TASK.verifier.check(problem, text).passed)
    lines = accepted(problem, steps, numbers)
    return any(can_finish(problem, [*steps, line]) for line in lines)


def test_the_value_of_countdown_is_whether_brute_force_finds_a_line_that_passes() -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(25):
        numbers = rng.integers(0, 7, 3).tolist()
        problem = countdown.Countdown.from_fields(
            {"numbers": numbers, "target": int(rng.integers(1, 20))}
        )
        steps: list[str] = []
        while True:
            want = can_finish(problem, steps)
            assert countdown.TASK.value(problem, steps) == float(want), (problem, steps)
            seen.add((len(steps), want))
            options = list(accepted(problem, steps, numbers))
            if not options:
                break
            steps.append(str(rng.choice(options)))
            numbers = [int(n) for n in countdown.TASK.state_key(problem, steps)[0]]  # type: ignore[index]
    assert seen == {(n, w) for n in (0, 1, 2) for w in (True, False)}


def test_a_zero_on_the_way_reaches_what_positive_numbers_cannot() -> None:
    assert reachable([2, 2, 5, 8], 5)
    assert not solvable([2, 2, 5, 8], 5)  # (2-2)*8+5: only a 0 drops the 8
    problem = countdown.Countdown.parse_problem("2 2 5 8=5")
    text = "2-2=0\n0*8=0\n0+5=5\n</think>5"
    assert countdown.TASK.verifier.check(problem, text).passed
    assert countdown.TASK.value(problem, []) == 1.0


def honest(name: str, problem: Problem, steps: list[str]) -> str:
    """The trace that goes on rightly from what stands, whatever stands."""
    lines = standing(steps)
    if name == "expressions":
        tree = ar.parse(lines[-1] if lines else problem.fields["expression"])
        rest = expressions.solve(tree)
        return "".join([*steps, *(f"{r}\n" for r in rest)]) + f"</think>{ar.evaluate(tree)}"
    terms, sums = problem.fields["terms"], [int(line.partition("=")[2]) for line in lines]
    for index in range(len(sums), chain_sum.width(terms)):
        sums.append(sum(chain_sum.column(terms, index)) + (sums[-1] // 10 if sums else 0))
    digits = "".join(str(s % 10) for s in reversed(sums[:-1]))
    return "".join(steps) + f"</think>{int(f'{sums[-1]}{digits}')}"


@pytest.mark.parametrize("name", ["expressions", "chain-sum"])
def test_the_value_is_the_verdict_on_the_trace_that_goes_on_rightly(name: str) -> None:
    task, rng, seen = load_task(name, "train", n=60), np.random.default_rng(1), set()
    for problem in task.problems:
        text, _ = MODULES[name].write_trace(problem, "repair", "compact", rng)
        steps = text.splitlines(keepends=True)[:-1]
        for at in range(len(steps) + 1):
            whole = honest(name, problem, steps[:at])
            want = task.verifier.check(problem, whole).score
            assert task.value(problem, steps[:at]) == want, (problem, steps[:at])
            seen.add(want)
    assert seen == {0.0, 1.0}


@pytest.mark.parametrize("dialect", ["compact", "plain"])
@pytest.mark.parametrize("name", list(MODULES))
def test_the_value_is_0_on_an_error_and_1_again_when_it_is_taken_back(name, dialect) -> None:
    task, rng = load_task(name, "train", n=30, seed=5), np.random.default_rng(2)
    for problem in task.problems:
        text, errors = MODULES[name].write_trace(problem, "repair", dialect, rng)
        steps = text.splitlines(keepends=True)
        values = [task.value(problem, steps[: at + 1]) for at in range(len(steps))]
        assert values == [float(at not in errors) for at in range(len(steps))], (text, values)


def test_a_legal_line_into_a_dead_end_of_countdown_is_worth_nothing() -> None:
    task, rng = load_task("countdown", "train", n=30), np.random.default_rng(3)
    for problem in task.problems:
        text, _ = countdown.write_trace(problem, "backtracking", "compact", rng)
        steps = text.splitlines(keepends=True)
        wait = steps.index("wait\n")
        values = [task.value(problem, steps[: at + 1]) for at in range(len(steps))]
        assert values == [float(at != wait - 1) for at in range(len(steps))]


@pytest.mark.parametrize("name", list(MODULES))
def test_a_rollout_in_one_piece_is_worth_what_its_steps_are(name: str) -> None:
    task, rng = load_task(name, "train", n=20), np.random.default_rng(4)
    for problem in task.problems:
        text, _ = MODULES[name].write_trace(problem, "repair", "compact", rng)
        steps = text.splitlines(keepends=True)
        for at in range(1, len(steps) + 1):
            for ask in (task.value, task.state_text):
                assert ask(problem, steps[:at]) == ask(problem, ["".join(steps[:at])])


def test_errors_that_cancel_leave_the_value() -> None:
    problem = expressions.Expressions.parse_problem("(1+2)*4")
    assert expressions.TASK.value(problem, ["4*4\n"]) == 0.0
    assert expressions.TASK.value(problem, ["4*4\n", "12\n"]) == 1.0  # the answer will be right


VALUES = [
    ("countdown", "8 3 2 1=24", "8*3=25 2 1\n", 0.0),
    ("countdown", "8 3 2 1=24", "9*3=27\n", 0.0),
    ("countdown", "8 3 2 1=24", "hm, let me see\n", None),
    ("countdown", "8 3 2 1=24", "8*\n", None),
    ("countdown", "8 3 2 1=24", "8*3=24 2 1\n</think>24", 0.0),
    ("countdown", "1 2 3 4 5 6 7 8=9", "", None),
    ("countdown", "1 2 3 4 5 6 7 8=9", "1+2=4\n", 0.0),
    ("countdown", "1 2 3 4 5 6 7 8=9", "1+2=3\n3*3=9\n", 1.0),
    ("expressions", "8/(3-1)", "8/0\n", 0.0),
    ("expressions", "8/(3-1)", "well\n", None),
    ("expressions", "8/(3-1)", "8/2\n4\n</think>5", 0.0),
    ("expressions", "8/(3-1)", "8/2\n", 1.0),
    ("chain-sum", "47+89", "7+9=16\n", 1.0),
    ("chain-sum", "47+89", "7+9=17\n", 0.0),
    ("chain-sum", "47+89", "7+9=16\n4+8+1=13\n1=1\n", 0.0),
    ("chain-sum", "47+89", "hm\n", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "asked", "text", "value"), VALUES, ids=[f"{v[1]} {v[2]!r}" for v in VALUES]
)
def test_values(name: str, asked: str, text: str, value: float | None) -> None:
    task = MODULES[name].TASK
    assert task.value(task.parse_problem(asked), text.splitlines(keepends=True)) == value


STATES = [
    ("countdown", "3 5 7 2=24", "", "7 5 3 2=24"),
    ("countdown", "3 5 7 2=24", "7*2=14 3 5\n", "14 5 3=24"),
    ("countdown", "3 5 7 2=24", "7*2=14 3 5\nwait\n", "7 5 3 2=24"),
    ("countdown", "3 5 7 2=24", "7*2=15 3 5\n", None),
    ("countdown", "3 5 7 2=24", "hm\n", None),
    ("countdown", "3 5 2=24", "3*5=15\n15+2=17\n</think>17", "17=24</think>17"),
    ("expressions", "(3+4)*2-5", "", "(3+4)*2-5"),
    ("expressions", "(3+4)*2-5", "7*2-5\n", "(3+4)*2-5\n7*2-5"),
    ("expressions", "(3+4)*2-5", "7*2-5\n13-5\n", "7*2-5\n13-5"),
    ("expressions", "(3+4)*2-5", "7*2-5\n14-5\n9\n</think>9", "9\n</think>9"),
    ("expressions", "(3+4)*2-5", "so then\n", None),
    ("chain-sum", "347+589", "", "347+589"),
    ("chain-sum", "347+589", "7+9=16\n", "7+9\n7+9=16"),
    ("chain-sum", "347+589", "7+9=16\n4+8=12\n", "4+8+1\n4+8=12"),
    ("chain-sum", "347+589", "7+9=16\n4+8+1=13\n3+5+1=9\n</think>936", "16 13 9\n</think>936"),
    ("chain-sum", "347+589", "hm\n", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "asked", "text", "state"), STATES, ids=[f"{v[1]} {v[2]!r}" for v in STATES]
)
def test_state_texts(name: str, asked: str, text: str, state: str | None) -> None:
    task = MODULES[name].TASK
    assert task.state_text(task.parse_problem(asked), text.splitlines(keepends=True)) == state


def test_equal_states_of_countdown_share_their_text() -> None:
    problem = countdown.Countdown.parse_problem("8 3 2 1=24")
    texts = [
        countdown.TASK.state_text(problem, steps)
        for steps in (["2-1=1 8 3\n", "8*3=24 1\n"], ["8*3=24\n", "2-1=1\n"])
    ]
    assert texts == ["24 1=24"] * 2
