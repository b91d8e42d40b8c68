import asyncio
import json

import numpy as np
import pytest
from toy_lab import Judge, Scripted, StepJudge, Toy, toy

from evaluators.errors import BadInput, LabError
from evaluators.problem import Problem
from reasoning.core import BadPrompt, Solution
from reasoning.ledger import Budget, Price
from search import BestOfN, Report, SelfConsistency, StepResample, compare, compare_async
from search.progress import Line, Snapshot, watcher_of
from search.scorers import Likelihood

ARMS = ("chain-of-thought", "self-consistency", "best-of-n", "step-resample")
TASK = toy(10)


def test_every_arm_meets_every_problem_at_every_budget_and_seed():
    report = compare(ARMS, TASK, Scripted(), [16, 64], seeds=(0, 1))
    assert report.complete
    assert len(report.cells) == len({c.place for c in report.cells}) == 4 * 2 * 2 * 10
    assert report.budgets == ("16", "64") and report.arms == ARMS
    assert all(cell.tokens <= int(cell.budget) for cell in report.cells)


def test_the_result_does_not_depend_on_concurrency_or_repetition():
    facts = [
        compare(ARMS, TASK, Scripted(delay=delay), [48], concurrency=width).facts()
        for width, delay in ((1, 0), (7, 0.001), (64, 0))
    ]
    assert facts[0] == facts[1] == facts[2]


def test_the_cells_sum_to_the_models_own_counters():
    model = Scripted()
    report = compare(ARMS, TASK, model, [64])
    assert sum(cell.completion for cell in report.cells) == model.completion
    assert sum(cell.prompt for cell in report.cells) == model.prompt
    assert sum(cell.calls for cell in report.cells) == model.calls


def test_problems_run_together_but_no_more_than_asked():
    model = Scripted(delay=0.005)
    compare("chain-of-thought", TASK, model, [64], concurrency=3)
    assert model.widest == 3


RESET = ConnectionError("connection reset")
TOO_LONG = BadPrompt("the prompt has 900 tokens; shorten it")


def fails_on(*problems, error=RESET):
    asked = [TASK.render(TASK.problems[i], "chain", "compact") for i in problems]

    def fault(question, seed):
        if question in asked:
            raise error

    return fault


def test_arms_can_be_named():
    arms = {"first": BestOfN(2), "second": "best-of-n(2)"}
    report = compare(arms, TASK, Scripted(), [48])
    assert report.arms == ("first", "second")
    one, two = ([(c.answer, c.completion) for c in report.select(name, 48)] for name in report.arms)
    assert one == two


def test_a_failed_call_is_an_error_beside_the_accuracy_and_resume_runs_it_again(tmp_path):
    whole = compare(ARMS[:2], TASK, Scripted(), [64])
    model = Scripted(fault=fails_on(2, 5), asked=tmp_path / "asked")
    report = compare(ARMS[:2], TASK, model, [64], out=tmp_path / "run", concurrency=1)
    row = report.row(ARMS[0], 64)
    assert (row.settled, row.errors) == (8, 2)
    assert row.accuracy.value == 1.0  # greedy is right; the errors are not counted as wrong
    lost = next(c for c in report.cells if c.state == "error")
    assert "connection reset" in lost.reason and lost.lost == 40
    assert "2 errors" in report.caption() or "4 errors" in report.caption()
    again = Scripted(asked=tmp_path / "again")
    mended = compare(ARMS[:2], TASK, again, [64], out=tmp_path / "run", resume=True)
    assert mended.facts() == whole.facts()
    problems = {line.split("/")[1] for line in (tmp_path / "again").read_text().splitlines()}
    assert problems == {"toy%2F2", "toy%2F5"}
    assert Report.load(tmp_path / "run").facts() == whole.facts()


def test_when_nothing_works_it_raises():
    model = Scripted(fault=fails_on(*range(10)))
    with pytest.raises(LabError, match=r"the first 8 problems all failed: .*connection reset"):
        compare(ARMS[:1], TASK, model, [64], concurrency=2)


def test_problems_too_long_for_the_model_are_errors_even_if_they_fail_before_all_others():
    report = compare(ARMS[:1], TASK, Scripted(fault=fails_on(*range(9), error=TOO_LONG)), [64])
    assert [cell.state for cell in report.select(report.arms[0], 64)].count("error") == 9
    assert "900 tokens; shorten it" in report.problem(TASK.problems[0].id).cells[0].reason


