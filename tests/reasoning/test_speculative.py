"""Speculation changes how fast tokens come, never which: bits, distribution, counts, prefixes."""

from __future__ import annotations

import copy
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from architectures import random_model
from fused_model import build

from evaluators.errors import LabError
from reasoning.core import Sampling, SeedPath
from reasoning.models.decoding.batched import BatchedStepper
from reasoning.models.decoding.draft import ModelDraft, NgramDraft
from reasoning.models.decoding.fused import FusedStepper
from reasoning.models.decoding.loop import DecodeLoop, Request, Result
from reasoning.models.decoding.speculative import Speculation, SpeculativeStepper, agreement
from reasoning.models.decoding.stepper import Controls
from reasoning.models.decoding.stops import TokenBytes
from reasoning.models.tiny import tokenizer as tiny


def noisy(model: Any, noise: float) -> Any:
    """A copy of the model that predicts alike, but not the same."""
    made = copy.deepcopy(model)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * noise * parameter.std())
    return made


@pytest.fixture(scope="module")
def model() -> Any:
    return build(num_hidden_layers=2)


@pytest.fixture(scope="module")
def near(model: Any) -> Any:
    return noisy(model, 0.1)


@pytest.fixture(scope="module")
def pieces() -> TokenBytes:
    return TokenBytes(tiny.build())


class Scripted:
    """Proposes what a function of the text says, whatever that is."""

    computed = 0

    def __init__(self, after: Any) -> None:
        self.after, self.present = after, set()

    def join(self, rows: Sequence[int], prompts: Any, limits: Any) -> None:
        self.present |= set(rows)

    def propose(
        self, rows: Sequence[int], texts: Any, counts: Sequence[int], controls: Controls
    ) -> list[list[int]]:
        assert set(rows) <= self.present
        return [self.after(text)[:count] for text, count in zip(texts, counts, strict=True)]

    def leave(self, rows: Sequence[int], generated: Any) -> None:
        self.present -= set(rows)

    def reset(self) -> None:
        self.present.clear()


def line(length: int, seed: int) -> list[int]:
    return np.random.default_rng(seed).integers(2, 386, length).tolist()


CONTROLS = [
    Sampling(temperature=0.0),
    Sampling(temperature=0.4),
    Sampling(temperature=1.0),
    Sampling(temperature=1.3, top_k=5),
    Sampling(temperature=0.8, top_p=0.7),
    Sampling(temperature=1.0, min_p=0.1),
    Sampling(temperature=0.9, top_k=40, top_p=0.9, min_p=0.02),
]


