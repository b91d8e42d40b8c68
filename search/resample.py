"""Step resampling: every step is checked as it is written; a rejected one is drawn again.

The idea of checking steps rather than traces is that of step-aware verification (Li et al. 2023)
and of process supervision (Lightman et al. 2023); drawing only the rejected step again from the
same prefix is rejection sampling with backtracking of depth one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows, StepVerifier, Verdict
from reasoning.core import Completion, Context, Prompt, Sampling, SeedPath, Solution, Step, Trace
from reasoning.verify import verdict_of
from search.sampler import Sampler, ended, refuse_endless, refuse_greedy, step_of

Outcome = Literal["open", "accepted", "finished", "rejected", "cut", "budget"]


@dataclass
class _Attempt:
    """One trace under way: what stands, the keys of its calls, and how it ended."""

    prompt: Prompt
    steps: list[Step] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    outcome: Outcome = "open"
    refused: Step | None = None

    @property
    def tokens(self) -> int:
        return sum(step.tokens for step in self.steps)

    def texts(self) -> list[str]:
        return [step.text for step in self.steps]


@dataclass(frozen=True)
class StepResample(Sampler):
    """Draws each step again, from the same prefix, until the step verifier accepts it.

    At most `tries` draws a step, then it starts over from the prompt, at most `restarts` times
    (None: while the budget pays). A step that cannot be parsed is kept. It stops at the first
    trace whose last step is accepted; without one it answers with the first trace that ended
    without a rejected step.
    """

    tries: int = 4
    restarts: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tries < 1:
            raise BadInput(f"step-resample: tries must be 1 or more, not {self.tries}")
        if self.restarts is not None and self.restarts < 0:
            raise BadInput(f"step-resample: restarts must be 0 or more, not {self.restarts}")
        refuse_greedy(self, "step-resample")

    def needs(self, task: Task) -> frozenset[str]:
        return frozenset({"continue"})

    def knows(self, task: Task) -> Knows:
        return _judge_of(task).knows

    def prepare(self, task: Task) -> None:
        super().prepare(task)
        _judge_of(task)

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the first accepted trace."""
        refuse_endless(ctx, self.restarts, "step-resample")
        prompt, sampling = self.prompt(problem, ctx), self.sampling(ctx)
        sampling = replace(sampling, boundary=ctx.task.boundary)
        traces: list[Trace] = []
        fallback: int | None = None
        spare: _Attempt | None = None
        stopped, number = "done", 0
        while self.restarts is None or number <= self.restarts:
            before = ctx.ledger.spent.tokens
            seed = ctx.seed.child("trace", number)
            attempt = await self._attempt(prompt, sampling, problem, ctx, seed)
            number += 1
            if attempt.steps or attempt.refused:
                traces.append(_trace(attempt, ctx.task, seed))
            if attempt.outcome == "accepted":
                if spare is not None:
                    _give_up(spare, ctx)
                return Solution(
                    traces[-1].answer, tuple(traces), len(traces) - 1, stopped_by="accepted"
                )
            if attempt.outcome == "finished" and traces[-1].answer and fallback is None:
                fallback, spare = len(traces) - 1, attempt
            else:
                _give_up(attempt, ctx)
            if attempt.outcome == "budget" or ctx.ledger.exhausted():
                stopped = "budget"
                break
            if self.restarts is None and ctx.ledger.spent.tokens == before:
                break  # what costs nothing would go on for ever
        answer = None if fallback is None else traces[fallback].answer
        return Solution(answer, tuple(traces), fallback, stopped_by=stopped)

    async def _attempt(
        self, prompt: Prompt, sampling: Sampling, problem: Problem, ctx: Context, seed: SeedPath
    ) -> _Attempt:
        """One trace, step by step, until it ends."""
        verifier = _judge_of(ctx.task)
        attempt = _Attempt(prompt)
        while attempt.outcome == "open":
            left = sampling.max_tokens - attempt.tokens
            if left < 1:
                attempt.outcome = "cut"
            else:
                wish = replace(sampling, max_tokens=left)
                await self._step(attempt, wish, problem, ctx, verifier, seed)
        return attempt

    async def _step(
        self, attempt: _Attempt, sampling: Sampling, problem: Problem, ctx: Context,
        verifier: StepVerifier, seed: SeedPath,
    ) -> None:  # fmt: skip
        """Draw one step until it is not rejected; sets the outcome when the trace has ended."""
        for attempt_at_step in range(self.tries):
            path = seed.child(len(attempt.steps), attempt_at_step)
            calls = await ctx.model.generate(attempt.prompt, sampling, ctx.ledger, path)
            completion = calls[0]
            if completion.finish == "budget" and not completion.usage.completion:
                attempt.outcome = "budget"
                return
            over = ended(completion, "".join(attempt.texts()), ctx)
            if completion.finish in ("length", "budget"):
                attempt.keys.append(path.text)
                attempt.steps.append(step_of(completion))
                attempt.outcome = "budget" if completion.finish == "budget" else "cut"
                return
            verdict = _verdict(completion, attempt, problem, verifier, over)
            step = step_of(completion, verdict)
            if verdict.passed is not False:
                attempt.keys.append(path.text)
                attempt.steps.append(step)
                attempt.refused = None
                attempt.prompt = attempt.prompt.extended(completion)
                if verdict.passed and (over or verdict.answer is not None):
                    attempt.outcome = "accepted"
                elif over:
                    attempt.outcome = "finished"
                return
            ctx.ledger.discard(path.text, "rejected step")
            attempt.refused = step
            ctx.events("rejected", problem=problem.id, step=step.text)
        attempt.outcome = "rejected"


def _judge_of(task: Task) -> StepVerifier:
    if task.step_verifier is None:
        raise BadInput(
            f"step-resample needs a step verifier, and task {task.name!r} has none: use best-of-n"
        )
    return task.step_verifier


def _verdict(
    completion: Completion, attempt: _Attempt, problem: Problem, verifier: StepVerifier, ended: bool
) -> Verdict:
    """The judge's word on the step; an end that adds nothing has the verdict of the step before."""
    if ended and not completion.text.strip() and attempt.steps:
        before = attempt.steps[-1].verdict
        if before is not None and before.answer is not None:
            return before
    return verdict_of(verifier, problem, [*attempt.texts(), completion.text])


def _trace(attempt: _Attempt, task: Task, seed: SeedPath) -> Trace:
    """The attempt as a trace; one that was given up shows the step that was refused last."""
    steps = attempt.steps
    if attempt.outcome in ("rejected", "budget") and attempt.refused is not None:
        steps = [*steps, attempt.refused]
    answer = None
    if attempt.outcome in ("accepted", "finished"):
        answer = task.extract("".join(step.text for step in steps)) or None
    finish = steps[-1].finish
    if attempt.outcome in ("budget", "cut"):
        finish = "budget" if attempt.outcome == "budget" else "length"
    return Trace(tuple(steps), finish, answer, seed=seed.text)


def _give_up(attempt: _Attempt, ctx: Context) -> None:
    reason = {"cut": "cut by length", "budget": "cut by budget", "finished": "not accepted"}
    for key in attempt.keys:
        ctx.ledger.discard(key, reason.get(attempt.outcome, "restarted"))
