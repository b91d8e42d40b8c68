"""ModelProposer: a language model writes the next version of the function.

A response that holds no usable program is a proposal without source and with the reason; a call
that failed (`CallFailed`) and an error that concerns every call are raised, for the loop to count
or to stop at.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from evaluators.errors import BadInput, UnknownName
from reasoning.core import Context, LanguageModel, Prompt, Sampling
from search.evolve.parse import read
from search.evolve.program import Proposal, Request
from search.evolve.prompt import STOPS, ask
from search.evolve.response import cleaned, idea

Style = Literal["chat", "continuation"]
STYLES: tuple[Style, ...] = ("chat", "continuation")


@dataclass(frozen=True)
class ModelProposer:
    """Any `LanguageModel` as a proposer. `model` is for the loop to put into the context.

    A prompt shows the best `best_k` of the parents, worst first, as far as `longest` characters
    allow. With `feedback` it tells scores by instance and the island's latest failure. `style` is
    `chat` or `continuation` (None: what suits the model, see `style_of`). With `thought` the model
    first says in a sentence what it tries, which becomes the proposal's `reason` and is shown with
    its program later (after EoH, Liu et al. 2024). The rest is how the answer is drawn: a model
    that thinks first needs more `max_tokens`.
    """

    model: LanguageModel | None = field(default=None, compare=False)
    best_k: int = 2
    feedback: bool = True
    style: Style | None = None
    thought: bool = False
    longest: int = 12000
    max_tokens: int = 2048
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    name = "model"
    needs_model = True

    def __post_init__(self) -> None:
        if self.best_k < 1 or self.longest < 1:
            raise BadInput("best_k and longest must be 1 or more")
        if self.style is not None and self.style not in STYLES:
            raise UnknownName("prompt style", str(self.style), STYLES)
        try:
            Sampling(*self._drawing)
        except ValueError as error:
            raise BadInput(str(error)) from error

    @property
    def wants(self) -> int:
        """How many parents a request should bring."""
        return self.best_k

    @property
    def _drawing(self) -> tuple[int, float, int, float, float]:
        return self.max_tokens, self.temperature, self.top_k, self.top_p, self.min_p

    async def propose(
        self, request: Request, rng: np.random.Generator, ctx: Context | None
    ) -> Proposal:
        """Ask `ctx.model` once. The draw comes from `ctx.seed`, not from `rng`."""
        if ctx is None:
            raise BadInput("a model proposer needs a model: pass model= to evolve")
        chat = (self.style or style_of(ctx.model)) == "chat"
        asked = ask(
            request, chat=chat, best_k=self.best_k, feedback=self.feedback,
            thought=self.thought, longest=self.longest,
        )  # fmt: skip
        sampling = Sampling(*self._drawing, stop=() if chat else STOPS)
        seed = ctx.seed.child(request.attempt)
        answer = (await ctx.model.generate(asked.prompt, sampling, ctx.ledger, seed))[0]
        parents = tuple(program.k for program in request.parents[-self.best_k :])
        made = Proposal(
            None, parents, self.name, prompt=_text(asked.prompt), response=answer.text
        )  # fmt: skip
        if answer.finish == "budget" and not answer.text:
            return replace(made, reason="the budget is used up")
        cut = answer.finish in ("length", "budget")
        found = read(answer.text, asked.wanted, cut, continued=not chat)
        if found.source is None:
            ctx.ledger.discard(seed.text, f"no program: {found.reason}")
            return replace(made, reason=found.reason)
        said = idea(cleaned(answer.text)) if self.thought else ""
        return replace(made, source=found.source, reason=said)


def style_of(model: LanguageModel) -> Style:
    """How a model is best asked: `continuation` where it has no chat template, or where its server
    has only a completions route; else `chat`."""
    inner: Any = model
    while hasattr(inner, "inner"):
        inner = inner.inner
    server = getattr(inner, "server", None)
    if server is not None:
        return "continuation" if server.route == "completions" else "chat"
    tokenizer = getattr(inner, "tokenizer", None)
    templated = model.dialect == "plain" and getattr(tokenizer, "chat_template", None)
    return "chat" if tokenizer is None or templated else "continuation"


def _text(prompt: Prompt) -> str:
    return "\n\n".join(m.content for m in prompt.messages) + prompt.prefix
