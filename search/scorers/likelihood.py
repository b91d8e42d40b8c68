"""The likelihood of a trace as its score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.verdict import Knows
from reasoning.core import Context, LanguageModel, Trace
from reasoning.prompts import PromptStyle, build


@dataclass(frozen=True)
class Likelihood:
    """The log-probability of the trace, summed or (`mean`) per token.

    By default under the model that wrote it, from what it reported while writing, which costs
    nothing. With `model` the text is read by that one; the tokens read are charged, and a trace
    whose reading cannot be paid scores None.
    """

    mean: bool = False
    model: LanguageModel | None = field(default=None, repr=False)
    knows: ClassVar[Knows] = "nothing"
    scale: ClassVar[Literal["unit", "log"]] = "log"
    partial: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.model is not None and "score" not in self.model.can:
            raise BadInput(f"model {self.model.name!r} cannot score a given text; name a local one")

    @property
    def charged(self) -> bool:
        """Whether scoring costs tokens."""
        return self.model is not None

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"logprobs"} if self.model is None else ())

    async def score(
        self, problem: Problem, traces: Sequence[Trace], ctx: Context
    ) -> list[float | None]:
        if self.model is not None:
            prompt = build(ctx.task, problem, PromptStyle(), self.model.dialect)
            beside = getattr(ctx.model, "beside", None)  # in a run: what it reads is logged too
            reader = self.model if beside is None else beside(self.model)
            read = await reader.score(prompt, [t.text for t in traces], ctx.ledger)
            sums = [(sum(r.logprobs), len(r.logprobs)) if r.logprobs else None for r in read]
        else:
            sums = [None if t.logprob is None else (t.logprob, t.tokens) for t in traces]
        return [
            None if pair is None else pair[0] / max(1, pair[1]) if self.mean else pair[0]
            for pair in sums
        ]
