"""Divergences: values worked out by hand, trl's own on random tensors, and what grouping may do."""

from __future__ import annotations

import math

import pytest
import torch

from evaluators.errors import UnknownName
from reasoning.train.divergence import (
    divergence,
    forward_kl,
    grouped,
    jsd,
    mixed,
    reverse_kl,
    softened,
)

LN2, LN3 = math.log(2), math.log(3)
P = torch.tensor([[1 / 2, 1 / 4, 1 / 4]], dtype=torch.float64).log()
Q = torch.tensor([[1 / 4, 1 / 4, 1 / 2]], dtype=torch.float64).log()


def random_logits(seed: int, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=draw), 3 * torch.randn(*shape, generator=draw)


def test_both_kls_of_three_tokens_are_those_worked_out_by_hand():
    sure = torch.tensor([[0.75, 0.25, 0.0]], dtype=torch.float64).log()
    assert forward_kl(P, Q).item() == pytest.approx(0.5 * LN2 - 0.25 * LN2)
    # 3/4 ln(3/4 : 1/2) + 1/4 ln(1/4 : 1/4), the token that cannot occur counts nothing
    assert forward_kl(sure, P).item() == pytest.approx(0.75 * (LN3 - LN2))
    assert reverse_kl(sure, P).item() == math.inf
    assert reverse_kl(P, Q).item() == pytest.approx(forward_kl(Q, P).item())


def test_the_jensen_shannon_divergence_is_that_worked_out_by_hand():
    # m = (3/8, 1/4, 3/8): 1/2 ln(4/3) + 1/4 ln 1 + 1/4 ln(2/3) on each side
    want = 0.5 * (2 * LN2 - LN3) + 0.25 * (LN2 - LN3)
    assert jsd(P, Q).item() == pytest.approx(want)
    apart = torch.tensor([[1.0, 0.0]]).log(), torch.tensor([[0.0, 1.0]]).log()
    assert jsd(*apart).item() == pytest.approx(LN2)
    # weight 1/4 on the teacher: 1/4 ln 4 + 3/4 ln(4/3)
    assert jsd(*apart, beta=0.25).item() == pytest.approx(0.5 * LN2 + 0.75 * (2 * LN2 - LN3))


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_values_and_gradients_are_trls_on_random_tensors(beta, temperature):
    from trl.experimental.gkd import GKDTrainer

    student, teacher = random_logits(0, 2, 5, 40)
    labels = torch.zeros(2, 5, dtype=torch.long)
    labels[0, :2] = -100
    theirs = student.clone().requires_grad_()
    want = GKDTrainer.generalized_jsd_loss(
        theirs, teacher, labels=labels, beta=beta, temperature=temperature, num_items_in_batch=1
    )
    want.backward()
    ours = student.clone().requires_grad_()
    kind = {0.0: "forward", 1.0: "reverse"}.get(beta, "jsd")
    each = divergence(kind, softened(teacher, temperature), softened(ours, temperature), beta)
    total = each[labels != -100].sum()
    total.backward()
    assert total.item() == pytest.approx(want.item(), rel=1e-5)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_values_are_those_of_trls_distillation_trainer(beta):
    from trl.trainer.distillation_trainer import _chunked_divergence_loss

    draw = torch.Generator().manual_seed(1)
    inner, outer = torch.randn(2, 6, 8, generator=draw), torch.randn(2, 6, 12, generator=draw)
    head, other = torch.randn(30, 8, generator=draw), torch.randn(30, 12, generator=draw)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]])
    want, entropy, count = _chunked_divergence_loss(
        inner, outer, head, other, mask, beta, num_items_in_batch=1, temperature=2.0
    )
    p, q = softened(outer @ other.T, 2.0), softened(inner @ head.T, 2.0)
    kind = {0.0: "forward", 1.0: "reverse"}.get(beta, "jsd")
    each = divergence(kind, p, q, beta)[mask.bool()]
    assert each.sum().item() == pytest.approx(want.item(), rel=1e-4)
    assert int(count) == 7
    assert -(q.exp() * q).sum(-1)[mask.bool()].sum().item() == pytest.approx(entropy.item(), 1e-4)


def test_hintons_gradient_at_a_high_temperature_is_that_of_matched_logits():
    # Hinton et al. 2015, equation 4: T² dD/dz -> (z - v) / V for logits of mean nothing
    student, teacher = random_logits(2, 4, 10)
    student = (student - student.mean(-1, keepdim=True)).double().requires_grad_()
    teacher = (teacher - teacher.mean(-1, keepdim=True)).double()
    t = 1e4
    each = forward_kl(
        torch.log_softmax(teacher / t, -1), torch.log_softmax(student / t, -1)
    )  # softened() computes in float32, too coarse for this limit
    mixed(each.sum(), torch.tensor(0.0), t, 0.0).backward()
    assert torch.allclose(student.grad, (student - teacher).detach() / 10, atol=1e-3)


def test_the_mixture_is_soft_times_t_squared_and_hard_by_share():
    assert mixed(torch.tensor(0.5), torch.tensor(2.0), 3.0, 0.25).item() == pytest.approx(3.875)
    assert mixed(torch.tensor(0.5), torch.tensor(2.0), 1.0, 1.0).item() == 2.0


def test_grouping_sums_what_is_not_kept_and_keeps_the_rest():
    q = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()
    ids = torch.tensor([[3, 0]])
    assert torch.allclose(grouped(q, ids).exp(), torch.tensor([[0.4, 0.1, 0.5]]))
    whole = torch.tensor([[3, 0, 1, 2]])
    assert torch.allclose(grouped(q, whole).exp(), torch.tensor([[0.4, 0.1, 0.2, 0.3]]))


def test_names_and_weights_that_are_none_are_refused():
    with pytest.raises(UnknownName, match="forward"):
        divergence("backward", P, Q)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between 0 and 1"):
        jsd(P, Q, 1.0)
