"""What is shown of a prediction is what the decode loop computes and the sampler draws."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from architectures import WINDOW, saved

from evaluators.errors import BadInput, LabError
from reasoning import load_model
from reasoning.core import BadPrompt, Message, Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run
from reasoning.models.decoding.draw import draw, uniforms
from reasoning.models.decoding.stepper import Controls
from reasoning.models.introspect import (
    Distribution,
    alternatives,
    as_logits,
    attention,
    distribution,
    truncated,
    vocabulary,
)

PROMPT = Prompt((Message("user", "(3+4)*2-5+6*3<think>"),))
DRAWS = 4000

SETTINGS = [
    Sampling(),
    Sampling(temperature=0.0),
    Sampling(temperature=0.6),
    Sampling(temperature=1.7, top_k=7),
    Sampling(top_p=0.8),
    Sampling(min_p=0.1),
    Sampling(temperature=1.4, top_k=12, top_p=0.9, min_p=0.05),
    Sampling(top_k=1, top_p=0.01, min_p=1.0),
    Sampling(top_k=1000),
]


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load_model("tiny")


def made(row: np.ndarray) -> Distribution:
    """A distribution from logits, as `distribution` makes it from a model's."""
    row = row.astype(np.float32)
    falling = (row - row.max()).astype(np.float64)
    logprobs = falling - np.log(np.exp(falling).sum())
    order = np.argsort(-logprobs, kind="stable")
    return Distribution(order, tuple(map(str, order)), logprobs[order])


@pytest.mark.parametrize("sampling", SETTINGS, ids=str)
@pytest.mark.parametrize("levels", [None, 6], ids=["distinct", "many equals"])
def test_the_truncated_distribution_foretells_every_draw(
    sampling: Sampling, levels: int | None
) -> None:
    rng = np.random.default_rng(11)
    row = rng.normal(size=60) * 2 if levels is None else rng.integers(0, levels, 60) * 0.75
    shown = made(row)
    controls = Controls.empty(DRAWS)
    for i in range(DRAWS):
        controls.put(i, sampling, (3, i))
    drawn, _ = draw(np.tile(row.astype(np.float32), (DRAWS, 1)), controls)

    p = np.zeros(60)
    p[shown.ids] = truncated(shown, sampling)
    assert p.sum() == pytest.approx(1.0)
    assert set(drawn.tolist()) <= set(np.flatnonzero(p).tolist())
    if sampling.temperature == 0.0:
        assert set(drawn.tolist()) == set(np.flatnonzero(p).tolist())
        return
    points = uniforms(controls.key, controls.counter)
    edges = np.cumsum(p)
    clear = np.abs(points[:, None] - edges).min(axis=1) > 1e-9
    assert clear.mean() > 0.99
    foretold = np.searchsorted(edges, points, side="right")
    assert np.array_equal(foretold[clear], drawn[clear])


def test_one_of_equals_is_kept_by_its_id() -> None:
    shown = made(np.array([0.0, 2.0, 2.0, 2.0, 1.0]))
    kept = truncated(shown, Sampling(top_k=2))
    assert shown.ids[kept > 0].tolist() == [1, 2]
    assert kept[kept > 0].tolist() == [0.5, 0.5]


def test_drawing_from_what_is_shown_is_drawing_from_the_models_logits() -> None:
    rows = (np.random.default_rng(5).normal(size=(20, 386)) * 3).astype(np.float32)
    for row in rows:
        shown = made(row)
        back = np.empty(386, np.float32)
        back[shown.ids] = as_logits(shown)
        assert np.array_equal(back, row - row.max())


def test_a_distribution_is_the_whole_vocabulary_and_its_top_is_the_greedy_token(tiny: Any) -> None:
    shown = distribution(tiny, PROMPT)
    assert np.exp(shown.logprobs).sum() == pytest.approx(1.0, abs=1e-6)
    assert sorted(shown.ids.tolist()) == list(range(len(shown)))
    assert (np.diff(shown.logprobs) <= 0).all()
    greedy = run(
        tiny.generate(PROMPT, Sampling(max_tokens=1, temperature=0.0), Ledger(), SeedPath(0))
    )[0]
    assert greedy.token_ids == (shown.ids[0],)
    assert greedy.logprobs[0] == pytest.approx(shown.logprobs[0], abs=1e-4)
    assert greedy.text == shown.tokens[0]


def test_a_part_tells_how_much_is_missing(tiny: Any) -> None:
    whole = distribution(tiny, PROMPT)
    part = distribution(tiny, PROMPT, k=3)
    assert (len(part), part.complete) == (3, False)
    assert part.rest == pytest.approx(float(np.exp(whole.logprobs[3:]).sum()), abs=1e-9)
    assert part.entropy <= whole.entropy


def test_entropy_is_in_bits() -> None:
    assert made(np.zeros(8)).entropy == pytest.approx(3.0)


def test_nothing_is_charged_and_the_loop_counts_nothing(tiny: Any) -> None:
    before = tiny.counters
    distribution(tiny, PROMPT)
    alternatives(tiny, tiny.encode(PROMPT), 1, 3)
    attention(tiny, tiny.encode(PROMPT), 0)
    assert tiny.counters == before


