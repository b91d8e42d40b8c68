"""Mixtures of scorers and scores made of steps' scores, against values by hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from math import exp, log
from typing import Any

import pytest

from evaluators.errors import BadInput, UnknownName
from reasoning.core import Context, SeedPath, Step, Trace
from reasoning.ledger import Budget, Ledger
from search.best_of_n import BestOfN
from search.scorers import resolve
from search.scorers.aggregate import Stepwise, aggregate
from search.scorers.mixture import IMPOSSIBLE, Mixture
from search.strategies import knows, label, parse
from tests.search.toy_lab import Scripted, solve, toy

TASK = toy(8)


@dataclass(frozen=True)
class Told:
    """Scores by text; counts what it was asked."""

    scores: dict[str, float | None]
    scale: str = "unit"
    knows: str = "nothing"
    charged: bool = False
    partial: bool = True
    needs: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    async def score(self, problem, traces, ctx):
        self.asked.extend(t.text for t in traces)
        return [self.scores[t.text] for t in traces]


def trace(text: str) -> Trace:
    return Trace((Step(text, 1, "eos"),), "eos", text)


def rate(scorer, *texts: str) -> list[Any]:
    ctx = Context(TASK, Scripted(), Ledger(), SeedPath(0))
    return asyncio.run(scorer.score(TASK.problems[0], [trace(t) for t in texts], ctx))


A = Told({"x": 0.5, "y": 0.2, "z": 0.0, "n": None})
B = Told({"x": 0.4, "y": 1.0, "z": 1.0, "n": 1.0})
L = Told({"x": log(0.5), "y": -2.0, "z": -1.0, "n": -1.0}, scale="log")


@pytest.mark.parametrize(
    ("parts", "rule", "weights", "x", "y"),
    [
        ((A, B), "sum", (), 0.45, 0.6), ((A, B), "sum", (3.0, 1.0), 0.475, 0.4),
        ((A, B), "product", (), 0.2, 0.2), ((A, B), "product", (2.0, 1.0), 0.1, 0.04),
        ((A, B), "min", (), 0.4, 0.2), ((A, L), "sum", (), 0.5, (0.2 + exp(-2)) / 2),
        ((A, L), "min", (), 0.5, exp(-2)),
        ((A, L), "product", (), 2 * log(0.5), log(0.2) - 2),
        ((A, L), "product", (1.0, 0.5), 1.5 * log(0.5), log(0.2) - 1),
    ],
)  # fmt: skip
def test_mixtures_by_hand(parts, rule, weights, x, y):
    mixed = Mixture(parts, rule, weights)
    assert rate(mixed, "x", "y") == pytest.approx([x, y])
    on_log = rule == "product" and L in parts
    assert mixed.scale == ("log" if on_log else "unit")


def test_what_no_part_rates_is_not_rated():
    for rule in ("sum", "product", "min"):
        assert rate(Mixture((A, B), rule), "n", "x")[0] is None
        assert rate(Mixture((B, A), rule), "n", "x")[0] is None


def test_a_score_of_nothing_on_the_log_scale_stays_a_number():
    assert rate(Mixture((A, L), "product"), "z") == [IMPOSSIBLE]
    assert rate(Mixture((L, A), "product"), "z") == [IMPOSSIBLE]


def test_later_parts_are_not_asked_where_the_score_is_nothing_already():
    for rule, asked in (("product", ["x"]), ("min", ["x"]), ("sum", ["z", "x"])):
        later = Told({"x": 0.4, "z": 1.0})
        assert rate(Mixture((A, later), rule), "z", "x")[0] == (0.5 if rule == "sum" else 0.0)
        assert later.asked == asked


def test_a_mixture_is_what_its_parts_are():
    paid, oracle = Told({}, charged=True), Told({}, knows="solution", partial=False)
    mixed = Mixture((A, paid, oracle))
    assert (mixed.knows, mixed.charged, mixed.partial, mixed.joint) == (
        "solution",
        True,
        False,
        False,
    )
    both = Mixture((Told({}, needs=frozenset({"score"})), Told({}, needs=frozenset({"logprobs"}))))
    assert both.needs == {"score", "logprobs"} and both.partial and not both.charged
    assert Mixture((A, Told({}, knows="check"))).knows == "check"


def test_costs_of_the_parts_add():
    from search.scorers import Likelihood

    def spent(scorer):
        strategy, budget = BestOfN(2, scorer=scorer), Budget(tokens=200)
        return solve(strategy, TASK, Scripted(), TASK.problems[0], budget)[1].spent.scored

    one, two = Likelihood(model=Scripted()), Likelihood(mean=True, model=Scripted())
    assert spent(Mixture((one, two))) == spent(one) + spent(two) > 0


def test_mixtures_of_names_parse_and_choose():
    text = "best-of-n(n=4,scorer=mixture(step-verifier,mean-likelihood,rule=product,weights=1 0.5))"
    strategy = parse(text)
    assert parse(label(strategy)) == strategy
    assert knows(strategy, TASK) == "solution"
    made = resolve(strategy.scorer, TASK)
    assert (made.rule, made.weights, made.scale, made.partial) == (
        "product",
        (1.0, 0.5),
        "log",
        True,
    )
    solution, _ = solve(strategy, TASK, Scripted(), TASK.problems[0])
    assert solution.chosen is not None
    vote = resolve("mixture(vote,verifier)", TASK)
    assert vote.joint and vote.knows == "reference"
    nested = resolve("mixture(mixture(verifier,likelihood,rule=min),vote)", TASK)
    assert nested.joint and nested.scale == "unit"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("mixture", BadInput, "needs scorers"), ("mixture(tarot)", UnknownName, "scorer"),
        ("mixture(verifier,rule=max)", BadInput, "sum, product or min"),
        ("mixture(verifier,weights=1 2)", BadInput, "1 scorers need as many"),
        ("mixture(verifier,weights=0)", BadInput, "above 0"),
        ("mixture(verifier,weights=inf)", BadInput, "above 0"),
        ("process-model(doubt=nan)", BadInput, "power above 0"),
        ("mixture(verifier,weights=a)", BadInput, "numbers with spaces"),
        ("mixture(verifier,rule=min,weights=2)", BadInput, "no weights"),
        ("stepwise", BadInput, "needs scorer"), ("stepwise(verifier)", BadInput, "finished"),
        ("stepwise(step-verifier,rule=max)", UnknownName, "aggregation"),
    ],
)  # fmt: skip
def test_a_wrong_mixture_says_what_is_wrong(text, error, says):
    with pytest.raises(error, match=says):
        resolve(text, TASK)


def test_aggregation_by_hand():
    scores = [0.5, 1.0, 0.2]
    values = {rule: aggregate(scores, rule) for rule in ("min", "product", "mean", "last")}
    assert values == pytest.approx({"min": 0.2, "product": 0.1, "mean": 17 / 30, "last": 0.2})
    assert aggregate([]) == 1.0


def test_stepwise_scores_every_beginning_once():
    inner = Told({"a\n": 0.9, "a\nb\n": 0.5, "a\nb\n=c": 0.8, "a\nd\n": None})
    scorer = Stepwise(inner, "product")

    async def work():
        ctx = Context(TASK, Scripted(), Ledger(), SeedPath(0))
        part = Trace((Step("a\n", 1, "boundary"), Step("b\n", 1, "boundary")), "boundary")
        first = await scorer.score(TASK.problems[0], [part], ctx)
        blind = Trace((Step("a\nd\n", 1, "boundary"),), "boundary")
        return first + await scorer.score(TASK.problems[0], [trace("a\nb\n=c"), blind], ctx)

    assert asyncio.run(work()) == [pytest.approx(0.45), pytest.approx(0.36), None]
    assert inner.asked == ["a\n", "a\nb\n", "a\nb\n=c", "a\nd\n"]


def test_stepwise_does_not_take_one_problem_for_another():
    scorer, ledger = Stepwise(resolve("step-verifier", TASK), "min"), Ledger()
    one, two = TASK.problems[:2]
    first = str(sum(one.fields["numbers"][:2])) + "\n"

    async def work(problem):
        total = str(sum(problem.fields["numbers"][:2])) + "\n"
        part = Trace((Step(total, 1, "boundary"),), "boundary")
        other = Trace((Step(first, 1, "boundary"),), "boundary")
        ctx = Context(TASK, Scripted(), ledger, SeedPath(0))
        return await scorer.score(problem, [part, other], ctx)

    assert sum(one.fields["numbers"][:2]) != sum(two.fields["numbers"][:2])
    assert asyncio.run(work(one)) == [1.0, 1.0]
    assert asyncio.run(work(two)) == [1.0, 0.0]


def test_stepwise_scores_a_trace_of_whole_text_as_one_of_steps():
    inner = resolve("step-verifier", TASK)
    text = "1\n2\n=2"
    steps = tuple(Step(t, 1, "boundary") for t in text.splitlines(True))
    ctx = Context(TASK, Scripted(), Ledger(), SeedPath(0))
    for rule in ("min", "mean"):
        scores = [
            asyncio.run(Stepwise(inner, rule).score(TASK.problems[0], [t], ctx))  # type: ignore[arg-type]
            for t in (trace(text), Trace(steps, "eos", "2"))
        ]
        assert scores[0] == scores[1]


def test_the_beginnings_of_a_trace_share_its_tokens() -> None:
    from reasoning.core import Step, Trace
    from search.scorers.aggregate import beginnings

    trace = Trace((Step("12\n345\n=5", 18, "eos"),), "eos", "5", seed="0/p")
    assert [part.text for part in beginnings(trace, "\n")] == ["12\n", "12\n345\n", "12\n345\n=5"]
    assert [part.tokens for part in beginnings(trace, "\n")] == [6, 14, 18]
