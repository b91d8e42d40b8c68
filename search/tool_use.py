"""Tool use: the model writes a call, the tool's result is put into its turn, and it writes on.

As in PAL (Gao et al. 2023) and ToRA (Gou et al. 2024, section 2.1) writing stops where a call ends,
and goes on behind its result; calls are marked in the text as in Toolformer (Schick et al. 2023,
section 2). Results are no tokens of the model's: they are read, not charged as generated.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from evaluators.errors import BadInput, LabError
from evaluators.problem import Problem
from evaluators.tasks.base import Task
from evaluators.verdict import Knows
from reasoning.core import Completion, Context, Message, Prompt, Scorer, Solution, Step, Trace
from reasoning.logged import CallFailed, LoggedModel
from search.best_of_n import scored, weights
from search.sampler import WAVE, Sampler, ended, refuse_endless, refuse_greedy, step_of
from search.scorers import resolve
from search.tools.kit import Call, Kit, tools_of
from search.tools.tool import Result, Tool
from search.vote import tally


@dataclass(frozen=True)
class ToolUse(Sampler):
    """Chains in which the model calls tools: a calculator, or Python in the sandbox.

    `tools` are `"calculator"`, `"python"`, `"calculator+python"`, a Tool, or several. Of `n` traces
    (None: as many as the budget pays) the majority answers, or what `scorer` scores highest; with
    `vote` the scores weigh the votes. A trace makes at most `calls` calls, each of about `seconds`
    at most; a result is cut to `output` characters. A call that fails is told why
    (`errors="tell"`), or nothing is said and the model writes on (`"leave"`). In the plain dialect
    the question says which tools there are, unless `explain` is false.
    """

    tools: str | Tool | tuple[str | Tool, ...] = "calculator"
    n: int | None = 1
    scorer: str | Scorer | None = None
    vote: bool = False
    calls: int = 16
    seconds: float = 2.0
    output: int = 500
    errors: Literal["tell", "leave"] = "tell"
    explain: bool = True
    temperature: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        tools_of(self.tools)
        for name in ("n", "calls", "output"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"tool-use: {name} must be 1 or more, not {value}")
        if not 0 < self.seconds < float("inf"):
            raise BadInput(f"tool-use: seconds must be above 0, not {self.seconds}")
        if self.errors not in ("tell", "leave"):
            raise BadInput(f"tool-use: errors is 'tell' or 'leave', not {self.errors!r}")
        if self.n != 1:
            refuse_greedy(self, "tool-use with more than one trace")

    def needs(self, task: Task) -> frozenset[str]:
        scorer = frozenset() if self.scorer is None else resolve(self.scorer, task).needs
        return frozenset({"continue"}) | scorer

    def knows(self, task: Task) -> Knows:
        return "nothing" if self.scorer is None else resolve(self.scorer, task).knows

    def prepare(self, task: Task) -> None:
        super().prepare(task)
        for tool in tools_of(self.tools):
            tool.prepare()

    async def solve(self, problem: Problem, ctx: Context) -> Solution:
        """The answer of the majority, or of the scorer's choice."""
        refuse_endless(ctx, self.n, "tool-use")
        work = _Work(self, problem, ctx)
        traces: list[Trace] = []
        drawn = 0
        while self.n is None or drawn < self.n:
            want = WAVE if self.n is None else min(WAVE, self.n - drawn)
            count = ctx.ledger.width(want, work.sampling.max_tokens)
            if count == 0:
                break
            before = ctx.ledger.spent.tokens
            made = await work.wave(range(drawn, drawn + count))
            drawn += len(made)
            traces += made
            if not made or (self.n is None and ctx.ledger.spent.tokens == before):
                break  # what costs nothing would go on for ever
        stopped = "done" if drawn == self.n else "budget"
        if any(trace.finish == "budget" for trace in traces):
            stopped = "budget"
        if self.scorer is not None:
            traces = await scored(traces, resolve(self.scorer, ctx.task), problem, ctx)
        chosen = self._choose(traces, problem, ctx)
        answer = None if chosen is None else traces[chosen].answer
        return Solution(answer, tuple(traces), chosen, stopped_by=stopped)

    def _choose(self, traces: Sequence[Trace], problem: Problem, ctx: Context) -> int | None:
        known = [i for i, t in enumerate(traces) if t.answer is not None and t.score is not None]
        if known and not self.vote:
            return max(known, key=lambda i: traces[i].score or 0.0)
        heavy = None
        if known and self.scorer is not None:
            heavy = weights(traces, resolve(self.scorer, ctx.task).scale)
        groups = tally(traces, problem, ctx.task, heavy)
        return groups[0].members[0] if groups else None


@dataclass
class _Line:
    """A trace under way. `segment` is what the model wrote since the last result."""

    index: int
    prompt: Prompt
    steps: list[Step] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    segment: str = ""
    finish: Any = "budget"
    open: bool = True
    over: bool = False
    deaf: bool = False

    @property
    def tokens(self) -> int:
        return sum(step.tokens for step in self.steps)


