"""What the tests of endpoint models share: a model over a fault server that never really waits."""

from __future__ import annotations

from typing import Any

import numpy as np
from fault_server import FaultServer

from reasoning import Message, Prompt
from reasoning.models.endpoint.connect import connect
from reasoning.models.endpoint.model import EndpointModel

CAN = "continue,logprobs,n,seed,token_ids,tells_stop"
PRICES = {"price_prompt": 1.0, "price_cached": 0.5, "price_completion": 4.0}


class Waits:
    """A sleep that notes the seconds and does not wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def endpoint(server: FaultServer, waits: Waits | None = None, **options: Any) -> EndpointModel:
    """The server's model, told what it can unless `can` is None."""
    options = {"can": CAN, "timeout": 5.0, "retries": 3, **options}
    if options["can"] is None:
        del options["can"]
    rest = f"{server.model}@{server.url}"
    rng = np.random.default_rng(0)
    return connect(f"openai:{rest}", rest, options, rng=rng, sleep=waits or Waits())


def ask(question: str = "3+4+5:", prefix: str = "") -> Prompt:
    """A question of the toy task."""
    return Prompt((Message("user", question),), prefix)
