"""Raters: what replies say, both orders of a pair, ties and failures, agreement by hand."""

from __future__ import annotations

import asyncio
from math import isnan

import pytest

from evaluators.agreement import agreement, kappa
from evaluators.errors import BadInput
from evaluators.rater import (
    PairRater,
    PointRater,
    Preference,
    Rating,
    counts,
    pair_agreement,
    point_agreement,
)
from evaluators.replies import choice, reason, score

SCORES = [
    ("marked", "All steps hold.\nScore: 4", 4), ("bold", "**Score:** 4", 4),
    ("bold number", "Score: **4**", 4), ("out of", "Score: 4/5", 4),
    ("rating", "Rating: 5 out of 5", 5),
    ("sentence", "I would give it a score of 3 because of line two.", 3), ("only a digit", "4", 4),
    ("digit with a point", " 4.\n", 4), ("stars", "3 stars", 3), ("fraction", "4/5", 4),
    ("fraction in a sentence", "This deserves 2/5.", 2),
    ("json", '{"score": 4, "reason": "fine"}', 4),
    ("json as text", '{"reason": "x", "Score": "4/5"}', 4),
    ("fenced json", '```json\n{"rating": 2}\n```', 2),
    ("json in prose", 'So:\n{"score": 1}\nDone.', 1), ("fenced line", "```\nScore: 3\n```", 3),
    ("brackets", "Rating: [[5]]", 5), ("half", "Score: 4.5", 4.5),
    ("last mark wins", "At first score: 2.\nFinal score: 4", 4),
    ("the scale is no score", "On a scale of 1 to 5.\nScore: 3", 3),
    ("reasoning is not read", "<think>Score: 1? no</think>Score: 5", 5),
    ("several fractions that agree", "3/5, yes 3/5", 3), ("several fractions", "2/5 or 4/5", None),
    ("another scale", "Score: 8/10", None), ("too great", "Score: 7", None), ("zero", "0", None),
    ("negative", "Score: -4", None), ("per cent", "Score: 4%", None),
    ("the template itself", "Score: 1-5", None), ("the template in words", "Score: 1 to 5", None),
    ("nothing", "", None), ("prose", "Good work!", None),
    ("a number of the problem", "3+4 is 7, so the second line is wrong.", None),
    ("json without a number", '{"score": "high"}', None), ("json that is none", "{score: 4", 4),
    ("two digits", "Score: 45", None),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "want"), [s[1:] for s in SCORES], ids=[s[0] for s in SCORES])
def test_scores_are_read(reply, want):
    assert score(reply) == want


CHOICES = [
    ("marked", "A errs in line 2.\nWinner: B", "B"), ("bold", "**Winner:** A", "A"),
    ("tie", "Winner: tie", "tie"), ("brackets", "[[B]]", "B"),
    ("brackets for a tie", "[[C]]", "tie"), ("letter", "A", "A"),
    ("letter with a point", "B.", "B"), ("words", "Winner: Solution B", "B"),
    ("first", "The first is better.", "A"), ("json", '{"winner": "B", "reason": "r"}', "B"),
    ("json tie", '```json\n{"verdict": "tie"}\n```', "tie"),
    ("sentence", "Solution A is better.", "A"),
    ("last mark wins", "Winner: A? No.\nWinner: B", "B"), ("a tie", "It's a tie.", "tie"),
    ("reasoning is not read", "<think>Winner: A</think>Winner: B", "B"), ("nothing", "", None),
    ("prose", "Both have their merits and a few flaws", None),
    ("json with words", '{"winner": "who knows"}', None), ("an article", "Winner: another", None),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "want"), [c[1:] for c in CHOICES], ids=[c[0] for c in CHOICES])
def test_choices_are_read(reply, want):
    assert choice(reply) == want


def test_reasons_are_the_words_beside_the_marks():
    assert reason("The carry is lost.\n**Score:** 2/5") == "The carry is lost"
    assert reason('```json\n{"score": 4, "reason": "fine"}\n```') == "fine"
    assert reason("<think>hm</think>A repeats itself. [[B]]") == "A repeats itself"


class Judge:
    """Replies by a rule on the two solutions shown, or from a list."""

    def __init__(self, rule):
        self.rule, self.asked = rule, []

    async def __call__(self, text: str) -> str:
        self.asked.append(text)
        if not callable(self.rule):
            return self.rule[len(self.asked) - 1]
        shown = [part.strip() for part in text.split('"""')[1::2]]
        return self.rule(*shown)


