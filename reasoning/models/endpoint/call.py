"""Call: one `generate` of an endpoint model, with its reservations, requests and attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from evaluators.errors import LabError
from reasoning.core import Completion, Prompt, Sampling, SeedPath, Usage
from reasoning.ledger import Grant, Ledger
from reasoning.models.endpoint.answers import Broken, Choice, choices, ended
from reasoning.models.endpoint.bill import bill
from reasoning.models.endpoint.bodies import PATHS, bound, numbered, route_of
from reasoning.models.endpoint.faults import TooLong
from reasoning.models.endpoint.form import fitting
from reasoning.models.endpoint.retry import Fault, ServerFault

if TYPE_CHECKING:
    from reasoning.models.endpoint.model import EndpointModel

T = TypeVar("T")

TRIES = 4
"""How often an answer is asked for whose form the server does not enforce."""

READ = 10**9
"""A bound for what has none: tokens that a strategy may read."""

UNPAID = Completion("", "budget", Usage(), (), ())


@dataclass(frozen=True)
class Call:
    """A prompt and a sampling on their way to the server of `model`; `fields` are what all its
    requests share."""

    model: EndpointModel
    prompt: Prompt
    sampling: Sampling
    ledger: Ledger
    fields: dict[str, Any]

    def reserve(self, path: SeedPath) -> Grant:
        """The reservation of one sample."""
        return self.ledger.reserve(
            purpose="sample", model=self.model.name, key=path.text,
            max_tokens=self.sampling.max_tokens, prompt_tokens=bound(self.prompt),
            flops_per_token=self.model.flops_per_token, price=self.model.price,
        )  # fmt: skip

    async def draw(self, paths: Sequence[SeedPath], grants: Sequence[Grant]) -> list[Completion]:
        """One completion a path; those that were granted alike are asked for together."""
        drawn: list[Completion] = [UNPAID] * len(paths)
        groups: dict[int, list[int]] = {}
        for at, grant in enumerate(grants):
            if not grant.empty:
                groups.setdefault(grant.max_tokens, []).append(at)
        asked = [
            self._request([paths[i] for i in group], [grants[i] for i in group])
            for group in groups.values()
        ]
        for group, made in zip(groups.values(), await together(asked), strict=True):
            for at, completion in zip(group, made, strict=True):
                drawn[at] = completion
        return drawn

    async def one(self, path: SeedPath, grant: Grant) -> Completion:
        """One completion."""
        return (await self.draw([path], [grant]))[0]

    async def formed(self, path: SeedPath, grant: Grant) -> Completion:
        """One completion whose form the server does not enforce: checked, and asked for again
        while tries and budget last. A text that is refused is discarded; the last one is returned
        with what there is."""
        drawn = path
        for again in range(1, TRIES + 1):
            made = (await self.draw([drawn], [grant]))[0]
            text = fitting(made.text, self.sampling)
            if text is not None:
                return replace(made, text=text)
            if grant.empty or again == TRIES or self.ledger.exhausted():
                return made
            self.ledger.discard(path.text, "not of the form that was asked for")
            drawn, grant = path.child("again", again), self.reserve(path)
            if grant.empty:
                return made
        raise AssertionError("unreachable")

    # -- one request ------------------------------------------------------------------

    async def _request(self, paths: list[SeedPath], grants: list[Grant]) -> list[Completion]:
        """The choices of one request, however many attempts it takes."""
        model, held, room = self.model, Held(grants), None
        route = route_of(model.server, self.prompt)

        async def ask() -> list[Completion]:
            if not held.grants:
                held.grants = [self.reserve(path) for path in paths]
            granted = min((g.max_tokens for g in held.grants if not g.empty), default=0)
            if granted == 0:
                return [UNPAID] * len(paths)
            limit = granted if room is None else min(granted, room)
            count = sum(not grant.empty for grant in held.grants)
            asked = numbered(model.server, route, self.fields, limit, count, paths[0])
            data = await model.wire.post(PATHS[route], asked, model.retrier.breaker.admit)
            try:
                made = choices(data, count)
            except Broken as error:
                raise model.wire.broken(error) from None
            return self._settle(data, made, held, limit)

        def failed(fault: Fault) -> None:
            if fault.spent:
                held.lose(fault.reason)

        try:
            while True:
                try:
                    return await model.retrier.persist(ask, failed)
                except TooLong as error:
                    if error.room and room is None:
                        room = error.room  # the prompt fits, prompt and answer do not
                        continue
                    if not self.prompt.prefix:
                        raise
                    held.free()
                    return [Completion("", "length", Usage(), (), ())] * len(paths)
        except (LabError, ServerFault):
            held.free()
            raise
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            held.lose("cancelled" if cancelled else repr(error))
            raise

    def _settle(
        self, data: Any, made: Sequence[Choice], held: Held, limit: int
    ) -> list[Completion]:
        """Charge what was generated and read; the choices as completions."""
        model = self.model
        # how often a strategy behind the server reads the prompt is not known before
        most = READ if model.server.spends else bound(self.prompt)
        paid = bill(data.get("usage"), made, limit, most)
        model.doubt(paid.doubts)
        done = iter(zip(made, paid.usages, strict=True))
        least = min(grant.max_tokens for grant in held.grants if not grant.empty)
        budgeted = limit == least < self.sampling.max_tokens
        drawn = []
        for grant in held.grants:
            if grant.empty:
                drawn.append(UNPAID)
                continue
            choice, usage = next(done)
            grant.settle(usage)
            if model.server.repeats and route_of(model.server, self.prompt) == "chat":
                choice = replace(choice, text=choice.text.removeprefix(self.prompt.prefix))
            text, finish = ended(choice, model.server, self.sampling)
            if finish == "length" and budgeted:
                finish = "budget"
            drawn.append(Completion(text, finish, usage, choice.token_ids, choice.logprobs))
        held.grants = []
        if paid.overrun:
            raise LabError(
                f"{model.name} generated more than the {limit} tokens it was asked for: no budget"
                " can be kept with a server that does not heed max_tokens"
            )
        return drawn


@dataclass
class Held:
    """The grants of a request that are neither settled nor lost."""

    grants: list[Grant]

    def lose(self, reason: str) -> None:
        """The server may have generated for them."""
        for grant in self.grants:
            if not grant.empty:
                grant.lose(reason)
        self.grants = []

    def free(self) -> None:
        """The server generated nothing for them."""
        for grant in self.grants:
            if not grant.empty:
                grant.settle(Usage())
        self.grants = []


async def together(asked: Sequence[Awaitable[T]]) -> list[T]:
    """All of them, in order. All end before the first error is raised, so that what is answered is
    settled; cancelling cancels all."""
    if len(asked) == 1:
        return [await asked[0]]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]