def requests(count: int, tokens: int = 40, same: bool = False) -> list[Request]:
    """Ragged prompts with repetitions in them, every set of controls, ragged lengths."""
    made = []
    for i in range(count):
        ids = line(4 + i // 3 * 5 % 30, i // 3)
        sampling = CONTROLS[2] if same else CONTROLS[i % len(CONTROLS)]
        made.append(Request([*ids, *ids[:3]], sampling, 1 + tokens - i % 9, SeedPath(3, (i,)).key))
    return made


def ask(stepper: Any, pieces: TokenBytes, batch: list[Request]) -> list[Result]:
    loop = DecodeLoop(stepper, pieces)
    try:
        results = [future.result(60) for future in [loop.submit(request) for request in batch]]
        assert loop.counters.completion == sum(len(r.token_ids) for r in results)
        if isinstance(stepper, SpeculativeStepper):
            assert stepper.speculation.handed == loop.counters.completion
            assert stepper.speculation.drawn >= stepper.speculation.handed
    finally:
        loop.close()
    return results


def drafts(model: Any, near: Any) -> dict[str, Any]:
    return {
        "itself": lambda: ModelDraft(FusedStepper(model)),
        "near": lambda: ModelDraft(FusedStepper(near)),
        "in three rows": lambda: ModelDraft(FusedStepper(near, pool_bytes=1 << 20)),
        "ngram": NgramDraft,
        "nonsense": lambda: Scripted(lambda text: [(text[-1] * 7 + i) % 386 for i in range(9)]),
        "ends and strangers": lambda: Scripted(lambda text: [5, 1, 900, 6]),
        "nothing": lambda: Scripted(lambda text: []),
    }


# -- the same tokens ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", drafts(None, None))
def test_the_bits_are_those_without_speculation(
    name: str, model: Any, near: Any, pieces: TokenBytes
) -> None:
    batch = requests(70)
    want = ask(FusedStepper(model), pieces, batch)
    assert sum(len(r.token_ids) for r in want) > 2000
    for tokens, rows in ((1, 70), (4, 70), (7, 3)):
        stepper = SpeculativeStepper(
            FusedStepper(model, max_rows=rows), drafts(model, near)[name](), tokens
        )
        got = ask(stepper, pieces, batch)
        assert [(r.token_ids, r.logprobs, r.finish, r.text) for r in got] == [
            (r.token_ids, r.logprobs, r.finish, r.text) for r in want
        ]


def test_a_boundary_ends_a_row_amid_what_was_verified_and_its_prefix_goes_on(
    model: Any, near: Any, pieces: TokenBytes
) -> None:
    def steps(stepper: Any) -> list[list[Result]]:
        """Every request in steps up to a frequent letter, each step from all before it."""
        loop = DecodeLoop(stepper, pieces)
        found = []
        for i in range(6):
            ids, out = line(9, i), []
            for step in range(6):
                sampling = Sampling(boundary="3", stop=("7",))
                key = SeedPath(0, (i, step)).key
                out.append(loop.submit(Request(ids, sampling, 30, key)).result(60))
                ids = [*ids, *out[-1].token_ids]
            found.append(out)
        loop.close()
        return found

    want = steps(FusedStepper(model))
    stepper = SpeculativeStepper(FusedStepper(model), ModelDraft(FusedStepper(near)), 5)
    assert steps(stepper) == want  # cached prompt tokens too
    assert {"boundary", "stop"} <= {r.finish for out in want for r in out}
    assert stepper.speculation.drawn > stepper.speculation.handed


def test_rows_leave_on_cancellation_and_the_others_do_not_notice(
    model: Any, near: Any, pieces: TokenBytes
) -> None:
    batch = requests(24, tokens=80)
    want = ask(FusedStepper(model), pieces, batch)
    loop = DecodeLoop(
        SpeculativeStepper(FusedStepper(model), ModelDraft(FusedStepper(near)), 3), pieces
    )
    futures = [loop.submit(request) for request in batch]
    for future in futures[::3]:
        future.cancel()
    kept = [i for i in range(24) if i % 3]
    assert [futures[i].result(60).logprobs for i in kept] == [want[i].logprobs for i in kept]
    again = [f.result(60) for f in [loop.submit(request) for request in batch]]
    assert [r.logprobs for r in again] == [r.logprobs for r in want]
    loop.close()


def test_after_an_error_the_next_requests_are_served(model: Any, pieces: TokenBytes) -> None:
    broken = [True]

    def after(text: Any) -> list[int]:
        if broken:
            broken.clear()
            raise RuntimeError("the draft stumbles")
        return [4, 5]

    batch = requests(5)
    loop = DecodeLoop(SpeculativeStepper(FusedStepper(model), Scripted(after), 2), pieces)
    with pytest.raises(RuntimeError, match="stumbles"):
        loop.submit(batch[0]).result(60)
    again = [f.result(60) for f in [loop.submit(request) for request in batch]]
    want = ask(FusedStepper(model), pieces, batch)
    assert [r.logprobs for r in again] == [r.logprobs for r in want]
    loop.close()


def test_the_last_positions_of_a_context_are_reached(model: Any, near: Any, pieces: Any) -> None:
    short = build(num_hidden_layers=2, max_position_embeddings=48)
    target = FusedStepper(short)
    request = Request(line(20, 0), Sampling(), 99, (5, 6))
    want = ask(FusedStepper(short), pieces, [request])
    assert len(want[0].token_ids) == 28 and want[0].finish == "length"
    assert ask(SpeculativeStepper(target, ModelDraft(FusedStepper(near)), 6), pieces, [request])
    for draft in (FusedStepper(build(num_hidden_layers=1, max_position_embeddings=30)),
                  FusedStepper(build(vocabulary=200, num_hidden_layers=1))):  # fmt: skip
        stepper = SpeculativeStepper(FusedStepper(short), ModelDraft(draft), 6)
        got = ask(stepper, pieces, [request])
        assert (got[0].token_ids, got[0].logprobs) == (want[0].token_ids, want[0].logprobs)


def test_scores_are_read_by_the_target_alone(model: Any, near: Any) -> None:
    plain = FusedStepper(model)
    stepper = SpeculativeStepper(FusedStepper(model), ModelDraft(FusedStepper(near)), 3)
    assert stepper.score([line(9, 1)], [4]) == plain.score([line(9, 1)], [4])
    assert stepper.speculation == Speculation()


@pytest.mark.parametrize("kind", ["llama", "mistral", "gemma3", "gpt2"])
def test_on_torch_the_tokens_are_the_same_up_to_rounding(kind: str, pieces: TokenBytes) -> None:
    large, small = random_model(kind), noisy(random_model(kind), 0.1)
    batch = [
        Request(line(3 + i, i % 5)[: 3 + i % 7], CONTROLS[i % 7], 12 + i % 9, (i, 1))
        for i in range(14)
    ]
    batch = [Request([t % 97 for t in r.ids], r.sampling, r.max_tokens, r.key) for r in batch]
    ends = frozenset({1})

    def made(model: Any, rows: int = 5) -> BatchedStepper:
        return BatchedStepper(model, eos_ids=ends, max_rows=rows)

    want = ask(made(large), pieces, batch)
    for draft in (ModelDraft(made(small)), NgramDraft()):
        stepper = SpeculativeStepper(made(large), draft, 4)
        got = ask(stepper, pieces, batch)
        assert [r.token_ids for r in got] == [r.token_ids for r in want]
        for a, b in zip(got, want, strict=True):
            assert a.logprobs == pytest.approx(b.logprobs, abs=1e-4)
        assert stepper.speculation.accepted > 0


# -- the distribution, without trusting the argument above -------------------------------------


def p_value(pairs: Counter, expected: dict[tuple[int, int], float]) -> float:
    """Of Pearson's chi-square test, rare cells put together."""
    total = sum(pairs.values())
    common = {cell for cell, p in expected.items() if p * total >= 5}
    cells = [(pairs[cell], expected[cell] * total) for cell in common]
    rest = 1.0 - sum(expected[cell] for cell in common)
    if rest * total > 1:
        cells.append((total - sum(seen for seen, _ in cells), rest * total))
    value = sum((seen - want) ** 2 / want for seen, want in cells)
    half = torch.tensor([(len(cells) - 1) / 2, value / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))


@pytest.mark.parametrize(
    "sampling", [Sampling(temperature=1.0), Sampling(temperature=0.7, top_k=6)], ids=["1.0", "0.7"]
)
def test_second_and_third_tokens_follow_the_target_and_not_the_draft(
    sampling: Sampling, pieces: TokenBytes
) -> None:
    shape: dict[str, Any] = {
        "vocabulary": 9,
        "num_hidden_layers": 1,
        "hidden_size": 32,
        "intermediate_size": 32,
    }
    target = build(**shape)
    with torch.no_grad():
        for parameter in target.parameters():
            parameter.mul_(0.5)
    draft, prompt = noisy(target, 0.7), [2, 5, 3, 8, 2]

    def expected(model: Any) -> dict[tuple[int, int], float]:
        """Chances of (second, third) token after the most likely first one, by transformers."""

        def chances(ids: list[int]) -> torch.Tensor:
            with torch.no_grad():
                logits = model(torch.tensor([ids])).logits[0, -1].double()
            if sampling.top_k:
                logits[logits < logits.topk(sampling.top_k).values[-1]] = -torch.inf
            return torch.softmax(logits / sampling.temperature, -1)

        second = chances(prompt)
        return {
            (a, b): float(second[a] * chances([*prompt, a])[b])
            for a, b in product(range(9), repeat=2)
        }

    def drawn(stepper: Any, pairs: int) -> Counter:
        stepper.eos_ids = frozenset()
        batch = [Request(prompt, sampling, 2, SeedPath(9, (i,)).key) for i in range(pairs)]
        return Counter(r.token_ids for r in ask(stepper, pieces, batch))

    pairs = 6000
    speculative = SpeculativeStepper(FusedStepper(target), ModelDraft(FusedStepper(draft)), 3)
    assert p_value(drawn(speculative, pairs), expected(target)) > 1e-3
    other = p_value(drawn(FusedStepper(draft), pairs), expected(target))
    assert other < 1e-9, "the test could not tell the draft from the target"


# -- counts --------------------------------------------------------------------------------------


def test_a_draft_that_is_the_model_is_always_right(model: Any, pieces: TokenBytes) -> None:
    request = Request(line(7, 2), Sampling(), 10, (1, 2))
    stepper = SpeculativeStepper(FusedStepper(model), ModelDraft(FusedStepper(model)), 2)
    ask(stepper, pieces, [request])
    # one token after the prompt, then three readings of two proposals and a token of its own;
    # the draft reads the token before (after the first round with the proposal it had not read)
    found = stepper.speculation
    assert found == Speculation(3, 3, 6, 6, computed=2 + 3 + 3, drawn=10, handed=10)
    assert (found.rate, found.per_round) == (1.0, 3.0)


def test_a_draft_that_is_always_wrong_costs_its_proposals(model: Any, pieces: TokenBytes) -> None:
    greedy = Request(line(7, 2), Sampling(temperature=0.0), 6, (1, 2))
    (want,) = ask(FusedStepper(model), pieces, [greedy])
    wrong = next(t for t in range(2, 386) if t not in want.token_ids)
    stepper = SpeculativeStepper(FusedStepper(model), Scripted(lambda text: [wrong] * 9), 3)
    ask(stepper, pieces, [greedy])
    # proposals never outnumber what the row may still draw: 3, 3, 2, 1, 0
    assert stepper.speculation == Speculation(5, 5, 9, 0, drawn=6, handed=6)
    assert (stepper.speculation.rate, stepper.speculation.per_round) == (0.0, 1.0)


def test_rows_out_of_step_share_their_readings(model: Any) -> None:
    stepper = SpeculativeStepper(FusedStepper(model), ModelDraft(FusedStepper(model)), 3)
    left, controls = {0: 13, 1: 13}, Controls.empty(256)
    for step in range(15):
        if step in (0, 2):
            stepper.join([step // 2], [line(7, step)], [13])
        rows = np.array([row for row in (0, 1)[: 1 + (step >= 2)] if left[row]])
        controls.counter[rows] = [13 - left[row] for row in rows]
        ids, _ = stepper.draw(rows, controls)
        for row in rows.tolist():
            left[row] -= 1
        stepper.advance(rows, ids)
    # a row needs three readings of four tokens; the second row's first reading takes the first
    # row along although that one has two tokens in hand, and so on
    assert stepper.speculation.rounds == 6
    assert stepper.speculation.calls == 4


def test_agreement_ends_at_the_first_difference() -> None:
    assert agreement([], [4]) == 0
    assert agreement([4, 5], [4, 5, 6]) == 2
    assert agreement([4, 5, 6], [4, 9, 6, 7]) == 1
    assert agreement([8, 5], [4, 5, 6]) == 0


# -- guides --------------------------------------------------------------------------------------


def test_while_a_row_is_guided_every_row_goes_one_token_a_reading(model: Any, near: Any) -> None:
    stepper = SpeculativeStepper(FusedStepper(model), ModelDraft(FusedStepper(near)), 3)
    plain = FusedStepper(model)
    controls, rows = Controls.empty(256), np.array([0, 1])
    allowed = np.ones((256, 386), np.bool_)
    masked = Controls(
        **{n: getattr(controls, n) for n in controls.__dataclass_fields__ if n != "allowed"},
        allowed=allowed,
    )
    for each in (stepper, plain):
        each.join([0, 1], [line(5, 0), line(9, 1)], [12, 12])
    for step in range(8):
        allowed[1] = False
        allowed[1, [30 + step, 40 + step]] = True  # known for this token only
        controls.counter[:] = step
        got, want = stepper.draw(rows, masked), plain.draw(rows, masked)
        assert got[0].tolist() == want[0].tolist() and got[1].tolist() == want[1].tolist()
        assert got[0][1] in (30 + step, 40 + step)
        for each in (stepper, plain):
            each.advance(rows, got[0])
    assert stepper.speculation.proposed == 0
    assert stepper.speculation.drawn == 16


# -- drafts --------------------------------------------------------------------------------------


def propose(draft: Any, text: Sequence[int], count: int, row: int = 0) -> list[int]:
    return draft.propose([row], [text], [count], Controls.empty(1))[0]


def test_prompt_lookup_continues_the_longest_earlier_suffix() -> None:
    draft = NgramDraft()
    draft.join([0], [[1]], [9])
    assert propose(draft, [5, 6, 7, 9, 6, 7], 2) == [9, 6]  # "6 7" was followed by "9 6 7"
    draft.join([0], [[1]], [9])
    # "2 3" occurs twice, "1 2 3" once: the longer suffix decides, though it is the older
    assert propose(draft, [1, 2, 3, 8, 4, 2, 3, 9, 1, 2, 3], 1) == [8]
    draft.join([0], [[1]], [9])
    assert propose(draft, [2, 3, 8, 2, 3, 9, 5, 2, 3], 1) == [9]  # of equals the latest
    draft.join([0], [[1]], [9])
    assert propose(draft, [4, 4, 4], 5) == [4]  # no further than the text goes
    draft.join([0], [[1]], [9])
    assert propose(draft, [1, 2, 3], 3) == []
    assert propose(draft, [1, 2, 3, 1], 3) == [2, 3, 1]  # the text grew by a token


def test_a_longer_match_can_be_demanded() -> None:
    draft = NgramDraft(shortest=2)
    draft.join([0], [[1]], [9])
    assert propose(draft, [7, 8, 9, 7], 2) == []
    assert propose(draft, [7, 8, 9, 7, 8], 2) == [9, 7]


def test_a_used_draft_proposes_what_a_fresh_one_does(near: Any) -> None:
    """Its cached prefixes hold what it read, not what was drawn."""
    used = ModelDraft(FusedStepper(near))
    for seed in range(4):
        text = line(6, seed)
        used.join([0], [text], [20])
        first = propose(used, [*text, 9], 4)
        propose(used, [*text, 9, first[0], 17], 3)  # the second proposal was refused
        used.leave([0], [[9, first[0], 17, 33, 34, 35]])  # the last three it never read
        longer = [*text, 9, first[0], 17, 33, 34, 35]
        for draft in (used, fresh := ModelDraft(FusedStepper(near))):
            draft.join([0], [longer], [20])
        assert propose(used, [*longer, 8], 9) == propose(fresh, [*longer, 8], 9)
        used.leave([0], [[8]])


def test_a_refused_proposal_leaves_no_trace_in_the_draft(near: Any) -> None:
    text = line(6, 0)
    used, fresh = ModelDraft(FusedStepper(near)), ModelDraft(FusedStepper(near))
    for draft in (used, fresh):
        draft.join([0], [text], [30])
    first = propose(used, [*text, 9], 4)
    assert first[0] != 300
    text = [*text, 9, 300, 301]
    assert propose(used, text, 9) == propose(fresh, text, 9)


def test_an_impossible_token_is_no_silent_one(model: Any) -> None:
    """Logits that are not finite raise as they do without speculation."""
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.model.norm.weight.fill_(float("nan"))
    stepper = SpeculativeStepper(FusedStepper(broken), NgramDraft(), 2)
    stepper.join([0], [[3, 4]], [5])
    with pytest.raises(LabError, match="not finite"):
        stepper.draw(np.array([0]), Controls.empty(256))
