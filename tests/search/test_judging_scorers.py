"""Scorers that ask a model: raters and self-evaluation, what they charge and what they log."""

from __future__ import annotations

import asyncio
from math import log
from pathlib import Path
from typing import Any

import pytest

from evaluators.errors import BadInput
from reasoning.core import Completion, Context, SeedPath, Step, TokenScores, Trace, Usage
from reasoning.ledger import Budget, Ledger
from reasoning.runlog import read_events
from search import compare
from search.best_of_n import BestOfN
from search.scorers import Rater, SelfEvaluation, refuse_whole, resolve
from search.strategies import knows
from tests.search.toy_lab import Scripted, solve, toy

TASK = toy(4)
PROBLEM = TASK.problems[0]


class Judge:
    """Answers a question about a text by a rule; a token is a character."""

    name, flops_per_token = "judge", 2.0

    def __init__(self, rule, can=("score", "continue"), dialect="plain") -> None:
        self.rule, self.can, self.dialect = rule, frozenset(can), dialect
        self.asked: list[str] = []

    def fingerprint(self):
        return {"name": self.name}

    async def generate(self, prompt, sampling, ledger, seed) -> list[Completion]:
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens
        )
        if grant.empty:
            return [Completion("", "budget", Usage())]
        self.asked.append(prompt.messages[-1].content + prompt.prefix)
        reply, logprobs = self.rule(self.asked[-1]), None
        if isinstance(reply, tuple):
            reply, logprobs = reply[0], (reply[1],) * len(reply[0])
        text = reply[: grant.max_tokens]
        grant.settle(Usage(0, 0, len(text)))
        return [Completion(text, "eos", Usage(0, 0, len(text)), None, logprobs)]

    async def score(self, prompt, continuations, ledger) -> list[TokenScores]:
        self.asked.append(prompt.messages[-1].content + prompt.prefix)
        made = []
        for text in continuations:
            grant = ledger.reserve_reading(
                purpose="score", model=self.name, key=text, tokens=len(text)
            )
            if grant.empty:
                made.append(TokenScores((), ()))
                continue
            grant.settle(Usage())
            made.append(TokenScores((text,), (self.rule(text),)))
        return made


def trace(text: str, finish: Any = "eos") -> Trace:
    return Trace((Step(text, len(text), finish),), finish, text or None, seed=text)


def rate(scorer, *traces: Trace, budget: Budget | None = None, model=None):
    ledger = Ledger(budget)
    ctx = Context(TASK, model or Scripted(), ledger, SeedPath(0, (PROBLEM.id,)))
    return asyncio.run(scorer.score(PROBLEM, traces, ctx)), ledger


def by_length(text: str) -> str:
    return f"Because of its length.\nScore: {min(5, len(text.split(chr(34) * 3)[1].strip()))}"


def test_ratings_become_scores_on_0_to_1_and_their_replies_are_charged():
    judge = Judge(by_length)
    scores, ledger = rate(Rater(model=judge), trace("a"), trace("abc"), trace("abcdefg"))
    assert scores == [0.0, 0.5, 1.0]
    replies = sum(len(by_length(text)) for text in judge.asked)
    assert ledger.spent.completion == replies > 0 and ledger.spent.scored == 0
    assert {row.model for row in ledger.rows} == {"judge"}


def test_a_reply_that_cannot_be_read_or_paid_is_no_score():
    judge = Judge(lambda text: "Well done!" if "bc" in text else "Score: 5")
    scores, _ = rate(Rater(model=judge), trace("abc"), trace("xyz"))
    assert scores == [None, 1.0]
    scores, ledger = rate(
        Rater(model=judge, tokens=20), *map(trace, "abcdef"), budget=Budget(tokens=30)
    )
    assert scores[:3] == [1.0, 1.0, 1.0] and scores[-1] is None
    assert ledger.spent.tokens <= 30


def test_a_beginning_is_rated_as_one():
    judge = Judge(lambda text: "Score: 3")
    scores, _ = rate(Rater(model=judge), trace("ab", "boundary"), trace("ab"))
    assert scores == [0.5, 0.5]
    assert ["not finished" in asked for asked in judge.asked] == [True, False]
    refuse_whole("rater", TASK)
    with pytest.raises(BadInput, match="finished traces only"):
        refuse_whole("rater(pair)", TASK)


def longest(text: str) -> str:
    shown = [part.strip() for part in text.split('"""')[1::2]]
    if len(shown[0]) == len(shown[1]):
        return "Winner: A"  # favours a position
    return f"Winner: {'A' if len(shown[0]) > len(shown[1]) else 'B'}"


def test_pairs_score_by_the_share_of_comparisons_won():
    judge = Judge(longest)
    scores, _ = rate(Rater("pair", judge), trace("abc"), trace("a"), trace("xyz"), trace("ab"))
    assert scores == pytest.approx([2.5 / 3, 0.0, 2.5 / 3, 1 / 3])
    assert len(judge.asked) == 4 * 3
    assert rate(Rater("pair", judge), trace("abc"))[0] == [0.5]


