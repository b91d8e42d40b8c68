"""The likeliest next tokens that a server tells: one token generated, its alternatives read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from evaluators.errors import LabError
from reasoning.core import Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.models.endpoint.answers import Broken, choices
from reasoning.models.endpoint.bill import bill
from reasoning.models.endpoint.bodies import PATHS, body, bound, numbered, refuse, route_of
from reasoning.models.endpoint.call import Call, Held
from reasoning.models.endpoint.retry import Fault, ServerFault

if TYPE_CHECKING:
    from reasoning.models.endpoint.model import EndpointModel

FEWER = 5
"""Asked for where a server refuses more: what OpenAI's completions route documents."""

ONE = Sampling(max_tokens=1)

UNPAID = object()


async def next_tokens(
    model: EndpointModel, prompt: Prompt, ledger: Ledger, k: int
) -> list[tuple[str, float]]:
    """At most k tokens as text with their natural log-probabilities, likeliest first; the one
    generated token is charged. None where the ledger cannot pay it. Raises LabError where the
    server tells no alternatives."""
    if "logprobs" not in model.can:
        raise LabError(
            f"{model.name} tells no log-probabilities: take a local model such as 'tiny', or a"
            " server that has them"
        )
    refuse(model.server, model.name, prompt, ONE)
    try:
        return await _asked(model, prompt, ledger, k)
    except ServerFault:
        if k <= FEWER:
            raise
        return await _asked(model, prompt, ledger, FEWER)


async def _asked(
    model: EndpointModel, prompt: Prompt, ledger: Ledger, k: int
) -> list[tuple[str, float]]:
    route = route_of(model.server, prompt)
    path = SeedPath(0, ("next token",))
    fields = body(model.server, model.model, model.dialect, prompt, ONE)
    fields |= {"logprobs": True, "top_logprobs": k} if route == "chat" else {"logprobs": k}
    call = Call(model, prompt, ONE, ledger, fields)
    held = Held([])

    async def ask() -> Any:
        held.grants = [call.reserve(path)]
        if held.grants[0].empty:
            return UNPAID
        asked = numbered(model.server, route, fields, 1, 1, path)
        data = await model.wire.post(PATHS[route], asked, model.retrier.breaker.admit)
        try:
            made = choices(data, 1)
        except Broken as error:
            raise model.wire.broken(error) from None
        paid = bill(data.get("usage"), made, 1, bound(prompt))
        model.doubt(paid.doubts)
        held.grants[0].settle(paid.usages[0])
        held.grants = []
        return data["choices"][0].get("logprobs")

    def failed(fault: Fault) -> None:
        if fault.spent:
            held.lose(fault.reason)
        else:
            held.free()

    try:
        told = await model.retrier.persist(ask, failed)
    except (LabError, ServerFault):
        held.free()
        raise
    except BaseException as error:
        held.lose(repr(error))
        raise
    if told is UNPAID:
        return []
    found = alternatives(told)
    if not found:
        raise LabError(
            f"{model.name} told no alternatives of its token: take a local model such as 'tiny', or"
            " a server that has top log-probabilities"
        )
    return found[:k]


def alternatives(told: Any) -> list[tuple[str, float]]:
    """The first token's alternatives out of the `logprobs` of a choice of either route, likeliest
    first; none where there are none."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(told, dict) and isinstance(rows := told.get("top_logprobs"), list) and rows:
        pairs = list(rows[0].items()) if isinstance(rows[0], dict) else []
    elif isinstance(told, dict) and isinstance(rows := told.get("content"), list) and rows:
        found = rows[0].get("top_logprobs") if isinstance(rows[0], dict) else None
        found = found if isinstance(found, list) else []
        pairs = [(x.get("token"), x.get("logprob")) for x in found if isinstance(x, dict)]
    sound = [(t, float(p)) for t, p in pairs if isinstance(t, str) and _number(p)]
    return sorted(sound, key=lambda pair: -pair[1])


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)
