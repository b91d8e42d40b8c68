from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from toy_lab import Scripted, Toy, solve, toy

from evaluators.errors import BadInput
from evaluators.problem import Problem
from reasoning.core import Step, Trace
from reasoning.ledger import Budget
from search import Adaptive, compare, fit_adaptive
from search.allocate import allocate, bin_of, edges, fitted
from search.equal_tokens import at_equal_tokens
from search.fit import Measured, predictor, promised
from search.plan import Option, Plan, Predictor, features
from search.strategies import label, parse, refuse_unfit

# -- allocation ---------------------------------------------------------------------------


def brute(shares, accuracy, spent, mean):
    """The best of all ways to give every bin an option."""
    best = None
    for choice in product(range(len(accuracy[0])), repeat=len(shares)):
        cost = sum(s * spent[b][o] for b, (s, o) in enumerate(zip(shares, choice, strict=True)))
        worth = sum(s * accuracy[b][o] for b, (s, o) in enumerate(zip(shares, choice, strict=True)))
        if cost <= mean * (1 + 1e-9) and (best is None or worth > best + 1e-12):
            best = worth
    return best


@pytest.mark.parametrize("seed", range(20))
def test_the_allocation_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    bins, options = int(rng.integers(1, 5)), int(rng.integers(1, 6))
    shares = rng.dirichlet(np.ones(bins))
    accuracy, spent = rng.random((bins, options)), rng.integers(1, 200, (bins, options)) * 1.0
    for mean in (spent.min(axis=1) @ shares, 60.0, 120.0, 1e6):
        expected = brute(shares, accuracy, spent, mean)
        if expected is None:
            continue
        chosen = allocate(shares, accuracy, spent, mean)
        assert sum(shares[b] * accuracy[b, o] for b, o in enumerate(chosen)) == pytest.approx(
            expected
        )
        assert sum(shares[b] * spent[b, o] for b, o in enumerate(chosen)) <= mean * (1 + 1e-9)


def test_more_goes_to_where_it_pays_and_least_where_all_is_lost_or_won():
    # Options of 10, 50 and 200 tokens; easy: all solve it, hopeless: none, middling: more is better
    accuracy = [[0.0, 0.0, 0.0], [0.2, 0.5, 0.9], [1.0, 1.0, 1.0]]
    spent = [[10, 50, 200]] * 3
    assert allocate([1 / 3] * 3, accuracy, spent, 74) == (0, 2, 0)
    assert allocate([1 / 3] * 3, accuracy, spent, 72) == (0, 1, 0)


def test_what_cannot_be_paid_is_done_as_cheaply_as_can_be():
    assert allocate([0.5, 0.5], [[0.1, 0.9], [0.1, 0.9]], [[20, 40], [30, 60]], 5) == (0, 0)


def test_bins_hold_about_equally_many_and_equal_values_share_one():
    borders = edges(range(100), 4)
    assert np.bincount([bin_of(x, borders) for x in range(100)]).tolist() == [25, 25, 25, 25]
    assert edges([1.0] * 50, 4) == ()
    borders = edges([0.5] * 80 + [1.0] * 20, 4)
    assert [bin_of(x, borders) for x in (0.5, 1.0)] in ([0, 0], [0, 1])
    assert edges(range(10), 1) == ()


def test_the_prediction_is_least_squares():
    rng = np.random.default_rng(0)
    known = rng.normal(size=(200, 3)) * [1, 10, 0.1] + [5, 0, 2]
    target = known @ [0.5, -0.02, 3.0] + 0.25
    assert fitted(known, target, ridge=1e-9) == pytest.approx([0.5, -0.02, 3.0, 0.25], rel=1e-4)
    constant = np.hstack([known, np.ones((200, 1))])
    assert fitted(constant, target)[3] == 0.0


# -- features and plans -------------------------------------------------------------------


def trace(text, logprob, tokens):
    return Trace((Step(text, tokens, "eos", logprob),), "eos", Toy.read(text))