def test_when_every_problem_is_too_long_it_raises():
    with pytest.raises(LabError, match=r"the first 10 problems all failed: .*shorten it"):
        compare(ARMS[:1], TASK, Scripted(fault=fails_on(*range(10), error=TOO_LONG)), [64])


@pytest.mark.parametrize("error", [BadInput("key refused (401)"), TypeError("a bug")])
def test_a_systemic_fault_raises_at_once(error):
    def fault(question, seed):
        raise error

    model = Scripted(fault=fault)
    with pytest.raises(type(error), match=r"401|a bug"):
        compare(ARMS[:1], TASK, model, [64])


def test_a_mistake_in_a_strategy_is_not_taken_for_a_failed_call():
    class Wrong:
        async def solve(self, problem, ctx):
            return Solution(None, (), chosen=undefined)  # noqa: F821

    with pytest.raises(NameError):
        compare(Wrong(), TASK, Scripted(), [64])


def test_a_strategy_of_ones_own_is_judged_by_its_answer():
    class Oracle:
        async def solve(self, problem, ctx):
            return Solution("=" + problem.answer, (), None)

    report = compare(Oracle(), TASK, Scripted(), [64])
    assert report.row("Oracle", 64).accuracy.value == 1.0


@pytest.mark.parametrize(
    ("solution", "says"),
    [(None, "must return a Solution, not NoneType"), (Solution("3", (), 5), "chose trace 5 of 0")],
)
def test_what_a_strategy_returns_is_looked_at(solution, says):
    class Mine:
        async def solve(self, problem, ctx):
            return solution

    with pytest.raises(BadInput, match=says):
        compare(Mine(), TASK, Scripted(), [64])


class Judged(Toy):
    """The toy task with a verifier that says what `verdict` returns."""

    @property
    def verifier(self):
        return Checker()


class Checker(Judge):
    verdict = Judge.check

    def check(self, problem, text):
        return self.verdict(problem, text)


@pytest.mark.parametrize(
    "strategy", ["chain-of-thought", "best-of-n", "step-resample", "budget-forcing(end='=')"]
)
def test_a_verifier_that_raises_makes_its_problem_an_error_with_both_names(monkeypatch, strategy):
    def verdict(self, problem, work):
        if problem.id == "toy/3":
            raise KeyError("gold")
        return (StepJudge if isinstance(work, list) else Judge)().check(problem, work)

    monkeypatch.setattr(Checker, "verdict", verdict)
    monkeypatch.setattr(Judged, "step_verifier", Checker())
    report = compare(strategy, Judged("judged", TASK.problems), Scripted(), [64])
    [failed] = [cell for cell in report.cells if cell.state == "error"]
    said = "verifier Checker failed on problem 'toy/3' (KeyError: 'gold')"
    assert failed.problem == "toy/3" and said in failed.reason and said in str(report.table())


def test_a_verifier_that_returns_no_verdict_is_named(monkeypatch):
    monkeypatch.setattr(Checker, "verdict", lambda self, problem, text: True)
    with pytest.raises(BadInput, match="verifier Checker must return a Verdict, not bool"):
        compare("direct", Judged("judged", TASK.problems), Scripted(), [64])


