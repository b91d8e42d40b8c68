"""Lab 02: a few-shot prompt, a vote with its agreement, and length compared inside each problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from labs.exercises.exercise import Case, Exercise
from labs.shots import wordless


def _examples_last(examples: Sequence, question: tuple[int, int]) -> str:
    first, *rest = wordless(examples, question).split("\n")[::-1]
    return "\n".join([first, *rest[::-1]])


FEW_SHOT = Exercise(
    "my_few_shot",
    wordless,
    [
        Case(([(3, 4, 7)], (2, 6)), "3@4=7\n?2@6=", "one line an example, then ? and the question"),
        Case(([(3, 4, 7), (5, 5, 10)], (1, 9)), "3@4=7\n5@5=10\n?1@9=", "examples in their order"),
        Case(([], (8, 3)), "?8@3=", "without examples the question stands alone, no empty line"),
        Case(([(9, 2, 7)], (2, 9)), "9@2=7\n?2@9=", "the question is (first, second), not sorted"),
    ],
    {
        "zero-shot": lambda examples, question: wordless([], question),
        "one example": lambda examples, question: wordless(examples[:1], question),
        "reversed": lambda examples, question: wordless(examples[::-1], question),
        "no mark": lambda examples, question: wordless(examples, question).replace("?", ""),
        "line feed at the end": lambda examples, question: wordless(examples, question) + "\n",
        "blank line": lambda examples, question: wordless(examples, question).replace("\n", "\n\n"),
        "question first": _examples_last,
        "nothing": lambda examples, question: None,
    },
)

Vote = tuple[str | None, float]


def vote(answers: Sequence[str | None]) -> Vote:
    """The most frequent answer (the earliest of equals) and its share of the votes cast; traces
    without an answer do not vote; `(None, 0.0)` without any vote."""
    votes = Counter(answer for answer in answers if answer is not None)
    if not votes:
        return None, 0.0
    winner, count = votes.most_common(1)[0]
    return winner, count / votes.total()


def _of_all(answers: Sequence[str | None]) -> Vote:
    winner, _ = vote(answers)
    return winner, list(answers).count(winner) / len(answers) if winner is not None else 0.0


def _missing_vote(answers: Sequence[str | None]) -> Vote:
    if not answers:
        return None, 0.0
    winner, count = Counter(answers).most_common(1)[0]
    return winner, count / len(answers)


def _count(answers: Sequence[str | None]) -> Vote:
    winner, _ = vote(answers)
    return winner, float(list(answers).count(winner)) if winner is not None else 0.0


def _last_of_equals(answers: Sequence[str | None]) -> Vote:
    return vote(list(answers)[::-1])


VOTE = Exercise(
    "my_vote",
    vote,
    [
        Case((["6", "7", "6", "6"],), ("6", 0.75), "the share is its votes over all votes"),
        Case((["7", None, None, "6", "6"],), ("6", 2 / 3),
             "None casts no vote: it neither wins nor counts in the share"),
        Case((["8", "8", "9", "9"],), ("8", 0.5), "of equals the one that came first wins"),
        Case(([None, "4"],), ("4", 1.0), "one vote is all the votes"),
        Case(([None, None],), (None, 0.0), "without any vote there is no winner; the share is 0"),
        Case(([],), (None, 0.0), "no traces, no vote"),
    ],
    {
        "share of all traces": _of_all,
        "the missing vote": _missing_vote,
        "last of equals": _last_of_equals,
        "answer alone": lambda answers: vote(answers)[0],
        "count for share": _count,
        "first": lambda answers: (answers[0] if answers else None, 1.0),
    },
)  # fmt: skip

Row = tuple[str, int, bool]
"""(problem, tokens of a chain, whether it is right)"""


def longer_minus_shorter(rows: Sequence[Row]) -> float | None:
    """The accuracy of the chains longer than their problem's median minus that of the shorter ones,
    averaged over the problems that have both; `None` when none has."""
    chains: dict[str, list[Row]] = {}
    for row in rows:
        chains.setdefault(row[0], []).append(row)
    gaps = []
    for held in chains.values():
        middle = median(tokens for _, tokens, _ in held)
        longer = [right for _, tokens, right in held if tokens > middle]
        shorter = [right for _, tokens, right in held if tokens < middle]
        if longer and shorter:
            gaps.append(sum(longer) / len(longer) - sum(shorter) / len(shorter))
    return sum(gaps) / len(gaps) if gaps else None


def _pooled(rows: Sequence[Row]) -> float | None:
    return longer_minus_shorter([("all", tokens, right) for _, tokens, right in rows])


def _by_chain(rows: Sequence[Row]) -> float | None:
    """Pools the chains that are longer, and those that are shorter, than their problem's median."""
    kinds: dict[bool, list[bool]] = {True: [], False: []}
    for problem, tokens, right in rows:
        middle = median(t for p, t, _ in rows if p == problem)
        if tokens != middle:
            kinds[tokens > middle].append(right)
    if not kinds[True] or not kinds[False]:
        return None
    return sum(kinds[True]) / len(kinds[True]) - sum(kinds[False]) / len(kinds[False])


def _zero_for_none(rows: Sequence[Row]) -> float:
    return longer_minus_shorter(rows) or 0.0


def _turned(rows: Sequence[Row]) -> float | None:
    found = longer_minus_shorter(rows)
    return None if found is None else -found


_EASY = [("easy", 10, False), ("easy", 12, True), ("easy", 11, True)]
_HARD = [("hard", 50, False), ("hard", 60, True), ("hard", 70, False), ("hard", 80, False)]

WITHIN = Exercise(
    "my_gap",
    longer_minus_shorter,
    [
        Case((_EASY,), 1.0, "12 is above the median 11 and right, 10 is below it and wrong"),
        Case((_HARD,), -0.5, "the median of 50 60 70 80 is 65: above it 0 of 2, below it 1 of 2"),
        Case((_EASY + _HARD,), 0.25, "a gap inside each problem first, then the mean of the gaps"),
        Case(([*_EASY, ("same", 7, True), ("same", 7, False)],), 1.0,
             "a problem whose chains are all of one length says nothing: leave it out"),
        Case(([("same", 7, True)],), None, "when no problem has both kinds there is no gap"),
        Case(([],), None, "no chains, no gap"),
    ],
    {
        "all problems together": _pooled,
        "pooled after sorting": _by_chain,
        "0 for none": _zero_for_none,
        "shorter minus longer": _turned,
        "first problem": lambda rows: longer_minus_shorter([r for r in rows if r[0] == rows[0][0]]),
    },
)  # fmt: skip

EXERCISES = (FEW_SHOT, VOTE, WITHIN)