def test_features_are_those_computed_by_hand():
    task = toy(1)
    problem = task.problems[0]
    probes = [trace("=5", -1.0, 4), trace("=5", -2.0, 4), trace("=6", -3.0, 4), trace("?", -4.0, 8)]
    assert features(problem, task, "12+3*(4-15)/2:", probes) == {
        "length": 14.0, "operations": 4.0, "numbers": 5.0,
        "likelihood": -0.5, "agreement": 0.5, "spread": 2.0,
    }  # fmt: skip
    assert set(features(problem, task, "1+2", [])) == {"length", "operations", "numbers"}


HARD_EASY = Predictor(
    0, {"length": -0.1}, 1.0, (0.0,), (0.5, 0.5), ((0.1, 0.8), (0.9, 0.95)),
    ((20.0, 100.0), (20.0, 100.0)), mean={60: 0.8}, cap={60: 0.5, 100: 0.9},
)  # fmt: skip
PLAN = Plan((Option("self-consistency", 20), Option("self-consistency", 100)), (HARD_EASY,))


def test_the_mean_goes_to_the_hard_ones_and_a_cap_to_all():
    assert PLAN.choose(60, None)[1] == (PLAN.options[1], PLAN.options[0])
    assert PLAN.choose(None, 100)[1] == (PLAN.options[1],) * 2
    assert PLAN.choose(None, 60)[1] == (PLAN.options[0],) * 2
    assert PLAN.choose(60, 50)[1] == (PLAN.options[0],) * 2
    assert PLAN.choose(None, 5)[1] == (PLAN.options[0],) * 2  # all are cut: the smallest is
    assert [HARD_EASY.bin(HARD_EASY.predict({"length": n})) for n in (5, 10, 15)] == [1, 1, 0]


def test_the_predictor_that_did_best_at_the_nearest_budget_is_taken():
    other = replace(HARD_EASY, mean={60: 0.7, 600: 0.99}, cap={})
    plan = Plan(PLAN.options, (HARD_EASY, other))
    assert plan.choose(60, None)[0] is HARD_EASY
    assert plan.choose(300, None)[0] is other
    greedy = replace(HARD_EASY, probes=4, probing=80.0, cap={60: 0.9})
    assert Plan(PLAN.options, (greedy, HARD_EASY)).choose(None, 100)[0] is HARD_EASY


def test_a_plan_is_a_file_that_a_strategy_as_text_names(tmp_path):
    path = tmp_path / "plan.json"
    PLAN.save(path)
    assert Plan.load(path) == PLAN
    strategy = parse(f"adaptive({path},mean=60)")
    assert strategy.fitted == PLAN and parse(label(strategy)) == strategy
    path.write_text('{"kind": "cell"}')
    with pytest.raises(BadInput, match="is no plan"):
        parse(f"adaptive({path})")
    with pytest.raises(BadInput, match="is no plan"):
        Adaptive(str(tmp_path / "nothing.json"))


def test_the_plan_that_ships_gives_more_to_the_hard_ones():
    plan = Adaptive().fitted
    assert plan.made["model"] == "tiny"
    predictor, options = plan.choose(80, None)
    spent = [predictor.spent[b][plan.options.index(o)] for b, o in enumerate(options)]
    assert len(spent) == 4 and spent[1] > spent[3]
    assert sum(s * c for s, c in zip(predictor.shares, spent, strict=True)) <= 80


# -- solving ------------------------------------------------------------------------------

TASK = toy(20, length=6)
PROBLEM = TASK.problems[0]


@pytest.mark.parametrize(
    "text", ["self-consistency", "self-consistency(n=3)", "self-consistency(width=1)",
             "best-of-n(scorer=likelihood,width=1)", "best-of-n(stop=first-accepted)",
             "deep-conf"],
)  # fmt: skip
@pytest.mark.parametrize("tokens", [15, 40, 200])
def test_probes_are_charged_once_and_serve_as_the_first_samples(text, tokens):
    alone, first = solve(parse(text), TASK, Scripted(0.7), PROBLEM, Budget(tokens))
    model = Scripted(0.7)
    how = Adaptive(Plan.only(Option(text, tokens), probes=2))
    probed, second = solve(how, TASK, model, PROBLEM, Budget(tokens))
    assert model.completion == second.spent.tokens == sum(r.completion for r in second.rows)
    if "first-accepted" not in text or len(alone.traces) >= 2:
        assert (probed.answer, probed.stopped_by) in {
            (alone.answer, alone.stopped_by), (probed.answer, "done")
        }  # fmt: skip
        assert [t.text for t in probed.traces] == [t.text for t in alone.traces]
        assert second.spent.tokens == first.spent.tokens
        assert [r.key for r in second.rows] == [r.key for r in first.rows]
        assert [r.discarded for r in second.rows] == [r.discarded for r in first.rows]