def test_budgets_and_seeds_may_be_numpys_or_alone(tmp_path):
    report = compare("direct", TASK, Scripted(), np.array([8, 16]), 3, out=tmp_path / "run")
    assert (report.budgets, report.settings["seeds"]) == (("8", "16"), [3])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"strategies": []}, "at least one strategy"),
        ({"strategies": [BestOfN]}, r"write BestOfN\(\)"),
        ({"strategies": {"mine": 3}}, "3 is no strategy"),
        ({"task": "toy"}, r"load_task\('toy'\)"),
        ({"model": "tiny"}, r"load_model\('tiny'\)"),
        ({"budgets": "128"}, "whole number of tokens"),
        ({"strategies": ["direct", "direct"]}, "given twice"),
        ({"budgets": []}, "at least one budget"),
        ({"budgets": [8, 8]}, "budgets must differ"),
        ({"budgets": [-8]}, "0 or more"),
        ({"budgets": [Budget(dollars=1)]}, "needs a price"),
        ({"seeds": ()}, "seeds"),
        ({"seeds": (1, 1)}, "seeds"),
        ({"concurrency": 0}, "concurrency"),
        ({"task": Toy("empty")}, "no problems"),
        ({"task": Toy("twice", TASK.problems[:1] * 2)}, "two problems"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_call(arguments, says):
    model = Scripted()
    wish = {"strategies": ["direct"], "task": TASK, "model": model, "budgets": [8]}
    with pytest.raises(BadInput, match=says):
        compare(**{**wish, **arguments})
    assert model.calls == 0


def test_a_run_that_is_there_is_resumed_or_refused_with_what_changed(tmp_path):
    out = tmp_path / "run"
    compare(ARMS[:1], TASK, Scripted(), [16], out=out)
    with pytest.raises(BadInput, match="already holds a run"):
        compare(ARMS[:1], TASK, Scripted(), [16], out=out)
    with pytest.raises(BadInput, match=r"Changed: .*budgets\.32") as caught:
        compare(ARMS[:1], TASK, Scripted(0.9), [16, 32], out=out, resume=True)
    assert "model.right: 0.7 -> 0.9" in str(caught.value)
    other = Toy("toy", (*TASK.problems[:9], Problem("toy/9", {"numbers": [1, 1]}, "2")))
    with pytest.raises(BadInput, match="Changed: data"):
        compare(ARMS[:1], other, Scripted(), [16], out=out, resume=True)
    with pytest.raises(BadInput, match=r"strategies\.chain-of-thought\(temperature=0\.5\)"):
        compare("chain-of-thought(temperature=0.5)", TASK, Scripted(), [16], out=out, resume=True)


def test_a_finished_run_resumes_without_a_call(tmp_path):
    first = compare(ARMS, TASK, Scripted(), [16, 48], out=tmp_path / "run")
    model = Scripted()
    again = compare(ARMS, TASK, model, [16, 48], out=tmp_path / "run", resume=True)
    assert model.calls == 0
    assert again.facts() == first.facts()


def test_run_wide_dollars_stop_an_arm_and_resume_remembers_them(tmp_path):
    price = Price(0.0, 0.0, 1e6)  # a dollar a token

    class Priced(Scripted):
        price = Price(0.0, 0.0, 1e6)

        async def generate(self, prompt, sampling, ledger, seed):
            reserve = ledger.reserve

            class WithPrice:
                reserve = staticmethod(lambda **wish: reserve(price=price, **wish))

            return await super().generate(prompt, sampling, WithPrice(), seed)

    model, budget = Priced(), Budget(dollars=100)
    report = compare("self-consistency(n=2)", TASK, model, [budget], out=tmp_path, concurrency=1)
    assert 60 < sum(cell.dollars for cell in report.cells) == model.completion <= 100
    assert report.cells[-1].stopped_by == "budget"
    (tmp_path / "events.jsonl").write_text(
        "".join((tmp_path / "events.jsonl").read_text().splitlines(True)[:-3])
    )
    model = Priced()
    compare("self-consistency(n=2)", TASK, model, [budget], out=tmp_path, resume=True)
    assert model.completion == 0  # what the first session spent is not spent again


def test_it_can_be_awaited_on_any_loop():
    report = asyncio.run(compare_async(ARMS[:1], TASK, Scripted(), [64]))
    assert report.facts() == compare(ARMS[:1], TASK, Scripted(), [64]).facts()


def test_progress_is_told_at_most_five_times_a_second_and_at_the_end():
    told: list[Snapshot] = []
    model = Scripted(delay=0.01)
    report = compare(ARMS[:2], TASK, model, [64], concurrency=4, progress=told.append)
    took = max(snapshot.seconds for snapshot in told)
    assert 1 <= len(told) <= took * 5 + 2
    last = told[-1]
    assert (last.done, last.total, last.errors) == (20, 20, 0)
    assert last.tokens == sum(cell.tokens for cell in report.cells)
    assert [arm.arm for arm in last.arms] == list(ARMS[:2])
    assert last.arms[0].accuracy == 1.0
    assert [snapshot.ended for snapshot in told] == [False] * (len(told) - 1) + [True]


def test_a_terminal_gets_one_line_and_a_file_none():
    import io

    stream = io.StringIO()
    assert watcher_of(None, stream) is None
    line = watcher_of(True, stream)
    assert isinstance(line, Line)
    line(Snapshot(1, 2, 0, 50, 0.5))
    line(Snapshot(2, 4, 1, 100, 1.0, earlier=1))
    line(Snapshot(3, 4, 1, 100, 1.0, ended=True))
    assert [text.rstrip(" ") for text in stream.getvalue().split("\r")] == [
        "", "1/2 problems, 100 tokens/s, 0 s left",
        "2/4 problems, 1 errors, 100 tokens/s, 2 s left",
        "3/4 problems, 1 errors, 100 tokens/s, 1 s".ljust(46) + "\n",
    ]  # fmt: skip


def test_a_run_in_the_background_shows_its_report_stops_and_can_be_resumed(tmp_path):
    import time

    task = toy(60)
    running = compare(ARMS[1:], task, Scripted(delay=0.01), [64], out=tmp_path / "run",
                      concurrency=4, wait=False)  # fmt: skip
    while running.progress.done < 5:
        time.sleep(0.01)
    assert 5 <= len(running.report().cells) < 180
    running.stop()
    stopped = running.result(10)
    assert not stopped.complete and len(stopped.cells) >= 5
    assert "stopped" in str(stopped.table())
    whole = compare(ARMS[1:], task, Scripted(), [64], out=tmp_path / "run", resume=True)
    assert whole.facts() == compare(ARMS[1:], task, Scripted(), [64]).facts()


def test_settings_hold_what_decides_the_result(tmp_path):
    compare([BestOfN(4), SelfConsistency(), StepResample()], TASK, Scripted(), [16], out=tmp_path)
    settings = json.loads((tmp_path / "run.json").read_text())["settings"]
    assert settings["strategies"]["best-of-n(n=4)"]["n"] == 4
    assert settings["strategies"]["best-of-n(n=4)"]["scorer"] == "verifier"
    assert settings["knows"] == {"best-of-n(n=4)": "reference", "self-consistency": "nothing",
                                 "step-resample": "solution"}  # fmt: skip
    assert settings["model"] == {"name": "scripted", "right": 0.7}


def test_another_judge_of_the_same_problems_is_a_changed_setting(tmp_path):
    compare("direct", TASK, Scripted(), [16], out=tmp_path)
    with pytest.raises(BadInput, match="judges"):
        compare("direct", Judged("toy", TASK.problems), Scripted(), [16], out=tmp_path, resume=True)


def test_what_a_strategy_tells_is_in_the_log(tmp_path):
    from reasoning.runlog import read_events

    report = compare("step-resample", TASK, Scripted(0.3), [64], out=tmp_path)
    told = [event for event in read_events(tmp_path) if event["kind"] == "event"]
    assert {event["name"] for event in told} == {"rejected"}
    assert {event["data"]["problem"] for event in told} <= {cell.problem for cell in report.cells}


def test_a_cell_of_another_version_is_refused_with_a_remedy(tmp_path):
    compare("direct", TASK, Scripted(), [16], out=tmp_path)
    events = tmp_path / "events.jsonl"
    events.write_text(events.read_text().replace('"logprob":', '"log_probability":'))
    for read in (
        lambda: Report.load(tmp_path),
        lambda: compare("direct", TASK, Scripted(), [16], out=tmp_path, resume=True),
    ):
        with pytest.raises(BadInput, match="read it with the version that wrote it"):
            read()


def test_what_a_scorers_own_model_read_is_not_read_again_and_its_failure_is_an_error(tmp_path):
    def gone(question, seed):
        raise ConnectionError("gone")

    class Reader(Scripted):
        name = "reader"

        async def score(self, prompt, continuations, ledger):
            if self.fault is not None:
                self.fault(prompt.messages[-1].content, None)
            return await super().score(prompt, continuations, ledger)

    def run(reader, folder, **more):
        arms = {"read": BestOfN(2, scorer=Likelihood(model=reader))}
        return compare(arms, toy(3), Scripted(), [200], out=tmp_path / folder, **more)

    first, second = Reader(), Reader()
    whole = run(first, "a")
    events = tmp_path / "a" / "events.jsonl"
    lines = events.read_text().splitlines(True)
    events.write_text("".join(line for line in lines if '"kind":"cell"' not in line))
    assert run(second, "a", resume=True).facts() == whole.facts()
    assert first.read > 0 and second.read == 0
    assert [cell.state for cell in run(Reader(fault=gone), "b").cells] == ["error"] * 3


def test_a_problem_with_half_a_character_in_its_id_and_text_is_run(tmp_path):
    odd = Problem("toy/\ud800", {"numbers": [1, 2, 3], "remark": "\ud83d"}, "6")
    task = Toy("toy", (odd,))
    report = compare(["best-of-n(n=2)"], task, Scripted(1.0), [64], out=tmp_path / "run")
    assert [cell.problem for cell in report.cells if cell.correct] == ["toy/\ud800"]
    assert Report.load(tmp_path / "run").cells == report.cells
