"""What is done otherwise than trl does it computes the same; GRPO's own run is recorded whole."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
import torch

from evaluators import load_task
from evaluators.errors import BadInput
from reasoning.core import Sampling, SeedPath
from reasoning.models import embedded_folder
from reasoning.runlog import read_events
from reasoning.train.practice import Practice
from reasoning.train.rl import GRPORecipe, RLOORecipe, train_grpo, train_rloo
from reasoning.train.run import opened
from reasoning.train.spent import Spent
from reasoning.train.trainer import (
    FusedSampler,
    PlainSampler,
    ends,
    sampling_trainer,
    telling,
)
from tests.reasoning import earned

WEAK = embedded_folder("tiny-weak")
TASK = load_task("countdown", "train", 12, numbers=3)
SHORT: dict[str, Any] = {"steps": 2, "batch": 3, "samples": 4, "max_tokens": 40}


@pytest.fixture(scope="module")
def policy():
    import transformers

    return opened(WEAK, transformers.AutoModelForCausalLM, 0)


@pytest.fixture(scope="module")
def trainers(policy, tmp_path_factory):
    """trl's trainer and ours, on one model."""
    import datasets
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    model, words, _ = policy
    folder = tmp_path_factory.mktemp("grpo")
    ours = sampling_trainer(GRPOTrainer, None, Spent.of(model, GRPORecipe()), 0)
    return [
        kind(
            model=model, reward_funcs=lambda **_: [0.0], processing_class=words,
            args=GRPOConfig(str(folder), use_cpu=True, bf16=False, report_to=[],
                            per_device_train_batch_size=6, num_generations=3,
                            activation_checkpointing=False),
            train_dataset=datasets.Dataset.from_list([{"prompt": "1"}]),
        )
        for kind in (GRPOTrainer, ours)
    ]  # fmt: skip


def batch(advantages: list[float]) -> dict[str, torch.Tensor]:
    """Six rows as trl makes them: prompts padded on the left, traces on the right."""
    generator = torch.Generator().manual_seed(3)
    before, after = [3, 5, 5, 2, 4, 3], [4, 30, 1, 7, 7, 12]
    made = {
        "prompt_ids": torch.zeros(6, 5, dtype=torch.long), "prompt_mask": torch.zeros(6, 5).long(),
        "completion_ids": torch.zeros(6, 30, dtype=torch.long),
        "completion_mask": torch.zeros(6, 30).long(),
    }  # fmt: skip
    for row, (a, b) in enumerate(zip(before, after, strict=True)):
        made["prompt_ids"][row, 5 - a :] = torch.randint(4, 300, (a,), generator=generator)
        made["prompt_mask"][row, 5 - a :] = 1
        made["completion_ids"][row, :b] = torch.randint(4, 300, (b,), generator=generator)
        made["completion_mask"][row, :b] = 1
    made["advantages"] = torch.tensor(advantages)
    made["num_items_in_batch"] = made["completion_mask"].sum()
    return made


