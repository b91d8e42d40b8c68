from itertools import product

from toy_lab import Scripted, StepJudge, Toy, solve, toy

from evaluators.verdict import Verdict
from reasoning.core import SeedPath
from reasoning.ledger import Budget
from search import BestOfN, StepResample

TASK = toy(30, length=6)
PROBLEM = TASK.problems[0]


def test_it_finds_the_only_right_path_that_brute_force_finds():
    # Brute force: of the 3**5 ways to go by -1, 0, +1 a step, one is accepted by every check.
    numbers = PROBLEM.fields["numbers"]
    right = []
    for errors in product((-1, 0, 1), repeat=len(numbers) - 1):
        steps, value = [], numbers[0]
        for number, error in zip(numbers[1:], errors, strict=True):
            value += number + error
            steps.append(f"{value}\n")
        if all(StepJudge().check(PROBLEM, steps[: i + 1]).passed for i in range(len(steps))):
            right.append("".join(steps) + f"={value}")
    solution, _ = solve(StepResample(tries=50), TASK, Scripted(0.3), PROBLEM, Budget(tokens=999))
    assert [solution.traces[solution.chosen].text] == right
    assert solution.stopped_by == "accepted"


def test_it_beats_best_of_n_at_equal_budget_where_steps_fail_often():
    model, budget = Scripted(0.5), Budget(tokens=60)
    hits = [0, 0]
    for problem in TASK.problems:
        for arm, strategy in enumerate((StepResample(), BestOfN(stop="first-accepted"))):
            hits[arm] += solve(strategy, TASK, model, problem, budget)[0].answer == problem.answer
    assert hits[0] >= hits[1] + 10


def test_rejected_steps_are_on_the_ledger_as_discarded_with_their_reason():
    solution, ledger = solve(StepResample(tries=50), TASK, Scripted(0.4), PROBLEM, Budget(2000))
    kept = sum(row.completion for row in ledger.rows if row.discarded is None)
    assert kept == solution.traces[solution.chosen].tokens
    assert {row.discarded for row in ledger.rows} == {None, "rejected step"}


def test_after_so_many_tries_it_starts_over_and_what_stood_is_discarded():
    solution, ledger = solve(StepResample(tries=1), TASK, Scripted(0.6), PROBLEM, Budget(2000))
    assert len(solution.traces) > 1
    assert solution.stopped_by == "accepted"
    given_up = solution.traces[0]
    assert given_up.answer is None
    assert given_up.steps[-1].verdict.passed is False
    reasons = {row.discarded for row in ledger.rows if row.key.startswith("0/toy%2F0/trace/0/")}
    assert reasons <= {"rejected step", "restarted"} and "rejected step" in reasons


def test_restarts_are_counted():
    solution, ledger = solve(StepResample(tries=2, restarts=3), TASK, Scripted(0.0), PROBLEM)
    assert (solution.answer, solution.stopped_by, len(solution.traces)) == (None, "done", 4)
    assert len(ledger.rows) == 8


def test_a_step_continues_from_the_ids_that_were_written():
    seen = []

    class Watching(Scripted):
        async def generate(self, prompt, sampling, ledger, seed):
            seen.append((prompt.prefix, prompt.prefix_ids))
            return await super().generate(prompt, sampling, ledger, seed)

    solve(StepResample(), TASK, Watching(1.0), PROBLEM, Budget(200))
    assert seen[0] == ("", None)
    assert all(ids == tuple(map(ord, prefix)) for prefix, ids in seen[1:])
    assert len(seen) == 6


class Shrug(StepJudge):
    """Cannot parse the second step, whatever it says."""

    def check(self, problem, steps):
        return Verdict(0.0, None) if len(steps) == 2 else super().check(problem, steps)


class Unsure(Toy):
    step_verifier = Shrug()


def test_an_unparsed_step_is_kept():
    task = Unsure("unsure", TASK.problems)
    solution, ledger = solve(StepResample(), task, Scripted(1.0), PROBLEM, Budget(200))
    assert solution.answer == PROBLEM.answer
    assert all(row.discarded is None for row in ledger.rows)


class Mute(StepJudge):
    def check(self, problem, steps):
        return Verdict(0.0, None)


class Silent(Toy):
    step_verifier = Mute()


def test_without_an_accepted_trace_the_first_unrejected_one_answers():
    task = Silent("silent", TASK.problems)
    solution, ledger = solve(StepResample(restarts=2), task, Scripted(1.0), PROBLEM)
    assert (solution.answer, solution.chosen, solution.stopped_by) == (PROBLEM.answer, 0, "done")
    assert {r.discarded for r in ledger.rows} == {None, "not accepted"}


def test_the_budget_cuts_it_in_the_middle_of_a_step():
    solution, ledger = solve(StepResample(), TASK, Scripted(1.0), PROBLEM, Budget(tokens=7))
    assert (solution.answer, solution.stopped_by) == (None, "budget")
    assert ledger.spent.tokens == 7
    assert all(row.discarded == "cut by budget" for row in ledger.rows)


def test_a_trace_is_no_longer_than_its_cap():
    solution, ledger = solve(
        StepResample(max_tokens=8, restarts=0), TASK, Scripted(1.0), PROBLEM, Budget(100)
    )
    assert solution.answer is None
    assert ledger.spent.tokens == 8
    assert solution.traces[0].finish == "length"


def test_a_server_that_hides_why_it_stopped_is_read_by_the_answer():
    class Server(Scripted):
        async def generate(self, prompt, sampling, ledger, seed):
            from dataclasses import replace

            made = await super().generate(prompt, sampling, ledger, seed)
            return [replace(c, finish="stop" if c.finish != "budget" else "budget") for c in made]

    model = Server(1.0, can=("continue",))
    solution, _ = solve(StepResample(restarts=0), TASK, model, PROBLEM)
    assert (solution.answer, solution.stopped_by) == (PROBLEM.answer, "accepted")


def test_draws_depend_on_attempt_step_and_try():
    solution, ledger = solve(StepResample(tries=2), TASK, Scripted(0.3), PROBLEM, Budget(500))
    assert len({row.key for row in ledger.rows}) == len(ledger.rows)
    root = SeedPath(0, (PROBLEM.id,)).text
    assert all(row.key.startswith(root + "/trace/") for row in ledger.rows)
    assert solution.traces


def test_a_fallback_that_was_not_needed_is_discarded():
    class Late(StepJudge):
        """Accepts nothing before the second attempt has begun."""

        starts = 0

        def check(self, problem, steps):
            Late.starts += len(steps) == 1
            verdict = super().check(problem, steps)
            return verdict if Late.starts > 1 else Verdict(0.0, None, None, "unread")

    class Judged(Toy):
        step_verifier = Late()

    task = Judged("judged", TASK.problems)
    solution, ledger = solve(StepResample(), task, Scripted(1.0), PROBLEM, Budget(tokens=200))
    assert (solution.chosen, solution.stopped_by) == (1, "accepted")
    assert [row.discarded for row in ledger.rows] == ["not accepted"] * 6 + [None] * 6