def test_alternatives_agree_with_what_the_decode_loop_reports(tiny: Any) -> None:
    ids = tiny.encode(PROMPT)
    sampling = Sampling(max_tokens=80, temperature=1.5)
    for seed in range(5):
        drawn = run(tiny.generate(PROMPT, sampling, Ledger(), SeedPath(seed)))[0]
        told = alternatives(tiny, [*ids, *drawn.token_ids], len(ids), 386)
        for row, token, logprob in zip(told, drawn.token_ids, drawn.logprobs, strict=True):
            assert dict(row)[token] == pytest.approx(logprob, abs=1e-4)
            assert [v for _, v in row] == sorted((v for _, v in row), reverse=True)


def test_alternatives_are_the_first_of_the_distribution(tiny: Any) -> None:
    ids = tiny.encode(PROMPT)
    told = alternatives(tiny, ids, len(ids) - 1, 4)
    shown = distribution(tiny, Prompt((), "", tuple(ids[:-1])))
    assert [i for i, _ in told[0]] == shown.ids[:4].tolist()
    assert alternatives(tiny, ids, len(ids), 4) == []


@pytest.mark.parametrize(("start", "k"), [(0, 1), (99, 1), (1, 0)])
def test_alternatives_refuse_what_has_no_position(tiny: Any, start: int, k: int) -> None:
    with pytest.raises(BadInput, match="start must be"):
        alternatives(tiny, tiny.encode(PROMPT), start, k)


def test_attention_is_causal_and_every_row_sums_to_one(tiny: Any) -> None:
    ids = tiny.encode(PROMPT)
    count = tiny.torch_model.config.num_hidden_layers
    for layer in range(count):
        heads = attention(tiny, ids, layer)
        assert heads.shape == (tiny.torch_model.config.num_attention_heads, len(ids), len(ids))
        assert heads.sum(axis=2) == pytest.approx(1.0, abs=1e-5)
        assert not np.triu(heads, 1).any()
    assert np.array_equal(attention(tiny, ids, -1), heads)
    assert not np.array_equal(attention(tiny, ids, 0), heads)


def test_attention_leaves_the_models_own_way_of_attending_alone(tiny: Any) -> None:
    before = tiny.torch_model.config._attn_implementation
    attention(tiny, tiny.encode(PROMPT), 0)
    assert tiny.torch_model.config._attn_implementation == before != "eager"


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gemma3", "mistral", "mamba"])
def test_any_architecture_is_looked_into_as_it_decodes(kind: str, tmp_path: Path) -> None:
    model: Any = load_model(saved(tmp_path, kind))
    prompt = Prompt((), "abc abc")
    drawn = run(model.generate(prompt, Sampling(max_tokens=12), Ledger(), SeedPath(0)))[0]
    before = model.encode(prompt)
    ids = [*before, *drawn.token_ids]
    told = alternatives(model, ids, len(before), 260)
    for row, token, logprob in zip(told, drawn.token_ids, drawn.logprobs, strict=True):
        assert dict(row)[token] == pytest.approx(logprob, abs=1e-4)
    assert [i for i, _ in told[0]] == distribution(model, prompt).ids.tolist()
    if kind == "mamba":
        with pytest.raises(LabError, match="does not tell attention"):
            attention(model, ids, 0)
        return
    heads = attention(model, ids, 0)
    assert heads.sum(axis=2) == pytest.approx(1.0, abs=1e-5)
    seen = int((heads[0, -1] > 0).sum())
    assert seen == (WINDOW if kind in ("gemma3", "mistral") else len(ids))


def test_a_layer_that_is_not_there_is_named(tiny: Any) -> None:
    with pytest.raises(BadInput, match="layers 0 to"):
        attention(tiny, tiny.encode(PROMPT), 99)


def test_every_token_has_a_name_and_half_a_character_shows_its_bytes(tiny: Any) -> None:
    names = vocabulary(tiny)
    assert len(names) == len(tiny.tokenizer)
    assert names[tiny.tokenizer.eos_token_id] == "<eos>"
    assert [names[i] for i in tiny.tokenizer.encode("12+3\n")] == ["12", "+", "3", "\n"]
    assert [names[i] for i in tiny.tokenizer.encode("é")] == ["\\xc3", "\\xa9"]


class Distant:
    """An endpoint that tells two tokens, and charges one."""

    name, dialect, can, flops_per_token = "distant", "plain", frozenset({"logprobs"}), 0.0

    async def next_tokens(self, prompt: Prompt, ledger: Ledger, k: int) -> list[tuple[str, float]]:
        return [(" b", -1.5), (" a", -0.5)][:k]


def test_an_endpoint_tells_a_part_most_likely_first() -> None:
    shown = distribution(Distant(), PROMPT)  # type: ignore[arg-type]
    assert (shown.tokens, shown.complete) == ((" a", " b"), False)
    assert shown.rest == pytest.approx(1 - np.exp(-0.5) - np.exp(-1.5))
    assert truncated(shown, Sampling(top_k=1)).tolist() == [1.0, 0.0]


def test_what_needs_weights_says_so() -> None:
    with pytest.raises(LabError, match="needs a local model"):
        attention(Distant(), [1, 2], 0)  # type: ignore[arg-type]


def test_a_model_that_tells_nothing_says_so() -> None:
    class Mute:
        name = "mute"

    with pytest.raises(LabError, match="tells no distribution"):
        distribution(Mute(), PROMPT)  # type: ignore[arg-type]


def test_a_prompt_longer_than_the_context_is_refused(tiny: Any) -> None:
    with pytest.raises(BadPrompt, match="reads at most"):
        distribution(tiny, Prompt((Message("user", "1+" * tiny.max_positions),)))
