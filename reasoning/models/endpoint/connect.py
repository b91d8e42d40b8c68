"""Connect: `openai:MODEL@URL` and its options to an EndpointModel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from evaluators.errors import BadInput
from reasoning.budget import Price
from reasoning.models.endpoint.address import read_address
from reasoning.models.endpoint.model import EndpointModel
from reasoning.models.endpoint.probe import probed
from reasoning.models.endpoint.retry import Backoff
from reasoning.models.endpoint.server import Route, Server, abilities, declared, profile
from reasoning.models.endpoint.visit import Visit
from reasoning.models.endpoint.wire import Wire

OPTIONS = (
    "route", "dialect", "can", "profile", "key_env", "price_prompt", "price_cached",
    "price_completion", "timeout", "retries", "concurrency", "context",
)  # fmt: skip


def connect(
    name: str, rest: str, options: Mapping[str, Any], *,
    rng: np.random.Generator | None = None,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
) -> EndpointModel:  # fmt: skip
    """The model that `rest` (`MODEL@URL`) names, found and asked what it can.

    `can` and `profile` say it instead, and then nothing is generated. `rng` draws the jitter of the
    back-off and `sleep` waits that many seconds. Raises LabError in one sentence where the server,
    the model or the key is not there.
    """
    timeout, concurrency, context = _limits(options)
    backoff = Backoff(retries=options.get("retries", Backoff.retries))
    prices = _price(options)
    can = abilities(options["can"]) if "can" in options else None
    told = profile(str(options["profile"])) if "profile" in options else None
    address = read_address(rest, str(options.get("key_env", "OPENAI_API_KEY")))
    said = can is not None or told is not None
    visit = Visit(address, timeout).arrive(blind=said)
    wire = Wire(
        address, visit.base, timeout=timeout, concurrency=concurrency, proven=not said,
        known=list(visit.models),
    )  # fmt: skip
    entry = visit.entry
    dialect = _dialect(options.get("dialect", "auto"), entry)
    route = _route(options.get("route", "auto"), dialect)
    try:
        server, cost = _server(visit, route, can, told)
    finally:
        visit.close()
    if server.spends and prices:
        raise BadInput(
            f"{name} is a strategy, and how often it reads a prompt is not known before: no dollars"
            " can be counted on; cap tokens, or give prices to the model behind that server"
        )
    return EndpointModel(
        name, wire, server, dialect=dialect,
        price=None if server.spends else prices or _listed(entry),
        flops_per_token=0.0 if server.spends else _number(entry.get("flops_per_token")),
        context=context or int(_number(entry.get("max_model_len"))) or None,
        probe=cost, backoff=backoff, rng=rng, sleep=sleep,
    )  # fmt: skip


def _limits(options: Mapping[str, Any]) -> tuple[float, int, int | None]:
    """Seconds for an attempt, requests in flight, tokens of context. Raises BadInput."""
    timeout, concurrency = options.get("timeout", 300.0), options.get("concurrency", 32)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout < 1e6:
        raise BadInput(f"option timeout is seconds above 0 (below 1000000), not {timeout!r}")
    if type(concurrency) is not int or concurrency < 1:
        raise BadInput(f"option concurrency must be a whole number of 1 or more: {concurrency!r}")
    context = options.get("context")
    if context is not None and (type(context) is not int or context < 1):
        raise BadInput(f"option context must be a whole number of 1 or more: {context!r}")
    return float(timeout), concurrency, context


def _server(
    visit: Visit, route: Route, can: frozenset[str] | None, told: Server | None
) -> tuple[Server, Mapping[str, Any]]:
    if can is not None:
        return declared(can, route, told), {}
    if told is not None:
        return replace(told, route=route), {}
    if visit.entry.get("strategy"):  # every question to it would be a whole search
        return Server(route, can=frozenset({"seed"}), spends=True), {}
    return probed(visit, route)


def _dialect(given: Any, entry: Mapping[str, Any]) -> Literal["compact", "plain"]:
    chosen = entry.get("dialect", "plain") if given == "auto" else given
    if chosen not in ("compact", "plain"):
        raise BadInput(f"option dialect must be one of auto, compact, plain, not {chosen!r}")
    return "compact" if chosen == "compact" else "plain"


def _route(given: Any, dialect: str) -> Route:
    """The compact dialect is raw text; the plain one needs the server's chat template."""
    if given not in ("auto", "completions", "chat"):
        raise BadInput(f"option route must be one of auto, completions, chat, not {given!r}")
    if given == "auto":
        return "completions" if dialect == "compact" else "chat"
    return "completions" if given == "completions" else "chat"


def _price(options: Mapping[str, Any]) -> Price | None:
    """Dollars per million tokens out of the options; None without any."""
    given = {k: options[k] for k in OPTIONS if k.startswith("price_") and k in options}
    if not given:
        return None
    for key, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
            raise BadInput(f"option {key} is dollars per million tokens, 0 or more: {value!r}")
    if "price_prompt" not in given or "price_completion" not in given:
        raise BadInput("a price needs both price_prompt and price_completion (price_cached may be)")
    cached = given.get("price_cached", given["price_prompt"])
    return Price(float(given["price_prompt"]), float(cached), float(given["price_completion"]))


def _listed(entry: Mapping[str, Any]) -> Price | None:
    """The price that the server lists, if it is one of ours."""
    found = entry.get("price")
    if not isinstance(found, dict) or {"prompt", "completion"} - set(found):
        return None
    prompt, completion = _number(found["prompt"]), _number(found["completion"])
    return Price(prompt, _number(found.get("cached", prompt)), completion)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and 0 < value < 1e300 else 0.0