def test_probes_that_a_strategy_does_not_use_are_discarded_and_count():
    how = Adaptive(Plan.only(Option("best-first", 100), probes=2))
    model = Scripted(0.7)
    solution, ledger = solve(how, TASK, model, PROBLEM)
    assert ledger.spent.tokens == model.completion <= 100
    probes = [row for row in ledger.rows if row.discarded == "probe only"]
    assert len(probes) == 2 and solution.tree is not None
    assert [t.seed for t in solution.traces[-2:]] == [row.key for row in probes]
    assert sum(row.tokens for row in ledger.rows) == ledger.spent.tokens


def test_where_no_probe_can_be_paid_there_is_no_answer():
    probing = replace(HARD_EASY, probes=2, weights={"likelihood": 1.0})
    plan = Adaptive(Plan(PLAN.options, (probing,)))
    solution, ledger = solve(plan, TASK, Scripted(), PROBLEM, Budget(0))
    assert (solution.answer, solution.traces, solution.stopped_by) == (None, (), "budget")
    assert ledger.rows == []


def test_where_the_probes_have_spent_it_all_they_vote():
    how = Adaptive(Plan.only(Option("best-first", 20), probes=3))
    solution, ledger = solve(how, TASK, Scripted(1.0), PROBLEM, Budget(200))
    assert solution.answer == PROBLEM.answer and len(solution.traces) == 3
    assert len(ledger.rows) == 3


@pytest.mark.parametrize("tokens", [0, 1, 10, 30, 77])
def test_it_never_spends_more_than_the_budget(tokens):
    for text in ("self-consistency", "best-first", "uncertainty(n=none)"):
        model = Scripted(0.5)
        how = Adaptive(Plan.only(Option(text, 1000), probes=2))
        _, ledger = solve(how, TASK, model, PROBLEM, Budget(tokens))
        assert ledger.spent.tokens == model.completion <= tokens


def test_it_needs_and_knows_what_its_strategies_do():
    plan = Plan((Option("self-consistency"), Option("best-of-n(scorer=verifier)")), (HARD_EASY,))
    assert Adaptive(plan).knows(TASK) == "reference"
    assert Adaptive(PLAN).knows(TASK) == "nothing"
    with pytest.raises(BadInput, match="continue"):
        refuse_unfit(Adaptive(Plan.only(Option("best-first"))), TASK, Scripted(can=()))


def test_a_run_holds_the_plan_itself(tmp_path):
    path = tmp_path / "plan.json"
    PLAN.save(path)
    report = compare(f"adaptive({path})", TASK, Scripted(), [40], out=tmp_path / "run")
    [settings] = report.settings["strategies"].values()
    assert settings["contents"]["predictors"][0]["weights"] == {"length": -0.1}
    again = compare(f"adaptive({path})", TASK, Scripted(), [40], out=tmp_path / "run", resume=True)
    assert again.facts() == report.facts()
    replace(PLAN, predictors=(replace(HARD_EASY, constant=2.0),)).save(path)
    with pytest.raises(BadInput, match="settings"):
        compare(f"adaptive({path})", TASK, Scripted(), [40], out=tmp_path / "run", resume=True)


@pytest.mark.parametrize("text", ["self-consistency", "deep-conf(online=true)", "best-first"])
def test_a_problem_that_was_cut_short_repeats_no_logged_call(tmp_path, text):
    arm = {"adaptive": Adaptive(Plan.only(Option(text, 150), probes=2))}
    first = compare(arm, TASK, Scripted(0.7), [200], out=tmp_path, progress=False)
    log = tmp_path / "events.jsonl"
    lines = [line for line in log.read_text().splitlines(True) if '"kind":"response"' in line]
    assert lines
    log.write_text("".join(lines))  # every answer came, no problem was settled
    model = Scripted(0.7)
    again = compare(arm, TASK, model, [200], out=tmp_path, resume=True, progress=False)
    assert model.calls == 0 and again.facts() == first.facts()


