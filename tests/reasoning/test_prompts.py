"""Prompts in both dialects: direct, chain, worked examples, role."""

import pytest

from evaluators import BadInput, UnknownName, load_task
from evaluators.tasks import chain_sum
from evaluators.tasks.base import THINK
from reasoning.prompts import ROLES, PromptStyle, build

STYLE = PromptStyle(shots=2)

TASKS = ("expressions", "countdown", "chain-sum")


def test_the_compact_dialect_is_one_user_turn_in_the_order_role_examples_question() -> None:
    task = load_task("expressions", n=1, ops=3)
    problem = task.problems[0]
    prompt = build(task, problem, PromptStyle(shots=2, role="terse"), "compact")
    (message,) = prompt.messages
    examples = task.examples("chain", "compact", 2)
    want = "terse\n" + "".join(f"{q}{a}\n\n" for q, a in examples)
    assert message.role == "user"
    assert message.content == want + problem.fields["expression"] + THINK


def test_the_plain_dialect_gives_the_role_and_every_example_turns_of_their_own() -> None:
    task = load_task("countdown", n=1)
    prompt = build(task, task.problems[0], PromptStyle(shots=2, role="careful"), "plain")
    roles = [message.role for message in prompt.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert prompt.messages[0].content == ROLES["careful"]
    assert "Reach" in prompt.messages[-1].content


def test_any_text_can_be_the_role() -> None:
    task = load_task("chain-sum", n=1)
    prompt = build(task, task.problems[0], PromptStyle(role="You are a pirate."), "plain")
    assert prompt.messages[0].content == "You are a pirate."


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("format", ["direct", "chain"])
@pytest.mark.parametrize("dialect", ["compact", "plain"])
def test_worked_examples_are_right_and_none_is_a_test_problem(name, format, dialect) -> None:
    task = load_task(name, n=50)
    asked = {task.render(problem, format, dialect) for problem in task.problems}
    examples = task.examples(format, dialect, 3)
    assert len(examples) == 3
    parse = type(task).parse_problem
    for question, answer in examples:
        assert question not in asked
        if dialect == "compact":
            text = question.removesuffix(THINK) if format == "chain" else question[:-1]
            assert task.verifier.check(parse(text), answer).passed, (question, answer)
        else:
            assert answer.splitlines()[-1].startswith("Answer: ")


def test_what_a_task_lacks_is_named() -> None:
    task = load_task("operator", n=1)
    with pytest.raises(UnknownName, match="'operator'"):
        build(task, task.problems[0], PromptStyle("chain"), "compact")
    with pytest.raises(UnknownName, match="few-shot"):
        build(task, task.problems[0], PromptStyle("direct", shots=1), "compact")
    with pytest.raises(BadInput, match="shots"):
        PromptStyle(shots=-1)
    with pytest.raises(UnknownName, match="'chain'"):
        PromptStyle("chian")  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", ["compact", "plain"])
def test_a_training_problem_is_not_its_own_worked_example(dialect) -> None:
    task = load_task("countdown", "train", n=3, seed=9_001)  # what the examples are made from
    shots = task.examples("chain", dialect, 2)
    question = task.render(task.problems[0], "chain", dialect)
    assert question in dict(shots), "the case is not met"
    text = "".join(m.content for m in build(task, task.problems[0], STYLE, dialect).messages)
    assert text.count(question) == 1
    for asked, _ in task.examples("chain", dialect, 3)[1:]:
        assert asked in text


def test_worked_examples_are_as_hard_as_the_problems() -> None:
    task = load_task("chain-sum", n=20, terms=5, digits=2)
    for question, _ in task.examples("direct", "compact", 3):
        terms = question.removesuffix("=").split("+")
        assert len(terms) == 5 and all(len(term) == 2 for term in terms)
    own = chain_sum.ChainSum("chain-sum", (chain_sum.ChainSum.parse_problem("1+2"),))
    assert len(own.examples("chain", "plain", 2)) == 2
