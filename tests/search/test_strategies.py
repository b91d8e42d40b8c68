import asyncio
import inspect

import pytest
from toy_lab import Scripted, Toy, solve, toy

from evaluators.errors import BadInput, LabError, UnknownName
from evaluators.problem import Problem
from reasoning.ledger import Budget
from search import (
    STRATEGIES,
    BestOfN,
    BudgetForcing,
    ChainOfThought,
    Direct,
    SelfConsistency,
    StepResample,
    parse,
)
from search.scorers import Likelihood
from search.strategies import knows, label, refuse_unfit

TASK = toy(12)
PROBLEM = TASK.problems[0]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_reads_its_own_label(name):
    strategy = STRATEGIES[name]()
    assert label(strategy) == name
    assert parse(name) == strategy


@pytest.mark.parametrize(
    ("text", "strategy"),
    [
        ("best-of-n(8)", BestOfN(8)),
        ("best-of-n(n=8,scorer=likelihood)", BestOfN(8, scorer="likelihood")),
        ("best-of-n(n=none, vote=true)", BestOfN(vote=True)),
        ("best-of-n(stop=first-accepted)", BestOfN(stop="first-accepted")),
        ("self-consistency(adaptive=0.95,temperature=1)", SelfConsistency(adaptive=0.95,
                                                                         temperature=1)),
        ("chain-of-thought(shots=2,role=careful)", ChainOfThought(shots=2, role="careful")),
        ('direct(role="You add, slowly")', Direct(role="You add, slowly")),
        ("direct(role='false')", Direct(role="false")),
        ("step-resample(tries=2,restarts=0)", StepResample(2, 0)),
        ("budget-forcing(64,least=32,waits=2)", BudgetForcing(64, 32, 2)),
    ],
)  # fmt: skip
def test_a_strategy_is_read_from_text_and_its_label_reads_back(text, strategy):
    assert parse(text) == strategy
    assert parse(label(strategy)) == strategy


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("best-of-m", UnknownName, "Did you mean 'best-of-n'"),
        ("best-of-n(m=3)", UnknownName, "option of best-of-n 'm'"),
        ("best-of-n(n=x)", BadInput, "must be a number"),
        ("best-of-n(n=0)", BadInput, "1 or more"),
        ("best-of-n(n=1.5)", BadInput, "must be a number"),
        ("best-of-n(1,2)", BadInput, "needs its name"),
        ("best-of-n(n=1,n=2)", BadInput, "twice"),
        ("best-of-n(8", BadInput, "no strategy"),
        ("best-of-n(temperature=0)", BadInput, "above 0"),
        ("best-of-n(temperature=none)", BadInput, "cannot be none"),
        ("best-of-n(stop=late)", BadInput, "first-accepted"),
        ("best-of-n(vote=maybe)", BadInput, "true or false"),
        ("best-of-n(top_p=2)", BadInput, "top_p"),
        ("direct(format=essay)", UnknownName, "prompt format"),
        ("self-consistency(adaptive=2)", BadInput, "between .5 and 1"),
        ("step-resample(tries=0)", BadInput, "1 or more"),
        ("step-resample(restarts=-1)", BadInput, "0 or more"),
    ],
)
def test_a_wrong_text_says_what_is_wrong(text, error, says):
    with pytest.raises(error, match=says):
        parse(text)


def test_direct_and_chain_take_one_greedy_sample():
    for strategy in (Direct(), ChainOfThought()):
        model = Scripted(right=0.1)  # greedy is right all the same
        solution, ledger = solve(strategy, TASK, model, PROBLEM)
        assert (solution.answer, solution.stopped_by) == (PROBLEM.answer, "done")
        assert len(ledger.rows) == model.calls == 1


def test_a_sample_cut_by_the_budget_has_no_answer_and_is_discarded():
    solution, ledger = solve(ChainOfThought(), TASK, Scripted(), PROBLEM, Budget(tokens=5))
    assert (solution.answer, solution.stopped_by) == (None, "budget")
    assert solution.traces[0].tokens == 5
    assert ledger.rows[0].discarded == "cut by budget"


def test_nothing_is_answered_on_an_empty_budget():
    for name in STRATEGIES:
        model = Scripted()
        solution, ledger = solve(parse(name), TASK, model, PROBLEM, Budget(tokens=0))
        assert (solution.answer, solution.traces, solution.stopped_by) == (None, (), "budget")
        assert model.calls == 0 and ledger.rows == []


def test_arms_share_their_samples():
    one, _ = solve(SelfConsistency(6), TASK, Scripted(), PROBLEM)
    two, _ = solve(BestOfN(6), TASK, Scripted(), PROBLEM)
    three, _ = solve(BestOfN(6, width=1), TASK, Scripted(), PROBLEM)
    texts = [[(t.text, t.seed) for t in s.traces] for s in (one, two, three)]
    assert texts[0] == texts[1] == texts[2]
    assert [seed for _, seed in texts[0]] == [f"0/toy%2F0/{i}" for i in range(6)]
    assert len({text for text, _ in texts[0]}) > 1


