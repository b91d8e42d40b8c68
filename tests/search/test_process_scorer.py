"""The scorer of a process model: what it asks to be read, and how it makes one number of it."""

from __future__ import annotations

import asyncio

import pytest

from evaluators import load_task
from evaluators.errors import BadInput
from reasoning.core import Context, SeedPath, Step, Trace
from reasoning.ledger import Budget, Ledger
from search.scorers import resolve
from search.scorers.process import Processed

TASK = load_task("countdown", n=0)
PROBLEM = TASK.parse_problem("3 5 7 2=24")
QUESTION = "3 5 7 2=24<think>"


class Told:
    """Rates each piece by a table, 0.9 by default; a token is a character."""

    name, dialect, flops_per_token = "told", "compact", 1.0
    can = frozenset({"rate"})

    def __init__(self, **table):
        self.table, self.asked = table, []

    async def rate(self, texts, ledger, *, known=()):
        self.asked += zip(texts, known, strict=True)
        found = []
        for pieces, first in zip(texts, known, strict=True):
            count = len("".join(pieces[first:]))
            grant = ledger.reserve_reading(
                purpose="rate", model="told", key="".join(pieces), tokens=count
            )
            rated = [self.table.get(piece.strip(), 0.9) for piece in pieces[first:]]
            found.append(None if grant.empty else rated)
        return found


@pytest.fixture
def scorer(monkeypatch):
    """Makes a scorer over a scripted model, which is given back beside it."""

    def make(table, **settings):
        model = Told(**table)
        monkeypatch.setattr("reasoning.models.process.load_process_model", lambda name: model)
        return Processed(**settings), model

    return make


def context(ledger=None):
    return Context(TASK, Told(), ledger or Ledger(), SeedPath(0, ("p",)))


def trace(*texts):
    return Trace(tuple(Step(text, 1, "boundary") for text in texts), "boundary")


def scores(scorer, traces, ctx):
    return asyncio.run(scorer.score(PROBLEM, traces, ctx))


TABLE = {"3*7=21 5 2": 0.8, "5-2=3 21": 0.5, "21+3=24": 0.6}
WHOLE = trace("3*7=21 5 2\n", "5-2=3 21\n", "21+3=24\n")


@pytest.mark.parametrize(
    ("aggregate", "want"), [("min", 0.5), ("product", 0.8 * 0.5 * 0.6), ("last", 0.6)]
)
def test_the_ratings_of_all_steps_make_one_number_without_the_question(scorer, aggregate, want):
    made, _ = scorer({**TABLE, QUESTION: 0.1}, aggregate=aggregate)
    assert scores(made, [WHOLE], context()) == [pytest.approx(want)]


def test_a_trace_in_one_piece_is_rated_as_the_same_trace_in_steps(scorer):
    made, _ = scorer(TABLE)
    joined = trace("".join(step.text for step in WHOLE.steps))
    assert scores(made, [joined, WHOLE], context()) == [0.5, 0.5]


def test_equal_traces_of_a_problem_are_read_once(scorer):
    made, model = scorer(TABLE)
    ctx = context()
    assert scores(made, [WHOLE, WHOLE], ctx) == scores(made, [WHOLE], ctx) * 2
    assert len(model.asked) == 1


def test_a_step_more_is_read_alone(scorer):
    made, model = scorer(TABLE)
    ctx = context()
    first = trace("3*7=21 5 2\n")
    scores(made, [first], ctx)
    before = ctx.ledger.spent.tokens
    scores(made, [WHOLE], ctx)
    assert model.asked[-1][1] == 2
    assert ctx.ledger.spent.tokens - before == len("5-2=3 21\n21+3=24\n")


def test_what_one_problem_has_read_another_pays_for(scorer):
    made, model = scorer(TABLE)
    scores(made, [WHOLE], context())
    scores(made, [WHOLE], context())
    assert [known for _, known in model.asked] == [0, 0]


def test_a_reading_that_cannot_be_paid_is_none_and_asked_again_when_it_can(scorer):
    made, _ = scorer(TABLE)
    ctx = context(Ledger(Budget(tokens=30)))
    assert scores(made, [WHOLE, trace("3*7=21 5 2\n")], ctx) == [None, 0.8]


def test_of_a_state_the_task_s_own_text_is_read(scorer):
    made, model = scorer({"21 5 2=24": 0.7, "21 3=24": 0.4, "24=24": 0.8}, input="state")
    assert scores(made, [WHOLE], context()) == [0.4]
    assert [pieces for pieces, _ in model.asked] == [("21 5 2=24",), ("21 3=24",), ("24=24",)]
    last, model = scorer({"24=24": 0.8}, input="state", aggregate="last")
    assert scores(last, [WHOLE], context()) == [0.8] and len(model.asked) == 1


def test_a_step_without_a_state_scores_nothing(scorer):
    made, model = scorer({}, input="state", aggregate="last")
    assert scores(made, [trace("3*7=22 5 2\n")], context()) == [0.0] and not model.asked


def test_it_knows_nothing_and_a_state_may_have_been_checked():
    assert (Processed().knows, Processed(input="state").knows) == ("nothing", "check")
    assert Processed().partial and Processed().charged


def test_the_name_takes_its_settings():
    made = resolve("process-model(input=state,aggregate=last)", TASK)
    assert made == Processed("tiny-prm", "state", "last")


@pytest.mark.parametrize("wrong", ["input=text", "aggregate=mean"])
def test_a_wrong_setting_is_named(wrong):
    with pytest.raises(BadInput, match=wrong.split("=")[1]):
        resolve(f"process-model({wrong})", TASK)
