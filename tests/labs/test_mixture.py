"""What the embedded models are trained on."""

import re

import numpy as np
import pytest

from evaluators.tasks import arithmetic as ar
from evaluators.tasks import chain_sum, countdown, expressions, instances
from labs.recipes import mixture
from labs.recipes.mixture import FULL, STUDENT, Sampler
from reasoning.models.tiny.tokenizer import build


def keys(prompt: str) -> str | None:
    """The canonical key of a compact question, or `None` for another kind of prompt."""
    question = prompt.rpartition("\n")[2]
    if match := re.fullmatch(r"([0-9 ]+)=([0-9]+)(<think>|:)", question):
        return countdown.key_of([int(n) for n in match[1].split()], int(match[2]))
    question = re.sub(r"(<think>|=)$", "", question)
    if re.fullmatch(r"[0-9]{3,}(\+[0-9]{3,})+", question):
        return chain_sum.key_of([int(n) for n in question.split("+")])
    try:
        return expressions.key_of(ar.parse(question))
    except ar.NotAnExpression:
        return None


@pytest.mark.parametrize("name", [n for n in FULL if "operator" not in n and "judge" not in n])
def test_only_training_instances_are_shown(name: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        key = keys(FULL[name][1](rng)[0][0])
        assert key is not None and instances.split_of(key) == "train"


@pytest.mark.parametrize("name", [n for n in FULL if n.endswith("chain")])
def test_chains_are_right(name: str) -> None:
    task = {"countdown": countdown, "expressions": expressions, "chain-sum": chain_sum}[
        name.split(" ")[0]
        .removesuffix("-3")
        .removesuffix("-4")
        .removesuffix("-5")
        .removesuffix("-6")
    ].TASK
    rng = np.random.default_rng(1)
    for _ in range(40):
        (question, learned), *rest = FULL[name][1](rng)
        problem = task.parse_problem(question.removesuffix("<think>"))
        assert not learned and all(flag for _, flag in rest)
        assert task.verifier.check(problem, "".join(text for text, _ in rest)).passed


def test_a_wrong_line_is_read_but_not_learned() -> None:
    rng = np.random.default_rng(2)
    for _ in range(60):
        parts = mixture.repair(rng)
        at = next(i for i, (text, _) in enumerate(parts) if text.startswith("wait"))
        assert not parts[at - 1][1] and parts[at][1] and all(flag for _, flag in parts[at:])


def test_judgements_agree_with_the_verifiers() -> None:
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(150):
        (head, _), (verdict, _) = mixture.judgement(rng)
        question, _, text = head.removesuffix("check").partition("<think>")
        task = next(
            m.TASK for m in (countdown, chain_sum, expressions)
            if (m is countdown) == ("=" in question)
            and (m is chain_sum) == bool(re.fullmatch(r"[0-9]{3,}(\+[0-9]{3,})+", question))
        )  # fmt: skip
        problem = task.parse_problem(question)
        steps = text.splitlines(keepends=True)
        legal = all(
            task.step_verifier.check(problem, steps[: i + 1]).passed for i in range(len(steps))
        )
        assert legal == (verdict == "good"), (head, verdict)
        seen.add(verdict)
    assert seen == {"good", "bad"}


def test_the_student_never_sees_a_chain() -> None:
    sampler = Sampler(STUDENT, build())
    think = sampler.tokenizer.convert_tokens_to_ids("<think>")
    rng = np.random.default_rng(4)
    assert all(think not in sampler(rng)[0] for _ in range(300))


def test_examples_end_with_a_learned_end_of_sequence() -> None:
    sampler = Sampler(FULL, build())
    rng = np.random.default_rng(5)
    for _ in range(100):
        ids, mask = sampler(rng)
        assert len(ids) == len(mask) and ids[-1] == 1 and mask[-1] and not mask[0]
