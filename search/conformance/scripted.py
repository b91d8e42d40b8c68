"""The scripted model of the toy task: it writes moves, counts everything, and remembers each call.

A token is a letter; the end of sequence is one token more. What it writes depends on the policy
(`policies.py`) and never on time; when it answers depends on `pace`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evaluators.errors import LabError
from reasoning.core import Completion, Message, Prompt, Sampling, SeedPath, TokenScores, Usage
from reasoning.ledger import Ledger
from search.conformance.pace import Pace
from search.conformance.policies import Policy
from search.conformance.process import Process

RUNAWAY = 2_000
"""So many calls that nothing is granted for are one strategy that does not stop."""


class Runaway(LabError):
    """A strategy that goes on asking when nothing is left."""


@dataclass(frozen=True)
class Call:
    """One call as the model saw it and what it answered.

    `question` says whether the toy's question was asked (and not, for instance, for a criticism);
    `ended` whether the text before it had already come to its end.
    """

    key: str
    messages: tuple[Message, ...]
    prefix: str
    sampling: Sampling
    granted: int
    text: str
    finish: str
    tokens: int
    question: bool
    ended: bool

    @property
    def after(self) -> str:
        """All that the model has written and read of its turn, this call included."""
        return self.prefix + self.text


class ScriptedModel:
    """Answers the question of one toy process.

    `calls` holds what was asked, in the order of asking; `completion`, `prompt` and `read` count
    tokens; `running` is how many calls are under way. `can` is all that a local model can.
    """

    name, flops_per_token = "scripted", 2.0

    def __init__(self, process: Process, policy: Policy, pace: Pace | None = None) -> None:
        self.dialect: Literal["compact", "plain"] = "compact"
        self.process, self.policy, self.pace = process, policy, pace or Pace()
        self.can = frozenset(
            {"continue", "logprobs", "score", "n", "seed", "choices", "token_ids", "tells_stop",
             "top_k", "min_p"}
        )  # fmt: skip
        self.calls: list[Call] = []
        self.on_call: Callable[[], None] | None = None
        self.completion = self.prompt = self.read = self.readings = 0
        self.running = self.unpaid = 0
        self._ends: set[tuple[tuple[Message, ...], str]] = set()

    def fingerprint(self) -> dict[str, Any]:
        return {"name": self.name, "policy": self.policy.name}

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        """One completion a sample; what is not granted is empty. Raises Runaway."""
        seeds = [seed.child(i) for i in range(sampling.n)] if sampling.n > 1 else [seed]
        size = sum(len(m.content) for m in prompt.messages) + len(prompt.prefix)
        grants = [
            ledger.reserve(
                purpose="sample", model=self.name, key=path.text, prompt_tokens=size,
                max_tokens=sampling.max_tokens, flops_per_token=self.flops_per_token,
            )
            for path in seeds
        ]  # fmt: skip
        written = [
            None if grant.empty else self._write(prompt, sampling, path, grant.max_tokens)
            for grant, path in zip(grants, seeds, strict=True)
        ]
        self.running += 1
        try:
            await self.pace.wait(seed)
        finally:
            self.running -= 1
        made = []
        for grant, done in zip(grants, written, strict=True):
            if done is None:
                self._refuse()
                made.append(Completion("", "budget", Usage(), (), ()))
                continue
            usage = Usage(size, 0, done.usage.completion)
            grant.settle(usage, seconds=0.0)
            self.completion += usage.completion
            self.prompt += size
            made.append(Completion(done.text, done.finish, usage, done.token_ids, done.logprobs))
        return made

    async def score(
        self, prompt: Prompt, continuations: Sequence[str], ledger: Ledger
    ) -> list[TokenScores]:
        """Every letter of the continuations at log-probability -0.5; nothing where unpaid."""
        grants = [
            ledger.reserve_reading(
                purpose="score", model=self.name, key=f"score/{text}", tokens=len(text),
                flops_per_token=self.flops_per_token,
            )
            for text in continuations
        ]  # fmt: skip
        await self.pace.wait(SeedPath(0, tuple(continuations[:1])))
        scores = []
        for text, grant in zip(continuations, grants, strict=True):
            if grant.empty:
                scores.append(TokenScores((), ()))
                continue
            grant.settle(Usage(), seconds=0.0)
            self.read += len(text)
            self.readings += 1
            scores.append(TokenScores(tuple(text), (-0.5,) * len(text)))
        return scores

    def is_question(self, prompt: Prompt) -> bool:
        """Whether the toy's own question is asked last."""
        said = prompt.messages[-1].content if prompt.messages else prompt.prefix
        head = f"{self.process.depth} moves out of {self.process.names}"
        return said.endswith((head + ":", head + "="))

    # -- inside -----------------------------------------------------------------------

    def _write(
        self, prompt: Prompt, sampling: Sampling, seed: SeedPath, granted: int
    ) -> Completion:
        if self.on_call is not None:
            self.on_call()
        if sampling.choices:
            pick = sampling.choices[seed.key[0] % len(sampling.choices)]
            text, logprobs = pick, [-0.5] * len(pick)
        else:
            said = prompt.messages[-1].content if prompt.messages else ""
            text, logprobs = self.policy.write(self.process, said, prompt.prefix, sampling, seed)
        done = cut(text, logprobs, sampling, granted)
        place = (prompt.messages, prompt.prefix)
        asked, ended = self.is_question(prompt), place in self._ends
        self.calls.append(
            Call(
                seed.text, *place, sampling, granted, done.text, done.finish,
                done.usage.completion, asked, ended,
            )
        )  # fmt: skip
        if done.finish == "eos":
            self._ends.add((prompt.messages, prompt.prefix + done.text))
        return done

    def _refuse(self) -> None:
        self.unpaid += 1
        if self.unpaid > RUNAWAY:
            raise Runaway(f"{RUNAWAY} calls were made when the budget could pay for none")


def cut(text: str, logprobs: Sequence[float], sampling: Sampling, granted: int) -> Completion:
    """A text as one completion: to its step boundary or stop string, or as far as was granted."""
    finish: Literal["boundary", "stop", "eos", "length", "budget"] = "eos"
    used = len(text) + 1
    places = [(text.find(stop), stop) for stop in sampling.stop]
    for at, stop in sorted((at, stop) for at, stop in places if at >= 0)[:1]:
        text, finish, used = text[:at], "stop", at + len(stop)
    at = text.find(sampling.boundary) if sampling.boundary else -1
    if at >= 0:
        text = text[: at + len(sampling.boundary or "")]
        finish, used = "boundary", len(text)
    if used > granted:
        finish = "budget" if granted < sampling.max_tokens else "length"
        text, used = text[:granted], granted
    ids = (*map(ord, text), *(0,) * (used - len(text)))
    told = [*logprobs, *(-0.01,) * used][:used]
    return Completion(text, finish, Usage(0, 0, used), ids, tuple(told))
