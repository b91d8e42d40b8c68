"""Raters: a language model as judge, point by point on 1..5 or pair by pair, with its reasons.

Zheng et al. 2023, "Judging LLM-as-a-judge", sections 3.1 and 3.4: single-answer grading and
pairwise comparison. A judge favours a position, so that a pair is asked about in both orders and
only what it says in both counts as a win; else the pair is a tie. What cannot be read is counted as
a failure and is no score. A rater knows no model: it asks through `ask`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from evaluators import replies
from evaluators.agreement import Agreement, agreement

Ask = Callable[[str], Awaitable[str]]
"""Text in, the judge's reply out. What it raises is passed on."""

Winner = Literal["first", "second", "tie"]

CRITERION = "whether every step is right and the answer, if there is one, follows from them"

_POINT = """You judge a solution by one criterion: {criterion}.

Question:
{question}

{what}:
\"\"\"
{answer}
\"\"\"

Say in one or two sentences what is right or wrong. Then write a last line of the form
Score: N
where N is 1 (useless), 2 (mostly wrong), 3 (doubtful), 4 (mostly right) or 5 (right)."""

_PAIR = """You compare two solutions by one criterion: {criterion}.
Their order and their length say nothing about them.

Question:
{question}

Solution A:
\"\"\"
{first}
\"\"\"

Solution B:
\"\"\"
{second}
\"\"\"

Say in one or two sentences what decides. Then write a last line, one of
Winner: A
Winner: B
Winner: tie"""


@dataclass(frozen=True)
class Rating:
    """A score in 1..5, `None` where the reply could not be read, and why."""

    score: float | None
    reason: str = ""
    reply: str = ""

    @property
    def unit(self) -> float | None:
        """The score on 0..1."""
        span = replies.HIGH - replies.LOW
        return None if self.score is None else (self.score - replies.LOW) / span


@dataclass(frozen=True)
class Preference:
    """Which of two answers is better. `said` are the two judgements, of the pair and of the pair
    turned round, both in terms of the pair as given; `winner` is `None` where either is missing.
    """

    winner: Winner | None
    said: tuple[Winner | None, Winner | None]
    reasons: tuple[str, str] = ("", "")

    @property
    def turned(self) -> bool:
        """Whether the order decided: each answer won once, in the same place."""
        return set(self.said) == {"first", "second"}


@dataclass(frozen=True)
class PointRater:
    """Rates one answer at a time on 1..5 by `criterion`."""

    ask: Ask
    criterion: str = CRITERION

    async def rate(self, question: str, answer: str, *, partial: bool = False) -> Rating:
        """The rating of an answer, or of the beginning of one (`partial`)."""
        what = "Beginning of a solution, which is not finished" if partial else "Solution"
        text = _POINT.format(
            criterion=self.criterion, question=question, what=what, answer=answer.strip()
        )
        reply = await self.ask(text)
        return Rating(replies.score(reply), replies.reason(reply), reply)


@dataclass(frozen=True)
class PairRater:
    """Says which of two answers is better by `criterion`, asked in both orders."""

    ask: Ask
    criterion: str = CRITERION

    async def compare(self, question: str, first: str, second: str) -> Preference:
        """The preference; what wins in one order only is a tie. Both orders are asked at once, so
        that what a budget pays does not depend on which reply comes first."""
        seen: list[Winner | None] = []
        reasons: list[str] = []
        texts = [
            _PAIR.format(
                criterion=self.criterion, question=question, first=a.strip(), second=b.strip()
            )
            for a, b in ((first, second), (second, first))
        ]
        asked = await asyncio.gather(*map(self.ask, texts), return_exceptions=True)
        for reply, names in zip(asked, (_AS_GIVEN, _TURNED), strict=True):
            if isinstance(reply, BaseException):
                raise reply
            said = replies.choice(reply)
            seen.append(None if said is None else names[said])
            reasons.append(replies.reason(reply))
        winner = None if None in seen else seen[0] if seen[0] == seen[1] else "tie"
        return Preference(winner, (seen[0], seen[1]), (reasons[0], reasons[1]))


_AS_GIVEN: dict[str, Winner] = {"A": "first", "B": "second", "tie": "tie"}
_TURNED: dict[str, Winner] = {"A": "second", "B": "first", "tie": "tie"}


@dataclass(frozen=True)
class Counts:
    """What became of the questions put to a rater: `failed` could not be read; of pairs `ties` in
    all, of which in `turned` the order alone decided."""

    total: int
    failed: int
    ties: int = 0
    turned: int = 0


def counts(judged: Sequence[Rating] | Sequence[Preference]) -> Counts:
    """Ties and failures among ratings, or among preferences."""
    points = [one for one in judged if isinstance(one, Rating)]
    pairs = [one for one in judged if isinstance(one, Preference)]
    failed = sum(one.score is None for one in points) + sum(one.winner is None for one in pairs)
    ties = sum(one.winner == "tie" for one in pairs)
    return Counts(len(judged), failed, ties, sum(one.turned for one in pairs))


def point_agreement(
    ratings: Sequence[Rating], passed: Sequence[bool | None], accept: float = 4
) -> Agreement:
    """How ratings of `accept` or more agree with a verifier's decisions on the same answers;
    replies that could not be read are missing."""
    said = [None if one.score is None else one.score >= accept for one in ratings]
    return agreement(said, list(passed))


def pair_agreement(
    preferences: Sequence[Preference], passed: Sequence[tuple[bool, bool]]
) -> Agreement:
    """How preferences agree with a verifier that passed one answer of each pair, or both, or none
    (its tie)."""
    truth: list[Winner] = [
        "tie" if first == second else "first" if first else "second" for first, second in passed
    ]
    return agreement([one.winner for one in preferences], truth)