class _Work:
    """The traces of one problem, a wave at a time.

    The traces of a wave go on in rounds: each open one writes up to the end of a call, then all
    calls of the round are answered. So what is granted does not depend on which trace is quicker.
    """

    def __init__(self, how: ToolUse, problem: Problem, ctx: Context) -> None:
        self.how, self.problem, self.ctx = how, problem, ctx
        self.kit = Kit(tools_of(how.tools), ctx.model.dialect, "tells_stop" in ctx.model.can)
        self.sampling = how.sampling(ctx)
        prompt = how.prompt(problem, ctx)
        if how.explain and self.kit.explained:
            *before, last = prompt.messages
            said = Message(last.role, f"{last.content}\n\n{self.kit.explained}")
            prompt = replace(prompt, messages=(*before, said))
        self.prompt = replace(prompt, prefix_ids=())

    async def wave(self, indices: Sequence[int]) -> list[Trace]:
        """The traces with these indices, without those that could not be paid at all."""
        lines = [_Line(index, self.prompt) for index in indices]
        while going := [line for line in lines if line.open]:
            await self._write(going)
            await self._answer(going)
        return [self._trace(line) for line in lines if line.steps]

    async def _write(self, lines: Sequence[_Line]) -> None:
        """Each line up to the end of its next call, or to its own end."""
        asked = []
        for line in lines:
            seed = self.ctx.seed.child(line.index, *([len(line.keys)] if line.keys else []))
            wish = replace(self.sampling, max_tokens=self.sampling.max_tokens - line.tokens)
            wish = wish if line.deaf else self.kit.stops(wish)
            line.keys.append(seed.text)
            asked.append(self.ctx.model.generate(line.prompt, wish, self.ctx.ledger, seed))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for line, answer in zip(lines, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer  # all calls have ended: no answer is lost
            self._take(line, answer[0])

    def _take(self, line: _Line, found: Completion) -> None:
        """A completion as the next step of its line."""
        line.finish = found.finish
        if found.finish == "stop" and self._stopped(line, found):
            mark = self.kit.mark_of(line.segment + found.text)
            line.prompt = line.prompt.extended(found).forced(mark)
            found = replace(found, text=found.text + mark)
        else:
            line.over = ended(found, line.prompt.prefix, self.ctx)
            line.prompt = line.prompt.extended(found)
        empty = not found.text and not found.usage.completion
        if not empty:
            line.steps.append(step_of(found))
        line.segment += found.text
        full = line.tokens >= self.sampling.max_tokens
        if line.over or empty or found.finish in ("length", "budget"):
            line.open = False
        elif full:
            line.finish, line.open = "length", False

    def _stopped(self, line: _Line, found: Completion) -> bool:
        """Whether a stop string, not the end, is what ended it: sure where the model tells them
        apart, else by the call that has begun or by the answer that is not there."""
        if line.deaf:
            return False
        if self.kit.tells_stop or self.kit.begun(line.segment + found.text) is not None:
            return True
        return not ended(found, line.prompt.prefix, self.ctx)

    async def _answer(self, lines: Sequence[_Line]) -> None:
        """Put the results of the calls that the lines have just written into their turns."""
        calling = [(line, call) for line in lines if line.open and (call := self._call(line))]
        results = await asyncio.gather(
            *(self._result(line, call) for line, call in calling), return_exceptions=True
        )
        for (line, call), result in zip(calling, results, strict=True):
            if isinstance(result, BaseException):
                raise result
            line.segment = ""
            line.calls.append(call)
            line.deaf = len(line.calls) > self.how.calls
            if result.failed and self.how.errors == "leave":
                continue
            text = call.told(_cut(result.text, self.how.output))
            line.steps.append(Step(text, 0, "boundary", source="tool"))
            line.prompt = line.prompt.forced(text)

    def _call(self, line: _Line) -> Call | None:
        return None if line.deaf else self.kit.call(line.segment)

    async def _result(self, line: _Line, call: Call) -> Result:
        tool, seconds = call.tool, self.how.seconds
        if len(line.calls) >= self.how.calls:
            return Result(f"error: no calls left, {self.how.calls} were made", failed=True)
        earlier = [old.asked for old in line.calls if old.tool is tool]

        async def work() -> dict[str, Any]:
            try:
                return vars(await asyncio.to_thread(tool.run, call.asked, earlier, seconds))
            except LabError:
                raise
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                raise CallFailed(
                    f"tool {tool.name!r} broke down ({reason}): let it tell what is wrong as a"
                    " Result with failed=True"
                ) from error

        model = self.ctx.model
        if tool.steady or not isinstance(model, LoggedModel):
            return Result(**await work())
        told = repr((tool, call.asked, earlier, seconds)).encode("utf-8", "surrogatepass")
        key = f"{line.keys[-1]}|{hashlib.blake2b(told, digest_size=12).hexdigest()}"
        return Result(**await model.other(key, work, self.ctx.ledger))

    def _trace(self, line: _Line) -> Trace:
        """A line as a trace. The tokens of one without an answer are marked as discarded."""
        text = "".join(step.text for step in line.steps)
        answer = (self.ctx.task.extract(text) or None) if line.over else None
        if answer is None:
            reason = "no answer" if line.over else f"cut by {line.finish}"
            for key in line.keys:
                self.ctx.ledger.discard(key, reason)
        finish = "eos" if line.over else line.finish
        return Trace(tuple(line.steps), finish, answer, seed=line.keys[0])


def _cut(text: str, length: int) -> str:
    """A result of at most so many characters, and a note where it was cut."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= length else f"{text[:length]} … ({len(text) - length} more)"
