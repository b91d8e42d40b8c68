"""The mixture of `tiny-tools`: what is called, what is learned, and what stays as it was."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from evaluators.problem import Problem
from evaluators.tasks import arithmetic as ar
from evaluators.tasks import expressions, instances, load_task
from labs.recipes.mixture import FULL, STUDENT, Sampler
from labs.recipes.tiny import PLANS
from labs.recipes.tools import OPS, RANGES, TOOLS, beyond, chain, problem, write
from reasoning.models import embedded_folder, load_model
from reasoning.models.tiny.tokenizer import build
from search import ChainOfThought, ToolUse, compare
from search.tools import Calculator, Kit


def text(parts: list[tuple[str, bool]]) -> str:
    return "".join(part for part, _ in parts)


@pytest.mark.parametrize(
    ("operation", "called"),
    [("3+4", False), ("48+12", False), ("12*5", False), ("49+12", True), ("13+13", True),
     ("28-25", True), ("61-1", True), ("60-12", False), ("13*12", True), ("90-88", True)],
)  # fmt: skip
def test_what_tiny_hardly_saw_is_called(operation: str, called: bool) -> None:
    assert beyond(ar.parse(operation)) is called


def test_a_chain_with_calls_by_hand() -> None:
    assert write("23*47+(3+4)", learned=False) == [
        ("[23*47]", True), ("=1081\n", False), ("1081+(3+4)\n", True), ("1081+7\n", True),
        ("[1081+7]", True), ("=1088\n", False), ("</think>1088", True),
    ]  # fmt: skip
    assert all(learned for _, learned in write("23*47", learned=True))


def test_chains_are_right_and_their_calls_have_the_results_of_the_calculator() -> None:
    rng = np.random.default_rng(0)
    kit = Kit((Calculator(),), "compact")
    task, called, in_the_head = expressions.TASK, 0, 0
    for _ in range(300):
        (question, learned), *rest = chain(learned=False)(rng)
        asked = task.parse_problem(question.removesuffix("<think>"))
        assert not learned and task.verifier.check(asked, text(rest)).passed
        lines = text(rest).splitlines(keepends=True)
        judged = [task.step_verifier.check(asked, lines[: i + 1]) for i in range(len(lines))]
        assert all(verdict.passed is not False for verdict in judged)
        in_the_head += sum("[" not in line for line in lines[:-1])
        for (before, _), (told, was_learned) in pairwise(rest):
            if call := kit.call(before):
                called += 1
                assert told == call.told(call.tool.run(call.asked, (), 0.0).text)
                assert not was_learned
    assert called > 300 and in_the_head > 300


def test_only_training_instances_are_shown() -> None:
    rng = np.random.default_rng(1)
    keys = {expressions.key_of(ar.parse(problem(rng).fields["expression"])) for _ in range(200)}
    assert {instances.split_of(key) for key in keys} == {"train"}


def test_a_result_is_put_in_as_the_tokens_that_were_read_in_training() -> None:
    words = build()
    told = Calculator().marks("compact").told("1081")
    parts = write("23*47", learned=False)
    assert parts[1] == (told, False)
    ids, mask = Sampler({"one": (1.0, lambda rng: parts)}, words)(np.random.default_rng(0))
    start = len(words.encode("[23*47]", add_special_tokens=False))
    inserted = words.encode(told, add_special_tokens=False)
    assert ids[start : start + len(inserted)] == inserted
    assert mask == [True] * start + [False] * len(inserted) + [True] * (
        len(mask) - start - len(inserted)
    )


@pytest.mark.parametrize(
    ("mixture", "digest"), [(FULL, "2b4ef20417dea577"), (STUDENT, "6e66fbedf7d50973")]
)
def test_the_mixtures_of_the_other_models_are_what_they_were(mixture, digest: str) -> None:
    sampler, rng = Sampler(mixture, build()), np.random.default_rng(0)
    drawn = repr([sampler(rng) for _ in range(300)]).encode()
    assert hashlib.blake2b(drawn, digest_size=8).hexdigest() == digest


def test_larger_numbers_are_an_option_that_leaves_the_default_instances_alone() -> None:
    assert load_task("expressions", n=30).problems == load_task(
        "expressions", n=30, leaf=12, most=60
    ).problems  # fmt: skip
    task = load_task("expressions", n=50, ops=(2, 4), leaf=99, most=9999)
    trees = [ar.parse(p.fields["expression"]) for p in task.problems]
    assert max(max(ar.leaves(tree)) for tree in trees) > 90
    assert max(int(ar.evaluate(tree)) for tree in trees) > 1000
    for tree in trees:
        for path in ar.reducible(tree):
            assert 0 <= ar.evaluate(ar.node(tree, path)) <= 9999


def test_the_plan_starts_from_tiny_and_keeps_its_mixture() -> None:
    plan = PLANS["tiny-tools"]
    assert (plan.start, plan.size, plan.mixture) == ("tiny", "tiny", "tools")
    assert set(FULL) < set(TOOLS) and OPS[1] <= 20 and all(leaf <= most for leaf, most in RANGES)


def test_a_problem_of_one_number_needs_no_call() -> None:
    asked = Problem("", {"expression": "7"})
    assert write(asked.fields["expression"], learned=False) == [("</think>7", True)]


def test_the_shipped_model_calls_and_is_lost_without_an_answer() -> None:
    task = load_task("expressions", n=40, ops=3, leaf=99, most=9999)
    model = load_model("tiny-tools")
    arms = {"called": ToolUse(), "own": ChainOfThought()}
    report = compare(arms, task, model, [256], progress=False)
    right = {arm: sum(c.correct for c in report.cells if c.arm == arm) / 40 for arm in arms}
    shipped = {name: figure(f"expressions ops=3 leaf=99 most=9999, {name}") for name in SHIPPED}
    assert right["called"] == pytest.approx(shipped["calculator"], abs=0.12)
    assert right["own"] == pytest.approx(shipped["results of its own"], abs=0.12)
    assert right["called"] - right["own"] > 0.5


SHIPPED = ("calculator", "results of its own", "tiny")


def figure(setting: str) -> float:
    folder = Path(embedded_folder("tiny-tools"))
    parts = json.loads((folder / "card.json").read_text())
    rows = [row for part in parts.values() for row in part if row["what"] == "greedy chain"]
    return next(row["value"] for row in rows if row["setting"] == setting)
