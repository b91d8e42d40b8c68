"""The FastAPI application: routes, errors, the queue, and clients that leave."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from evaluators.errors import LabError
from labs.server import asked as reading
from labs.server.answer import answer, check, piece
from labs.server.asked import Asked
from labs.server.errors import ApiError, bad, read, stopping
from labs.server.events import Streaming, flows, whole_as_events
from labs.server.gate import ClientLeft, Gate
from labs.server.limits import Limits
from labs.server.models import Served, reach
from labs.server.reply import Reply
from labs.server.strategy import plan
from labs.server.web import Events, Guard, answered, body_of, failed, until_left
from reasoning.core import LanguageModel
from reasoning.models.local import LocalModel

UNKNOWN_REACH = 1024
"""Tokens of a chat answer without a limit, of a model that does not tell its context."""


class Answers:
    """Answers requests for the served models."""

    def __init__(self, served: Served, limits: Limits) -> None:
        self.served, self.limits, self.gate = served, limits, Gate(limits.requests)

    async def post(self, request: Request, route: str) -> Response:
        """One completion or chat request, from its body to its answer. Raises ApiError."""
        try:
            return await self._post(request, route)
        except ClientLeft:
            raise
        except asyncio.CancelledError:  # a client that leaves cancels nothing here
            raise stopping() from None
        except Exception as error:
            raise read(error) from error

    async def _post(self, request: Request, route: str) -> Response:
        data = await body_of(request, self.limits.body)
        name = reading.model_of(data)
        model, strategy = self.served.find(name)
        make = reading.chat if route == "chat" else reading.completion
        asked = make(data, reach(model) or UNKNOWN_REACH, search=strategy is not None)
        count = len(asked.prompts) * asked.sampling.n
        if count > self.limits.choices:
            raise bad(f"prompts x n is {count}; one request has at most {self.limits.choices}", "n")
        prompts = check(asked, model)
        if strategy is not None:
            work = plan(asked, model, strategy, self.limits.spend).answer
        else:
            work = partial(answer, asked, model, prompts)
        self.gate.enter()
        if strategy is None and asked.stream and flows(asked, model):
            pieces = Streaming(asked, model, prompts, _reply(asked, model, name))
            return Events(pieces.events(), self.gate, lambda: self.gate.charge(pieces.usage))
        with self.gate.inside():
            made = await until_left(request.receive, work())
        self.gate.charge(made.usage)
        reply = _reply(asked, model, name)
        if asked.stream:
            events = b"".join(whole_as_events(made, asked, reply))
            return Response(events, media_type="text/event-stream")
        return answered(reply.whole(made))

    def health(self, detailed: bool) -> dict[str, Any]:
        """That the server works; its counters, and those of each local model's decode loop."""
        if not detailed:
            return {"status": "ok"}
        models = self.served.models.items()
        return {
            "status": "ok",
            "requests": self.gate.counts(),
            "models": {n: asdict(m.counters) for n, m in models if isinstance(m, LocalModel)},
        }


def _reply(asked: Asked, model: LanguageModel, name: str) -> Reply:
    local = isinstance(model, LocalModel)
    return Reply(asked.route, name, partial(piece, model) if local else None)


def build(served: Served, limits: Limits | None = None, key: str | None = None) -> FastAPI:
    """The application. `key`: what clients must send as their bearer token, None for nothing."""
    answers = Answers(served, limits or Limits())
    app = FastAPI(title="reasonlab serve", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.answers = answers

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        return await answers.post(request, "completion")

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return await answers.post(request, "chat")

    @app.get("/v1/models")
    async def models() -> Response:
        return answered({"object": "list", "data": served.rows()})

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> Response:
        return answered(served.row(name))

    @app.get("/health")
    async def health(request: Request) -> Response:
        return answered(answers.health(request.scope.get("trusted", True)))

    @app.exception_handler(ClientLeft)
    async def left(request: Request, error: Exception) -> Response:
        return Response(status_code=499)  # nobody reads it

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        where = f"{request.method} {request.url.path}"
        text = f"{where}: {getattr(error, 'detail', 'not found')}; there are /v1/completions,"
        text += " /v1/chat/completions, /v1/models and /health"
        return failed(ApiError(status, text, "invalid_request_error"))

    @app.exception_handler(LabError)
    async def fault(request: Request, error: Exception) -> Response:
        return failed(read(error))

    app.add_middleware(Guard, key=key)
    return app
