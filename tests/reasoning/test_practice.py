"""What is practised: questions by weight, each once before any comes again, the same every time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from evaluators import load_task
from evaluators.errors import BadInput, UnknownName
from reasoning.prompts import PromptStyle
from reasoning.train.practice import Practice
from tests.reasoning import earned

SUMS = load_task("expressions", "train", 30, ops=2)
REACH = load_task("countdown", "train", 20, numbers=3)
BOTH = Practice(((SUMS, 3.0), (REACH, 1.0)))


def test_tasks_are_drawn_by_their_weights():
    share = Counter(drawn.task for drawn in BOTH.deck(4000, 0))
    assert 0.72 < share[0] / 4000 < 0.78


def test_every_problem_comes_once_before_any_comes_again():
    drawn = [one.problem.id for one in Practice.of(SUMS).deck(75, 1)]
    assert sorted(drawn[:30]) == sorted(drawn[30:60]) == sorted(p.id for p in SUMS.problems)
    assert drawn[:30] != drawn[30:60] and len(set(drawn[60:])) == 15


def test_the_deck_is_the_seeds():
    assert BOTH.deck(50, 2) == BOTH.deck(50, 2) != BOTH.deck(50, 3)


def test_the_fingerprint_tells_all_that_decides_a_practice():
    other = [
        Practice(((SUMS, 2.0), (REACH, 1.0))),
        replace(BOTH, reward="sound"),
        replace(BOTH, reward=earned.length),
        replace(BOTH, reward=earned.Flat(0.5)),
        replace(BOTH, reward=earned.Flat(1.0)),
        replace(BOTH, style=PromptStyle(role="terse")),
        Practice(((replace(SUMS, problems=SUMS.problems[1:]), 3.0), (REACH, 1.0))),
    ]
    made = {one.fingerprint() for one in [BOTH, *other]}
    assert len(made) == 8 and Practice(BOTH.tasks).fingerprint() == BOTH.fingerprint()


def test_a_task_or_several_are_a_practice_too():
    assert Practice.of(SUMS).tasks == ((SUMS, 1.0),)
    assert Practice.of([SUMS, (REACH, 2.0)]).tasks == ((SUMS, 1.0), (REACH, 2.0))
    assert len(Practice.of([SUMS, REACH])) == 50


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: Practice(()), "at least one task"),
        (lambda: Practice(((SUMS, 0.0),)), "must be above 0"),
        (lambda: Practice.of(replace(SUMS, problems=())), "has no problems"),
    ],
    ids=["no task", "no weight", "no problems"],
)
def test_a_practice_that_cannot_be_is_refused(made, says):
    with pytest.raises(BadInput, match=says):
        made()


def test_an_unknown_reward_names_those_there_are():
    with pytest.raises(UnknownName, match="Did you mean 'verifier'"):
        Practice.of(SUMS, reward="verifer")
