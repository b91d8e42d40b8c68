"""The parts of PPO against sums written out, and the whole on a game with a known best move."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from evaluators.errors import BadInput
from reasoning.core import SeedPath
from reasoning.train.batch import batched
from reasoning.train.critic import Learner
from reasoning.train.ppo import PPORecipe, advantages, clipped, improve, mean, whitened
from reasoning.train.spent import Spent
from tests.reasoning.architectures import random_model

MASK = torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 0]])
REWARDS = torch.tensor([[0.0, 0.5, 0, 1], [0, 2, 0, 0]])
VALUES = torch.tensor([[0.3, -0.2, 0.1, 0.4], [1.0, 0.5, 9, 9]])


@pytest.mark.parametrize(("discount", "decay"), [(1.0, 1.0), (0.9, 0.8), (0.9, 0.0)])
def test_advantages_are_the_weighted_sums_of_what_was_not_foreseen(discount, decay):
    gains, returns = advantages(REWARDS, VALUES, MASK, discount, decay)
    for row, length in ((0, 4), (1, 2)):
        r, v = REWARDS[row].tolist(), [*VALUES[row].tolist()[:length], 0.0]
        surprise = [r[t] + discount * v[t + 1] - v[t] for t in range(length)]
        for t in range(length):
            want = sum((discount * decay) ** k * surprise[t + k] for k in range(length - t))
            assert gains[row, t] == pytest.approx(want, abs=1e-6)
            assert returns[row, t] == pytest.approx(want + v[t], abs=1e-6)
    assert gains[1, 2:].tolist() == returns[1, 2:].tolist() == [0, 0]


def test_with_no_discount_the_returns_are_the_rewards_to_go():
    _, returns = advantages(REWARDS, VALUES, MASK, 1.0, 1.0)
    torch.testing.assert_close(returns, torch.tensor([[1.5, 1.5, 1, 1], [2.0, 2, 0, 0]]))


@pytest.mark.parametrize(
    ("ratio", "gain", "loss"),
    [(1.5, 1.0, -1.2), (1.1, 1.0, -1.1), (0.5, 1.0, -0.5),
     (1.5, -1.0, 1.5), (0.5, -1.0, 0.8), (0.9, -2.0, 1.8)],
)  # fmt: skip
def test_no_step_profits_from_a_ratio_beyond_the_clip(ratio, gain, loss):
    ratios = torch.tensor([ratio], requires_grad=True)
    found = clipped(ratios, torch.tensor([gain]), 0.2)
    assert found.item() == pytest.approx(loss)
    found.sum().backward()
    beyond = (ratio > 1.2 and gain > 0) or (ratio < 0.8 and gain < 0)
    assert (ratios.grad == 0).all() == beyond


def test_whitened_values_have_mean_0_and_spread_1_over_the_mask():
    found = whitened(VALUES, MASK)
    assert found[1, 2:].tolist() == [0, 0]
    assert mean(found, MASK) == pytest.approx(0, abs=1e-6)
    assert mean(found**2, MASK) == pytest.approx(1, abs=1e-5)


def learner(recipe: PPORecipe, steps: int = 60, seed: int = 0) -> Learner:
    model = random_model("qwen3", seed)
    start = random_model("qwen3", seed) if recipe.beta else None
    return Learner(model, start, recipe, steps, Spent.of(model, recipe))


PROMPTS = [[5, 6], [7, 8, 9, 10], [11]]
TRACES = [[3, 4, 5, 6, 7, 1], [2, 1], [9]]


def test_a_batch_looks_at_each_trace_as_if_it_were_alone():
    one = learner(PPORecipe())
    with torch.no_grad():
        seen = one.look(batched(PROMPTS, TRACES))
        for row, (prompt, trace) in enumerate(zip(PROMPTS, TRACES, strict=True)):
            logits = one.model(torch.tensor([prompt + trace])).logits[0].log_softmax(-1)
            for at, token in enumerate(trace):
                told = logits[len(prompt) + at - 1]
                assert seen.logp[row, at] == pytest.approx(told[token].item(), abs=1e-5)
                want = -(told.exp() * told).sum().item()
                assert seen.entropy[row, at] == pytest.approx(want, abs=1e-4)


def test_a_batch_counts_prompts_and_traces_and_no_padding():
    made = batched(PROMPTS, TRACES)
    assert made.tokens == 8 + 6 + 2 and made.last.tolist() == [5, 1, 0]
    order, pieces = made.pieces(together=2)
    assert order.tolist() == [2, 1, 0] and pieces[0].ids.shape == (2, 6)
    assert sum(piece.tokens for piece in pieces) == made.tokens


def test_a_trace_is_as_likely_as_it_was_at_the_temperature_of_sampling():
    one, batch = learner(PPORecipe(temperature=2.0)), batched(PROMPTS, TRACES)
    with torch.no_grad():
        logits = one.model(torch.tensor([[7, 8, 9, 10, 2, 1]])).logits[0]
        logp = one.look(batch).logp
    want = (logits[3:5] / 2).log_softmax(-1)[[0, 1], [2, 1]]
    torch.testing.assert_close(logp[1, :2], want, rtol=1e-4, atol=1e-5)


def test_dropout_in_a_model_does_not_move_the_ratio():
    one = learner(PPORecipe())
    one.model.model.layers[0].mlp.register_forward_hook(
        lambda layer, _, out: torch.nn.functional.dropout(out, 0.5, layer.training)
    )
    batch = batched(PROMPTS, TRACES)
    assert torch.equal(one.look(batch).logp, one.look(batch).logp)


def play(one: Learner, rounds: int, reward) -> list[float]:
    """Rounds of a game: after a prompt of one token, three tokens are drawn and rewarded."""
    chances = []
    for at in range(rounds):
        rng = np.random.Generator(np.random.Philox(key=SeedPath(0, ("game", at)).key))
        drawn = torch.full((32, 1), 5)
        with torch.no_grad():
            for _ in range(3):
                told = one.model(drawn).logits[:, -1].softmax(-1).double().numpy()
                told /= told.sum(axis=1, keepdims=True)
                picked = [rng.choice(len(row), p=row) for row in told]
                drawn = torch.cat([drawn, torch.tensor(picked)[:, None]], dim=1)
            first = one.model(torch.tensor([[5]])).logits[0, -1].softmax(-1)
        chances.append(float(first[:10].sum()))
        traces = drawn[:, 1:].tolist()
        rewards = torch.tensor([reward(trace) for trace in traces])
        improve(one, batched([[5]] * 32, traces), rewards, one.recipe, rng)
        one.done += 1
    return chances


def test_it_learns_the_move_that_is_rewarded_and_what_it_is_worth():
    one = learner(PPORecipe(lr=3e-3, decay=0.01, value_weight=0.5, seed=1))
    chances = play(one, 25, lambda trace: float(trace[0] < 10))
    assert chances[0] < 0.35 and chances[-1] > 0.9
    assert one.spent.learned == 25 * 2 * 32 * 4 and one.spent.read == 25 * 32 * 4
    with torch.no_grad():
        value = one.look(batched([[5]], [[3, 4, 4]])).value
    assert value[0, 0] > 0.6


def test_the_price_of_distance_keeps_it_where_it_began():
    free = learner(PPORecipe(lr=3e-3, decay=0.01))
    held = learner(PPORecipe(lr=3e-3, decay=0.01, beta=2.0))
    reward = lambda trace: float(trace[0] < 10)  # noqa: E731
    assert play(held, 12, reward)[-1] < play(free, 12, reward)[-1] - 0.2


def test_a_state_restored_goes_on_to_the_same_weights():
    whole, first = learner(PPORecipe(lr=3e-3)), learner(PPORecipe(lr=3e-3))
    reward = lambda trace: float(trace[0] % 2)  # noqa: E731
    play(whole, 3, reward)
    play(first, 3, reward)
    second = learner(PPORecipe(lr=3e-3), seed=7)
    second.restore(first.state())
    play(whole, 2, reward)
    play(second, 2, reward)
    for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert second.done == 5 and second.spent.flops == whole.spent.flops


@pytest.mark.parametrize(
    "settings",
    [{"parts": 0}, {"discount": 0.0}, {"trace_decay": 1.5}, {"adapter": "lora"}, {"samples": 0}],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_that_cannot_be_are_refused_by_name(settings):
    with pytest.raises(BadInput, match=next(iter(settings))):
        PPORecipe(**settings)


def test_a_ratio_of_one_is_no_loss_but_a_gradient():
    ratio = torch.ones(3, requires_grad=True)
    gains = whitened(torch.tensor([[1.0, 2, 3]]), torch.ones(1, 3))[0]
    loss = clipped(ratio, gains, 0.2).mean()
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(ratio.grad, -gains / 3)
    assert math.isclose(gains.sum().item(), 0, abs_tol=1e-6)