def test_a_rater_chooses_among_the_samples_of_a_problem():
    judge = Judge(longest)
    strategy = BestOfN(4, scorer=Rater("pair", judge))
    solution, ledger = solve(strategy, TASK, Scripted(0.3), PROBLEM)
    assert knows(strategy, TASK) == "nothing"
    texts = [t.text for t in solution.traces]
    assert len(solution.traces[solution.chosen].text) == max(map(len, texts))
    assert {row.model for row in ledger.rows} == {"scripted", "judge"}


def test_what_a_rater_says_is_logged_and_not_asked_again(tmp_path: Path):
    judge = Judge(lambda text: "Score: 4")
    arms = {"rated": BestOfN(2, scorer=Rater(model=judge))}
    report = compare(arms, TASK, Scripted(), [4000], out=tmp_path, progress=False)
    asked = len(judge.asked)
    assert asked == 2 * len(TASK.problems)
    said = [e for e in read_events(tmp_path) if e["kind"] == "response"]
    assert sum("Score: 4" in str(e["answer"]) for e in said) == asked
    told = [e["data"] for e in read_events(tmp_path) if e["kind"] == "event"]
    assert [e["score"] for e in told] == [4] * asked
    events = tmp_path / "events.jsonl"
    lines = events.read_text().splitlines(True)
    events.write_text("".join(line for line in lines if '"kind":"cell"' not in line))
    again = compare(arms, TASK, Scripted(), [4000], out=tmp_path, resume=True, progress=False)
    assert len(judge.asked) == asked
    assert again.facts() == report.facts()


SURE = {"good": log(0.6), "bad": log(0.2), "A": log(0.3), "B": log(0.1)}


def test_self_evaluation_is_the_share_of_yes_and_a_compact_writer_reads_two_words():
    writer = Judge(SURE.__getitem__, dialect="compact")
    scores, ledger = rate(SelfEvaluation(), trace("3\n=3"), model=writer)
    assert scores == [pytest.approx(0.75)]
    question = TASK.render(PROBLEM, "chain", "compact")
    assert writer.asked == [question + "3\n=3check"]
    assert ledger.spent.scored == len("good") + len("bad")


def test_another_judge_is_charged_for_the_trace_too():
    for judge in (Judge(SURE.__getitem__), Judge(SURE.__getitem__, dialect="compact")):
        scores, ledger = rate(SelfEvaluation(judge), trace("3\n=3"))
        assert scores == [pytest.approx(0.75)]
        words = "goodbad" if judge.dialect == "compact" else "AB"
        assert ledger.spent.scored == 4 + len(words)
    plain = Judge(SURE.__getitem__)
    rate(SelfEvaluation(plain), trace("3\n=3"), trace("3\n", "boundary"))
    assert "Is the proposed solution right?" in plain.asked[0]
    assert "Is its last step right" in plain.asked[1]


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("A", 1.0), ("B) No", 0.0), (" yes", 1.0), ("No.", 0.0), ("(A) Yes", 1.0), ("maybe", None),
        (("A", log(0.9)), 0.9), (("B", log(0.7)), 0.3), ("", None),
    ],
)  # fmt: skip
def test_a_model_that_cannot_score_is_asked(reply, score):
    judge = Judge(lambda text: reply, can=())
    scores, ledger = rate(SelfEvaluation(judge), trace("3"))
    assert scores == ([None] if score is None else [pytest.approx(score)])
    assert not judge.asked[0].endswith("(")
    assert ledger.spent.completion == len(reply[0] if isinstance(reply, tuple) else reply)


def test_self_evaluation_that_cannot_be_paid_is_no_score():
    writer = Judge(SURE.__getitem__, dialect="compact")
    scores, ledger = rate(
        SelfEvaluation(), *map(trace, "abc"), model=writer, budget=Budget(tokens=10)
    )
    assert scores == [pytest.approx(0.75), None, None] and ledger.spent.tokens <= 10
    scores, ledger = rate(
        SelfEvaluation(Judge(SURE.__getitem__)), trace("x" * 20), budget=Budget(tokens=10)
    )
    assert scores == [None] and ledger.spent.tokens == 0


def test_names_of_judging_scorers_take_options():
    made = resolve("rater(pair,tokens=64)", TASK)
    assert (made.kind, made.tokens, made.charged, made.joint) == ("pair", 64, False, True)
    assert resolve("rater", TASK).charged and resolve("self-evaluation", TASK).partial
    assert resolve("self-evaluation(model=tiny)", TASK).model == "tiny"
    for text, says in (("rater(both)", "point"), ("rater(tokens=0)", "1 or more")):
        with pytest.raises(BadInput, match=says):
            resolve(text, TASK)
