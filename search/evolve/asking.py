"""Asking: how a proposer is asked for program k, and what its answer comes to."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from evaluators.errors import BadInput
from reasoning.core import Context, LanguageModel, SeedPath
from reasoning.ledger import Budget, Ledger
from reasoning.logged import Responses
from reasoning.runlog import RunLog
from search.evolve.gate import Gate, GatedModel
from search.evolve.program import Proposal, Proposer, Request
from search.evolve.record import scope

_NO_CAPS = Budget()  # a proposal's own; those of the run are its parent's


@dataclass(frozen=True)
class Asker:
    """Asks `proposer`. Each proposal's model calls have a scope and a ledger of their own under the
    run's (`gate.ledger`); `past` are the responses that an earlier session logged."""

    proposer: Proposer
    model: LanguageModel | None
    gate: Gate
    log: RunLog | None
    past: Responses
    seed: int

    @property
    def ledger(self) -> Ledger:
        """The ledger of the run."""
        return self.gate.ledger

    def used_up(self) -> str:
        """Which cap of the run has been reached: tokens, dollars or seconds."""
        budget, spent = self.ledger.budget, self.ledger.spent
        if budget.tokens is not None and spent.tokens >= budget.tokens:
            return "tokens"
        if budget.dollars is not None and (self.ledger.exhausted() or budget.seconds is None):
            return "dollars"
        return "seconds"

    def ask(
        self,
        request: Request,
        rng: np.random.Generator,
        attempts: int,
        known: Callable[[str], bool],
    ) -> tuple[Proposal | Awaitable[Proposal], Ledger]:
        """The proposal, or what to await for it, and the ledger of its model calls.

        A proposer that answers at once costs nothing: it is asked again, up to `attempts` times in
        all, while what it proposes is `known`. Raises BadInput for an answer that is no proposal.
        """
        ledger = Ledger(_NO_CAPS, parent=self.ledger)
        ctx = self._context(request.k, ledger)
        for attempt in range(attempts):
            turn = Request(request.k, request.problem, request.island, request.parents, attempt,
                           request.failure)  # fmt: skip
            answer: Any = self.proposer.propose(turn, rng, ctx)
            if inspect.isawaitable(answer):
                return self._awaited(answer, request), ledger
            proposal = self._sound(answer, request)
            if proposal.source is not None and not known(proposal.source):
                break
        return proposal, ledger  # pyright: ignore[reportPossiblyUnboundVariable]

    async def _awaited(self, answer: Awaitable[Any], request: Request) -> Proposal:
        return self._sound(await answer, request)

    def _context(self, k: int, ledger: Ledger) -> Context | None:
        if self.model is None:
            return None
        model = GatedModel(self.model, self.log, scope(k), self.past, self.gate)
        no_task = cast(Any, None)  # the request brings the problem
        return Context(no_task, model, ledger, SeedPath(self.seed, ("evolve", k)))

    def _sound(self, answer: Any, request: Request) -> Proposal:
        parents = tuple(parent.k for parent in request.parents)
        if isinstance(answer, str):
            return Proposal(answer, parents, self.proposer.name)
        if not isinstance(answer, Proposal):
            raise BadInput(
                f"proposer {self.proposer.name!r} must return a Proposal or the source as text, not"
                f" {type(answer).__name__}"
            )
        if answer.source is not None and not isinstance(answer.source, str):
            raise BadInput(f"proposer {self.proposer.name!r}: source must be text or None")
        if not all(type(k) is int and 0 <= k < request.k for k in answer.parents):
            raise BadInput(
                f"proposer {self.proposer.name!r}: parents must be numbers of earlier programs"
                f" (request.parents[i].k), not {answer.parents!r}"
            )
        if answer.parents and answer.origin:
            return answer
        return Proposal(
            answer.source, tuple(answer.parents) or parents, answer.origin or self.proposer.name,
            answer.reason, answer.prompt, answer.response,
        )  # fmt: skip


def cost_of(ledger: Ledger) -> dict[str, float]:
    """What the model calls of one proposal used; empty without a call."""
    spent = ledger.spent
    if not spent.calls:
        return {}
    return {
        "tokens": spent.tokens, "prompt": spent.prompt, "completion": spent.completion,
        "calls": spent.calls, "dollars": spent.dollars,
    }  # fmt: skip
