"""Many completions judged by several workers, told in their order; and pass@k of what they came to.

A worker is a thread with two sandboxes of its own: the work is done in the sandboxes' processes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from evaluators.code.judge import TIMEOUT, Judge, Judgement
from evaluators.code.pool import Pool
from evaluators.code.problem import CodeProblem, Sample
from evaluators.metrics import Interval, bootstrap_interval, pass_at_k, wilson_interval

AHEAD = 4
"""Completions in flight for each worker."""


def judge_all(
    problems: Mapping[str, CodeProblem],
    samples: Sequence[Sample],
    workers: int = 2,
    sandbox: str | None = None,
    timeout: float = TIMEOUT,
) -> Iterator[Judgement]:
    """The judgement of every sample, in their order, as they come. Raises NoSandbox.

    Ended early, it waits for the few that are being judged and drops the rest.
    """
    pool = Pool(lambda: Judge(sandbox, timeout), workers)

    def work(sample: Sample) -> Judgement:
        with pool.lend() as judge:
            return judge.judge(problems[sample.task_id], sample.completion)

    waiting: deque[Future[Judgement]] = deque()
    rest = iter(samples)
    with ThreadPoolExecutor(workers) as threads:
        try:
            for sample in rest:
                waiting.append(threads.submit(work, sample))
                if len(waiting) >= AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            threads.shutdown()
            pool.close()


@dataclass(frozen=True)
class PassAt:
    """pass@k: the mean over `problems` problems with its 95 % interval over problems."""

    k: int
    problems: int
    interval: Interval

    def __str__(self) -> str:
        low, high = self.interval.low, self.interval.high
        return f"pass@{self.k} {self.interval.value:.4f} [{low:.4f}, {high:.4f}]"


def pass_rates(
    task_ids: Sequence[str], passed: Sequence[bool | None], ks: Sequence[int], seed: int = 0
) -> tuple[list[PassAt], int]:
    """pass@k for every k that each problem has samples for, and the fewest samples of a problem.

    `passed[i]` judges a sample of the problem `task_ids[i]`; None, not judged, counts as no sample.
    A problem without a judged sample has no rate and is left out.
    """
    counts: dict[str, list[int]] = {}
    for task_id, right in zip(task_ids, passed, strict=True):
        if right is not None:
            count = counts.setdefault(task_id, [0, 0])
            count[0] += 1
            count[1] += right
    if not counts:
        return [], 0
    n, c = np.array(list(counts.values())).T
    fewest = int(n.min())
    rates = []
    for k in ks:
        if k <= fewest:
            values = pass_at_k(n, c, k)
            rates.append(PassAt(k, len(n), _interval(values, np.random.default_rng(seed))))
    return rates, fewest


def _interval(values: np.ndarray, rng: np.random.Generator) -> Interval:
    """The bootstrap's; where all problems agree it would have no width, and Wilson's bounds of the
    nearest whole numbers of problems stand in its place."""
    if np.any(values != values[0]):
        return bootstrap_interval(values, rng)
    passed = round(float(values.sum()), 9)
    low = wilson_interval(math.floor(passed), len(values)).low
    high = wilson_interval(math.ceil(passed), len(values)).high
    return Interval(float(values[0]), low, high)
