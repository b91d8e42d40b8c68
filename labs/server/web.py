"""Bodies in and out, the key, clients that leave, and streams: what every route shares."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from labs.server.errors import ApiError, bad, read, stopping
from labs.server.events import event
from labs.server.gate import ClientLeft, Gate

T = TypeVar("T")


async def body_of(request: Request, limit: int) -> Any:
    """The body. Raises ApiError for one that is too large or no JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(
            415, "send JSON with the header Content-Type: application/json", "invalid_request_error"
        )
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > limit:
            raise ApiError(
                413, f"the body is larger than {limit} bytes; send less", "invalid_request_error"
            )
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise bad(f"the body is not JSON: {error}") from error


def answered(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(raw, status, headers, "application/json")


def failed(error: ApiError) -> Response:
    """An error as an answer."""
    return answered(error.body, error.status, error.headers)


async def until_left(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. When the client leaves, cancels it and raises ClientLeft."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientLeft
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Events(Response):
    """A streamed answer: `events` are sent as they come, then `done` is called. The
    request leaves the gate when the stream has ended, whichever way."""

    def __init__(
        self, events: AsyncGenerator[bytes, None], gate: Gate, done: Callable[[], None]
    ) -> None:
        super().__init__(media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        self._events, self._gate, self._done = events, gate, done
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientLeft, ApiError, asyncio.CancelledError), self._gate.inside():
            await until_left(receive, self._send(scope, receive, send))

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False
        try:
            async with aclosing(self._events) as events:
                async for made in events:
                    if not begun:  # an error before the first event is an answer of its own
                        begun = True
                        await send(self._start)
                    await send({"type": "http.response.body", "body": made, "more_body": True})
        except (Exception, asyncio.CancelledError) as error:
            fault = read(error) if isinstance(error, Exception) else stopping()
            if not begun:
                await failed(fault)(scope, receive, send)
            else:  # the status is sent: the error is an event, and there is no [DONE]
                body = event(fault.body)
                await send({"type": "http.response.body", "body": body, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            if isinstance(error, asyncio.CancelledError):
                raise
            raise fault from error
        self._done()
        await send({"type": "http.response.body", "body": b""})

    @property
    def _start(self) -> dict[str, Any]:
        return {"type": "http.response.start", "status": 200, "headers": self.raw_headers}


class Guard:
    """Asks every request but `/health` for the bearer key, compared in constant time."""

    def __init__(self, app: ASGIApp, key: str | None) -> None:
        self.app, self._key = app, None if key is None else key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._key is not None:
            scope["trusted"] = self._known(scope)
            if not scope["trusted"] and scope["path"] != "/health":
                await failed(_no_key())(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        sent = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        scheme, _, key = sent.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(key.strip(), self._key or b"")


def _no_key() -> ApiError:
    return ApiError(
        401, "this server needs its key: Authorization: Bearer KEY", "invalid_api_key",
        headers={"WWW-Authenticate": "Bearer"},
    )  # fmt: skip
