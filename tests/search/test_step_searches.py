"""What holds for every search over steps of this family: budgets, ends, order, the log."""

import json
import random
from dataclasses import replace

import pytest
from scripted_steps import Listed, Table, solve
from toy_lab import Scripted, toy
from toy_lab import solve as solve_toy

from reasoning.ledger import Budget
from search import compare, parse
from search.strategies import label

NAMES = ["beam-search", "beam-search(frugal=false)", "dvts(trees=3)", "best-first",
         "particle-filter(particles=4)"]  # fmt: skip


class Noise(Table):
    """A score that is a number of the text alone."""

    async def score(self, problem, traces, ctx):
        return [random.Random(trace.text).random() for trace in traces]


class Unpaid(Table):
    async def score(self, problem, traces, ctx):
        return [None] * len(traces)


def strategy_of(name, scorer):
    return replace(parse(name), scorer=scorer({}))


def tree_of(solution):
    return [(n.parent, n.text, n.key, n.score, n.closed, n.same_as) for n in solution.tree]


def a_table(rng, depth=4):
    table, level = {}, [""]
    for at in range(depth):
        steps = [f"{mark}{'x' * rng.randrange(3)}\n" for mark in "abcd"]
        for prefix in level:
            ends = [f"={rng.choice(['yes', 'no'])}"]
            table[prefix] = ends if at == depth - 1 else rng.sample(steps, 3) + ends
        level = [prefix + step for prefix in level for step in table[prefix] if step[0] != "="]
    return table


@pytest.mark.parametrize("name", NAMES)
def test_over_100_random_budgets_it_spends_what_it_says_and_never_follows_an_end(name):
    rng = random.Random(4)
    cut = 0
    for run in range(100):
        model, tokens = Listed(a_table(rng)), rng.randrange(0, 120)
        calls = rng.choice([None, rng.randrange(0, 30)])
        budget = Budget(tokens=tokens, calls=calls)
        strategy = strategy_of(name, Noise)
        solution, ledger = solve(strategy, model, budget, seed=run)
        assert ledger.spent.tokens <= tokens
        assert calls is None or ledger.spent.calls <= calls
        assert len(ledger.rows) == len(model.asked) == len(solution.tree) - 1
        assert sum(n.tokens for n in solution.tree) == ledger.spent.tokens
        assert not any("=" in prefix for prefix, _ in model.asked)
        assert len(set(model.asked)) == len(model.asked)
        useful = solution.tree.useful()
        for node, row in zip(solution.tree.nodes[1:], ledger.rows, strict=True):
            assert node.key == row.key and (row.discarded is None) == useful[node.id]
        cut += solution.stopped_by == "budget"
    assert cut > 50


@pytest.mark.parametrize("name", NAMES)
def test_the_tree_does_not_depend_on_which_call_is_answered_first(name):
    table = a_table(random.Random(1))
    trees = [
        tree_of(
            solve(strategy_of(name, Noise), Listed(table, delays=delays), Budget(tokens=150))[0]
        )
        for delays in (False, True, True)
    ]
    assert trees[0] == trees[1] == trees[2]


@pytest.mark.parametrize("name", NAMES)
def test_beside_other_problems_a_tree_is_the_same(name):
    task, model = toy(6, 5), Scripted(0.6)
    together = compare(parse(name), task, model, [120], concurrency=6)
    alone = compare(parse(name), task, model, [120], concurrency=1)
    assert together.facts() == alone.facts()


@pytest.mark.parametrize("name", NAMES)
def test_a_run_cut_anywhere_in_a_problem_goes_on_to_the_same_tree_and_asks_nothing_twice(
    name, tmp_path
):
    arguments = {"strategies": parse(name), "task": toy(1, 5), "budgets": [120]}
    whole = compare(model=Scripted(0.6), out=tmp_path / "whole", **arguments)
    lines = (tmp_path / "whole" / "events.jsonl").read_text().splitlines()
    logged = [at for at, line in enumerate(lines) if json.loads(line)["kind"] == "response"]
    for cut in (logged[0], logged[len(logged) // 2], logged[-1]):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / "run.json").write_text((tmp_path / "whole" / "run.json").read_text())
        (folder / "events.jsonl").write_text("\n".join(lines[: cut + 1]) + "\n")
        model = Scripted(0.6)
        resumed = compare(model=model, out=folder, resume=True, **arguments)
        assert resumed.facts() == whole.facts()
        assert model.calls == len(logged) - logged.index(cut) - 1


def test_with_steps_that_fail_often_each_beats_best_of_n_at_equal_budget():
    task, budget = toy(20, 6), Budget(tokens=90)
    names = [*NAMES, "best-of-n(scorer=step-verifier)"]
    hits = {
        name: sum(
            solve_toy(parse(name), task, Scripted(0.6), problem, budget)[0].answer == problem.answer
            for problem in task.problems
        )
        for name in names
    }
    last = hits.pop("best-of-n(scorer=step-verifier)")
    assert all(hit >= last + 2 for hit in hits.values()), (hits, last)


@pytest.mark.parametrize("name", NAMES)
def test_a_scorer_that_cannot_be_paid_leaves_an_answer(name):
    strategy = strategy_of(name, Unpaid)
    solution, _ = solve(strategy, Listed({"": ["a\n"], "a\n": ["=yes"]}), Budget(tokens=60))
    assert solution.answer == "yes"


@pytest.mark.parametrize("name", NAMES)
def test_its_name_with_settings_is_read_as_it_is_written(name):
    assert label(parse(label(parse(name)))) == label(parse(name)) == name
