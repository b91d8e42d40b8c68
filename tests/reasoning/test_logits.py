"""Logit distillation: the loss that is meant, a student that gets closer, runs that go on."""

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

from evaluators import load_task
from evaluators.errors import BadInput, UnknownName
from reasoning.data.solver import solver_traces
from reasoning.data.tokens import tokenised
from reasoning.models import embedded_folder
from reasoning.train.logits import LogitsRecipe, train_logits
from reasoning.train.matcher import losses
from reasoning.train.run import opened

SMALL = LogitsRecipe(batch=8, steps=6, lr=1e-3, save_every=2, top_k=8)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return untaught(tmp_path_factory.mktemp("policy"))


def by_hand(policy: str, recipe: LogitsRecipe) -> float:
    """The mean loss of the model's own tokens by the whole vocabulary, one token at a time."""
    student, _, encoder = opened(policy, transformers.AutoModelForCausalLM, 0)
    teacher, _, _ = opened(embedded_folder("tiny"), transformers.AutoModelForCausalLM, 0)
    t, total, count = recipe.temperature, 0.0, 0
    for row in [*FORCED, *ROWS[:6]]:
        tokens = tokenised(row, encoder)
        ids = torch.tensor([tokens.ids])
        with torch.no_grad():
            q, p = student(input_ids=ids).logits[0], teacher(input_ids=ids).logits[0]
        for at in range(1, len(tokens.ids)):
            if tokens.learn[at]:
                both = ((x[at - 1] / t).log_softmax(-1) for x in (p, q))
                soft = sum(float(a.exp() * (a - b)) for a, b in zip(*both, strict=True))
                hard = -float(q[at - 1].log_softmax(-1)[tokens.ids[at]])
                total += (1 - recipe.hard) * t**2 * soft + recipe.hard * hard
                count += 1
    return total / count


@pytest.mark.parametrize("options", [
    {}, {"accumulate": 4}, {"temperature": 2.0, "hard": 0.3}, {"hard": 1.0},
], ids=["plain", "accumulate", "hinton", "hard"])  # fmt: skip
def test_the_first_loss_is_the_one_worked_out_token_by_token(policy, tmp_path, options):
    recipe = LogitsRecipe(batch=8, steps=1, lr=1e-6, top_k=0, **options)
    train_logits([*FORCED, *ROWS[:6]], policy, tmp_path, recipe)
    assert metrics(tmp_path)[0] == pytest.approx(by_hand(policy, recipe), rel=1e-4)


def test_few_kept_tokens_lose_no_more_than_the_record_says(policy, tmp_path):
    rows = [*FORCED, *ROWS[:6]]
    want = by_hand(policy, LogitsRecipe())
    place = train_logits(rows, policy, tmp_path, LogitsRecipe(batch=8, steps=1, lr=1e-6, top_k=2))
    told = json.loads((place / "training.json").read_text())["cache"]
    assert told["top_k"] == 2 and told["before"]["positions"] == told["positions"]
    assert metrics(tmp_path)[0] == pytest.approx(told["before"]["grouped"], rel=1e-5)
    assert told["before"]["low"] - 1e-5 <= want <= told["before"]["high"] + 1e-5
    assert told["before"]["high"] > told["before"]["low"]


def test_a_student_gets_closer_to_its_teacher_and_the_record_says_how_far(tmp_path):
    rows = solver_traces(load_task("expressions", "train", 64, ops=2))
    recipe = LogitsRecipe(batch=16, steps=30, lr=4e-3, top_k=16)
    place = train_logits(rows, embedded_folder("tiny-student"), tmp_path, recipe)
    record = json.loads((place / "training.json").read_text())
    assert record["cache"]["after"]["grouped"] < 0.5 * record["cache"]["before"]["grouped"]
    assert record["teacher"]["place"] == "tiny" and record["spent"]["teacher"] > 0
    assert record["spent"]["teacher"] == record["cache"]["flops"]
    assert record["parent"]["place"] == "tiny-student"
    assert record["spent"]["learned"] > 0 == record["spent"]["sampled"]
    assert record["finished"]


def test_a_stopped_run_goes_on_to_the_same_weights_and_asks_the_teacher_once(policy, tmp_path):
    whole = train_logits(ROWS, policy, tmp_path / "a", SMALL)
    stop = threading.Event()

    def after_three(row: dict) -> None:
        if row.get("step", 0) >= 3:
            stop.set()

    recipe = replace(SMALL, steps=6)
    train_logits(ROWS, policy, tmp_path / "b", recipe, after_three, stop)
    cards = sorted((tmp_path / "b" / "teacher").glob("*/cache.json"))
    written = [card.stat().st_mtime_ns for card in cards]
    again = train_logits(ROWS, policy, tmp_path / "b", recipe)
    assert same(again, whole)
    assert len(cards) == 1 and [card.stat().st_mtime_ns for card in cards] == written


def test_runs_share_a_cache_where_they_are_told_to(policy, tmp_path):
    shared = str(tmp_path / "said")
    for seed in (0, 1):
        recipe = replace(SMALL, steps=1, cache=shared, seed=seed)
        place = train_logits(ROWS, policy, tmp_path / str(seed), recipe)
        told = json.loads((place / "training.json").read_text())
        assert told["spent"]["teacher"] == told["cache"]["flops"] > 0
    assert len(list(Path(shared).iterdir())) == 1
    assert not (tmp_path / "1" / "teacher").exists()


def test_lora_students_learn_from_the_teacher_too(policy, tmp_path):
    recipe = replace(SMALL, adapter="lora", rank=4, lr=1e-2)
    place = train_logits(ROWS, policy, tmp_path, recipe)
    assert (tmp_path / "adapter" / "adapter_config.json").is_file()
    told = json.loads((place / "training.json").read_text())["cache"]
    assert told["after"]["grouped"] < told["before"]["grouped"]


def test_every_divergence_pulls_the_students_events_to_the_teachers():
    draw = torch.Generator().manual_seed(0)
    said = {
        "teacher_ids": torch.tensor([[1, 4], [0, 2]]),
        "teacher_events": torch.randn(2, 3, generator=draw).log_softmax(-1),
    }
    for kind in ("forward", "reverse", "jsd"):
        logits = torch.zeros(2, 6, requires_grad=True)
        optimiser = torch.optim.Adam([logits], 0.05)
        for _ in range(300):
            loss = losses(replace(SMALL, divergence=kind), logits, torch.tensor([1, 2]), said).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert loss.item() < 1e-4


def test_recipes_and_teachers_that_cannot_be_are_refused(policy, tmp_path):
    for settings, word in (({"temperature": 0.0}, "temperature"), ({"hard": 1.5}, "hard"),
                           ({"beta": 1.0}, "beta"), ({"top_k": -1}, "top_k")):  # fmt: skip
        with pytest.raises(BadInput, match=word):
            LogitsRecipe(**settings)  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="jsd"):
        LogitsRecipe(divergence="js")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="cannot be a teacher"):
        train_logits(ROWS, policy, tmp_path, LogitsRecipe(teacher="no-such-model"))


def test_a_teacher_with_other_tokens_is_refused_before_it_is_asked(policy, tmp_path):
    other = Path(untaught(tmp_path / "other"))
    words = transformers.AutoTokenizer.from_pretrained(other)
    words.add_tokens(["<more>"])
    words.save_pretrained(other)
    with pytest.raises(BadInput, match="one vocabulary"):
        train_logits(ROWS, policy, tmp_path / "run", LogitsRecipe(teacher=str(other)))
