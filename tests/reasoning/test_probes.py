"""Probes of reward hacking, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from reasoning.train.judge import Judged
from reasoning.train.probes import Sampled, alarms, distance, probe
from tests.reasoning.architectures import random_model


def trace(text: str, reward: float | None, right: bool, sound: bool, **kw) -> Sampled:
    error = kw.pop("error", None)
    judged = Judged(reward, right, sound, kw.pop("answer", "7"), error)
    return Sampled(text, kw.pop("tokens", 10), kw.pop("finished", True), judged)


TRACES = [  # two questions of three samples
    trace("a\nb", 1.0, True, True),
    trace("a\nb", 1.0, False, False, tokens=40),
    trace("c\nc\nc\nc", 0.0, False, False, answer=""),
    trace("d", 1.0, True, False, finished=False),
    trace("e", 0.0, False, False),
    trace("f", None, False, False, error="died"),
]


def test_probes_are_the_shares_counted_by_hand():
    told = probe(TRACES, 3, first_length=30.0)
    assert told["right"] == pytest.approx(2 / 5) and told["sound"] == pytest.approx(1 / 5)
    assert told["unearned"] == pytest.approx(1 / 3)  # above their mean: 1, 2 and 4
    assert told["unsound"] == pytest.approx(1 / 2)
    assert told["unfinished"] == pytest.approx(1 / 6) == told["unjudged"]
    assert told["no_answer"] == pytest.approx(1 / 5)
    assert told["repeats"] == pytest.approx(0.75 / 6)
    assert told["same"] == pytest.approx((1 / 3 + 0) / 2)
    assert told["longer"] == pytest.approx(0.5) and told["shorter"] == pytest.approx(2.0)


def test_what_has_no_cases_is_left_out():
    told = probe([trace("a", 0.0, False, False)] * 2, 2, None)
    assert not {"unearned", "unsound", "longer", "shorter"} & set(told)


def test_an_alarm_names_the_probe_and_what_it_means():
    assert alarms({"unearned": 0.4, "unfinished": 0.2, "kl": 0.1}) == []
    (sentence,) = alarms({"unearned": 0.75})
    assert sentence.startswith("unearned 0.75") and "not right" in sentence


def test_the_distance_is_the_kl_over_the_whole_vocabulary():
    ours, theirs = random_model("qwen3"), random_model("llama")
    ids = torch.tensor([[5, 9, 3, 7, 2], [8, 4, 6, 0, 0]])
    scored = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0]], dtype=torch.bool)
    total = 0.0
    for row, places in ((0, (2, 3, 4)), (1, (1, 2))):
        for at in places:
            p, q = (
                torch.distributions.Categorical(logits=m(ids[row : row + 1, :at]).logits[0, -1])
                for m in (ours, theirs)
            )
            total += float(torch.distributions.kl_divergence(p, q).detach())
    assert distance(ours, theirs, ids, scored) == pytest.approx(total / 5, rel=1e-4)
    assert distance(ours, ours, ids, scored) == pytest.approx(0.0, abs=1e-6)
