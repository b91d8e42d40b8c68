"""Enumerated answers: four different choices with the right one, enforced at once or after a chain
that keeps tokens for the answer."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from evaluators import load_task
from evaluators.errors import BadInput
from labs.choices import Choose, Listed, listed
from reasoning.core import Completion, Context, Prompt, Sampling, SeedPath, Solution, Usage
from reasoning.ledger import Budget, Ledger
from reasoning.loop import run
from reasoning.prompts import PromptStyle, build


@dataclass
class Obedient:
    """Thinks one token a character of `thought`, and chooses the last of enforced choices."""

    thought: str
    dialect: str = "compact"
    name: str = "obedient"
    can: frozenset[str] = frozenset({"choices", "continue"})
    flops_per_token: float = 0.0
    asked: list[tuple[Prompt, Sampling]] = field(default_factory=list)

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        self.asked.append((prompt, sampling))
        text = sampling.choices[-1] if sampling.choices else self.thought
        count = 1 if sampling.choices else min(len(text), sampling.max_tokens)
        grant = ledger.reserve(purpose="x", model=self.name, key=seed.text, max_tokens=count)
        grant.settle(Usage(1, 0, grant.max_tokens))
        if sampling.choices:
            finish = "eos"
        elif count < len(text):
            text, finish = text[:count], "length"
        else:
            finish = "boundary" if sampling.boundary and text.endswith(sampling.boundary) else "eos"
        return [Completion(text, finish, Usage(1, 0, grant.max_tokens))]  # type: ignore[arg-type]


def solve(task: Listed, model: Obedient, strategy: Choose, tokens: int) -> tuple[Solution, Ledger]:
    ledger = Ledger(Budget(tokens=tokens))
    context = Context(task, model, ledger, SeedPath(0))  # type: ignore[arg-type]
    return run(strategy.solve(task.problems[0], context)), ledger


@pytest.fixture(scope="module")
def task() -> Listed:
    return listed(load_task("expressions", n=40, ops=4))


def test_four_different_choices_hold_the_right_one_in_any_place(task: Listed) -> None:
    places = set()
    for problem in task.problems:
        choices = problem.fields["choices"]
        assert len(set(choices)) == 4
        assert all(int(choice) >= 0 for choice in choices)
        places.add(choices.index(problem.answer))
    assert places == {0, 1, 2, 3}
    assert listed(task).problems == task.problems  # the same seed, the same choices


def test_english_lists_the_choices_and_the_notation_does_not(task: Listed) -> None:
    [plain] = build(task, task.problems[0], PromptStyle("direct"), "plain").messages
    [compact] = build(task, task.problems[0], PromptStyle("direct"), "compact").messages
    assert ", ".join(task.problems[0].fields["choices"]) in plain.content
    assert compact.content == task.problems[0].fields["expression"] + "="


def test_at_once_the_choices_are_enforced_and_answered(task: Listed) -> None:
    model = Obedient("unused")
    solution, ledger = solve(task, model, Choose(), 64)
    [(_, sampling)] = model.asked
    assert sampling.choices == tuple(task.problems[0].fields["choices"])
    assert solution.answer == sampling.choices[-1]
    assert ledger.spent.tokens == 1


def test_a_chain_that_ends_is_followed_by_the_choice_alone(task: Listed) -> None:
    model = Obedient("1+1\n2\n</think>")
    solution, ledger = solve(task, model, Choose(think=True), 64)
    assert model.asked[1][0].prefix == "1+1\n2\n</think>"
    assert solution.traces[0].text == f"1+1\n2\n</think>{solution.answer}"
    assert ledger.spent.tokens == len(model.thought) + 1


def test_a_cut_chain_keeps_tokens_for_an_answer_and_its_mark_is_forced(task: Listed) -> None:
    model = Obedient("1+1\n" * 50)
    solution, ledger = solve(task, model, Choose(think=True), 30)
    assert model.asked[0][1].max_tokens == 26
    [trace] = solution.traces
    assert [step.source for step in trace.steps] == ["model", "forced", "model"]
    assert trace.steps[1].text.endswith("</think>")
    assert solution.answer is not None
    assert ledger.spent.tokens == trace.tokens == 27


def test_in_english_the_answer_follows_its_mark(task: Listed) -> None:
    model = Obedient("so it is\nAnswer:", dialect="plain")
    solution, _ = solve(task, model, Choose(think=True), 64)
    assert solution.traces[0].text.startswith("so it is\nAnswer: ")
    assert solution.answer == task.problems[0].fields["choices"][-1]
    solution, _ = solve(task, Obedient("", dialect="plain"), Choose(), 64)
    assert solution.traces[0].text.startswith("Answer: ")


def test_problems_without_choices_are_refused_before_any_call() -> None:
    with pytest.raises(BadInput, match="choices"):
        Choose().prepare(load_task("expressions", n=1))
    with pytest.raises(BadInput, match="expressions"):
        listed(load_task("countdown", n=1))
