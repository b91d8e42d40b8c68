"""Budget forcing: ends that are forced, ends that are taken away, and what is charged for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from toy_lab import Judge, Toy, solve

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks import load_task
from evaluators.tasks.chains import number
from evaluators.verdict import Verdict
from reasoning.core import Completion, Prompt, Usage
from reasoning.ledger import Budget
from search import BudgetForcing, compare
from search.strategies import label, parse, refuse_unfit

PROBLEM = Problem("p", {}, "2")


class Number(Judge):
    def check(self, problem: Problem, text: str) -> Verdict:
        passed = number(text) == problem.answer
        return Verdict(float(passed), passed, number(text), "")


@dataclass(frozen=True)
class Guess(Toy):
    """A chain of lines, `</think>` (or `Answer:`), a number."""

    verifier = property(lambda self: Number())  # type: ignore[assignment]

    def render(self, problem, format, dialect):
        return "2?"

    def extract(self, text):
        return number(text)

    def max_tokens(self, format, dialect):
        return 5 if format == "direct" else 200


TASK = Guess("guess", (PROBLEM,))


class Writer:
    """Writes on as a function of the turn so far says; a token is a character, the end one more.

    `seen` are the prompts. The turn ends where the function's text does.
    """

    name, dialect, flops_per_token = "writer", "compact", 2.0

    can = frozenset({"continue", "token_ids", "tells_stop"})

    def __init__(self, write: Callable[[str], str], *, context: int = 10**6) -> None:
        self.write, self.context = write, context
        self.seen: list[Prompt] = []
        self.completion = 0

    def fingerprint(self):
        return {"name": self.name}

    async def generate(self, prompt, sampling, ledger, seed):
        room = self.context - len(prompt.prefix)
        if room < 1:
            return [Completion("", "length", Usage())]
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens,
            prompt_tokens=len(prompt.prefix), flops_per_token=2.0,
        )  # fmt: skip
        if grant.empty:
            return [Completion("", "budget", Usage())]
        self.seen.append(prompt)
        whole, mark = self.write(prompt.prefix), sampling.boundary
        text, finish = whole, "eos"
        if mark and mark in whole:
            text, finish = whole[: whole.index(mark) + len(mark)], "boundary"
        used = len(text) + (finish == "eos")
        limit = min(grant.max_tokens, room)
        if used > limit:
            text, used = text[:limit], limit
            finish = "budget" if limit < min(sampling.max_tokens, room) else "length"
        grant.settle(Usage(len(prompt.prefix), 0, used))
        self.completion += used
        ids = tuple(map(ord, text)) + (0,) * (used - len(text))
        return [Completion(text, finish, Usage(len(prompt.prefix), 0, used), ids, (-0.5,) * used)]


def doubter(prefix: str) -> str:
    """Thinks one line for every wait, then answers with their number."""
    waits = prefix.count("wait")
    if prefix.endswith("</think>"):
        return f"{waits}"
    head = "" if prefix.endswith(f"line {waits}\n") else f"line {waits}\n"
    return f"{head}</think>{waits}"


def steps(solution: Any) -> list[tuple[str, str, int]]:
    [trace] = solution.traces
    return [(step.text, step.source, step.tokens) for step in trace.steps]


@pytest.mark.parametrize("needed", [0, 1, 2, 5])
def test_a_model_that_must_doubt_k_times_is_right_after_exactly_k_waits(needed: int) -> None:
    problem = Problem("p", {}, str(needed))
    right = [
        waits
        for waits in range(8)
        if solve(BudgetForcing(waits=waits), TASK, Writer(doubter), problem)[0].answer
        == problem.answer
    ]
    assert right == [needed]


def test_what_is_forced_stands_in_the_trace_and_is_not_charged() -> None:
    model = Writer(doubter)
    solution, ledger = solve(BudgetForcing(waits=1), TASK, model, PROBLEM)
    assert steps(solution) == [
        ("line 0\n", "model", 7),
        ("wait\n", "forced", 0),
        ("line 1\n", "model", 7),
        ("</think>1", "model", 10),
    ]
    assert solution.traces[0].text == "line 0\nwait\nline 1\n</think>1"
    assert solution.traces[0].tokens == 24 and solution.traces[0].logprob == -12.0
    assert [(row.completion, row.discarded) for row in ledger.rows] == [
        (7, None), (10, "end of thinking suppressed"), (7, None), (10, None)
    ]  # fmt: skip
    assert sum(row.completion for row in ledger.rows) == model.completion == 34
    assert [row.prompt for row in ledger.rows] == [0, 7, 12, 19], "forced text is read"


def test_the_turn_goes_on_from_exact_ids_with_the_forced_text_between_them() -> None:
    model = Writer(doubter)
    solve(BudgetForcing(waits=1), TASK, model, PROBLEM)
    line, again = tuple(map(ord, "line 0\n")), tuple(map(ord, "line 1\n"))
    assert [prompt.prefix_ids for prompt in model.seen] == [
        (), line, (*line, "wait\n"), (*line, "wait\n", *again)
    ]  # fmt: skip


def test_thinking_past_its_tokens_is_ended_on_a_line_of_its_own_and_the_answer_drawn() -> None:
    def endless(prefix: str) -> str:
        return "7" if prefix.endswith("</think>") else "so it goes\n"

    solution, ledger = solve(BudgetForcing(think=15), TASK, Writer(endless), PROBLEM)
    assert steps(solution) == [
        ("so it goes\n", "model", 11),
        ("so i", "model", 4),
        ("\n</think>", "forced", 0),
        ("7", "model", 2),
    ]
    assert (solution.answer, solution.chosen, solution.stopped_by) == ("7", 0, "done")
    assert ledger.spent.tokens == 17


def test_no_thinking_at_all_is_an_answer_at_once() -> None:
    solution, _ = solve(BudgetForcing(think=0), TASK, Writer(doubter), PROBLEM)
    assert steps(solution) == [("</think>", "forced", 0), ("0", "model", 2)]


def test_thinking_that_ends_in_time_is_left_alone() -> None:
    solution, ledger = solve(BudgetForcing(think=100), TASK, Writer(doubter), PROBLEM)
    assert steps(solution) == [("line 0\n", "model", 7), ("</think>0", "model", 10)]
    assert not any(row.discarded for row in ledger.rows)


def test_only_an_end_before_the_least_length_is_taken_away() -> None:
    # each round costs 17 tokens: a line of 7, an end of 10
    for least, answer in ((1, "0"), (17, "0"), (18, "1"), (34, "1"), (35, "2"), (999, "6")):
        how = BudgetForcing(least=least, waits=6)
        assert solve(how, TASK, Writer(doubter), PROBLEM)[0].answer == answer, least


def test_waits_end_where_the_thinking_has_no_tokens_left() -> None:
    solution, ledger = solve(BudgetForcing(think=17, waits=9), TASK, Writer(doubter), PROBLEM)
    assert solution.answer == "0" and ledger.spent.tokens == 17
    solution, ledger = solve(BudgetForcing(think=18, waits=9), TASK, Writer(doubter), PROBLEM)
    assert steps(solution)[-2:] == [("\n</think>", "forced", 0), ("1", "model", 2)]


def test_an_end_of_sequence_without_the_mark_is_an_end_of_thinking() -> None:
    def silent(prefix: str) -> str:
        if prefix.endswith("</think>"):
            return "3"
        return "a\nb" if not prefix else "c" if prefix.endswith("wait\n") else "b"

    solution, _ = solve(BudgetForcing(), TASK, Writer(silent), PROBLEM)
    assert [text for text, _, _ in steps(solution)] == ["a\n", "b", "\n</think>", "3"]
    model = Writer(silent)
    solution, _ = solve(BudgetForcing(waits=1), TASK, model, PROBLEM)
    assert [text for text, _, _ in steps(solution)] == [
        "a\n", "b", "\nwait\n", "c", "\n</think>", "3"
    ]  # fmt: skip
    assert model.seen[-1].prefix_ids == (97, 10, 98, "\nwait\n", 99, "\n</think>")
    assert solution.answer == "3"


def test_an_end_of_sequence_with_an_answer_needs_no_mark() -> None:
    solution, _ = solve(BudgetForcing(), TASK, Writer(lambda _: "12"), PROBLEM)
    assert steps(solution) == [("12", "model", 3)] and solution.answer == "12"


def test_of_a_line_that_has_the_mark_inside_what_stands_before_it_stays() -> None:
    def inline(prefix: str) -> str:
        return "</think>5" if "wait" in prefix else "x=4 </think>4"

    solution, ledger = solve(BudgetForcing(waits=1), TASK, Writer(inline), PROBLEM)
    assert solution.traces[0].text == "x=4 \nwait\n</think>5"
    assert ledger.rows[0].discarded is None and solution.traces[0].logprob is None


def test_what_follows_the_mark_may_be_long() -> None:
    def polite(prefix: str) -> str:
        return "a\n</think>\n\nIt is:\n9"[len(prefix) :]

    how = BudgetForcing(answer=20)
    solution, _ = solve(how, TASK, Writer(polite), PROBLEM)
    assert [text for text, _, _ in steps(solution)] == ["a\n", "</think>\n", "\nIt is:\n9"]
    assert solution.traces[0].finish == "eos"


def test_the_plain_dialect_has_its_own_words_and_both_can_be_set() -> None:
    class Plain(Writer):
        dialect = "plain"

    def essay(prefix: str) -> str:
        if prefix.endswith("Answer:"):
            return " 8"
        return "Hm.\n" if prefix.endswith("Wait,") else "Well.\nAnswer: 4"[len(prefix) :]

    solution, _ = solve(BudgetForcing(waits=1, think=24), TASK, Plain(essay), PROBLEM)
    assert solution.traces[0].text == "Well.\nWait,Hm.\n\nAnswer: 8".replace("\n\n", "\n")
    how = BudgetForcing(think=3, end="So:", wait="Hmm")
    solution, _ = solve(how, TASK, Plain(lambda p: "1" if p.endswith("So:") else "abcdef"), PROBLEM)
    assert solution.traces[0].text == "abc\nSo:1"


def test_under_a_budget_the_thinking_leaves_room_for_the_answer() -> None:
    def endless(prefix: str) -> str:
        return "7" if prefix.endswith("</think>") else "so it goes\n"

    for tokens in range(1, 40):
        budget = Budget(tokens=tokens)
        solution, ledger = solve(BudgetForcing(), TASK, Writer(endless), PROBLEM, budget)
        assert (solution.answer == "7") == (tokens >= 2) and ledger.spent.tokens <= tokens
    solution, ledger = solve(BudgetForcing(), TASK, Writer(endless), PROBLEM, Budget(calls=2))
    assert solution.answer == "7" and len(ledger.rows) == 2


@pytest.mark.parametrize(
    ("budget", "context", "finish", "stopped", "reason"),
    [
        (Budget(tokens=1), 999, "budget", "budget", "cut by budget"),
        (Budget(flops=30.0), 999, "budget", "budget", "cut by budget"),
        (None, 20, "length", "done", "cut by length"),
    ],
    ids=["tokens", "flops", "context"],
)
def test_a_trace_that_is_cut_has_no_answer_and_its_tokens_are_discarded(
    budget: Any, context: int, finish: str, stopped: str, reason: str
) -> None:
    def endless(prefix: str) -> str:
        return "123456" if prefix.endswith("</think>") else "so it goes\n"

    model = Writer(endless, context=context)
    solution, ledger = solve(BudgetForcing(think=12), TASK, model, PROBLEM, budget)
    assert (solution.answer, solution.chosen, solution.stopped_by) == (None, None, stopped)
    assert solution.traces[0].finish == finish
    assert {row.discarded for row in ledger.rows if row.completion} == {reason}


def test_nothing_granted_leaves_no_trace() -> None:
    solution, _ = solve(BudgetForcing(), TASK, Writer(doubter), PROBLEM, Budget(tokens=0))
    assert (solution.traces, solution.stopped_by) == ((), "budget")


def test_a_server_that_does_not_tell_a_stop_from_the_end_is_read_by_its_answer() -> None:
    class Vague(Writer):
        async def generate(self, prompt, sampling, ledger, seed):
            [c] = await super().generate(prompt, sampling, ledger, seed)
            finish = "stop" if c.finish in ("eos", "boundary") else c.finish
            return [Completion(c.text, finish, c.usage)]

    model = Vague(doubter)
    model.can = frozenset({"continue"})
    solution, _ = solve(BudgetForcing(waits=2), TASK, model, PROBLEM)
    assert solution.answer == "2"
    assert all(prompt.prefix_ids in ((), None) for prompt in model.seen)


def test_a_run_of_it_is_resumed_without_asking_again(tmp_path) -> None:
    model: Any = Writer(doubter)
    first = compare("budget-forcing(waits=2)", TASK, model, [64], out=tmp_path / "run")
    model = Writer(doubter)
    again = compare("budget-forcing(waits=2)", TASK, model, [64], out=tmp_path / "run", resume=True)
    assert again.facts() == first.facts() and model.seen == []
    assert [cell.answer for cell in first.cells] == ["2"]


def test_it_is_a_strategy_by_name() -> None:
    how = BudgetForcing(think=64, waits=2, wait="Wait, ")
    assert parse("budget-forcing(64,waits=2,wait='Wait, ')") == how == parse(label(how))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"think": -1}, "think must be 0 or more"),
        ({"waits": -1}, "waits must be 0 or more"),
        ({"least": 0, "waits": 1}, "least must be 1 or more"),
        ({"answer": 0}, "answer must be 1 or more"),
        ({"end": ""}, "must be some text"),
        ({"least": 5}, "least needs waits=1 or more"),
        ({"format": "direct"}, "format must be chain"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        BudgetForcing(**settings)


def test_a_model_that_cannot_continue_is_refused_before_any_call() -> None:
    model: Any = Writer(doubter)
    model.can = frozenset()
    with pytest.raises(BadInput, match="continue a started answer"):
        refuse_unfit(BudgetForcing(), load_task("expressions", n=1), model)
