"""Forms enforced while a model decodes: every path, every end, the model's own distribution."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from architectures import saved

from evaluators.errors import BadInput
from reasoning import Budget, Ledger, Message, Prompt, Sampling, SeedPath, load_model
from reasoning.models.decoding.stream import Delta, stream
from reasoning.models.recorded import RecordedModel

ASK = Prompt((Message("user", "say ab"),))
SEED = SeedPath(3, ("t", 1))
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 0, "maximum": 99},
            "ok": {"enum": [True]},
        },
        "required": ["n", "ok"],
        "additionalProperties": False,
    }
)


@pytest.fixture(scope="module", params=["fused", "batched", "generate"])
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    made: Any = load_model(saved(tmp_path_factory.mktemp("qwen3"), "qwen3"), decode=request.param)
    yield made
    made.close()


@pytest.fixture(scope="module")
def tiny() -> Iterator[Any]:
    made: Any = load_model("tiny")
    yield made
    made.close()


def draw(model: Any, sampling: Sampling, prompt: Prompt = ASK, ledger: Ledger | None = None):
    return asyncio.run(model.generate(prompt, sampling, ledger or Ledger(), SEED))


@pytest.mark.parametrize("temperature", [0.0, 1.0, 3.0])
def test_every_path_writes_only_texts_of_the_form(model: Any, temperature: float) -> None:
    def texts(**form: Any) -> list[str]:
        completions = draw(model, Sampling(n=6, temperature=temperature, **form))
        assert {completion.finish for completion in completions} == {"eos"}
        return [completion.text for completion in completions]

    assert set(texts(choices=("yes", "no", "né ✓"))) <= {"yes", "no", "né ✓"}
    assert all(re.fullmatch("[ab]{2,5}\n(c|</s>)", t) for t in texts(regex="[ab]{2,5}\n(c|</s>)"))
    for value in map(json.loads, texts(schema=SCHEMA)):
        assert set(value) == {"n", "ok"} and 0 <= value["n"] <= 99 and value["ok"] is True


def test_the_three_paths_draw_the_same_text_from_one_seed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, drawn = saved(tmp_path_factory.mktemp("same"), "qwen3"), []
    for path in ("fused", "batched", "generate"):
        made: Any = load_model(folder, decode=path)
        drawn.append([c.token_ids for c in draw(made, Sampling(n=4, regex="[a-z ]{5,30}"))])
        made.close()
    assert drawn[0] == drawn[1] == drawn[2]


def test_guided_and_unguided_rows_share_a_batch_and_do_not_meddle(model: Any) -> None:
    plain = Sampling(max_tokens=20)
    bound = Sampling(max_tokens=20, regex="[ab]{1,30}")

    async def together() -> list[Any]:
        calls = [
            model.generate(ASK, sampling, Ledger(), SeedPath(i))
            for i in range(8)
            for sampling in (plain, bound)
        ]
        return [answer[0].token_ids for answer in await asyncio.gather(*calls)]

    async def alone(sampling: Sampling, i: int) -> Any:
        return (await model.generate(ASK, sampling, Ledger(), SeedPath(i)))[0].token_ids

    mixed = asyncio.run(together())
    assert mixed == [
        asyncio.run(alone(sampling, i)) for i in range(8) for sampling in (plain, bound)
    ]
    assert [asyncio.run(alone(plain, i)) for i in range(8)] == mixed[::2], "the masks are gone"


@pytest.mark.parametrize(
    ("limits", "finish", "text"),
    [
        ({"max_tokens": 3}, "length", "aaa"),
        ({"stop": ("aaab",)}, "stop", ""),
        ({"stop": ("b",)}, "stop", "aaa"),
        ({"boundary": "ab"}, "boundary", "aaab"),
        ({"stop": ("x",)}, "eos", "aaabbb"),
    ],
    ids=str,
)
def test_a_text_that_is_cut_is_the_beginning_of_one(
    model: Any, limits: dict[str, Any], finish: str, text: str
) -> None:
    [completion] = draw(model, Sampling(regex="aaabbb", **limits))
    assert (completion.finish, completion.text) == (finish, text)


def test_a_budget_cuts_a_form_like_any_text(model: Any) -> None:
    ledger = Ledger(Budget(tokens=2))
    [completion] = draw(model, Sampling(choices=("yes!",)), ledger=ledger)
    assert (completion.finish, completion.text) == ("budget", "ye")
    assert ledger.spent.tokens == 2


def test_the_form_is_that_of_the_completion_after_whatever_was_written(model: Any) -> None:
    written = Prompt(ASK.messages).forced("Answer: ").forced("4")
    assert draw(model, Sampling(regex="[0-7]{3}"), written)[0].text.isdigit()
    first = draw(model, Sampling(regex="[xy]{3}", boundary="y"))[0]
    then = draw(model, Sampling(regex="[uv]{3}"), ASK.extended(first))[0]
    assert re.fullmatch("[uv]{3}", then.text)


def test_a_form_streams(model: Any) -> None:
    async def read() -> list[Any]:
        sampling = Sampling(regex="(ab){4}", stop=("bx",))
        return [item async for item in stream(model, ASK, sampling, Ledger(), SEED)]

    *deltas, completion = asyncio.run(read())
    assert all(isinstance(delta, Delta) for delta in deltas)
    assert "".join(delta.text for delta in deltas) == completion.text == "abababab"


def test_a_bad_form_is_refused_before_anything_is_charged(model: Any) -> None:
    ledger = Ledger()
    with pytest.raises(BadInput, match="unclosed group"):
        draw(model, Sampling(regex="(a"), ledger=ledger)
    assert ledger.rows == [] and {"choices", "regex", "schema"} <= model.can


def test_a_form_that_allows_everything_changes_nothing(tiny: Any) -> None:
    ask = Prompt((Message("user", "(3+4)*2-5<think>"),))
    free = draw(tiny, Sampling(n=20, max_tokens=60), ask)
    bound = draw(tiny, Sampling(n=20, max_tokens=60, regex="(?s).*"), ask)
    assert [(c.text, c.finish, c.token_ids) for c in free] == [
        (c.text, c.finish, c.token_ids) for c in bound
    ]
    assert [c.logprobs for c in free] == [c.logprobs for c in bound]


@pytest.mark.parametrize("draft", ["ngram", "tiny-student"])
def test_a_draft_changes_no_guided_draw(tiny: Any, draft: str) -> None:
    ask = Prompt((Message("user", "(3+4)*2-5<think>"),))
    forms = [
        Sampling(n=6, max_tokens=60, regex="([0-9+*() -]{3,20}\n){1,4}"),
        Sampling(n=6, max_tokens=60),
        Sampling(n=6, choices=("14-5", "14")),
    ]
    want = [[(c.text, c.token_ids, c.logprobs) for c in draw(tiny, how, ask)] for how in forms]
    drafted: Any = load_model("tiny", draft=draft)

    async def together() -> list[Any]:
        calls = [drafted.generate(ask, how, Ledger(), SEED) for how in forms]
        return await asyncio.gather(*calls)

    got = asyncio.run(together())
    assert [[(c.text, c.token_ids, c.logprobs) for c in row] for row in got] == want
    assert drafted.speculation.calls > 0 and tiny.speculation is None
    drafted.close()


def log_softmax(model: Any, ids: list[int]) -> np.ndarray:
    with torch.inference_mode():
        logits = model.torch_model(torch.tensor([ids])).logits[0, -1]
    return torch.log_softmax(logits.double(), 0).numpy()


def test_sampling_follows_the_models_distribution_renormalised_token_by_token(tiny: Any) -> None:
    choices = ("9", "12", "13", "5")
    ask = Prompt((Message("user", "(3+4)*2-5="),))
    prompt, pieces = tiny.encode(ask), tiny.token_bytes
    eos = tiny.tokenizer.eos_token_id
    want: dict[tuple[int, ...], float] = {}
    own: dict[tuple[int, ...], float] = {}

    def follow(ids: tuple[int, ...], chance: float, logprob: float) -> None:
        text = pieces.text(ids)
        if ids and ids[-1] == eos:
            want[ids], own[ids] = chance, logprob
            return
        left = [choice[len(text) :] for choice in choices if choice.startswith(text)]
        allowed = [
            token
            for token in range(len(tiny.tokenizer))
            if (token == eos and "" in left)
            or (pieces[token] and any(c.startswith(pieces.text([token])) for c in left))
        ]
        logprobs = log_softmax(tiny, [*prompt, *ids])
        weights = np.exp(logprobs[allowed])
        for token, share in zip(allowed, weights / weights.sum(), strict=True):
            follow((*ids, token), chance * share, logprob + logprobs[token])

    follow((), 1.0, 0.0)
    drawn = draw(tiny, Sampling(n=4000, choices=choices), ask)
    counts = Counter(completion.token_ids for completion in drawn)
    assert set(counts) <= set(want) and sum(want.values()) == pytest.approx(1.0)
    for ids, chance in want.items():
        error = 4 * np.sqrt(chance * (1 - chance) / 4000) + 1e-3
        assert counts[ids] / 4000 == pytest.approx(chance, abs=error), pieces.text(ids)
    assert max(want.values()) < 0.95, "a distribution to speak of"
    for completion in drawn[:50]:  # what is reported is the model's own, not renormalised
        assert sum(completion.logprobs) == pytest.approx(own[completion.token_ids], abs=1e-3)


def test_greedy_takes_the_most_likely_of_the_allowed(tiny: Any) -> None:
    ask = Prompt((Message("user", "(3+4)*2-5="),))
    logprobs = log_softmax(tiny, tiny.encode(ask))
    digits = {str(d): logprobs[tiny.tokenizer.convert_tokens_to_ids(str(d))] for d in range(10)}
    best = max(digits, key=lambda digit: digits[digit])
    [completion] = draw(tiny, Sampling(temperature=0.0, regex="[0-9]"), ask)
    assert completion.text == best and completion.finish == "eos"


def test_a_recording_refuses_a_form_that_it_did_not_record(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text('{"prompt": "say ab", "completions": ["maybe"]}\n')
    with pytest.raises(BadInput, match="a recording cannot enforce choices"):
        draw(RecordedModel(file), Sampling(choices=("yes", "no")))


def test_a_recorded_form_is_replayed(tiny: Any, tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    ask = Prompt((Message("user", "(3+4)*2-5="),))
    sampling = Sampling(n=2, choices=("9", "12"))
    first = draw(load_model(tiny, record=file), sampling, ask)
    assert draw(RecordedModel(file), sampling, ask) == first