def test_a_point_rater_shows_question_and_answer_and_reads_the_score():
    judge = Judge(["It holds.\nScore: 5"])
    rating = asyncio.run(PointRater(judge).rate("1+2", "3\n"))
    assert (rating.score, rating.unit, rating.reason) == (5, 1.0, "It holds")
    assert "1+2" in judge.asked[0] and '"""\n3\n"""' in judge.asked[0]
    assert "not finished" not in judge.asked[0]
    again = Judge(["nonsense"])
    rating = asyncio.run(PointRater(again).rate("1+2", "3", partial=True))
    assert rating.score is None and rating.unit is None and rating.reply == "nonsense"
    assert "not finished" in again.asked[0]


def longer(a: str, b: str) -> str:
    return "Winner: tie" if len(a) == len(b) else f"Winner: {'A' if len(a) > len(b) else 'B'}"


@pytest.mark.parametrize(
    ("rule", "pair", "winner", "turned"),
    [
        (longer, ("xx", "x"), "first", False), (longer, ("x", "xx"), "second", False),
        (longer, ("x", "y"), "tie", False), (lambda a, b: "Winner: A", ("x", "y"), "tie", True),
        (lambda a, b: "Winner: B", ("x", "y"), "tie", True),
        (["Winner: A", "Winner: tie"], ("x", "y"), "tie", False),
        (["Winner: A", "no idea"], ("x", "y"), None, False),
    ],
)  # fmt: skip
def test_a_pair_is_asked_in_both_orders_and_only_agreement_wins(rule, pair, winner, turned):
    judge = Judge(rule)
    found = asyncio.run(PairRater(judge).compare("q", *pair))
    assert (found.winner, found.turned, len(judge.asked)) == (winner, turned, 2)
    first = [text.split('"""')[1].strip() for text in judge.asked]
    assert first == list(pair)


def test_both_orders_are_asked_before_a_reply_comes_so_that_no_reply_decides_what_is_paid():
    asked, replies = [], asyncio.Event()

    async def ask(text: str) -> str:
        asked.append(text)
        await replies.wait()
        return "Winner: tie"

    async def compared() -> None:
        rater = PairRater(ask)
        both = asyncio.gather(rater.compare("q", "x", "y"), rater.compare("q", "x", "z"))
        for _ in range(5):
            await asyncio.sleep(0)
        seen = [tuple(part.strip() for part in t.split('"""')[1::2]) for t in asked]
        assert seen == [("x", "y"), ("y", "x"), ("x", "z"), ("z", "x")]
        replies.set()
        await both

    asyncio.run(compared())


def test_ties_and_failures_are_counted():
    ratings = [Rating(4), Rating(None), Rating(1)]
    assert counts(ratings) == counts([*ratings])
    assert (counts(ratings).total, counts(ratings).failed) == (3, 1)
    pairs = [
        Preference("first", ("first", "first")), Preference("tie", ("first", "second")),
        Preference("tie", ("tie", "tie")), Preference(None, ("first", None)),
    ]  # fmt: skip
    found = counts(pairs)
    assert (found.total, found.failed, found.ties, found.turned) == (4, 1, 2, 1)


def test_kappa_by_hand():
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: p_o = .7, p_e = .5*.6 + .5*.4 = .5, kappa = .4
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert kappa(first, second) == pytest.approx(0.4)
    assert kappa(second, first) == pytest.approx(0.4)
    assert kappa("aabbc", "aabbc") == 1
    assert kappa("ab", "ba") == pytest.approx(-1)
    assert kappa("abab", "aabb") == pytest.approx(0)
    assert isnan(kappa("aaa", "aaa"))
    with pytest.raises(BadInput, match="two lists"):
        kappa([], [])


def test_agreement_leaves_out_what_was_not_decided():
    found = agreement([True, None, True, False, False], [True, True, False, None, False])
    assert (found.n, found.missing) == (3, 2)
    assert found.accuracy is not None and found.accuracy.value == pytest.approx(2 / 3)
    assert found.kappa == pytest.approx(0.4)  # p_o 2/3, p_e (2/3)(1/3) + (1/3)(2/3) = 4/9
    assert found.table == {(True, True): 1, (True, False): 1, (False, False): 1}
    assert agreement([None], [True]).accuracy is None
    with pytest.raises(BadInput):
        agreement([True], [])


def test_agreement_of_raters_with_a_verifier():
    ratings = [Rating(5), Rating(4), Rating(2), Rating(None), Rating(4)]
    found = point_agreement(ratings, [True, False, False, True, True])
    assert (found.n, found.missing) == (4, 1)
    assert found.accuracy is not None and found.accuracy.value == 0.75
    assert point_agreement(ratings, [True] * 5, accept=5).table == {
        (True, True): 1,
        (False, True): 3,
    }
    pairs = [Preference("first", ("first", "first")), Preference("tie", ("tie", "tie"))]
    found = pair_agreement(pairs, [(True, False), (False, True)])
    assert found.table == {("first", "first"): 1, ("tie", "second"): 1}
