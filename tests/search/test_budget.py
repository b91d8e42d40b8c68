"""No run passes its budget, and the rows of every run sum to what the model itself counted."""

import numpy as np
from toy_lab import Scripted, solve, toy

from reasoning.ledger import Budget
from search import BestOfN, BudgetForcing, ChainOfThought, Direct, SelfConsistency, StepResample
from search.scorers import Likelihood

TASKS = [toy(6, length) for length in (2, 4, 7)]
RUNS = 1000


def a_budget(rng: np.random.Generator) -> Budget:
    caps = {
        "tokens": int(rng.integers(0, 250)),
        "calls": int(rng.integers(0, 12)),
        "flops": float(rng.integers(0, 900)),
    }
    kept = [name for name in caps if rng.random() < 0.5] or [str(rng.choice(list(caps)))]
    return Budget(**{name: caps[name] for name in kept})


def a_strategy(rng: np.random.Generator, reader: Scripted):
    n = None if rng.random() < 0.5 else int(rng.integers(1, 9))
    width = None if rng.random() < 0.7 else int(rng.integers(1, 5))
    length = None if rng.random() < 0.7 else int(rng.integers(1, 30))
    asking = {"max_tokens": length, "format": str(rng.choice(["direct", "chain"]))}
    scorer = ["verifier", "step-verifier", "likelihood", "mean-likelihood", "vote",
              Likelihood(model=reader)][int(rng.integers(6))]  # fmt: skip
    stop = "first-accepted" if scorer in ("verifier", "step-verifier") else None
    makers = [
        lambda: Direct(max_tokens=length),
        lambda: ChainOfThought(max_tokens=length),
        lambda: SelfConsistency(n, width=width, **asking),
        lambda: SelfConsistency(n, adaptive=0.9, **asking),
        lambda: BestOfN(n, scorer, vote=bool(rng.random() < 0.5), width=width, **asking),
        lambda: BestOfN(n, scorer, stop=stop, width=width, **asking),
        lambda: StepResample(int(rng.integers(1, 6)), max_tokens=length),
        lambda: BudgetForcing(
            think=length, waits=int(rng.integers(0, 4)), answer=int(rng.integers(1, 9)), end="="
        ),
        lambda: StepResample(2, restarts=int(rng.integers(0, 4)), max_tokens=length),
    ]
    return makers[int(rng.integers(len(makers)))]()


def test_no_run_passes_its_budget_over_1000_random_budgets_and_strategies():
    rng = np.random.default_rng(1)
    cut = 0
    for run in range(RUNS):
        task = TASKS[int(rng.integers(len(TASKS)))]
        model = Scripted(float(rng.uniform(0.2, 1.0)))
        budget, strategy = a_budget(rng), a_strategy(rng, model)
        problem = task.problems[int(rng.integers(6))]
        solution, ledger = solve(strategy, task, model, problem, budget, seed=run)
        spent, rows = ledger.spent, ledger.rows
        said = f"run {run}: {strategy} under {budget}"
        for cap, used in (
            (budget.tokens, spent.tokens), (budget.calls, spent.calls), (budget.flops, spent.flops)
        ):  # fmt: skip
            assert cap is None or used <= cap, said
        assert sum(row.completion for row in rows) == model.completion, said
        assert sum(row.prompt for row in rows) == model.prompt, said
        assert sum(row.scored for row in rows) == model.read, said
        assert sum(row.tokens for row in rows) == model.completion + model.read, said
        assert len([row for row in rows if row.purpose == "sample"]) == model.calls, said
        assert solution.chosen is None or solution.traces[solution.chosen].answer, said
        cut += solution.stopped_by == "budget"
    assert RUNS * 0.3 < cut < RUNS * 0.95  # both ends of a run were seen often
