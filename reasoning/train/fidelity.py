"""What keeping only the teacher's k likeliest tokens costs: bounds on the divergence that a student
would have from the whole teacher.

Let T be the tokens that are not kept, P = p(T) and Q = q(T) what teacher and student give them
together, p' = p/P and q' = q/Q the two among them. Grouping T into one event loses exactly what
the two differ by within T (the chain rule of relative entropy, Cover and Thomas 2006, theorem
2.5.3):

    KL(p‖q) - KL(grouped)  = P KL(p'‖q')                             >= 0
    KL(q‖p) - KL(grouped)  = Q KL(q'‖p')                             >= 0
    JSD     - JSD(grouped) = bP KL(p'‖m') + (1-b)Q KL(q'‖m')         >= 0,  M = bP + (1-b)Q

The student is known whole; of p' the cache tells the entropy H and the largest and smallest
probability a and z (both divided by P). Hence

forward  KL(p'‖q') = -H - Σ p' log q'. The sum is linear in p', which lies in {w: 0 <= w <= a,
         Σ w = 1}; there a linear function is largest where the tokens of largest -log q' get `a`
         each until 1 is reached, and smallest where those of smallest do (fractional knapsack).
reverse  KL(q'‖p') = -H(q') - Σ q' log p' with log z <= log p' <= log a.
jsd      m' = (bP p' + (1-b)Q q') / M >= bP p' / M, so KL(p'‖m') <= log(M / bP), and likewise
         KL(q'‖m') <= log(M / (1-b)Q).

No lower bound is below 0, for a divergence is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from reasoning.train.divergence import Divergence, divergence, grouped
from reasoning.train.teacher_cache import Known


@dataclass(frozen=True)
class Fidelity:
    """What is lost to k, in the mean over `positions`: the divergence by the kept events
    (`grouped`, nats a token), and between which numbers the one by the whole vocabulary lies;
    `outside` is the teacher's probability outside the k tokens."""

    kind: Divergence
    top_k: int
    positions: int
    outside: float
    grouped: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.kind} divergence by the {self.top_k} likeliest tokens and the rest:"
            f" {self.grouped:.5f} nats a token; by all tokens it lies in"
            f" {self.low:.5f}..{self.high:.5f} ({self.positions} positions,"
            f" {self.outside:.1e} of the teacher's probability is outside)"
        )

    def told(self) -> dict[str, float | int | str]:
        """For records."""
        return asdict(self)


def lost(
    kind: Divergence, known: Known, student: Tensor, beta: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Bounds (low, high), each (N,), on what the grouping takes from the divergence at each
    position. `student`: the student's log-probabilities (N, V) at the cache's temperature."""
    if known.whole:
        nothing = student.new_zeros(len(student))
        return nothing, nothing
    student = student.double()
    mass, entropy, most, least = known.tail.double().unbind(-1)
    inside = student.scatter(-1, known.ids, -torch.inf)
    own = inside.logsumexp(-1)
    if kind == "jsd":
        both = torch.logaddexp(mass + _log(beta), own + _log(1 - beta))
        high = beta * mass.exp() * (both - mass - _log(beta))
        high = high + (1 - beta) * own.exp() * (both - own - _log(1 - beta))
        return torch.zeros_like(high), high.clamp(min=0)
    within = inside - own[:, None]
    if kind == "forward":
        surprise = -within.masked_fill(torch.isneginf(within), torch.nan)
        low, high = _linear(surprise, (most - mass).exp())
        weight = mass.exp()
        return weight * (low - entropy).clamp(min=0), weight * (high - entropy).clamp(min=0)
    kept = within.masked_fill(torch.isneginf(within), 0.0)
    negative = (within.exp() * kept).sum(-1)
    low, high = negative - (most - mass), negative - (least - mass)
    return own.exp() * low.clamp(min=0), own.exp() * high.clamp(min=0)


def fidelity(kind: Divergence, known: Known, student: Tensor, beta: float = 0.5) -> Fidelity:
    """The bounds in the mean over the positions. `student` as in `lost`."""
    near = divergence(kind, known.events, grouped(student, known.ids), beta).double()
    low, high = lost(kind, known, student, beta)
    outside = 0.0 if known.whole else float(known.tail[:, 0].double().exp().mean())
    value = float(near.mean())
    return Fidelity(
        kind, known.ids.shape[-1], len(near), outside, value,
        value + float(low.mean()), value + float(high.mean()),
    )  # fmt: skip


def pooled(parts: Sequence[Fidelity]) -> Fidelity:
    """The same over the positions of all parts together; they are of one divergence and k."""
    count = sum(part.positions for part in parts)
    means = {
        name: sum(part.positions * getattr(part, name) for part in parts) / count
        for name in ("outside", "grouped", "low", "high")
    }
    return Fidelity(parts[0].kind, parts[0].top_k, count, **means)


def _log(value: float) -> float:
    return float(torch.tensor(value, dtype=torch.float64).log())


def _linear(values: Tensor, most: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest Σ w values over {0 <= w <= most, Σ w = 1}; NaN marks no token."""
    count = (~values.isnan()).sum(-1, keepdim=True)
    place = torch.arange(values.shape[-1], device=values.device)
    cap = torch.maximum(most[:, None], 1 / count)  # rounding must leave room for the whole
    share = (1 - place * cap).clamp(min=0).minimum(cap)
    up = values.nan_to_num(torch.inf).sort(-1).values
    down = values.nan_to_num(-torch.inf).sort(-1, descending=True).values
    there = place < count

    def total(ordered: Tensor) -> Tensor:
        return (share * ordered.masked_fill(~there, 0.0)).sum(-1)

    return total(up), total(down)
