"""Budget forcing: think longer, or stop (Muennighoff et al. 2025, s1: Simple test-time scaling).

Thinking that would go past its tokens is ended by writing the end mark for the model, which then
only answers. Thinking that would end too soon has its end taken away and a word such as `Wait`
written instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import END_THINK, Task
from evaluators.tasks.chains import WAIT
from reasoning.core import Completion, Context, Finish, Sampling, Solution, Step, Trace
from search.sampler import Sampler, ended, step_of

END = {"compact": END_THINK, "plain": "Answer:"}
"""What ends the thinking in each dialect, as the tasks ask for it."""

LONGER = {"compact": WAIT + "\n", "plain": "Wait,"}
"""What is written in place of an end that came too soon."""


@dataclass(frozen=True)
class BudgetForcing(Sampler):
    """One trace whose thinking has a greatest and a least length, greedy by default.

    After `think` tokens the mark `end` is forced and the answer drawn, in at most `answer` tokens.
    An end of the thinking that comes before `least` tokens (None: any) is taken away and the text
    `wait` forced instead, at most `waits` times; what was drawn of it is discarded. Lengths count
    the tokens drawn while thinking, also discarded ones. Under a budget the thinking is kept so
    short that the answer can be paid. Forced text is no completion: it is read, not charged as
    generated. `think` None is as long as `max_tokens` allows, which caps the whole trace; `answer`
    None is the task's length of a direct answer; `end` and `wait` None are END and LONGER.
    """

    think: int | None = None
    least: int | None = None
    waits: int = 0
    answer: int | None = None
    end: str | None = None
    wait: str | None = None
    temperature: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value, low in (
            ("think", self.think, 0),
            ("least", self.least, 1),
            ("waits", self.waits, 0),
            ("answer", self.answer, 1),
        ):
            if value is not None and value < low:
                raise BadInput(f"budget-forcing: {name} must be {low} or more, not {value}")
        if self.end == "" or self.wait == "":
            raise BadInput("budget-forcing: end and wait must be some text")
        if self.least is not None and not self.waits:
            raise BadInput(
                "budget-forcing: least needs waits=1 or more, or nothing prevents an end"
            )
        if self.format != "chain":
            raise BadInput("budget-forcing lengthens a chain of thought: format must be chain")

    def needs(self, task: Task) -> frozenset[str]:
        return frozenset({"continue"})

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer that follows the thinking, or none where it was cut."""
        sampling = self.sampling(ctx)
        length = self.answer or ctx.task.max_tokens("direct", ctx.model.dialect)
        length = min(length, sampling.max_tokens)
        cap = sampling.max_tokens - length
        if self.think is not None:
            cap = min(cap, self.think)
        left = ctx.ledger.left_tokens
        if left is not None:
            cap = min(cap, left - length)
        work = _Work(self, problem, ctx)
        await work.think(sampling, cap)
        if work.open:
            await work.conclude(replace(sampling, max_tokens=length))
        return work.solution()


class _Work:
    """The trace under way: what stands, the keys of its calls, and how the last of them ended.

    It is `open` until the trace has ended.
    """

    def __init__(self, how: BudgetForcing, problem: Problem, ctx: Context) -> None:
        dialect = ctx.model.dialect
        self.how, self.problem, self.ctx = how, problem, ctx
        self.prompt = replace(how.prompt(problem, ctx), prefix_ids=())
        self.end, self.wait = how.end or END[dialect], how.wait or LONGER[dialect]
        self.steps: list[Step] = []
        self.keys: list[str] = []
        self.finish: Finish = "budget"
        self.open = True
        self.over = False

    async def think(self, sampling: Sampling, cap: int) -> None:
        """Draw line after line until the mark of the end stands or the trace has ended."""
        sampling = replace(sampling, boundary=self.ctx.task.boundary)
        thought = waited = number = 0
        while thought < cap and self._answer_can_be_asked():
            wish = replace(sampling, max_tokens=cap - thought)
            key, line = await self._draw(wish, "think", number)
            if not self.open:
                return
            number += 1
            thought += line.usage.completion
            marked = self.end in line.text
            early = self.how.least is None or thought < self.how.least
            if (marked or self.over) and early and waited < self.how.waits and thought < cap:
                waited += 1
                self._suppress(key, line, marked)
                self._force(self.wait)
                continue
            self._keep(key, line)
            if self.over and (marked or self._answer() is not None):
                self.open = False
            if line.finish == "budget":
                self.open = False
            if marked or not self.open:
                return
            if self.over:
                break
        self._force(self.end)

    async def conclude(self, sampling: Sampling) -> None:
        """Draw the answer."""
        key, answer = await self._draw(sampling, "answer", 0)
        if self.open:
            self._keep(key, answer)
            self.open = False

    def solution(self) -> Solution:
        """The trace and its answer; the tokens of a trace without one are discarded."""
        answer = self._answer() if self.over else None
        if answer is None:
            reason = "no answer" if self.over else f"cut by {self.finish}"
            for key in self.keys:
                self.ctx.ledger.discard(key, reason)
        stopped = "budget" if self.finish == "budget" else "done"
        if not any(step.source == "model" for step in self.steps):
            return Solution(None, (), None, stopped_by=stopped)
        trace = Trace(tuple(self.steps), self.finish, answer, seed=self.ctx.seed.text)
        return Solution(answer, (trace,), None if answer is None else 0, stopped_by=stopped)

    # -- pieces -----------------------------------------------------------------------

    def _answer_can_be_asked(self) -> bool:
        """Whether a call is left for the answer when one more line is drawn."""
        calls = self.ctx.ledger.left_calls
        return calls is None or calls > 1

    async def _draw(self, sampling: Sampling, *part: str | int) -> tuple[str, Completion]:
        """One call. The trace is closed where nothing was written and it is not the end: the
        budget is spent, or the context full."""
        seed = self.ctx.seed.child(*part)
        [found] = await self.ctx.model.generate(self.prompt, sampling, self.ctx.ledger, seed)
        self.finish = found.finish
        self.over = ended(found, self.prompt.prefix, self.ctx)
        self.open = self.over or found.usage.completion > 0
        return seed.text, found

    def _keep(self, key: str, found: Completion) -> None:
        self.keys.append(key)
        self.steps.append(step_of(found))
        self.prompt = self.prompt.extended(found)

    def _suppress(self, key: str, found: Completion, marked: bool) -> None:
        """Take the end away: the mark with what follows it, or the end of sequence."""
        head = found.text.partition(self.end)[0]
        if not head.strip():
            self.ctx.ledger.discard(key, "end of thinking suppressed")
        elif not marked:
            self._keep(key, found)
        else:  # where in the tokens the mark begins is not known: the line's text is read again
            self.keys.append(key)
            self.steps.append(replace(step_of(found), text=head, logprob=None))
            self.prompt = self.prompt.forced(head)

    def _force(self, text: str) -> None:
        """Write on a line of its own what no model wrote."""
        boundary, before = self.ctx.task.boundary, self.prompt.prefix
        if before and not before.endswith(boundary):
            text = boundary + text
        self.prompt = self.prompt.forced(text)
        self.steps.append(Step(text, 0, "boundary", source="forced"))
        self.ctx.events("forced", problem=self.problem.id, text=text)

    def _answer(self) -> str | None:
        return self.ctx.task.extract("".join(step.text for step in self.steps)) or None