def test_calls_are_consumed_in_index_order_however_late_the_first_comes():
    class Backwards(Scripted):
        async def generate(self, prompt, sampling, ledger, seed):
            made = await super().generate(prompt, sampling, ledger, seed)
            await asyncio.sleep(0.02 * (6 - int(seed.parts[-1])))
            return made

    plain, _ = solve(SelfConsistency(6), TASK, Scripted(), PROBLEM)
    late, _ = solve(SelfConsistency(6), TASK, Backwards(), PROBLEM)
    assert late == plain


def test_a_wave_is_as_wide_as_the_budget_pays_in_full():
    model = Scripted(delay=0.01)
    solve(SelfConsistency(), TASK, model, PROBLEM, Budget(tokens=130))  # 40 tokens a sample
    assert model.widest == 3
    model = Scripted(delay=0.01)
    solve(SelfConsistency(width=2), TASK, model, PROBLEM, Budget(tokens=130))
    assert model.widest == 2


def test_flops_that_a_wave_gave_back_are_spent():
    _, ledger = solve(SelfConsistency(), TASK, Scripted(), PROBLEM, Budget(flops=400))
    most = 2 * (8 + 40)  # the reservation of one sample: 8 tokens read, 40 written, 2 flops each
    assert 400 - most < ledger.spent.flops <= 400


def test_sampling_without_an_end_is_refused():
    for strategy in (SelfConsistency(), BestOfN(), StepResample()):
        with pytest.raises(BadInput, match="never ends"):
            solve(strategy, TASK, Scripted(), PROBLEM)


def test_a_model_that_writes_nothing_does_not_run_for_ever():
    class Mute(Scripted):
        def _write(self, *args):
            from reasoning.core import Completion, Usage

            return Completion("", "eos", Usage(), (), ())

    for name in STRATEGIES:
        solution, _ = solve(parse(name), TASK, Mute(), PROBLEM, Budget(tokens=50))
        assert solution.answer is None


def test_what_a_strategy_needs_is_one_sentence():
    model = Scripted(can=())
    with pytest.raises(BadInput, match=r"continue a started answer.*use a local model"):
        refuse_unfit(StepResample(), TASK, model)
    with pytest.raises(BadInput, match="report log-probabilities"):
        refuse_unfit(BestOfN(scorer="likelihood"), TASK, model)
    with pytest.raises(BadInput, match=r"scores 0\.\.1"):
        refuse_unfit(BestOfN(scorer="likelihood", stop="first-accepted"), TASK, Scripted())
    with pytest.raises(UnknownName, match="scorer"):
        refuse_unfit(BestOfN(scorer="tarot"), TASK, model)
    with pytest.raises(BadInput, match="cannot score a given text"):
        Likelihood(model=model)
    refuse_unfit(BestOfN(), TASK, model)


def test_a_task_without_a_step_verifier_is_refused_before_any_call():
    class Plain(Toy):
        step_verifier = None

    plain = Plain("plain", TASK.problems)
    for strategy in (StepResample(), BestOfN(scorer="step-verifier")):
        with pytest.raises(BadInput, match=r"no step verifier|has none"):
            refuse_unfit(strategy, plain, Scripted())


@pytest.mark.parametrize(
    ("strategy", "known"),
    [
        (Direct(), "nothing"),
        (SelfConsistency(), "nothing"),
        (BestOfN(), "reference"),
        (BestOfN(scorer="step-verifier"), "solution"),
        (BestOfN(scorer="likelihood"), "nothing"),
        (StepResample(), "solution"),
        (BudgetForcing(), "nothing"),
    ],
)
def test_each_arm_says_what_its_judge_knew(strategy, known):
    assert knows(strategy, TASK) == known


def test_a_strategy_of_ones_own_needs_only_solve():
    class Mine:
        async def solve(self, problem, ctx):
            raise NotImplementedError

    refuse_unfit(Mine(), TASK, Scripted(can=()))
    assert (label(Mine()), knows(Mine(), TASK)) == ("Mine", "nothing")


def test_no_strategy_consumes_in_completion_order():
    import ast
    from pathlib import Path

    import search

    folder = Path(inspect.getfile(search)).parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(node, "attr", getattr(node, "id", getattr(node, "name", "")))
            assert name not in ("as_completed", "FIRST_COMPLETED", "FIRST_EXCEPTION"), path


def test_the_error_of_one_call_waits_for_the_others_of_its_wave():
    def fault(question, seed):
        if seed.parts[-1] == 1:
            raise ConnectionError("gone")

    model = Scripted(fault=fault)
    with pytest.raises(ConnectionError):
        solve(SelfConsistency(4), TASK, model, PROBLEM)
    assert model.calls == 3


def test_errors_are_this_projects_own():
    assert issubclass(BadInput, LabError) and issubclass(UnknownName, LabError)


def test_a_problem_of_one_number_is_answered_at_once():
    one = Problem("toy/one", {"numbers": [7]}, "7")
    solution, _ = solve(StepResample(restarts=0), TASK, Scripted(), one)
    assert solution.traces[0].text == "=7"
