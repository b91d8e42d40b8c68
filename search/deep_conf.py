"""DeepConf: traces that the model was sure of vote (Fu et al. 2025, Deep Think with Confidence,
arXiv:2508.15260), and unsure ones are stopped while they are written.

In the paper the confidence of a token is the negative mean log-probability of the k likeliest
tokens, which servers tell. Here it is the log-probability of the token that was drawn, which every
model here reports: both are greater where the distribution is more peaked. A group is a window
of that many tokens in a row; its confidence is their mean (section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil, exp
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from reasoning.core import Context, Finish, Prompt, Sampling, SeedPath, Solution, Step, Trace
from search.best_of_n import weights
from search.sampler import (
    WAVE,
    Sampler,
    complete,
    ended,
    refuse_endless,
    refuse_greedy,
    step_of,
    whole,
)
from search.vote import Group, tally

Measure = Literal["mean", "lowest", "bottom", "tail"]
MEASURES: tuple[Measure, ...] = ("mean", "lowest", "bottom", "tail")


def groups(logprobs: Sequence[float], window: int) -> NDArray[np.float64]:
    """The confidence of every window of `window` tokens in a row, in order; of fewer tokens than
    that there is one group, all of them. Shape (max(1, tokens - window + 1),)."""
    values = np.asarray(logprobs, dtype=float)
    if len(values) <= window:
        return np.array([values.mean() if len(values) else 0.0])
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return (sums[window:] - sums[:-window]) / window


def confidence(logprobs: Sequence[float], measure: Measure, window: int) -> float:
    """The confidence of a trace, 0 or less: the mean over its tokens, over its last `window`
    tokens (`tail`), of its lowest group, or over the tenth of the groups that are lowest
    (`bottom`, rounded up)."""
    if measure == "mean":
        return float(np.mean(logprobs))
    if measure == "tail":
        return float(np.mean(logprobs[-window:]))
    found = np.sort(groups(logprobs, window))
    return float(found[0] if measure == "lowest" else found[: ceil(len(found) / 10)].mean())


def threshold(confidences: Sequence[float], keep: float) -> float:
    """What the share `keep` of these confidences reaches: their (1 - keep) quantile, linear."""
    return float(np.quantile(confidences, 1 - keep))


@dataclass(frozen=True)
class DeepConf(Sampler):
    """A vote of the `keep` most confident share of `n` traces, each weighing its confidence as a
    probability (its geometric mean); None samples as long as the budget pays.

    Online, `warmup` whole traces set the threshold that the share `keep` of them reaches. Later
    traces are written step by step, `width` at a time, and stopped when a group falls below it: a
    step is what a stop can come late by. All ends when the leading answer has the share
    `consensus` of the vote's weight. `measure` None is `bottom` offline, and online `lowest`, the
    only one that a trace under way can have.
    """

    n: int | None = None
    keep: float = 0.9
    window: int = 16
    measure: Measure | None = None
    online: bool = False
    warmup: int = 8
    width: int = 4
    consensus: float = 0.95
    step_tokens: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n", "window", "warmup", "width", "step_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"deep-conf: {name} must be 1 or more, not {value}")
        for name in ("keep", "consensus"):
            if not 0 < getattr(self, name) <= 1:
                raise BadInput(f"deep-conf: {name} lies in (0, 1], not {getattr(self, name)}")
        if self.measure not in (None, *MEASURES):
            raise BadInput(f"deep-conf: measure is one of {', '.join(MEASURES)}")
        if self.online and self.measure not in (None, "lowest"):
            raise BadInput(f"deep-conf: online the measure is 'lowest', not {self.measure!r}")
        refuse_greedy(self, "deep-conf")

    def needs(self, task: Task) -> frozenset[str]:
        return frozenset({"logprobs", "continue"} if self.online else {"logprobs"})

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the heaviest vote; ties go to the one seen first."""
        refuse_endless(ctx, self.n, "deep-conf")
        work = _Work(self, problem, ctx)
        if not self.online:
            await work.sample(self.n)
            return work.solution(work.most_confident(), "budget" if work.short else "done")
        await work.sample(self.warmup if self.n is None else min(self.warmup, self.n))
        if not work.traces:
            return work.solution([], "budget")
        least = threshold([trace.score or 0.0 for trace in work.traces], self.keep)
        stopped = "done"
        while not work.short and (self.n is None or work.drawn < self.n):
            if work.agreement(least) >= self.consensus:
                stopped = "agreed"
                break
            before = ctx.ledger.spent.tokens
            left = self.width if self.n is None else min(self.width, self.n - work.drawn)
            await work.write(left, least)
            if self.n is None and ctx.ledger.spent.tokens == before:
                break  # what costs nothing would go on for ever
        return work.solution(work.reaching(least), "budget" if work.short else stopped)


@dataclass
class _Line:
    """A trace that is written step by step."""

    seed: SeedPath
    prompt: Prompt
    steps: list[Step] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    over: bool = False
    closed: str = ""

    @property
    def tokens(self) -> int:
        return sum(step.tokens for step in self.steps)


