"""A process model's readings: what they say, what they cost, and that company does not matter."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

import fused_model

from evaluators.errors import BadInput, UnknownName
from reasoning.core import BadPrompt
from reasoning.ledger import Budget, Ledger
from reasoning.logged import LoggedModel, responses
from reasoning.models.decoding.loop import DecodeLoop
from reasoning.models.decoding.stops import TokenBytes
from reasoning.models.encode import Encoder
from reasoning.models.process import ProcessModel, load_process_model
from reasoning.models.process_reader import FusedReader, PlainReader, _as_causal
from reasoning.models.tiny import tokenizer
from reasoning.runlog import RunLog, read_events

QUESTION = "3 5 7 2=24<think>"
TEXTS = [
    (QUESTION, "3*7=21 5 2\n", "5-2=3 21\n", "21+3=24\n", "</think>24"),
    (QUESTION, "3*7=21 5 2\n", "21+5=26 2\n"),
    (QUESTION, "5-2=3 3 7\n"),
    ("14 2=24",),
]


@pytest.fixture(scope="module")
def network():
    """A token-classification model with lively weights, and the tiny models' tokenizer."""
    from transformers import Qwen3ForTokenClassification

    words = tokenizer.build()
    causal = fused_model.build(len(words))
    config = causal.config
    config.num_labels = 2
    model = Qwen3ForTokenClassification(config).eval()
    model.model.load_state_dict(causal.model.state_dict())
    with torch.no_grad():
        model.score.weight.mul_(20.0)
        model.score.bias.copy_(torch.tensor([0.3, -0.4]))
    return model, words


def opened(network, kind=FusedReader):
    model, words = network
    reader = kind(*_as_causal(model)) if kind is FusedReader else kind(model)
    return ProcessModel(
        "prm", DecodeLoop(reader, TokenBytes(words)), Encoder(words, "compact", "prm"),
        max_positions=reader.max_positions, flops_per_token=2.0,
    )  # fmt: skip


def rate(model, texts, ledger=None, known=()):
    return asyncio.run(model.rate(texts, ledger or Ledger(), known=known))


def by_transformers(network, pieces):
    model, words = network
    ids, ends = [], []
    for piece in pieces:
        ids += words.encode(piece, add_special_tokens=False)
        ends.append(len(ids) - 1)
    with torch.no_grad():
        return model(torch.tensor([ids])).logits.softmax(-1)[0, ends, 1].tolist()


@pytest.mark.parametrize("kind", [FusedReader, PlainReader])
def test_ratings_are_what_transformers_computes_at_the_end_of_every_piece(network, kind):
    rated = rate(opened(network, kind), TEXTS)
    for pieces, row in zip(TEXTS, rated, strict=True):
        assert row == pytest.approx(by_transformers(network, pieces), abs=1e-5)
    assert max(map(max, rated)) - min(map(min, rated)) > 0.2  # the weights are lively


def test_company_and_cached_beginnings_do_not_change_a_bit(network):
    together = rate(opened(network), TEXTS)
    model = opened(network)
    alone = [rate(model, [text])[0] for text in reversed(TEXTS)][::-1]  # beginnings are cached
    assert together == alone


def test_what_was_read_before_is_neither_rated_nor_charged_again(network):
    model, ledger = opened(network), Ledger()
    whole = rate(model, TEXTS[:1])[0]
    later = rate(model, TEXTS[:1], ledger, known=[2])[0]
    assert later == whole[2:]
    ids = [len(network[1].encode(p, add_special_tokens=False)) for p in TEXTS[0]]
    assert [row.scored for row in ledger.rows] == [sum(ids[2:])]
    assert ledger.spent.flops == 2.0 * sum(ids[2:])


def test_a_beginning_that_several_texts_share_is_charged_once(network):
    model, ledger = opened(network), Ledger()
    rated = rate(model, [*TEXTS, TEXTS[0][:2]], ledger)
    size = [[len(network[1].encode(p, add_special_tokens=False)) for p in t] for t in TEXTS]
    assert [row.scored for row in ledger.rows] == [
        sum(size[0]), size[1][2], size[2][1], sum(size[3])
    ]  # fmt: skip
    assert rated[4] == rated[0][:2] and rated[1][:2] == rated[0][:2]


def test_a_text_that_cannot_be_paid_is_none_and_costs_nothing(network):
    model, ledger = opened(network), Ledger(Budget(tokens=12))
    assert [r is None for r in rate(model, [TEXTS[0], TEXTS[3]], ledger)] == [True, False]
    assert ledger.spent.tokens == 5


def test_a_text_that_is_too_long_is_refused_before_anything_is_charged(network):
    ledger = Ledger()
    with pytest.raises(BadPrompt, match="shorten"):
        rate(opened(network), [("1 " * 400,)], ledger)
    assert not ledger.rows


def test_an_empty_piece_has_no_say(network):
    assert rate(opened(network), [("",)]) == [[0.5]]


def test_a_logged_rating_is_answered_from_the_log_and_charged_alike(network, tmp_path):
    def once(log, past):
        model, ledger = LoggedModel(opened(network), log, "a", past), Ledger(Budget(tokens=40))
        made = rate(model, TEXTS, ledger)
        made += rate(model, [TEXTS[1]], ledger, known=[2])
        return made, [(r.key, r.scored, r.tokens) for r in ledger.rows], model.inner.counters.scored

    with RunLog(tmp_path, {}) as log:
        made, rows, read = once(log, {})
    assert read > 0 and None in made
    with RunLog(tmp_path, {}, resume=True) as log:
        again, same, none = once(log, responses(read_events(tmp_path), frozenset()))
    # what was refused for want of tokens was never asked, so only that is asked once more
    assert (again, same, none) == (made, rows, 0)


def test_a_name_that_is_neither_model_nor_folder_lists_the_models():
    with pytest.raises(UnknownName, match="tiny-prm"):
        load_process_model("tiny-pmr")


def test_a_model_without_a_trained_head_is_refused(tmp_path):
    model = fused_model.build(40, hidden_size=32, num_hidden_layers=1, intermediate_size=16)
    model.save_pretrained(tmp_path)
    tokenizer.build().save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="no trained head"):
        load_process_model(str(tmp_path))
