"""What choosing harder by a proxy brings: best-of-n by a reward model, against the true judge.

As n grows the proxy's score of the chosen trace always rises; what it stands for may stop rising
and fall (Gao, Schulman and Hilton 2023, "Scaling laws for reward model overoptimization"; Stiennon
et al. 2020, figure 5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluators.errors import BadInput
from evaluators.intervals import Interval, bootstrap_interval

if TYPE_CHECKING:
    from search.plot import Chart


@dataclass(frozen=True)
class Point:
    """Best of `n`: the true value of the chosen trace with its interval over problems, the proxy's
    mean score of it, and how far the choice is from the policy, in nats (Stiennon et al. 2020,
    appendix G.3: log n - (n - 1) / n, an upper bound)."""

    n: int
    true: Interval
    proxy: float
    nats: float


def chosen_mean(proxy: Sequence[float], values: Sequence[float], n: int) -> float:
    """The expected value of the trace with the highest proxy among `n` drawn without replacement
    from these; of equal proxies each is as likely to be chosen. Exact: a trace with `below` others
    under it is the best of a draw with chance C(below, n - 1) / C(all, n). Raises BadInput for an
    `n` beyond the number of traces."""
    total = len(proxy)
    if not 1 <= n <= total:
        raise BadInput(f"the best of {n} cannot be estimated from {total} traces: sample more")
    order = np.argsort(np.asarray(proxy, float), kind="stable")
    scores, worth = np.asarray(proxy, float)[order], np.asarray(values, float)[order]
    chance = np.array([math.comb(at, n - 1) / math.comb(total, n) for at in range(total)])
    for score in np.unique(scores):  # equals share what their places have together
        same = scores == score
        chance[same] = chance[same].mean()
    return float(chance @ worth)


def curve(
    proxy: np.ndarray, values: np.ndarray, sizes: Sequence[int] | None = None, seed: int = 0
) -> list[Point]:
    """Points for several n from proxy scores and true values, (problems, samples) each."""
    most = proxy.shape[1]
    found = []
    for n in sizes or [2**k for k in range(most.bit_length()) if 2**k <= most]:
        true = [chosen_mean(p, v, n) for p, v in zip(proxy, values, strict=True)]
        scored = [chosen_mean(p, p, n) for p in proxy]
        interval = bootstrap_interval(true, np.random.default_rng(seed))
        found.append(Point(n, interval, float(np.mean(scored)), math.log(n) - (n - 1) / n))
    return found


def table(curves: Mapping[str, Sequence[Point]]) -> str:
    """The curves as text."""
    width = max(map(len, curves))
    lines = [f"{'chosen by'.ljust(width)}    n  right (95 %)        its own score"]
    for name, points in curves.items():
        lines += [
            f"{name.ljust(width)}  {p.n:>3}  {p.true.value:.2f} ({p.true.low:.2f} to"
            f" {p.true.high:.2f})  {p.proxy:>+10.2f}"
            for p in points
        ]
    return "\n".join(lines)


def draw(curves: Mapping[str, Sequence[Point]]) -> Chart:
    """Left the true value of what each proxy chooses, right the proxies' own scores, against n."""
    from search.plot import Chart

    chart = Chart(figsize=(8.4, 3.4), layout="constrained")
    left, right = chart.subplots(1, 2)
    for number, (name, points) in enumerate(curves.items()):
        sizes = [p.n for p in points]
        line = {"marker": "osD^v"[number % 5], "color": f"C{number}", "label": name}
        left.plot(sizes, [p.true.value for p in points], **line)
        left.fill_between(sizes, [p.true.low for p in points], [p.true.high for p in points],
                          color=f"C{number}", alpha=0.15, linewidth=0)  # fmt: skip
        first, spread = points[0].proxy, max(1e-9, points[-1].proxy - points[0].proxy)
        right.plot(sizes, [(p.proxy - first) / spread for p in points], **line)
    for axes, title in ((left, "right answers"), (right, "the proxy's own score (scaled)")):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("n: traces to choose from")
        axes.set_title(title, fontsize="medium")
    left.set_ylim(bottom=0)
    left.legend(fontsize="small")
    return chart