# -- fitting ------------------------------------------------------------------------------


def mixed(count, seed):
    """Sums of 2, 5 or 16 numbers: easy, hard, and too long for a trace."""
    rng = np.random.default_rng(seed)
    problems = []
    for i in range(count):
        numbers = rng.integers(1, 9, size=(2, 5, 16)[i % 3]).tolist()
        problems.append(Problem(f"mixed/{seed}/{i}", {"numbers": numbers}, str(sum(numbers))))
    return Toy("mixed", tuple(problems))


LIKELIEST = "best-of-n(scorer=likelihood)"  # wrong steps are unlikely ones


@pytest.fixture(scope="module")
def fit():
    return fit_adaptive(
        mixed(60, 1), Scripted(0.5), [LIKELIEST], [10, 30, 80, 160, 320], probes=0, bins=3
    )


def test_longer_sums_are_predicted_to_be_harder(fit):
    best, options = fit.fitted.choose(120, None)
    assert len(best.borders) == 2
    assert options[1].tokens > 100 > max(options[0].tokens, options[2].tokens)
    known = [features(p, mixed(1, 0), Toy.render(None, p, "chain", "compact"), ())
             for p in mixed(40, 2).problems]  # fmt: skip
    ease = [best.predict(each) for each in known]
    assert np.corrcoef(ease, [each["numbers"] for each in known])[0, 1] < -0.8


def test_at_equal_mean_tokens_it_beats_giving_every_problem_the_same(fit):
    arms = {"adaptive": replace(fit, mean=120.0), "same": LIKELIEST}
    report = compare(arms, mixed(120, 3), Scripted(0.5), [80, 160, 320], progress=False)
    [found] = [f for f in at_equal_tokens(report, "adaptive", "same") if f.budget == "320"]
    assert 80 < found.tokens < 130
    assert found.difference.low > 0 and found.same_knowledge


def test_no_answer_of_a_problem_to_be_solved_is_read(fit):
    asked = mixed(20, 4)
    blank = Toy("mixed", tuple(replace(p, answer=None) for p in asked.problems))
    for one, two in zip(asked.problems, blank.problems, strict=True):
        first, _ = solve(replace(fit, mean=120.0), asked, Scripted(0.5), one, Budget(320))
        second, _ = solve(replace(fit, mean=120.0), blank, Scripted(0.5), two, Budget(320))
        assert first == second


def test_one_bin_predicts_nothing_and_asks_no_probes():
    rng = np.random.default_rng(0)
    n = 400
    right = (rng.random((n, 3)) < [0.3, 0.5, 0.6]).astype(float)
    measured = Measured(
        0, ("length",), rng.normal(size=(n, 1)), right, np.tile([10.0, 40.0, 160.0], (n, 1)),
        np.zeros(n), np.arange(n),
    )  # fmt: skip
    one, four = predictor(measured, 1), predictor(measured, 4)
    assert (len(one.shares), len(four.shares)) == (1, 4)
    assert one.weights == {} and one.probes == 0
    assert np.allclose(np.array(four.shares) @ np.array(four.accuracy), right.mean(axis=0))


def test_a_predictor_whose_probes_cost_too_much_promises_nothing():
    n = 20
    measured = Measured(
        2, ("length",), np.arange(n)[:, None] * 1.0, np.ones((n, 2)), np.tile([50.0, 90.0], (n, 1)),
        np.full(n, 50.0), np.arange(n),
    )  # fmt: skip
    fit, options = predictor(measured, 2), (Option("a", 20), Option("b", 90))
    assert promised(fit, options, measured, 49, None).sum() == 0
    assert promised(fit, options, measured, 50, None).sum() == n
    assert promised(fit, options, measured, None, 30).sum() == 0
    assert promised(fit, options, measured, None, 90).sum() == n


def test_too_few_problems_are_refused():
    with pytest.raises(BadInput, match="at least 5 problems"):
        fit_adaptive(toy(3), Scripted(), ["self-consistency"], [40])
