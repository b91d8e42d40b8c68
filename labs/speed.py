"""Time switches of a model side by side, and how well a draft agrees with its model."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from evaluators.tasks.base import Task
from reasoning.core import Completion, Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run
from reasoning.prompts import PromptStyle, build

Work = Callable[[Any], list[Completion]]
"""What a model is asked to do; returns the completions that it drew."""


@dataclass(frozen=True)
class Ratio:
    """How many times faster than the first arm: median, least and most over the rounds."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"


@dataclass(frozen=True)
class Timing:
    """One arm of a race: tokens a second (median), the ratio to the first arm by the clock on the
    wall and by processor time, which other load on the machine moves less."""

    arm: str
    tokens_per_second: float
    wall: Ratio
    processor: Ratio
    tokens: int
    completions: tuple[Completion, ...]


def prompts_of(
    task: Task, model: Any, format: Literal["direct", "chain"] = "chain"
) -> list[Prompt]:
    """The task's problems as this model is asked them."""
    style = PromptStyle(format)
    return [build(task, problem, style, model.dialect) for problem in task.problems]


def together(prompts: Sequence[Prompt], sampling: Sampling, seed: int = 0) -> Work:
    """All prompts at once, `sampling.n` completions each."""

    def work(model: Any) -> list[Completion]:
        async def all_of() -> list[Completion]:
            import asyncio

            calls = [
                model.generate(prompt, sampling, Ledger(), SeedPath(seed, (i,)))
                for i, prompt in enumerate(prompts)
            ]
            return [c for found in await asyncio.gather(*calls) for c in found]

        return run(all_of())

    return work


def one_by_one(prompts: Sequence[Prompt], sampling: Sampling, seed: int = 0) -> Work:
    """One prompt after the other; with the seeds of `together`."""

    def work(model: Any) -> list[Completion]:
        return [
            completion
            for i, prompt in enumerate(prompts)
            for completion in run(model.generate(prompt, sampling, Ledger(), SeedPath(seed, (i,))))
        ]

    return work


def step_by_step(prompts: Sequence[Prompt], sampling: Sampling, seed: int = 0) -> Work:
    """One line a call, as a search over steps asks: every call repeats all that came before."""

    def work(model: Any) -> list[Completion]:
        done = []
        for i, prompt in enumerate(prompts):
            for step in range(20):
                call = model.generate(prompt, sampling, Ledger(), SeedPath(seed, (i, step)))
                (drawn,) = run(call)
                done.append(drawn)
                if drawn.finish != "boundary":
                    break
                prompt = prompt.extended(drawn)
        return done

    return work


def race(
    arms: Mapping[str, Any], work: Work, rounds: int = 3, warm: Work | None = None
) -> list[Timing]:
    """Do the same work with every arm in turn, `rounds` times after one that does not count (or
    after `warm`); the first arm is the one that the others are compared with."""
    for model in arms.values():
        (warm or work)(model)
    rates: dict[str, list[tuple[float, float]]] = {arm: [] for arm in arms}
    drawn: dict[str, list[Completion]] = {}
    for _ in range(rounds):
        for arm, model in arms.items():
            wall, processor = time.perf_counter(), time.process_time()
            drawn[arm] = work(model)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            tokens = written(drawn[arm])
            rates[arm].append((tokens / wall, tokens / processor))
    base = next(iter(rates.values()))
    timings = []
    for arm, values in rates.items():
        both = []
        for clock in (0, 1):
            pairs = zip(values, base, strict=True)
            ratios = [value[clock] / first[clock] for value, first in pairs]
            both.append(Ratio(statistics.median(ratios), min(ratios), max(ratios)))
        speed = statistics.median(value for value, _ in values)
        last = drawn[arm]
        timings.append(Timing(arm, speed, both[0], both[1], written(last), tuple(last)))
    return timings


def written(drawn: Sequence[Completion]) -> int:
    """Tokens in these completions."""
    return sum(completion.usage.completion for completion in drawn)


def same_tokens(drawn: Sequence[Completion], base: Sequence[Completion]) -> float:
    """Share of the completions whose tokens are the same."""
    pairs = zip(drawn, base, strict=True)
    return float(np.mean([a.token_ids == b.token_ids for a, b in pairs]))


@dataclass(frozen=True)
class Agreement:
    """How often a draft's token is taken, per position of the model's own texts: at most (any rule
    that keeps the distribution: 1 - TV), and when both draw with the same uniform number."""

    bound: float
    shared: float
    positions: int


def overlaps(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For rows of two distributions: 1 - their total variation, and the measure of the uniform
    numbers that the inverses of both cumulative distributions map to the same token."""
    best = np.minimum(p, q).sum(axis=1)
    upper_p, upper_q = p.cumsum(axis=1), q.cumsum(axis=1)
    common = np.minimum(upper_p, upper_q) - np.maximum(upper_p - p, upper_q - q)
    return best, np.clip(common, 0.0, None).sum(axis=1)


def agreement(model: Any, draft: Any, prompts: Sequence[Prompt], drawn: Any) -> Agreement:
    """Measure it at temperature 1 at every drawn token of completions (one of each prompt), by one
    plain forward pass of both torch models."""
    import torch

    best, shared = [], []
    for prompt, completion in zip(prompts, drawn, strict=True):
        start = model.encode(prompt)
        ids = torch.tensor([[*start, *completion.token_ids]])
        rows = []
        for each in (model, draft):
            with torch.no_grad():
                logits = each.torch_model(input_ids=ids).logits[0, len(start) - 1 : -1]
            rows.append(torch.softmax(logits.double(), -1).numpy())
        for found, values in zip((best, shared), overlaps(*rows), strict=True):
            found.extend(values.tolist())
    return Agreement(float(np.mean(best)), float(np.mean(shared)), len(best))


def reading_times(model: Any, counts: Sequence[int], repeats: int = 3) -> dict[int, float]:
    """Seconds that a plain pass of a torch model takes for so many tokens: the least of
    `repeats`."""
    import torch

    embedding = model.get_input_embeddings().weight
    times = {}
    for count in counts:
        ids = torch.arange(count, device=embedding.device)[None] % embedding.shape[0]
        seconds = []
        for _ in range(repeats + 1):  # the first warms up
            start = time.perf_counter()
            with torch.inference_mode():
                model(input_ids=ids, use_cache=False).logits.sum().item()
            seconds.append(time.perf_counter() - start)
        times[count] = min(seconds[1:])
    return times
