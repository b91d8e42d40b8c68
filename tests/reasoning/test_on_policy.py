"""On-policy distillation: whose traces are learned when, the loss, what is counted, runs that go
on."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent))

from toy_traces import FORCED, ROWS, metrics, same, untaught

from evaluators.errors import BadInput, UnknownName
from reasoning.data.tokens import tokenised
from reasoning.models import embedded_folder
from reasoning.models.weights import multiplied
from reasoning.train.divergence import divergence
from reasoning.train.on_policy import OnPolicyRecipe, asked, train_on_policy
from reasoning.train.run import opened
from reasoning.train.sft import examples

SMALL = OnPolicyRecipe(batch=8, steps=4, lr=1e-3, save_every=2, max_new_tokens=8)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return untaught(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def data(policy: str) -> list[dict[str, list[int]]]:
    _, _, encoder = opened(policy, transformers.AutoModelForCausalLM, 0)
    return examples(ROWS, encoder, 64)


@pytest.mark.parametrize("kind", ["forward", "reverse", "jsd"])
def test_on_given_traces_the_loss_is_the_divergence_worked_out_token_by_token(
    kind, policy, tmp_path
):
    recipe = OnPolicyRecipe(batch=8, steps=1, lr=1e-6, divergence=kind, beta=0.3,
                            own_first=0.0, own_last=0.0, temperature=1.5)  # fmt: skip
    train_on_policy(ROWS[:8], policy, tmp_path, recipe)
    student, _, encoder = opened(policy, transformers.AutoModelForCausalLM, 0)
    teacher, _, _ = opened(embedded_folder("tiny"), transformers.AutoModelForCausalLM, 0)
    total, count = 0.0, 0
    for row in ROWS[:8]:
        tokens = tokenised(row, encoder)
        ids = torch.tensor([tokens.ids])
        with torch.no_grad():
            q, p = ((m(input_ids=ids).logits[0, :-1] / 1.5).log_softmax(-1)
                    for m in (student, teacher))  # fmt: skip
        each = divergence(kind, p, q, 0.3)[torch.tensor(tokens.learn[1:])]
        total, count = total + float(each.sum()), count + len(each)
    assert metrics(tmp_path)[0] == pytest.approx(total / count, rel=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0], ids=["given", "half", "own"])
def test_what_is_counted_is_what_was_written_read_and_learned(share, policy, tmp_path):
    recipe = replace(SMALL, own_first=share, own_last=share)
    place = train_on_policy(ROWS, policy, tmp_path, recipe)
    spent = json.loads((place / "training.json").read_text())["spent"]
    teacher, _, _ = opened(embedded_folder("tiny"), transformers.AutoModelForCausalLM, 0)
    assert spent["teacher"] == pytest.approx(2 * multiplied(teacher) * spent["learned"])
    assert (spent["sampled"] == 0) == (share == 0.0)
    if share == 1.0:
        assert spent["sampled"] == spent["learned"]
    elif share:
        assert 0 < spent["sampled"] < spent["learned"]


def test_the_share_of_own_traces_goes_straight_from_first_to_last():
    recipe = OnPolicyRecipe(own_first=0.2, own_last=0.8)
    assert [recipe.own(at) for at in (0.0, 0.5, 1.0, 1.2)] == pytest.approx([0.2, 0.5, 0.8, 0.8])


def test_with_own_traces_alone_each_prompt_is_there_once_and_fills_a_batch(data):
    alone = replace(SMALL, own_first=1.0, own_last=1.0, batch=4)
    twice = [data[0], data[1], data[0]]
    assert len(asked(twice, alone)) == 4  # two prompts, given twice for a batch of four
    both = asked(twice, replace(alone, own_first=0.5, batch=2))
    assert [item["given"] for item in both] == [
        data[i]["input_ids"][len(both[j]["prompt"]) :] for j, i in enumerate((0, 1, 0))
    ]


def test_forced_text_in_a_given_trace_is_refused_unless_only_prompts_are_used(policy, tmp_path):
    with pytest.raises(BadInput, match="own_first=1"):
        train_on_policy(FORCED, policy, tmp_path / "a", SMALL)
    recipe = replace(SMALL, own_first=1.0, own_last=1.0, steps=1)
    assert train_on_policy(FORCED, policy, tmp_path / "b", recipe).is_dir()


def test_a_student_gets_closer_on_its_own_traces(policy, tmp_path):
    recipe = replace(SMALL, own_first=1.0, own_last=1.0, steps=30, lr=4e-3, divergence="forward")
    train_on_policy(ROWS, policy, tmp_path, recipe)
    curve = metrics(tmp_path)
    assert curve[-1] < 0.8 * curve[0]


def test_a_stopped_run_goes_on_to_the_same_weights(policy, tmp_path):
    whole = train_on_policy(ROWS, policy, tmp_path / "a", SMALL)
    stop = threading.Event()

    def after_two(row: dict) -> None:
        if row.get("step", 0) >= 2:
            stop.set()

    recipe = replace(SMALL, steps=4)
    train_on_policy(ROWS, policy, tmp_path / "b", recipe, after_two, stop)
    assert same(train_on_policy(ROWS, policy, tmp_path / "b", recipe), whole)


def test_accumulated_passes_sample_the_same_and_learn_about_the_same(policy, tmp_path):
    one = replace(SMALL, own_first=1.0, own_last=1.0, steps=1)
    for passes in (1, 2):
        train_on_policy(ROWS, policy, tmp_path / str(passes), replace(one, accumulate=passes))
    first, second = (metrics(tmp_path / name)[0] for name in ("1", "2"))
    assert first == pytest.approx(second, rel=1e-4)


def test_settings_that_cannot_be_are_refused():
    for settings, word in (({"temperature": 0.0}, "temperature"), ({"own_first": 1.5}, "own_first"),
                           ({"own_last": -0.1}, "own_last"), ({"max_new_tokens": 0}, "max_new"),
                           ({"beta": 0.0}, "beta")):  # fmt: skip
        with pytest.raises(BadInput, match=word):
            OnPolicyRecipe(**settings)  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="reverse"):
        OnPolicyRecipe(divergence="kl")  # type: ignore[arg-type]
