"""Outcome models: what they read, what they charge, and the same number alone or in a batch."""

from __future__ import annotations

import asyncio
from math import exp
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Qwen3Config
from transformers import Qwen3ForSequenceClassification as Head

from evaluators import load_task
from evaluators.errors import BadInput, UnknownName
from reasoning.core import BadPrompt, Context, SeedPath, Step, Trace
from reasoning.ledger import Budget, Ledger
from reasoning.models.outcome import load_outcome_model
from reasoning.models.tiny.tokenizer import build
from search.scorers import resolve

TEXTS = ["1+2<think>3\n</think>3", "4+5<think>10\n</think>10", "(3+4)*2-5<think>7*2-5\n14-5\n9\n"]


def save(folder: Path, labels: int = 1) -> Path:
    torch.manual_seed(0)
    words = build()
    config = Qwen3Config(
        vocab_size=len(words), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, head_dim=16, max_position_embeddings=64,
        pad_token_id=words.pad_token_id, eos_token_id=words.eos_token_id, num_labels=labels,
        reasonlab_dialect="compact",
    )  # fmt: skip
    Head(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    return save(tmp_path_factory.mktemp("outcome"))


def rate(model, texts, budget: Budget | None = None):
    ledger = Ledger(budget)
    return asyncio.run(model.rate(texts, ledger)), ledger


def test_the_number_is_the_model_s_own_for_text_and_end(folder: Path):
    model = load_outcome_model(str(folder))
    given, ledger = rate(model, TEXTS)
    words = AutoTokenizer.from_pretrained(folder)
    plain = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    count = 0
    for text, row in zip(TEXTS, given, strict=True):
        ids = words(text, return_tensors="pt")["input_ids"]
        ids = torch.cat([ids, torch.tensor([[words.eos_token_id]])], dim=1)
        count += ids.shape[1]
        with torch.no_grad():
            want = float(plain(input_ids=ids).logits[0, 0])
        assert row == [pytest.approx(want, abs=1e-5)]
        assert rate(model, [text])[0] == [[pytest.approx(row[0], abs=1e-5)]]
    assert ledger.spent.scored == ledger.spent.tokens == count == model.counters.scored // 2


def test_what_cannot_be_paid_is_none_and_what_is_too_long_is_named(folder: Path):
    model = load_outcome_model(str(folder))
    first = rate(model, TEXTS[:1])[1].spent.scored
    given, ledger = rate(model, TEXTS[:2], Budget(tokens=first + 2))
    assert given[0] is not None and given[1] is None and ledger.spent.tokens == first
    with pytest.raises(BadPrompt, match="reads at most 64"):
        rate(model, ["1+" * 60])
    with pytest.raises(ValueError, match="knows no beginnings"):
        asyncio.run(model.rate(TEXTS, Ledger(), known=[1]))


def test_what_is_no_outcome_model_is_refused(folder: Path, tmp_path: Path):
    with pytest.raises(UnknownName, match="folder of an outcome model"):
        load_outcome_model("nowhere-to-be-found")
    with pytest.raises(BadInput, match="2 outputs"):
        load_outcome_model(str(save(tmp_path, labels=2)))
    tiny = Path(__file__).parents[2] / "reasoning/models/tiny/tiny-student"
    with pytest.raises(BadInput, match="no trained head"):
        load_outcome_model(str(tiny))


def test_as_a_scorer_it_rates_finished_traces_by_name(folder: Path):
    task = load_task("expressions", n=1, ops=3)
    problem, model = task.problems[0], load_outcome_model(str(folder))
    scorer = resolve(f"outcome-model({folder})", task)
    assert (scorer.knows, scorer.charged, getattr(scorer, "partial", False)) == (
        "nothing",
        True,
        False,
    )
    traces = [Trace((Step(text, 3, "eos"),), "eos", "3") for text in ("3\n</think>3", "</think>4")]
    ctx = Context(task, None, Ledger(), SeedPath(0))  # type: ignore[arg-type]
    scores = asyncio.run(scorer.score(problem, [*traces, traces[0]], ctx))
    question = task.render(problem, "chain", "compact")
    logits, _ = rate(model, [question + trace.text for trace in traces])
    want = [1 / (1 + exp(-row[0])) for row in logits if row is not None]
    assert scores == [pytest.approx(want[0]), pytest.approx(want[1]), scores[0]]
    read = rate(model, [question + trace.text for trace in traces])[1].spent.scored
    assert ctx.ledger.spent.scored == read  # an equal text is read once
