"""EndpointModel: a model behind an OpenAI-compatible server, `openai:MODEL@URL`.

All reservations of a call are made before its first await. An attempt that failed after the server
may have generated (time-out, cut or unreadable answer, 5xx) stays on the ledger at its reserved
maximum, marked lost, and the next attempt reserves anew; a refused one (429, no connection) spends
nothing. Prompts are reserved at an upper bound and settled with what the server reports, as far as
`reasoning.models.endpoint.bill` believes it. Cancelling closes the request and loses its grants.
"""

from __future__ import annotations

import asyncio
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from evaluators.errors import LabError
from reasoning.budget import Price
from reasoning.core import Completion, Prompt, Sampling, SeedPath, TokenScores
from reasoning.ledger import Ledger
from reasoning.models.endpoint.bodies import body, enforces, refuse
from reasoning.models.endpoint.call import Call, together
from reasoning.models.endpoint.echo import Reading
from reasoning.models.endpoint.form import fitting
from reasoning.models.endpoint.peek import next_tokens
from reasoning.models.endpoint.retry import Backoff, Breaker, Retrier
from reasoning.models.endpoint.server import Server
from reasoning.models.endpoint.wire import Wire


class EndpointModel:
    """Implements `LanguageModel` over a `Wire`.

    `server` says how the server is asked; `probe` what finding that out cost, in tokens. `doubts`
    counts the answers whose token counts were not believed, by what was wrong; the first of them
    warns. `rng` draws the jitter of the back-off and `sleep` waits; both are for tests.
    """

    def __init__(
        self,
        name: str,
        wire: Wire,
        server: Server,
        *,
        dialect: Literal["compact", "plain"] = "plain",
        price: Price | None = None,
        flops_per_token: float = 0.0,
        context: int | None = None,
        probe: Mapping[str, Any] | None = None,
        backoff: Backoff | None = None,
        breaker: Breaker | None = None,
        rng: np.random.Generator | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.name, self.model = name, wire.address.model
        self.server, self.can, self.wire = server, server.can, wire
        self.dialect: Literal["compact", "plain"] = dialect
        self.price, self.flops_per_token, self.context = price, flops_per_token, context
        self.probe = dict(probe or {})
        self.doubts: Counter[str] = Counter()
        rng = np.random.default_rng() if rng is None else rng
        self.retrier = Retrier(backoff or Backoff(), breaker or Breaker(name), rng, sleep)

    def __repr__(self) -> str:
        can = ", ".join(sorted(self.can)) or "complete"
        return f"EndpointModel({self.name!r}, {self.server.route}, can {can})"

    # -- the protocol -----------------------------------------------------------------

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        """`sampling.n` completions; fewer tokens, perhaps none, where the ledger is short. Raises
        BadPrompt, LabError for what concerns every call, and ServerFault when all attempts
        failed."""
        refuse(self.server, self.name, prompt, sampling)
        checks = sampling.guided and not enforces(self.server, sampling)
        if checks:
            fitting("", sampling)  # a wrong form is found before anything is paid
        paths = [seed.child(i) for i in range(sampling.n)] if sampling.n > 1 else [seed]
        fields = body(self.server, self.model, self.dialect, prompt, sampling)
        call = Call(self, prompt, sampling, ledger, fields)
        grants = [call.reserve(path) for path in paths]
        if "n" in self.can and not checks:
            return await call.draw(paths, grants)
        ask = call.formed if checks else call.one
        return await together([ask(p, grant) for p, grant in zip(paths, grants, strict=True)])

    async def score(
        self, prompt: Prompt, continuations: Sequence[str], ledger: Ledger
    ) -> list[TokenScores]:
        """Log-probabilities of each continuation after this prompt, by echo; the tokens of the
        continuation are charged as read. Empty where the ledger cannot pay, and for an empty
        text."""
        if "score" not in self.can:
            raise LabError(
                f"{self.name} cannot score a given text: use a local model such as 'tiny', or a"
                " server with echo on the completions route (route=completions)"
            )
        readings = [Reading(self, prompt, text, ledger) for text in continuations]
        grants = [reading.reserve() if reading.text else None for reading in readings]
        pairs = zip(readings, grants, strict=True)
        return await together([reading.score(grant) for reading, grant in pairs])

    def fingerprint(self) -> dict[str, Any]:
        """Name (model and URL), route, dialect and prices: what a run log compares."""
        return {
            "name": self.name,
            "path": "endpoint",
            "route": self.server.route,
            "dialect": self.dialect,
            "price": None if self.price is None else vars(self.price),
        }

    # -- beside the protocol ----------------------------------------------------------

    @property
    def ignores(self) -> frozenset[str]:
        """Controls of sampling that the server is not known to heed: refused when they are set."""
        return frozenset({"top_k", "min_p"}) - self.can

    async def next_tokens(
        self, prompt: Prompt, ledger: Ledger, k: int = 20
    ) -> list[tuple[str, float]]:
        """The likeliest tokens after this prompt with their log-probabilities, as far as the
        server tells; one generated token is charged."""
        return await next_tokens(self, prompt, ledger, k)

    def doubt(self, found: Sequence[str]) -> None:
        """Note what was not believed of an answer's token counts; the first of all warns."""
        if found and not self.doubts:
            warnings.warn(
                f"{self.name}: {'; '.join(found)}; the ledger believes what can be counted, else"
                " the reserved maximum (model.doubts counts such answers)",
                stacklevel=2,
            )
        self.doubts.update(reason.split(" told")[0] for reason in found)