def test_probabilities_over_rows_of_like_length_are_trls(trainers):
    plain, ours = trainers
    made = batch([1.0] * 6)
    ids = torch.cat([made["prompt_ids"], made["completion_ids"]], 1)
    mask = torch.cat([made["prompt_mask"], made["completion_mask"]], 1)
    with torch.no_grad():
        want, entropy, _ = plain._get_per_token_logps_and_entropies(
            plain.model, ids, mask, 30, compute_entropy=True
        )
        found, told, _ = ours._get_per_token_logps_and_entropies(
            ours.model, ids, mask, 30, compute_entropy=True
        )
    on = made["completion_mask"].bool()
    torch.testing.assert_close(found[on], want[on], atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(told[on], entropy[on], atol=2e-5, rtol=1e-4)
    assert found.shape == want.shape == told.shape


def test_leaving_out_traces_without_advantage_changes_no_gradient(trainers):
    plain, ours = trainers
    grads = []
    for trainer in (plain, ours):
        trainer.model.train()
        trainer.current_gradient_accumulation_steps = 1
        trainer.model.zero_grad()
        loss = trainer.compute_loss(trainer.model, batch([1.0, 0, -0.5, 0, 0, 0]))
        loss.backward()
        grads.append([p.grad.clone() for p in trainer.model.parameters()])
        trainer.model.zero_grad()
    for want, found in zip(*grads, strict=True):
        torch.testing.assert_close(found, want, atol=1e-6, rtol=1e-3)


def test_of_traces_without_any_advantage_one_is_kept():
    assert telling(batch([0.0] * 6))["completion_ids"].shape == (1, 30)
    kept = telling(batch([0.0, 2, 0, 0, -1, 0]))
    assert kept["advantages"].tolist() == [2, -1] and kept["num_items_in_batch"] == 61


def test_the_ends_of_a_mask_are_its_first_and_last_columns_that_are_on():
    mask = torch.tensor([[0, 0, 1, 1, 0], [1, 1, 1, 1, 1], [0, 1, 0, 1, 0]])
    first, last = ends(mask)
    assert first.tolist() == [2, 0, 1] and last.tolist() == [4, 5, 4]


def test_the_sampler_draws_from_the_weights_as_they_are_now(policy):
    import transformers

    _, words, encoder = policy
    model, _, _ = opened(WEAK, transformers.AutoModelForCausalLM, 0)
    prompts = [encoder.plain("1 2 3=6<think>")] * 8
    sampling, path = Sampling(30), SeedPath(0, ("draw",))
    with FusedSampler(model, words) as sampler:
        first = sampler.draw(model, prompts, sampling, path)
        assert sampler.draw(model, prompts, sampling, path) == first
        with torch.no_grad():
            model.model.norm.weight *= 0.01  # every token about as likely as any other
        second = sampler.draw(model, prompts, sampling, path)
    assert first != second
    assert sum(len(set(ids)) for ids in second) > sum(len(set(ids)) for ids in first)


def test_the_plain_sampler_ends_at_the_end_of_sequence_and_repeats(policy):
    model, words, encoder = policy
    prompts = [encoder.plain(text) for text in ("1 2 3=6<think>", "10 12 3 4=5<think>")]
    with PlainSampler(model, words) as sampler:
        drawn = sampler.draw(model, prompts, Sampling(25), SeedPath(0, ("plain",)))
        again = sampler.draw(model, prompts, Sampling(25), SeedPath(0, ("plain",)))
    assert drawn == again and all(1 <= len(ids) <= 25 for ids in drawn)
    assert all(words.eos_token_id not in ids[:-1] for ids in drawn)


def test_the_plain_sampler_draws_from_the_model_itself_whatever_its_config_prefers(policy):
    model, words, encoder = policy
    prompts = [encoder.plain("1 2 3=6<think>")] * 4
    path = SeedPath(0, ("plain",))
    with PlainSampler(model, words) as sampler:
        want = sampler.draw(model, prompts, Sampling(25), path)
        before = model.generation_config.repetition_penalty
        model.generation_config.repetition_penalty = 5.0  # as chat models come with 1.1
        try:
            assert sampler.draw(model, prompts, Sampling(25), path) == want
        finally:
            model.generation_config.repetition_penalty = before


def test_a_run_records_what_was_practised_judged_probed_and_spent(tmp_path):
    practice = Practice(((TASK, 2.0),), reward="sound")
    place = train_grpo(practice, WEAK, tmp_path, GRPORecipe(**SHORT, probe_every=1))
    record = json.loads((place / "training.json").read_text())
    rows = [e for e in read_events(tmp_path) if e["kind"] == "metrics" and "loss" in e]
    assert record["practice"]["tasks"] == [{"task": "countdown", "weight": 2.0, "problems": 12}]
    assert record["practice"]["reward"] == "sound" and record["judging"]["unjudged"] == 0
    assert len(rows) == 2 and rows[0]["probe/kl"] == pytest.approx(0, abs=1e-6)
    assert rows[1]["probe/kl"] > 0 and 0 <= rows[1]["probe/right"] <= 1
    spent = record["spent"]
    assert spent["sampled"] >= 2 * 12 * 8 and 0 < spent["learned"] <= spent["sampled"]
    assert record["finished"]


@pytest.mark.parametrize(("train", "kind"), [(train_grpo, GRPORecipe), (train_rloo, RLOORecipe)],
                         ids=["grpo", "rloo"])  # fmt: skip
def test_traces_without_a_reward_teach_nothing_and_break_nothing(tmp_path, train, kind):
    practice = Practice.of(TASK, reward=earned.sometimes)
    place = train(practice, WEAK, tmp_path, kind(**SHORT, beta=0.1))
    rows = [e for e in read_events(tmp_path) if e["kind"] == "metrics" and "loss" in e]
    assert all(torch.isfinite(torch.tensor(row["loss"])) for row in rows)
    assert any(row["grad_norm"] > 0 for row in rows)
    assert json.loads((place / "training.json").read_text())["spent"]["read"] > 0


def test_an_outcome_model_can_reward_and_is_counted_as_another_models_work(tmp_path):
    import transformers

    model, words, _ = opened(WEAK, transformers.AutoModelForSequenceClassification, 0, num_labels=1)
    model.config.pad_token_id = words.pad_token_id
    model.save_pretrained(tmp_path / "judge")
    words.save_pretrained(tmp_path / "judge")
    practice = Practice.of(TASK, reward=f"model:{tmp_path / 'judge'}")
    place = train_grpo(practice, WEAK, tmp_path / "run", GRPORecipe(**SHORT))
    record = json.loads((place / "training.json").read_text())
    assert record["spent"]["teacher"] > 0 and record["practice"]["reward"].startswith("model:")
    assert (place / record["reward"]["path"]).resolve() == tmp_path / "judge"
    (first, *_) = [e for e in read_events(tmp_path / "run") if e["kind"] == "metrics"]
    assert "probe/unearned" in first and first["reward_std"] > 0


def test_a_stop_ends_the_run_after_its_step_with_weights(tmp_path):
    stop = threading.Event()
    place = train_grpo(TASK, WEAK, tmp_path, GRPORecipe(**{**SHORT, "steps": 50}),
                       progress=lambda row: stop.set(), stop=stop)  # fmt: skip
    record = json.loads((place / "training.json").read_text())
    assert not record["finished"] and len(record["curve"]) <= 2


@pytest.mark.parametrize(
    "settings",
    [
        {"samples": 1},
        {"temperature": 0.0},
        {"beta": -1.0},
        {"scale": "row"},
        {"clip_ratio": 1.5},
        {"dropout": 0.1, "adapter": "lora"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_that_cannot_be_are_refused_by_name(settings):
    with pytest.raises(BadInput, match=next(iter(settings))):
        GRPORecipe(**settings)


def test_adapters_practise_too_and_are_kept_beside_whole_weights(tmp_path):
    recipe = GRPORecipe(**{**SHORT, "steps": 1, "max_tokens": 12}, adapter="lora", beta=0.05)
    place = train_grpo(Practice.of(TASK, reward=earned.sometimes), WEAK, tmp_path, recipe)
    assert (tmp_path / "adapter" / "adapter_config.json").is_file()
    model, _, _ = opened(str(place), __import__("transformers").AutoModelForCausalLM, 0)
    assert not [name for name, _ in model.named_parameters() if "lora" in name]