class _Work:
    """The traces of one problem; `drawn` counts them, `short` says that the budget ended."""

    def __init__(self, how: DeepConf, problem: Problem, ctx: Context) -> None:
        self.how, self.problem, self.ctx = how, problem, ctx
        self.prompt, self.sampling = how.prompt(problem, ctx), how.sampling(ctx)
        self.measure: Measure = how.measure or ("lowest" if how.online else "bottom")
        self.traces: list[Trace] = []
        self.votes: dict[str, float] = {}
        self.counted = 0
        self.drawn, self.short = 0, False

    async def sample(self, n: int | None) -> None:
        """Whole traces, up to `n`; sample i is the one that other strategies draw as sample i."""
        ctx = self.ctx
        while n is None or self.drawn < n:
            want = WAVE if n is None else min(WAVE, n - self.drawn)
            count = ctx.ledger.width(want, self.sampling.max_tokens)
            seeds = [ctx.seed.child(i) for i in range(self.drawn, self.drawn + count)]
            made = await complete([(self.prompt, self.sampling, seed) for seed in seeds], ctx)
            paid = [pair for pair in zip(made, seeds, strict=True) if pair[0].usage.completion]
            for completion, seed in paid:
                trace = whole(completion, self.problem, ctx, seed)
                self.traces.append(self._rated(trace, completion.logprobs or ()))
            self.drawn += len(paid)
            if len(paid) < count or not count:
                self.short = True
                return

    async def write(self, count: int, least: float) -> None:
        """`count` traces side by side, each up to its end or until a group falls below `least`."""
        numbers = range(self.drawn, self.drawn + count)
        lines = [_Line(self.ctx.seed.child(i), self.prompt) for i in numbers]
        while going := [line for line in lines if not line.closed]:
            fits = self.ctx.ledger.width(len(going), self._length(going[0]))
            if not fits:
                for line in going:
                    line.closed = "budget"
                break
            await self._steps(going[:fits], least)
        for line in lines:
            self._settle(line)
        self.short |= any(line.closed == "budget" for line in lines)

    def most_confident(self) -> list[int]:
        """The indices of the answered traces in the most confident share, in order."""
        answered = [i for i, trace in enumerate(self.traces) if trace.answer is not None]
        count = ceil(self.how.keep * len(answered))
        return sorted(sorted(answered, key=lambda i: -(self.traces[i].score or 0.0))[:count])

    def reaching(self, least: float) -> list[int]:
        """The indices of the answered traces of at least this confidence; all where none has."""
        answered = [i for i, trace in enumerate(self.traces) if trace.answer is not None]
        return [i for i in answered if (self.traces[i].score or 0.0) >= least] or answered

    def agreement(self, least: float) -> float:
        """The leading answer's share of the weight of the votes of at least this confidence; 0
        without one. `least` does not change: votes that were counted stay counted."""
        for trace in self.traces[self.counted :]:
            key = self.ctx.task.answer_key(self.problem, trace.text) if trace.answer else None
            if key and (trace.score or 0.0) >= least:
                self.votes[key] = self.votes.get(key, 0.0) + exp(trace.score or 0.0)
        self.counted = len(self.traces)
        return max(self.votes.values()) / sum(self.votes.values()) if self.votes else 0.0

    def solution(self, voters: Sequence[int], stopped_by: str) -> Solution:
        """All traces, and the first of the heaviest answer among the voters."""
        found = self._vote(voters)
        chosen = voters[found[0].members[0]] if found else None
        answer = None if chosen is None else self.traces[chosen].answer
        return Solution(answer, tuple(self.traces), chosen, stopped_by=stopped_by)

    # -- pieces -----------------------------------------------------------------------

    def _rated(self, trace: Trace, logprobs: Sequence[float]) -> Trace:
        if not logprobs:
            return trace
        return replace(trace, score=confidence(logprobs, self.measure, self.how.window))

    def _vote(self, voters: Sequence[int]) -> list[Group]:
        traces = [self.traces[i] for i in voters]
        return tally(traces, self.problem, self.ctx.task, weights(traces, "log"))

    def _length(self, line: _Line) -> int:
        own = self.how.step_tokens or self.ctx.task.step_tokens(self.ctx.model.dialect)
        return min(own, self.sampling.max_tokens - line.tokens)

    async def _steps(self, lines: Sequence[_Line], least: float) -> None:
        """One more step of each of these lines."""
        boundary = self.ctx.task.boundary
        asks: list[tuple[Prompt, Sampling, SeedPath]] = []
        for line in lines:
            wish = replace(self.sampling, max_tokens=self._length(line), boundary=boundary)
            asks.append((line.prompt, wish, line.seed.child(len(line.steps))))
        for line, ask, made in zip(lines, asks, await complete(asks, self.ctx), strict=True):
            if made.finish == "budget" and not made.usage.completion:
                line.closed = "budget"
                continue
            line.over = ended(made, "".join(step.text for step in line.steps), self.ctx)
            line.steps.append(step_of(made))
            line.keys.append(ask[2].text)
            line.logprobs += made.logprobs or ()
            line.prompt = line.prompt.extended(made)
            known = line.over or len(line.logprobs) >= self.how.window
            if known and groups(line.logprobs, self.how.window).min() < least:
                line.closed = "low confidence"
            elif line.over:
                line.closed = "finished"
            elif made.finish == "budget":
                line.closed = "budget"
            elif line.tokens >= self.sampling.max_tokens or not made.usage.completion:
                line.closed = "length"

    def _settle(self, line: _Line) -> None:
        """The line as a trace; one that does not vote is on the ledger as discarded."""
        if not line.steps:
            return
        self.drawn += 1
        text = "".join(step.text for step in line.steps)
        answer = self.ctx.task.extract(text) if line.closed == "finished" else None
        ends: dict[str, Finish] = {"length": "length", "budget": "budget"}
        finish: Finish = "eos" if line.over else ends.get(line.closed, "boundary")
        trace = Trace(tuple(line.steps), finish, answer or None, seed=line.seed.text)
        self.traces.append(self._rated(trace, line.logprobs))
        if answer:
            return
        reason = {"finished": "no answer", "low confidence": "low confidence"}
        for key in line.keys:
            self.ctx.ledger.discard(key, reason.get(line.closed, f"cut by {line.closed}"))
